"""A cell of the grid: one data set x embedding x head x balancer, its settings, and what its folds left."""

from dataclasses import dataclass
from typing import Any

import numpy as np

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
    criterion : str
        What thresholds and that search make as large as they can (key of ``CRITERIA``).
    cost : tuple of str
        ``CLASS=NUMBER``: what missing an image of a class costs, by the criterion ``"cost"``.
    balance_seeds : int
        Seeds of resampling under which each fold is fitted; heads, folds and the first of them are as with one.
    """

    folds: int = 5
    repeats: int = 1
    protocol: str = "cv"
    seed: int = 0
    reduce: str | None = None
    tune: bool = False
    criterion: str = "recall_macro"
    cost: tuple[str, ...] = ()
    balance_seeds: int = 1


@dataclass(frozen=True, eq=False)
class FoldScores:
    """Out-of-fold predictions of one test fold.

    Attributes
    ----------
    repeat, fold : int
    rows : ndarray of int64, shape (m,)
        Rows of the problem that were predicted; -1 marks a synthetic point (``leaky`` protocol only).
    labels, predicted : ndarray of int64, shape (m,)
    scores : ndarray of float32, shape (m, k)
        Class probabilities, each row summing to 1.
    seconds : float
        Time to fit and predict, the shared scaling and resampling not included.
    counts_before, counts_after : ndarray of int64, shape (k,)
        Training images per class before and after balancing.
    balance_seed : int
        Which of the seeds of resampling it was fitted with; metrics and tests are of the first, 0, only.
    """

    repeat: int
    fold: int
    rows: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray
    seconds: float
    counts_before: np.ndarray
    counts_after: np.ndarray
    balance_seed: int = 0


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell, planned, finished or failed.

    Attributes
    ----------
    key : str
        Digest of everything that determined the cell.
    problem : str
        Fingerprint of the problem; labels, groups and ids are stored once under it.
    dataset, model, head, balance, protocol : str
    settings : dict
        Format, folds, repeats, seed, reduce, tune and the parameters of head and balancer; earlier versions left out
        what is not said here to be theirs.
    status : str
        ``"fitted"`` or ``"failed"``; in a plan ``"planned"`` or ``"reused"`` too.
    reason : str
        Why it failed and the remedy; empty where fitted.
    seconds : float
    folds : tuple of FoldScores
        Empty where only what describes the cell was read.
    """

    key: str
    problem: str
    dataset: str
    model: str
    head: str
    balance: str
    protocol: str
    settings: dict[str, Any]
    status: str
    reason: str = ""
    seconds: float = 0.0
    folds: tuple[FoldScores, ...] = ()

    @property
    def place(self) -> dict[str, str]:
        """Where it lies in the grid, for a row of a table."""
        return {name: getattr(self, name) for name in ("dataset", "model", "head", "balance")}


def format_of(cell: Cell) -> int:
    """Cells of another format were divided or fitted differently under the same settings; 0.1 did not write it."""
    return cell.settings.get("format", 2)


def reseeded(key: str, balance_seed: int) -> str:
    """Key of the folds of a cell with one of the seeds of resampling; those after the first are no part of the cell.

    >>> reseeded("c0ffee", 0), reseeded("c0ffee", 2)
    ('c0ffee', 'c0ffee/2')
    """
    return f"{key}/{balance_seed}" if balance_seed else key


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


def package_of(path: str) -> str:
    """Top-level package of an import path ``module:class``."""
    return path.partition(":")[0].partition(".")[0]
