"""What holds for every cell of a grid."""

from dataclasses import dataclass

from headroom.errors import HeadError


@dataclass(frozen=True)
class GridSettings:
    """Folds, protocol and what is done alike for every head.

    Attributes
    ----------
    folds, repeats : int
    protocol : {"cv", "split", "leaky"}
    seed : int
        Of folds, resampling and heads; repeat ``r`` resamples and fits with ``seed + r``.
    reduce : str, optional
        ``"pca:N"`` keeps the first N principal components of the scaled training part.
    tune : bool
        Whether each head's small search space is searched on inner folds.
    """

    folds: int = 5
    repeats: int = 1
    protocol: str = "cv"
    seed: int = 0
    reduce: str | None = None
    tune: bool = False


def plan_reduction(reduce: str | None) -> int | None:
    """Principal components that ``reduce`` asks for.

    Raises
    ------
    HeadError
        Where it is not of the form ``pca:N``.

    Examples
    --------
    >>> plan_reduction("pca:128")
    128
    """
    if reduce is None:
        return None
    method, _, number = reduce.partition(":")
    if method != "pca" or not number.isdecimal() or int(number) < 1:
        raise HeadError(
            got=f"--reduce {reduce!r} is not understood", remedy="write --reduce pca:N, for example pca:128"
        )
    return int(number)
