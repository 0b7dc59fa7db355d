"""Probabilities from outputs: a map fitted on images that a head has not seen and that were never resampled."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NEARLY_ZERO = 1e-6  # added to a probability before its logarithm is taken
NO_PENALTY = 1e9  # as good as none; infinity makes earlier scikit-learn warn


class Outputs(NamedTuple):
    """What a fitted estimator says before it is calibrated.

    Attributes
    ----------
    values : ndarray of float64, shape (n, m)
        What the map is fitted on: of two classes their difference alone, so that the map keeps the order; of a support
        vector machine one decision a pair of classes; else as `logits`.
    logits : ndarray of float64, shape (n, k)
        One unnormalised log-probability a class.
    """

    values: np.ndarray
    logits: np.ndarray

    @classmethod
    def of(cls, estimator: Any, vectors: np.ndarray, added: float = NEARLY_ZERO) -> "Outputs":
        """Outputs of a fitted scikit-learn classifier; ``added`` is about half a vote where it counts votes."""
        if hasattr(estimator, "predict_proba"):
            logits = np.log(estimator.predict_proba(vectors).astype(np.float64) + added)
            return cls(logits[:, 1:] - logits[:, :1] if logits.shape[1] == 2 else logits, logits)
        decision = np.asarray(estimator.decision_function(vectors), dtype=np.float64)
        if decision.ndim == 1:
            return cls(decision[:, None], np.column_stack([-decision / 2, decision / 2]))
        if getattr(estimator, "decision_function_shape", "") == "ovo":
            pairs = list(combinations(np.eye(len(estimator.classes_)), 2))
            return cls(decision, decision @ np.array([first - second for first, second in pairs]))
        return cls(decision, decision)

    @classmethod
    def joined(cls, parts: Sequence["Outputs"]) -> "Outputs":
        """Outputs for several sets of images, one after the other."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))


@dataclass(frozen=True, eq=False)
class Calibration:
    """Map from outputs to class probabilities: a softmax, or a fitted classifier of the outputs."""

    map: ClassifierMixin | None = None

    def __call__(self, outputs: Outputs) -> np.ndarray:
        """Class probabilities, shape (n, k); classes that the map does not know keep their share of the softmax."""
        scores = softmax(outputs.logits, axis=1)
        if self.map is not None:
            known = self.map.classes_
            scores[:, known] = scores[:, known].sum(axis=1, keepdims=True) * self.map.predict_proba(outputs.values)
        return scores


def fit_calibration(outputs: Outputs, labels: np.ndarray) -> Calibration:
    """Fit the map on held-out images.

    With two classes it is Platt's sigmoid without a penalty (Advances in Large Margin Classifiers 1999), with his
    targets, which keep it finite where the outputs separate the classes. With more it is a multinomial logistic
    regression on standardised outputs, with the weak penalty (C = 1) that small sets need: Dirichlet calibration (Kull
    et al., NeurIPS 2019) where the outputs are log-probabilities; on decisions a pair of classes it does what coupling
    of pairwise sigmoids does (Wu, Lin and Weng, Journal of Machine Learning Research 5, 2004). Fitted at the true class
    frequencies, it also undoes the shift that resampling puts into a head's outputs.

    Parameters
    ----------
    outputs : Outputs
    labels : ndarray of int64, shape (n,)
        Of at least two classes.

    Returns
    -------
    Calibration

    Examples
    --------
    >>> logits = np.array([[2.0, -2.0], [2.0, -2.0], [2.0, -2.0], [-2.0, 2.0]] * 50)
    >>> outputs = Outputs(logits[:, 1:] - logits[:, :1], logits)
    >>> fit_calibration(outputs, np.array([0, 0, 1, 1] * 50))(outputs)[0].round(1)
    array([0.7, 0.3])
    """
    if outputs.values.shape[1] == 1:
        return Calibration(_fit_sigmoid(outputs.values, labels))
    scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return Calibration(scaled.fit(outputs.values, labels))


def _fit_sigmoid(values: np.ndarray, labels: np.ndarray) -> ClassifierMixin:
    """Each image counts as ``(n + 1) / (n + 2)`` of its class of n images, and as the rest of the other."""
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    own = (counts[codes] + 1) / (counts[codes] + 2)
    scaled = make_pipeline(StandardScaler(), LogisticRegression(C=NO_PENALTY, max_iter=1000))
    weights = {"logisticregression__sample_weight": np.concatenate([own, 1 - own])}
    return scaled.fit(np.tile(values, (2, 1)), np.concatenate([labels, classes[1 - codes]]), **weights)
