"""What is best: the criterion, and decisions moved to it by thresholds fitted on unseen images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from headroom.errors import HeadError, nearest

SWEEPS = 10
STEPS = 41  # values tried a parameter and sweep
LEAST_COST = 1e-6  # has a logarithm

Rule = Callable[[np.ndarray], np.ndarray]
"""Labels, shape (n,), of class probabilities, shape (n, k)."""


@dataclass(frozen=True)
class Criterion:
    """What thresholds and ``--tune`` make as large as they can.

    Attributes
    ----------
    name, title : str
    goodness : callable
        Of a confusion matrix (rows: true classes) and what missing an image of each class costs.
    graded : bool
        Whether it needs ordered classes.
    """

    name: str
    title: str
    goodness: Callable[[np.ndarray, np.ndarray], float]
    graded: bool = False

    def __call__(self, labels: np.ndarray, predicted: np.ndarray, costs: np.ndarray) -> float:
        """How good predicted labels are; called too often for scikit-learn's checks."""
        classes = len(costs)
        confusion = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
        return self.goodness(confusion, costs)


def _accuracy(confusion: np.ndarray, costs: np.ndarray) -> float:
    return confusion.trace() / confusion.sum()


def _recall_macro(confusion: np.ndarray, costs: np.ndarray) -> float:
    images = confusion.sum(axis=1)
    return float(np.mean(confusion.diagonal()[images > 0] / images[images > 0]))


def _f1_macro(confusion: np.ndarray, costs: np.ndarray) -> float:
    images = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float(np.mean(2 * confusion.diagonal()[images > 0] / images[images > 0]))


def _kappa_quadratic(confusion: np.ndarray, costs: np.ndarray) -> float:
    grades = np.arange(len(confusion))
    apart = (grades[:, None] - grades) ** 2
    by_chance = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / confusion.sum()
    return float(1 - np.sum(apart * confusion) / np.sum(apart * by_chance)) if np.any(apart * by_chance) else 0.0


def _cost(confusion: np.ndarray, costs: np.ndarray) -> float:
    missed = confusion.sum(axis=1) - confusion.diagonal()
    return -float(costs @ missed) / confusion.sum()


_RECORDS = (
    Criterion("recall_macro", "macro recall", _recall_macro),
    Criterion("kappa_quadratic", "quadratic weighted kappa", _kappa_quadratic, graded=True),
    Criterion("accuracy", "accuracy", _accuracy),
    Criterion("f1_macro", "macro F1", _f1_macro),
    Criterion("cost", "expected cost", _cost),
)

CRITERIA: dict[str, Criterion] = {record.name: record for record in _RECORDS}
"""Every criterion by name."""


def plan_criterion(name: str, cost: Sequence[str], classes: Sequence[str], *, ordinal: bool) -> np.ndarray:
    """What missing an image of each class costs, shape (k,): 1 where ``cost`` does not name it.

    Raises
    ------
    HeadError
        Where the criterion is unknown or does not suit the classes, or the costs are not understood.

    Examples
    --------
    >>> plan_criterion("cost", ["severe=5"], ["healthy", "severe"], ordinal=False)
    array([1., 5.])
    """
    if name not in CRITERIA:
        raise HeadError(got=f"unknown criterion {name!r}", remedy=nearest(name, CRITERIA))
    if CRITERIA[name].graded and not ordinal:
        raise HeadError(got=f"--criterion {name} where classes are not ordered", remedy="use another --criterion")
    if bool(cost) != (name == "cost"):
        got = "--criterion cost without a cost" if name == "cost" else f"--cost with --criterion {name}"
        raise HeadError(got=got, remedy="write --criterion cost --cost CLASS=NUMBER")
    costs = np.ones(len(classes))
    for text in cost:
        label, _, number = text.rpartition("=")
        if label not in classes:
            raise HeadError(got=f"--cost {text!r} names no class", remedy=f"write one of {', '.join(classes)} and a =")
        try:
            costs[list(classes).index(label)] = float(number)
        except ValueError:
            raise HeadError(got=f"--cost {text!r} is not understood", remedy="write --cost CLASS=NUMBER") from None
    if not np.all(np.isfinite(costs) & (costs >= 0)) or not costs.any():
        raise HeadError(got=f"costs {', '.join(cost)}", remedy="give numbers of 0 or more, not all 0")
    return costs


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


def fit_rule(criterion: Criterion, scores: np.ndarray, labels: np.ndarray, costs: np.ndarray) -> Rule:
    """Thresholds that are best by the criterion: cut points where it needs grades, else class offsets."""
    return fit_cuts(scores, labels) if criterion.graded else fit_offsets(scores, labels, criterion, costs)


def fit_offsets(
    scores: np.ndarray,
    labels: np.ndarray,
    criterion: Criterion = CRITERIA["recall_macro"],
    costs: np.ndarray | None = None,
) -> Offsets:
    """Class offsets that are best by a criterion.

    The search starts at what perfect probabilities would ask for (the logarithm of the costs for accuracy and expected
    cost, minus that of each class's frequency for macro recall, half of it between them) and moves one offset at a
    time; the best of the three ends counts.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
        Out-of-fold class probabilities.
    labels : ndarray of int64, shape (n,)
    criterion : Criterion
    costs : ndarray, shape (k,), default: equal
        What missing an image of each class costs; only the criterion "cost" reads it.

    Returns
    -------
    Offsets

    Examples
    --------
    >>> scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.7, 0.3]])
    >>> fit_offsets(scores, np.array([0, 0, 0, 1]))(scores)
    array([0, 0, 0, 1])
    """
    costs = np.ones(scores.shape[1]) if costs is None else costs
    counts = np.bincount(labels, minlength=scores.shape[1])
    rarity = -np.log(np.maximum(counts, 1) / counts.sum())
    moves = np.linspace(-2.0, 2.0, STEPS)

    def goodness(values: np.ndarray) -> float:
        return criterion(labels, Offsets(values)(scores), costs)

    starts = (np.log(np.maximum(costs, LEAST_COST)), rarity, rarity / 2)
    best = max(
        (_ascend(start, lambda values, place: values[place] + moves, goodness) for start in starts), key=goodness
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
    criterion, costs, grades = CRITERIA["kappa_quadratic"], np.ones(scores.shape[1]), expected_grade(scores)
    shares = np.cumsum(np.bincount(labels, minlength=scores.shape[1]))[:-1] / len(labels)

    def between(values: np.ndarray, place: int) -> np.ndarray:
        bounds = [grades.min(), *values, grades.max()]
        return np.linspace(bounds[place], bounds[place + 2], STEPS)

    start = np.quantile(grades, shares)  # as many images a grade as there are
    return Cuts(_ascend(start, between, lambda values: criterion(labels, Cuts(values)(scores), costs)))


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
