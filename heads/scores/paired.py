"""Paired tests of a difference: one t distribution for its interval, its p, and how small one could have been found.

Is a difference more than noise? Both sides are judged on the same bootstrap replicates of the test images, whole
patients drawn, so that what is common to both cancels out. Other training images would have given other heads: where
the method is judged, the variance is widened by the ratio of test to training images, as by Nadeau and Bengio (2003),
whose test by folds has 4 degrees of freedom at 5 folds and hardly any power. False positives, coverage and power in
simulation: docs/validity.md. Holm's correction is for asking many times.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from headroom.heads.scores.intervals import CONFIDENCE, freedom, resting_on, standard_error
from headroom.heads.scores.metrics import CONFUSION, MetricRecord, number

ROPE = 0.01
SIGNIFICANT = 0.05
ROUNDING = 1e-6  # a difference of replicates that is smaller is none
RULE_OF_THREE = 3  # cases that may differ where none of many does (Hanley and Lippman-Hand 1983)
POWER = 0.8


@dataclass(frozen=True)
class PairedResult:
    """What a paired test says of a difference; None marks what cannot be said.

    Attributes
    ----------
    difference : float or None
    low, high : float or None
        95 % interval.
    p : float or None
        Two-sided, of no difference.
    p_above, p_equivalent, p_below : float or None
        Probability that the difference lies above, inside and below the region of practical equivalence.
    error, freedom : float or None
        Standard error and degrees of freedom of the t distribution that all of these come from.
    """

    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_above: float | None = None
    p_equivalent: float | None = None
    p_below: float | None = None
    error: float | None = None
    freedom: float | None = None


def paired_t(difference: float, error: float, df: float, rope: float = ROPE) -> PairedResult:
    """Test a difference whose standard error is known, and say where it probably lies.

    Parameters
    ----------
    difference, error, df : float
        A difference, its standard error and the degrees of freedom of that.
    rope : float
        Half width of the region of practical equivalence.

    Returns
    -------
    PairedResult
        All from one t distribution around the difference; the probabilities are those of Benavoli, Corani, Demsar and
        Zaffalon (2017), "Time for a change". Only the difference where the error is unknown. Without any error there
        is a difference, or none, for certain.

    Examples
    --------
    >>> result = paired_t(0.04, 0.015, 99)
    >>> print(f"[{result.low:.3f}, {result.high:.3f}], p = {result.p:.3f}, {result.p_above:.2f} above")
    [0.010, 0.070], p = 0.009, 0.98 above
    """
    if not np.isfinite(difference):
        return PairedResult()
    if not np.isfinite(error):
        return PairedResult(difference)
    scale = max(error, 1e-12)
    low, high = (difference + side * error * quantile(df, (1 + CONFIDENCE) / 2) for side in (-1, 1))
    p_below, p_above = (float(stdtr(df, (-rope - side * difference) / scale)) for side in (1, -1))
    p = 2 * float(stdtr(df, -abs(difference) / scale))
    return PairedResult(difference, low, high, p, p_above, max(0.0, 1 - p_above - p_below), p_below, error, df)


def quantile(df: float, share: float) -> float:
    return float(stdtrit(df, share))


def detectable(error: float, df: float, tests: int = 1) -> float:
    """Smallest true difference that a test would have found in four of five cases.

    Parameters
    ----------
    error, df : float
        Standard error of a difference and its degrees of freedom.
    tests : int
        How many share the 5 %.

    Returns
    -------
    float

    Examples
    --------
    >>> round(detectable(0.01, 99), 3), round(detectable(0.01, 99, tests=14), 3)
    (0.028, 0.038)
    """
    return error * (quantile(df, 1 - (1 - CONFIDENCE) / 2 / tests) + quantile(df, POWER))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p values for their number by the step-down method of Holm (1979).

    Parameters
    ----------
    p_values : sequence of float or None
        None marks a test that could not be done; it stays None and does not count.

    Returns
    -------
    list of float or None
        Adjusted values in the order given; below 0.05 means significant with a family-wise error rate of 5 %.

    Examples
    --------
    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    p = np.array(p_values, float)  # None becomes NaN, which is sorted to the end
    order = np.argsort(p, kind="stable")
    steps = np.isfinite(p).sum() - np.arange(len(p))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * steps))
    return [number(value) for value in adjusted]


def paired_difference(
    record: MetricRecord,
    difference: float,
    replicates: np.ndarray,
    *,
    cases: np.ndarray,
    units: np.ndarray,
    test_train: float = 0.0,
    rope: float = ROPE,
    same: bool = False,
) -> PairedResult:
    """Test the difference of a metric by its bootstrap replicates, both sides on the same ones.

    Parameters
    ----------
    record : MetricRecord
    difference : float
        On all test images.
    replicates : ndarray of float, shape (b,)
        On resampled ones; undefined ones (NaN) are left out.
    cases : ndarray of float, shape (1 + k,)
        Test images: all, then of each class.
    units : ndarray of float, shape (1 + k,)
        `effective_groups`.
    test_train : float
        Test images divided by training images of a fold, by which the variance is widened for other training images;
        0 where the fitted heads themselves are meant.
    rope : float
        Half width of the region of practical equivalence.
    same : bool
        Whether the scores are the same, so that a metric of scores cannot differ.

    Returns
    -------
    PairedResult
        Only the difference where more than half of the replicates are undefined.
    """
    df = freedom(resting_on(record, units))
    error = standard_error(replicates, df) * np.sqrt(1 + test_train)
    differ = error > ROUNDING
    if record.needs == CONFUSION or not (differ or same):
        error = max(error, _least_error(resting_on(record, cases if differ else units)))
    return paired_t(difference, error, df, rope)


def _least_error(counts: np.ndarray) -> float:
    """Standard error below which no difference of decisions is known: that of three cases that go one way.

    Where each class weighs the same they are of the rarest. Where all decisions are the same they are whole patients:
    nothing tells how much alike the images of one are.
    """
    return float(np.sqrt(RULE_OF_THREE) / (len(counts) * counts.min()))
