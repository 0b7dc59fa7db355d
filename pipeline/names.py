"""Names that a user types against the rows of a table."""

import fnmatch
from collections.abc import Iterable

from headroom.errors import UsageError, nearest


def pick(kind: str, asked: Iterable[str], table: Iterable[str]) -> list[str]:
    """The rows that names, wildcards such as ``"densenet*"`` and ``"all"`` stand for, each once, in the order asked.

    Raises
    ------
    UsageError
        A name fits no row; ``kind`` says what the table holds.

    Examples
    --------
    >>> pick("head", ["svm", "l*"], ["svm", "lda", "logreg"])
    ['svm', 'lda', 'logreg']
    """
    rows = list(table)
    found: dict[str, None] = {}
    for name in asked:
        hits = [name] if name in rows else rows if name == "all" else fnmatch.filter(rows, name)
        if not hits:
            raise unknown(kind, name, rows)
        found.update(dict.fromkeys(hits))
    return list(found)


def unknown(kind: str, name: str, rows: list[str]) -> UsageError:
    """The error for a name that fits no row, with the nearest right ones.

    Examples
    --------
    >>> unknown("model", "exception", ["xception", "vgg16"]).remedy
    'did you mean xception?'
    """
    return UsageError(got=f"unknown {kind} '{name}'", remedy=nearest(name, rows))
