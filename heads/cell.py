"""A cell of the grid: one data set x embedding x head x balancer, and what its folds left."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


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


@dataclass(frozen=True, eq=False)
class Cell:
    """One finished or failed cell.

    Attributes
    ----------
    key : str
        Digest of everything that determined the cell.
    problem : str
        Fingerprint of the problem; labels, groups and ids are stored once under it.
    dataset, model, head, balance, protocol : str
    settings : dict
        Folds, repeats, seed, reduce, tune and the parameters of head and balancer.
    status : str
        ``"fitted"`` or ``"failed"``.
    reason : str
        Why it failed and the remedy; empty where fitted.
    seconds : float
    folds : tuple of FoldScores
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
    folds: tuple[FoldScores, ...] = field(default=())
