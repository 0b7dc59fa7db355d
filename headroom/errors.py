"""The errors that headroom raises for what a user can mend."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_NAMED = 20


class HeadroomError(Exception):
    """Something a user gave cannot be used.

    Parameters
    ----------
    got : str
        One line: what was got.
    remedy : str
        One line: what to do about it.

    Examples
    --------
    >>> raise HeadError(got="class 'rare' has one image", remedy="add images of it or leave the class out")
    Traceback (most recent call last):
    headroom.errors.HeadError: class 'rare' has one image
    """

    def __init__(self, got: str, remedy: str) -> None:
        super().__init__(got)
        self.got = got
        self.remedy = remedy

    def __reduce__(self) -> tuple:
        return type(self), (self.got, self.remedy)


class FeatureError(HeadroomError):
    """Images, networks or embeddings cannot be used."""


class HeadError(HeadroomError):
    """Vectors, labels, heads or results cannot be used."""


class UsageError(HeadroomError):
    """A command was used wrongly."""


def nearest(name: str, table: Iterable[str]) -> str:
    """Say which names of a table were perhaps meant.

    Examples
    --------
    >>> nearest("exception", ["xception", "vgg16"]), nearest("a", [])
    ('did you mean xception?', 'choose from: (none yet)')
    """
    rows = list(table)
    near = get_close_matches(name.lower(), rows, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"choose from: {', '.join(rows[:MOST_NAMED]) or '(none yet)'}{', ...' * (len(rows) > MOST_NAMED)}"
