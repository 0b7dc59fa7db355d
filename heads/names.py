"""Names of records, and the nearest right ones to a wrong name."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from headroom.errors import HeadError

Record = TypeVar("Record")


def known(name: str, table: Mapping[str, Record], what: str) -> Record:
    """The record of a name.

    Raises
    ------
    HeadError
        Where the table has no such name; the remedy lists the nearest ones.

    Examples
    --------
    >>> known("svn", {"svm": 1, "knn": 2}, "head")
    Traceback (most recent call last):
    headroom.errors.HeadError: unknown head 'svn'
    """
    if name in table:
        return table[name]
    near = get_close_matches(name, table, n=3, cutoff=0.5)
    raise HeadError(
        got=f"unknown {what} {name!r}",
        remedy=f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(table)}",
    )
