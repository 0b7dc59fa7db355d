"""Probabilities from whatever a head puts out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

FLOOR = 1e-6  # smallest probability a head's own output is trusted with


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
