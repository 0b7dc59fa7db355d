"""What is fitted: an estimator with its calibration, decisions moved by thresholds, combinations of heads."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

FLOOR = 1e-6  # smallest probability a head's own output is trusted with
SWEEPS = 10
STEPS = 41  # values tried a parameter and sweep


def margins(estimator: Any, vectors: np.ndarray) -> np.ndarray:
    """Outputs of a fitted estimator as one unnormalised log-probability a class.

    Parameters
    ----------
    estimator : scikit-learn classifier
        With ``predict_proba`` or ``decision_function``.
    vectors : ndarray of float32, shape (n, d)

    Returns
    -------
    ndarray of float64, shape (n, k)
    """
    if hasattr(estimator, "predict_proba"):
        return np.log(np.clip(estimator.predict_proba(vectors), FLOOR, 1.0).astype(np.float64))
    decision = np.asarray(estimator.decision_function(vectors), dtype=np.float64)
    return decision if decision.ndim == 2 else np.column_stack([-decision / 2, decision / 2])


@dataclass(frozen=True, eq=False)
class Calibration:
    """Map from outputs to class probabilities: a softmax, after a fitted linear map where there is one."""

    map: LogisticRegression | None = None

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        """Class probabilities, shape (n, k), of outputs from ``margins``, shape (n, k)."""
        plain = softmax(outputs, axis=1)
        if self.map is None:
            return plain
        unseen = np.setdiff1d(np.arange(outputs.shape[1]), self.map.classes_)
        left = 1.0 - plain[:, unseen].sum(axis=1, keepdims=True)
        plain[:, self.map.classes_] = left * self.map.predict_proba(outputs)
        return plain


def fit_calibration(outputs: np.ndarray, labels: np.ndarray) -> Calibration:
    """Fit the map on images that the head has not seen and that were never resampled.

    The map is a multinomial logistic regression on the outputs: Platt's sigmoid with two classes, Dirichlet
    calibration (Kull et al., NeurIPS 2019) where the outputs are log-probabilities. Fitted at the true class
    frequencies, it also undoes the shift that resampling puts into a head's outputs. A class without held-out images
    keeps the share that the plain softmax gives it.

    Parameters
    ----------
    outputs : ndarray, shape (n, k)
        From ``margins``.
    labels : ndarray of int64, shape (n,)
        Of at least two classes.

    Returns
    -------
    Calibration

    Examples
    --------
    >>> outputs = np.array([[2.0, -2.0], [2.0, -2.0], [2.0, -2.0], [-2.0, 2.0]] * 50)
    >>> calibration = fit_calibration(outputs, np.array([0, 0, 1, 1] * 50))
    >>> calibration(outputs[:1]).round(1)
    array([[0.7, 0.3]])
    """
    return Calibration(LogisticRegression(max_iter=1000).fit(outputs, labels))


Rule = Callable[[np.ndarray], np.ndarray]
"""Labels, shape (n,), of class probabilities, shape (n, k)."""


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
        bounds = [grades.min(), *values, grades.max()]
        return np.linspace(bounds[place], bounds[place + 2], STEPS)

    start = np.quantile(grades, shares)  # as many images a grade as there are
    return Cuts(_ascend(start, between, lambda values: _kappa(labels, Cuts(values)(scores))))


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


class FittedHead(ABC):
    """A fitted head; ``shift``, shape (k,), is how much more frequent each class was in fitting than in its scores."""

    shift: np.ndarray

    @abstractmethod
    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities, shape (n, k)."""

    def votes(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities at the frequencies of fitting."""
        return shifted(self.scores(vectors), self.shift)

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Labels, shape (n,)."""
        return self.votes(vectors).argmax(axis=1)


@dataclass(frozen=True, eq=False)
class Single(FittedHead):
    """One estimator: labels by its own rule, scores by its calibration."""

    estimator: Any
    calibration: Calibration
    shift: np.ndarray

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Calibrated class probabilities."""
        return self.calibration(margins(self.estimator, vectors))

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """What the estimator itself predicts."""
        return np.asarray(self.estimator.predict(vectors)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Voting(FittedHead):
    """Soft voting: the mean of the members' probabilities, for labels at the class frequencies they were fitted on."""

    members: Sequence[FittedHead]

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Mean class probabilities."""
        return np.mean([member.scores(vectors) for member in self.members], axis=0)

    def votes(self, vectors: np.ndarray) -> np.ndarray:
        """Mean votes."""
        return np.mean([member.votes(vectors) for member in self.members], axis=0)


@dataclass(frozen=True, eq=False)
class Stacking(FittedHead):
    """A last estimator on the members' log-probabilities (Wolpert, Neural Networks 1992)."""

    members: Sequence[FittedHead]
    last: Any
    shift: np.ndarray

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities of the last estimator."""
        return self.last.predict_proba(stacked([member.scores(vectors) for member in self.members]))


@dataclass(frozen=True, eq=False)
class Thresholded(FittedHead):
    """A head whose labels follow a rule fitted on unseen images; its scores stay as they are."""

    head: FittedHead
    rule: Rule

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Class probabilities of the head."""
        return self.head.scores(vectors)

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """What the rule makes of the scores."""
        return self.rule(self.scores(vectors))


def shifted(scores: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Probabilities, shape (n, k), at other class frequencies (Saerens et al., Neural Computation 2002)."""
    weighted = scores * shift
    return weighted / weighted.sum(axis=1, keepdims=True)


def stacked(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Members' probabilities side by side as logarithms, shape (n, members * k)."""
    return np.log(np.clip(np.hstack(scores), FLOOR, 1.0))
