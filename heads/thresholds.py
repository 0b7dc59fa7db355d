"""Decisions moved instead of data: offsets a class, or cut points on the expected grade."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

SWEEPS = 10
STEPS = 41  # values tried a parameter and sweep


class Rule(Protocol):
    """Labels from class probabilities."""

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Labels, shape (n,), of scores, shape (n, k)."""


@dataclass(frozen=True, eq=False)
class Offsets:
    """The class whose log-probability plus offset is largest."""

    values: np.ndarray

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Labels, shape (n,)."""
        return (np.log(np.maximum(scores, np.finfo(float).tiny)) + self.values).argmax(axis=1)


@dataclass(frozen=True, eq=False)
class Cuts:
    """The grade whose interval between ascending cut points holds the expected grade."""

    values: np.ndarray

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Labels, shape (n,)."""
        return np.searchsorted(self.values, expected_grade(scores)).astype(np.int64)


def expected_grade(scores: np.ndarray) -> np.ndarray:
    """Mean grade, shape (n,), under class probabilities, shape (n, k)."""
    return scores @ np.arange(scores.shape[1])


def fit_offsets(scores: np.ndarray, labels: np.ndarray) -> Offsets:
    """Class offsets with the largest macro recall.

    The search starts where it would end with perfect probabilities, at minus the log of each class's frequency, and
    moves one offset at a time.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
        Out-of-fold class probabilities.
    labels : ndarray of int64, shape (n,)

    Returns
    -------
    Offsets

    Examples
    --------
    >>> scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.7, 0.3]])
    >>> fit_offsets(scores, np.array([0, 0, 0, 1]))(scores)
    array([0, 0, 0, 1])
    """
    counts = np.bincount(labels, minlength=scores.shape[1])
    start = -np.log(np.maximum(counts, 1) / counts.sum())
    moves = np.linspace(-2.0, 2.0, STEPS)
    best = _ascend(
        start,
        lambda values, place: values[place] + moves,
        lambda values: _macro_recall(labels, Offsets(values)(scores)),
    )
    return Offsets(best - best.mean())


def fit_cuts(scores: np.ndarray, labels: np.ndarray) -> Cuts:
    """Cut points on the expected grade with the largest quadratic weighted kappa.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
        Out-of-fold probabilities of ordered classes.
    labels : ndarray of int64, shape (n,)

    Returns
    -------
    Cuts
        ``k - 1`` ascending cut points.

    Examples
    --------
    >>> scores = np.array([[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.4, 0.5, 0.1]])
    >>> fit_cuts(scores, np.array([0, 1, 2]))(scores)
    array([0, 1, 2])
    """
    grades = expected_grade(scores)
    shares = np.cumsum(np.bincount(labels, minlength=scores.shape[1]))[:-1] / len(labels)

    def between(values: np.ndarray, place: int) -> np.ndarray:
        low = values[place - 1] if place else grades.min()
        high = values[place + 1] if place + 1 < len(values) else grades.max()
        return np.linspace(low, high, STEPS)

    start = np.quantile(grades, shares)  # as many images a grade as there are
    best = _ascend(start, between, lambda values: _kappa(labels, Cuts(values)(scores)))
    return Cuts(best)


def _ascend(
    values: np.ndarray,
    candidates: Callable[[np.ndarray, int], np.ndarray],
    goodness: Callable[[np.ndarray], float],
) -> np.ndarray:
    """Move one value at a time to its best candidate until a sweep gains nothing; ties keep the middle candidate."""
    best = goodness(values)
    for _ in range(SWEEPS):
        before = best
        for place in range(len(values)):
            tried = [np.where(np.arange(len(values)) == place, value, values) for value in candidates(values, place)]
            found = np.array([goodness(trial) for trial in tried])
            if found.max() > best:
                plateau = np.flatnonzero(found == found.max())
                values, best = tried[plateau[len(plateau) // 2]], found.max()
        if best == before:
            break
    return values


def _macro_recall(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Mean recall of the classes that occur; called too often for scikit-learn's checks."""
    right, there = np.bincount(labels[labels == predicted], minlength=labels.max() + 1), np.bincount(labels)
    return float(np.mean(right[there > 0] / there[there > 0]))


def _kappa(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Quadratic weighted kappa in moments: 1 - E(t - p)^2 / (var t + var p + (mean t - mean p)^2)."""
    spread = labels.var() + predicted.var() + (labels.mean() - predicted.mean()) ** 2
    return float(1 - np.mean((labels - predicted) ** 2) / spread) if spread else 0.0
