"""Is a difference more than noise: paired tests, and Holm's correction for asking many times.

The folds of a cross-validation share training images, so their differences are correlated and an ordinary paired t
test claims too much. Both t methods here widen the variance by the ratio of test to training images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from headroom.heads.scores.bootstrap import CONFIDENCE, percentile_interval

ROPE = 0.01
ROUNDING = 1e-6  # a difference of replicates that is smaller is none


@dataclass(frozen=True)
class PairedResult:
    """What a paired test says of a difference; None marks what cannot be said.

    Attributes
    ----------
    difference : float or None
        Mean of the differences.
    low, high : float or None
        95 % interval.
    p : float or None
        Two-sided, of no difference.
    p_above, p_equivalent, p_below : float or None
        Probability that the difference lies above, inside and below the region of practical equivalence.
    """

    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_above: float | None = None
    p_equivalent: float | None = None
    p_below: float | None = None


def corrected_t(differences: np.ndarray, test_train_ratio: float, rope: float = ROPE) -> PairedResult:
    """Test differences by fold with the corrected resampled t test and the Bayesian correlated t test.

    The test is that of Nadeau and Bengio (2003), "Inference for the generalization error"; the probabilities are
    those of Benavoli, Corani, Demsar and Zaffalon (2017), "Time for a change", with correlation test / (train + test).
    Both rest on one t distribution with variance (1 / folds + test / train) times the variance of the differences.

    Parameters
    ----------
    differences : ndarray of float, shape (folds,)
        One metric with a method less the same without it, by fold; folds where it is undefined (NaN) are left out.
    test_train_ratio : float
        Test images divided by training images of a fold: 0.25 for five folds.
    rope : float
        Half width of the region of practical equivalence.

    Returns
    -------
    PairedResult
        Without a fold nothing is said; with one, only the difference. The same non-zero difference on every fold
        leaves its variance unknown: only the difference again. No difference on any fold is p = 1, equivalent.

    Examples
    --------
    >>> result = corrected_t(np.array([0.02, 0.05, 0.03, 0.06, 0.04]), 0.25)
    >>> print(f"{result.difference:.3f} [{result.low:.3f}, {result.high:.3f}], p = {result.p:.3f}")
    0.040 [0.011, 0.069], p = 0.020
    """
    values = np.asarray(differences, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return PairedResult()
    mean = float(values.mean())
    if len(values) == 1:
        return PairedResult(mean)
    if np.ptp(values) < 1e-12:
        same = PairedResult(0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0)
        return same if abs(mean) < 1e-12 else PairedResult(mean)
    scale = float(np.sqrt((1 / len(values) + test_train_ratio) * values.var(ddof=1)))
    freedom = len(values) - 1  # of a t distribution around the mean; its functions, for scipy.stats loads for a second
    low, high = (mean + scale * float(stdtrit(freedom, (1 + side * CONFIDENCE) / 2)) for side in (-1, 1))
    p_below, p_above = (float(stdtr(freedom, (-rope - side * mean) / scale)) for side in (1, -1))
    p = 2 * float(stdtr(freedom, -abs(mean) / scale))
    return PairedResult(mean, low, high, p, p_above, max(0.0, 1 - p_above - p_below), p_below)


def paired_bootstrap(observed: float, replicates: np.ndarray, rope: float = ROPE) -> PairedResult:
    """Test a difference on one test set by its bootstrap replicates.

    The p value is twice the smaller share of replicates on one side of zero, the observed set counted as one more
    replicate (Davison and Hinkley 1997, section 4.4). The probabilities are shares of replicates.

    Parameters
    ----------
    observed : float
        The difference on the test set itself.
    replicates : ndarray of float, shape (b,)
        The difference on resampled test sets, both methods on the same replicate; undefined ones (NaN) are left out.
    rope : float
        Half width of the region of practical equivalence.

    Returns
    -------
    PairedResult
        Only the difference where more than half of the replicates are undefined.

    Examples
    --------
    >>> paired_bootstrap(0.03, np.linspace(0.005, 0.055, 999)).p
    0.002
    """
    if not np.isfinite(observed):
        return PairedResult()
    interval = percentile_interval(replicates)
    if interval is None:
        return PairedResult(float(observed))
    values = replicates[np.isfinite(replicates)]
    values = np.where(np.abs(values) < ROUNDING, 0.0, values)
    smaller_side = min((values <= 0).sum(), (values >= 0).sum())
    p = min(1.0, 2 * (int(smaller_side) + 1) / (len(values) + 1))
    p_above, p_below = float((values > rope).mean()), float((values < -rope).mean())
    low, high = interval
    return PairedResult(float(observed), low, high, p, p_above, max(0.0, 1 - p_above - p_below), p_below)


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
    done = [i for i, p in enumerate(p_values) if p is not None]
    p = np.array([p_values[i] for i in done], float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    results: list[float | None] = [None] * len(p_values)
    for i, value in zip(done, adjusted, strict=True):
        results[i] = float(value)
    return results
