"""Probabilities from outputs: a map fitted on images that a head has not seen and that were never resampled."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

FLATTEST = 1e-3  # least slope, a standard deviation of the outputs: no map turns their order round
NEARLY_ZERO = 1e-6  # added to a probability before its logarithm is taken


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a fitted estimator says before it is calibrated.

    Attributes
    ----------
    values : ndarray of float64, shape (n, k) or (n, k * (k - 1) / 2)
        One unnormalised log-probability a class or, where ``paired``, one decision a pair of classes, positive for
        the first.
    classes : int
    paired : bool
    """

    values: np.ndarray
    classes: int
    paired: bool = False

    @classmethod
    def of(cls, estimator: Any, vectors: np.ndarray, added: float = NEARLY_ZERO) -> "Outputs":
        """Outputs of a fitted scikit-learn classifier; ``added`` is half a vote where it counts votes."""
        classes = len(estimator.classes_)
        if hasattr(estimator, "predict_joint_log_proba"):  # naive Bayes: its probabilities are all 0 or 1
            return cls(estimator.predict_joint_log_proba(vectors).astype(np.float64), classes)
        if not hasattr(estimator, "decision_function"):
            return cls(np.log(estimator.predict_proba(vectors).astype(np.float64) + added), classes)
        decision = np.asarray(estimator.decision_function(vectors), dtype=np.float64)
        if decision.ndim == 1:
            return cls(np.column_stack([-decision / 2, decision / 2]), classes)
        return cls(decision, classes, paired=getattr(estimator, "decision_function_shape", "") == "ovo")

    @classmethod
    def joined(cls, parts: Sequence["Outputs"]) -> "Outputs":
        """Outputs for several sets of images, one after the other."""
        return cls(np.concatenate([part.values for part in parts]), parts[0].classes, parts[0].paired)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Map from outputs to class probabilities.

    A softmax of the outputs times one slope plus one offset a class; of paired outputs a sigmoid a pair, coupled.

    Attributes
    ----------
    slopes : float, or ndarray of shape (pairs,)
    offsets : float, or ndarray of shape (seen,) or (pairs,)
    seen : ndarray of int64, or None
        Classes that it was fitted on; the others keep the share that the plain softmax gives them.
    """

    slopes: np.ndarray | float = 1.0
    offsets: np.ndarray | float = 0.0
    seen: np.ndarray | None = None

    def __call__(self, outputs: Outputs) -> np.ndarray:
        """Class probabilities, shape (n, k)."""
        if outputs.paired:
            return couple(expit(self.slopes * outputs.values + self.offsets), outputs.classes)
        scores = softmax(outputs.values, axis=1)
        if self.seen is not None:
            mapped = softmax(self.slopes * _centred(outputs.values[:, self.seen]) + self.offsets, axis=1)
            scores[:, self.seen] = scores[:, self.seen].sum(axis=1, keepdims=True) * mapped
        return scores


def fit_calibration(outputs: Outputs, labels: np.ndarray) -> Calibration:
    """Fit the map without a penalty.

    With two classes it is Platt's sigmoid (Advances in Large Margin Classifiers 1999) with his targets, which keep it
    finite where the classes are separable; with more, temperature scaling with an offset a class (Alexandari et al.,
    ICML 2020), the targets likewise. Fitted at the true class frequencies, the offsets undo the shift that resampling
    puts into a head's outputs. Paired outputs get Platt's sigmoid a pair.

    Parameters
    ----------
    outputs : Outputs
        For images that were held out.
    labels : ndarray of int64, shape (n,)
        Of at least two classes.

    Returns
    -------
    Calibration

    Examples
    --------
    >>> outputs = Outputs(np.array([[2.0, -2.0], [2.0, -2.0], [2.0, -2.0], [-2.0, 2.0]] * 50), classes=2)
    >>> fit_calibration(outputs, np.array([0, 0, 1, 1] * 50))(outputs)[0].round(1)
    array([0.7, 0.3])
    """
    if not outputs.paired:
        seen = np.unique(labels)
        return Calibration(*_fit_softmax(outputs.values[:, seen], np.searchsorted(seen, labels)), seen)
    pairs = list(combinations(range(outputs.classes), 2))
    slopes, offsets = np.ones(len(pairs)), np.zeros(len(pairs))
    for place, pair in enumerate(pairs):
        rows = np.isin(labels, pair)
        if len(np.unique(labels[rows])) == 2:
            decision, first = outputs.values[rows, place], (labels[rows] == pair[0]).astype(int)
            slopes[place], both = _fit_softmax(np.column_stack([-decision / 2, decision / 2]), first)
            offsets[place] = both[1] - both[0]
    return Calibration(slopes, offsets, np.unique(labels))


def _fit_softmax(values: np.ndarray, codes: np.ndarray) -> tuple[float, np.ndarray]:
    """Slope and offsets with the least log loss; an image counts as ``(n + 1) / (n + k)`` of its class of n images."""
    values = _centred(values)
    scale = values.std() or 1.0
    count, classes = values.shape
    images = np.bincount(codes)[codes, None]
    targets = (1 + images * (codes[:, None] == np.arange(classes))) / (images + classes)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        logs = log_softmax(parameters[0] * values / scale + parameters[1:], axis=1)
        error = (np.exp(logs) - targets) / count
        return -np.sum(targets * logs) / count, np.array([np.sum(error * values) / scale, *error.sum(axis=0)])

    bounds = [(FLATTEST, None)] + [(None, None)] * classes
    slope, *offsets = minimize(loss, np.eye(1 + classes)[0], jac=True, method="L-BFGS-B", bounds=bounds).x
    return slope / scale, np.array(offsets)


def _centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=1, keepdims=True)


def couple(firsts: np.ndarray, classes: int) -> np.ndarray:
    """Class probabilities that agree best with those of the first of each pair of classes.

    The second method of Wu, Lin and Weng (Journal of Machine Learning Research 5, 2004).

    Parameters
    ----------
    firsts : ndarray, shape (n, k * (k - 1) / 2)
        Probability of the first class of each pair, given that it is one of the two.
    classes : int

    Returns
    -------
    ndarray of float64, shape (n, k)

    Examples
    --------
    >>> couple(np.array([[0.5 / 0.8, 0.5 / 0.7, 0.3 / 0.5]]), 3).round(3)
    array([[0.5, 0.3, 0.2]])
    """
    one_of = np.zeros((len(firsts), classes, classes))
    for place, (first, second) in enumerate(combinations(range(classes), 2)):
        one_of[:, first, second], one_of[:, second, first] = firsts[:, place], 1 - firsts[:, place]
    equations = np.ones((len(firsts), classes + 1, classes + 1))
    equations[:, :-1, :-1] = -one_of * one_of.swapaxes(1, 2)
    diagonal = np.arange(classes)
    equations[:, diagonal, diagonal] = np.sum(one_of**2, axis=1)
    equations[:, -1, -1] = 0.0
    scores = np.linalg.solve(equations, np.eye(classes + 1)[:, -1:])[:, :-1, 0].clip(0.0)
    return scores / scores.sum(axis=1, keepdims=True)
