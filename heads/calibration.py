"""Probabilities from whatever a head puts out."""

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

FLOOR = 1e-6  # smallest probability a head's own output is trusted with
PRIOR = 1.0  # weight of the pull towards "leave the outputs as they are", in images


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


def fit_calibration(outputs: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Temperature and class offsets that make held-out outputs probabilities.

    The map is ``softmax(slope * outputs + offsets)``, fitted by maximum likelihood with a weak pull towards slope 1
    and offsets 0, so that a class without held-out images stays where it was. Temperature with class offsets is the
    bias-corrected temperature scaling of Alexandari, Kundaje and Shrikumar (ICML 2020); with two classes it is
    Platt's sigmoid.

    Parameters
    ----------
    outputs : ndarray, shape (n, k)
        From ``margins``, on images that the head has not seen.
    labels : ndarray of int64, shape (n,)

    Returns
    -------
    slope : float
    offsets : ndarray of float64, shape (k,)

    Examples
    --------
    >>> outputs = np.array([[2.0, -2.0], [2.0, -2.0], [2.0, -2.0], [-2.0, 2.0]] * 50)
    >>> slope, offsets = fit_calibration(outputs, np.array([0, 0, 1, 1] * 50))
    >>> apply_calibration(outputs[:1], slope, offsets).round(1)
    array([[0.7, 0.3]])
    """
    classes = outputs.shape[1]
    truth = np.eye(classes)[labels]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        log_slope, offsets = parameters[0], parameters[1:]
        slope = np.exp(log_slope)
        log_probabilities = log_softmax(slope * outputs + offsets, axis=1)
        error = np.exp(log_probabilities) - truth
        value = -np.sum(truth * log_probabilities) + PRIOR / 2 * np.sum(parameters**2)
        gradient = np.concatenate([[slope * np.sum(error * outputs)], error.sum(axis=0)]) + PRIOR * parameters
        return value, gradient

    fitted = minimize(loss, np.zeros(classes + 1), jac=True, method="L-BFGS-B", bounds=[(-7, 7)] * (classes + 1)).x
    return float(np.exp(fitted[0])), fitted[1:]


def apply_calibration(outputs: np.ndarray, slope: float, offsets: np.ndarray) -> np.ndarray:
    """Class probabilities, shape (n, k), of outputs under a fitted calibration."""
    return softmax(slope * outputs + offsets, axis=1)
