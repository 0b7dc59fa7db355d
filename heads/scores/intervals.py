"""Intervals that hold for few patients, and when there are too few for any.

The percentile interval of a bootstrap is too short for few groups, and [1, 1] where every case is right. Here the
bootstrap gives the standard error alone. The interval is the score interval (Wilson 1927) of a share that would be
known as well, with the quantile of t for the number of groups (Korn and Graubard 1998; Dean and Pagano 2015). A mean
over classes gets that of its classes put together (Zou and Donner 2008), so that a rare class is not forgotten.
"""

import numpy as np
from scipy.special import stdtrit

from headroom.heads.scores.metrics import MetricRecord

CONFIDENCE = 0.95
FEW_GROUPS = 25  # below, intervals and tests miss their level in simulation: docs/validity.md
FEW_OF_A_CLASS = 12
FEW_REPLICATES = 30  # that have all classes
TINY = 1e-12


def effective_groups(groups: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Count the groups of equal size that would tell as much (Kish 1965).

    Parameters
    ----------
    groups : ndarray, shape (n,)
        Group of each case.
    labels : ndarray of int, shape (n,)
        Class of each case.
    n_classes : int

    Returns
    -------
    ndarray of float, shape (1 + n_classes,)
        Of all cases, then of those of each class; 0 for a class without any.

    Examples
    --------
    >>> effective_groups(np.array([0, 0, 1, 2, 3, 3]), np.array([0, 0, 0, 1, 1, 1]), 2)
    array([3.6, 1.8, 1.8])
    """
    parts = (groups, *(groups[labels == c] for c in range(n_classes)))
    sizes = [np.unique(part, return_counts=True)[1] for part in parts]
    return np.array([size.sum() ** 2 / max((size**2).sum(), 1) for size in sizes])


def few_patients(groups: np.ndarray, labels: np.ndarray) -> str:
    """Say why intervals and tests cannot be trusted; empty where they can.

    Parameters
    ----------
    groups : ndarray, shape (n,)
        Group of each case: its patient, or itself.
    labels : ndarray of int, shape (n,)
        Class of each case.

    Returns
    -------
    str

    Examples
    --------
    >>> few_patients(np.arange(40), np.arange(40) % 2)
    ''
    >>> few_patients(np.arange(40) // 4, np.arange(40) % 2)
    'the images tell no more than 10 patients with as many images each would, fewer than 25'
    """
    classes, labels = np.unique(labels, return_inverse=True)
    overall, *by_class = effective_groups(groups, labels, len(classes))
    for what, count, enough in (
        ("the images tell", overall, FEW_GROUPS),
        ("the images of the rarest class tell", min(by_class, default=0), FEW_OF_A_CLASS),
    ):
        if count < enough:
            least = f"{count:.3g} patients with as many images each would"
            return f"{what} no more than {least}, fewer than {enough}"
    return ""


def resting_on(record: MetricRecord, counts: np.ndarray) -> np.ndarray:
    """Of the counts of all cases and then of each class, those that a metric rests on."""
    if record.of_class is not None:
        return counts[[1 + record.of_class]]
    return counts[1:][counts[1:] > 0] if record.mean_of else counts[:1]


def freedom(units: np.ndarray) -> float:
    """Degrees of freedom of the standard error of a mean over classes of so many groups each (Satterthwaite)."""
    inverse = 1 / units
    return float(inverse.sum() ** 2 / (inverse**2 / np.maximum(units - 1, 0.5)).sum())


def standard_error(replicates: np.ndarray, df: float) -> float:
    """Spread of bootstrap replicates, corrected for the number of groups; NaN where most are undefined."""
    defined = replicates[np.isfinite(replicates)]
    if len(defined) < 2 or 2 * len(defined) < len(replicates):
        return np.nan
    return float(defined.std(dtype=float) * np.sqrt((df + 1) / df))


def score_interval(
    estimate: float, error: float, df: float, *, low: float = 0.0, high: float = 1.0, units: float = np.inf
) -> tuple[float, float]:
    """Interval at 95 % of a value with bounds.

    Parameters
    ----------
    estimate, error, df : float
        A value, its standard error and the degrees of freedom of that.
    low, high : float
        Bounds of such a value; infinite where it has none, and then it is a t interval.
    units : float
        Effective groups that it rests on, which count where the error is zero.

    Returns
    -------
    tuple of two floats
        Inside the bounds.

    Examples
    --------
    >>> low, high = score_interval(1.0, 0.0, 59, units=60)  # 60 of 60 right
    >>> round(low, 3), round(high, 3)
    (0.937, 1.0)
    """
    t = float(stdtrit(df, (1 + CONFIDENCE) / 2))
    above, width = estimate - low, high - low
    inside = error > 0 and 0 < above < width
    if np.isinf(width) or (error > 0 and not inside):
        return float(max(low, estimate - t * error)), float(min(high, estimate + t * error))
    share = error**2 / above / (1 - above / width) if inside else width / units  # width / effective size
    spread, shrunk = t**2 * share, 1 + t**2 * share / width
    half = np.sqrt(spread * above * max(1 - above / width, 0) + spread**2 / 4) / shrunk
    middle = low + (above + spread / 2) / shrunk
    return float(max(low, middle - half)), float(min(high, middle + half))


def mean_interval(
    estimate: float,
    values: np.ndarray,
    replicates: np.ndarray,
    units: np.ndarray,
    *,
    low: float = 0.0,
    high: float = 1.0,
) -> list[float] | None:
    """Interval at 95 % of a mean over classes, from the intervals of the classes (MOVER, Zou and Donner 2008).

    Parameters
    ----------
    estimate : float
        The mean.
    values : ndarray of float, shape (k,)
        One a class; NaN for a class without cases.
    replicates : ndarray of float, shape (b, k)
        The same on bootstrap replicates.
    units : ndarray of float, shape (k,)
        Effective groups of each class.
    low, high : float
        Bounds of such a value.

    Returns
    -------
    list of two floats, or None
        None where a class is undefined in more than half of the replicates.

    Examples
    --------
    >>> rights = np.array([0.9, 1.0])  # of 100 and of 5 cases
    >>> drawn = np.column_stack([np.random.default_rng(0).binomial(100, 0.9, 1000) / 100, np.ones(1000)])
    >>> [round(bound, 2) for bound in mean_interval(0.95, rights, drawn, np.array([100, 5]))]
    [0.64, 0.97]
    """
    present = np.isfinite(values)
    values, replicates, units = values[present], replicates[:, present], units[present]
    bounds = [
        interval(value, drawn, count, max(count - 1, 1), low=low, high=high)
        for value, drawn, count in zip(values, replicates.T, units, strict=True)
    ]
    if not bounds or None in bounds:
        return None
    below, above = (np.abs(values - side) for side in np.array(bounds, float).T)
    drawn = replicates[np.isfinite(replicates).all(axis=1)]
    if len(drawn) < FEW_REPLICATES:  # classes are taken as independent
        drawn = np.zeros((1, len(values)))
    centred = (drawn - drawn.mean(axis=0)) / np.maximum(drawn.std(axis=0), TINY)
    together = centred.T @ centred / max(len(drawn), 1)
    np.fill_diagonal(together, 1.0)
    halves = [np.sqrt(max(side @ together @ side, 0)) / len(values) for side in (below, above)]
    return [float(max(low, estimate - halves[0])), float(min(high, estimate + halves[1]))]


def interval(
    estimate: float, replicates: np.ndarray, units: float, df: float, *, low: float = 0.0, high: float = 1.0
) -> list[float] | None:
    """Interval at 95 % of a metric from its bootstrap replicates; None where most of them are undefined."""
    error = standard_error(replicates, df)
    if not np.isfinite(error) or not np.isfinite(estimate):
        return None
    return list(score_interval(estimate, error, df, low=low, high=high, units=units))


def metric_interval(
    record: MetricRecord,
    estimate: float,
    replicates: np.ndarray,
    by_class: tuple[np.ndarray, np.ndarray] | None,
    units: np.ndarray,
) -> list[float] | None:
    """Interval at 95 % of a metric, put together from its classes where it is their mean.

    Parameters
    ----------
    record : MetricRecord
    estimate : float
    replicates : ndarray of float, shape (b,)
        On bootstrap replicates.
    by_class : tuple of ndarray, shapes (k,) and (b, k), or None
        Both by class, for a metric that is a mean of such.
    units : ndarray of float, shape (1 + k,)
        `effective_groups`.

    Returns
    -------
    list of two floats, or None
        None where most replicates are undefined.
    """
    if by_class and np.isfinite(estimate):
        return mean_interval(estimate, *by_class, units=units[1:], low=record.low, high=record.high)
    counted = resting_on(record, units)
    return interval(estimate, replicates, counted.min(), freedom(counted), low=record.low, high=record.high)
