"""How far the probabilities of a class lie from calibrated ones, and whether a method makes that worse."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

PULL = 0.01  # towards perfect calibration, as a normal prior of variance 100: finite where a class is separated
STEPS, LARGE, CLOSE = 50, 0.1, 1e-4


@dataclass(frozen=True, eq=False)
class Recalibration:
    """Logistic recalibration of one class against the rest, with what other case weights need.

    Attributes
    ----------
    intercept : float
        With the slope held at one: zero where the class is as frequent as its probabilities say.
    line : ndarray of float, shape (2,)
        Intercept, and slope less one, of both together.
    terms : ndarray of float32, shape (8, n)
        Of every case: residual and curvature of the first fit, residuals and curvatures of the second one, and what it
        saves of the log loss.
    """

    intercept: float
    line: np.ndarray
    terms: np.ndarray

    def stepped(self, sums: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Intercept, slope and loss under other case weights, shape (3, b).

        ``sums`` are those of the terms under b sets of weights, ``total`` those of the weights. One Newton step from
        the fit to all cases is enough for a bootstrap (Moulton and Zeger 1991); the loss is that of this fit, for one
        to the drawn cases saves more the more often they are drawn twice.
        """
        residual, curvature, r_0, r_1, c_00, c_01, c_11, saved = sums
        intercept = self.intercept + (residual - PULL * self.intercept) / (curvature + PULL)
        r_0, r_1 = r_0 - PULL * self.line[0], r_1 - PULL * self.line[1]
        c_00, c_11 = c_00 + PULL, c_11 + PULL
        step = (c_00 * r_1 - c_01 * r_0) / (c_00 * c_11 - c_01**2)
        return np.stack([intercept, self.line[1] + 1 + step, saved / np.maximum(total, 1)])


def recalibrate(scores: np.ndarray, positive: np.ndarray) -> Recalibration:
    """Fit calibration intercept and slope of one class against the rest.

    The logit of the probability of the class is regressed on the logit of its score (Cox 1958). The intercept is that
    with the slope held at one, "calibration in the large"; a slope below one means overconfident (Van Calster et al.
    2019, "Calibration: the Achilles heel of predictive analytics").

    Parameters
    ----------
    scores : ndarray of float, shape (n,)
        Strictly between 0 and 1.
    positive : ndarray of bool, shape (n,)

    Returns
    -------
    Recalibration
        NaN throughout where all cases, or none, are of the class.

    Examples
    --------
    >>> scores = np.repeat([0.2, 0.8], 10)
    >>> positive = np.tile([1, 0, 0, 0, 0], 4) == np.repeat([1, 0], 10)
    >>> fit = recalibrate(scores, positive)
    >>> fit.stepped(fit.terms.sum(axis=1), np.array(20)).round(2) + 0.0
    array([0., 1., 0.])
    """
    if positive.all() or not positive.any():
        return Recalibration(np.nan, np.full(2, np.nan), np.full((8, len(scores)), np.nan, np.float32))
    logits = logit(scores)
    design = np.stack([np.ones(len(logits)), logits])
    (intercept,), line = (_fitted(each, logits, positive) for each in (design[:1], design))
    shifted, moved = expit(logits + intercept), logits + line @ design
    probability = expit(moved)
    residuals, curvature = (positive - probability) * design, probability * (1 - probability)
    saved = _losses(logits, positive) - _losses(moved, positive)
    first = [positive - shifted, shifted * (1 - shifted)]
    terms = [*first, *residuals, curvature, curvature * logits, curvature * logits**2, saved]
    return Recalibration(float(intercept), line, np.array(terms, np.float32))


def _losses(logits: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Log loss of every case."""
    return np.logaddexp(0, logits) - positive * logits


def _fitted(design: np.ndarray, offset: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Coefficients of a logistic regression that starts from an offset, by Newton's method with halved steps."""

    def height(coefficients: np.ndarray) -> float:
        return _losses(offset + coefficients @ design, positive).sum() + PULL / 2 * (coefficients**2).sum()

    found = np.zeros(len(design))
    for _ in range(STEPS):
        probability = expit(offset + found @ design)
        slope = design @ (positive - probability) - PULL * found
        curvature = (design * (probability * (1 - probability))) @ design.T + PULL * np.eye(len(design))
        step = np.linalg.solve(curvature, slope)
        while np.abs(step).max() > LARGE and height(found + step) > height(found):
            step /= 2
        found = found + step
        if np.abs(step).max() < CLOSE:  # what is left is of the order of its square
            break
    return found


def p_worse(loss: np.ndarray, baseline: np.ndarray) -> float:
    """Test whether calibration is worse than that of a baseline, paired.

    Parameters
    ----------
    loss, baseline : ndarray of float, shape (1 + b,)
        `Scored.calibration_loss` of each: of all cases, then of the same bootstrap replicates.

    Returns
    -------
    float
        One-sided bootstrap p value of "it is not worse" (Davison and Hinkley 1997, section 4.4); conservative where
        both are calibrated. NaN where a loss is undefined.

    Examples
    --------
    >>> p_worse(np.array([0.3, 0.2, 0.4, 0.3]), np.array([0.1, 0.1, 0.1, 0.1]))
    0.25
    """
    differences = (loss - baseline)[1:]
    if np.isnan(loss[0] - baseline[0]):
        return float("nan")
    return float((np.sum(differences <= 0) + 1) / (len(differences) + 1))
