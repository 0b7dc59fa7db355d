"""Rows against rows, paired on the same folds: every balancer against none, and any group of cells against another.

Is a difference more than noise? The folds of a cross-validation share training images, so their differences are
correlated and an ordinary paired t test claims too much. Both t methods here widen the variance by the ratio of test to
training images; Holm's correction is for asking many times.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from headroom.errors import HeadError
from headroom.heads.cell import Cell, package_of
from headroom.heads.scores.bootstrap import CONFIDENCE, percentile_interval
from headroom.heads.scores.metrics import METRICS, number
from headroom.heads.scores.scored import Scored

ROPE = 0.01
ROUNDING = 1e-6  # a difference of replicates that is smaller is none
BASELINE = "none"
OF_THE_BALANCER = ("balancer", "versions")  # settings that may differ from the baseline


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
    p = np.array(p_values, float)  # None becomes NaN, which is sorted to the end
    order = np.argsort(p, kind="stable")
    steps = np.isfinite(p).sum() - np.arange(len(p))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * steps))
    return [number(value) for value in adjusted]


@dataclass(frozen=True)
class PairedTest:
    """How the cells of a protocol are compared.

    Attributes
    ----------
    min_folds : int
        Fewest folds with which it can be done.
    values : callable
        Maps a scored cell and a metric to what is subtracted pairwise.
    test : callable
        Maps the differences of one metric, the ratio of test to training images and the rope to a `PairedResult`.
    """

    min_folds: int
    values: Callable[[Scored, str], np.ndarray]
    test: Callable[[np.ndarray, float, float], PairedResult]


def _by_replicate(scored: Scored, metric: str) -> np.ndarray:
    """The metric of the test set, then that of each bootstrap replicate of it."""
    observed = scored.metrics[metric]
    return np.concatenate([[np.nan if observed is None else observed], scored.drawn[metric]])


_CORRECTED_T = PairedTest(2, lambda scored, metric: scored.by_fold[metric], corrected_t)

PAIRED_TESTS: dict[str, PairedTest] = {
    "cv": _CORRECTED_T,
    "leaky": _CORRECTED_T,
    "split": PairedTest(1, _by_replicate, lambda values, _, rope: paired_bootstrap(values[0], values[1:], rope)),
}


@dataclass(frozen=True, eq=False)
class ComparisonPlan:
    """What can be compared, and why the rest cannot.

    Attributes
    ----------
    pairs : tuple of (Cell, Cell)
        A balanced cell and its baseline.
    refused : tuple of (Cell, str)
        A balanced cell and the reason.
    """

    pairs: tuple[tuple[Cell, Cell], ...]
    refused: tuple[tuple[Cell, str], ...]


def plan_comparisons(cells: Iterable[Cell], scored: Mapping[str, Scored]) -> ComparisonPlan:
    """Pair every balanced cell with the cell that differs from it in nothing but the balancer.

    Pairs have the same problem, head, protocol and settings, and were tested on the same rows fold by fold.
    """
    cells = tuple(cells)
    baselines = {_context(cell): cell for cell in cells if cell.balance == BASELINE and cell.status == "fitted"}
    matched = [(cell, baselines.get(_context(cell))) for cell in cells if cell.balance != BASELINE]
    refused = [(cell, reason) for cell, baseline in matched if (reason := _obstacle(cell, baseline, scored))]
    pairs = [(cell, base) for cell, base in matched if base and not _obstacle(cell, base, scored)]
    return ComparisonPlan(tuple(pairs), tuple(refused))


def comparisons(
    cells: Iterable[Cell], scored: Mapping[str, Scored], *, metrics: Sequence[str] = (), rope: float = ROPE
) -> list[dict[str, Any]]:
    """Test every balancer against none on the same folds.

    Parameters
    ----------
    cells : iterable of Cell
    scored : mapping of str to Scored
        By key.
    metrics : sequence of str
        Keys of `METRICS`; none: those that are marked as compared. One that is undefined for a pair is left out.
    rope : float
        A difference no larger than this is practically none.

    Returns
    -------
    list of dict
        ``dataset``, ``model``, ``head``, ``balance``, ``against``, ``protocol``, ``metric``, ``difference``, ``low``,
        ``high``, ``p``, ``p_holm``, ``p_better``, ``p_equivalent``, ``p_worse``. The difference is balanced less
        none, for every metric; better means higher or lower as the metric has it. By folds `corrected_t`; for
        ``split`` `paired_bootstrap`. Holm's correction is over the whole list. What a test cannot say is None.
    """
    metrics = metrics or [name for name, record in METRICS.items() if record.compared]
    rows = [
        _row(cell, name, result)
        for cell, baseline in plan_comparisons(cells, scored).pairs
        for name, result in contrast([cell], [baseline], scored, metrics, rope).items()
        if result.difference is not None
    ]
    for row, p_holm in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = p_holm
    return rows


def contrast(
    group: Sequence[Cell],
    against: Sequence[Cell],
    scored: Mapping[str, Scored],
    names: Sequence[str],
    rope: float = ROPE,
) -> dict[str, PairedResult]:
    """Test the mean of one group of cells against the mean of another, paired on the folds that they share.

    Parameters
    ----------
    group, against : sequence of Cell
        Fitted on the same folds of the same images; heads and models may differ.
    scored : mapping of str to Scored
        By key.
    names : sequence of str
        Metrics.
    rope : float
        A difference no larger than this is practically none.

    Returns
    -------
    dict of str to PairedResult
        Group less against, by the test of the protocol on the differences of the means.

    Raises
    ------
    HeadError
        A group is empty, or the cells do not share their folds.
    """
    if not group or not against:
        raise HeadError(got="a contrast with an empty group", remedy="fit the cells that it compares first")
    layouts = {scored[cell.key].layout for cell in (*group, *against)}
    if len(layouts) > 1 or not all(layouts):
        raise HeadError(
            got="cells whose folds differ cannot be compared fold by fold",
            remedy="fit them with the same --folds, --repeats and --seed on the same images",
        )
    paired, ratio = PAIRED_TESTS[group[0].protocol], scored[group[0].key].test_train

    def mean(cells: Sequence[Cell], name: str) -> np.ndarray:
        return np.mean([paired.values(scored[cell.key], name) for cell in cells], axis=0)

    return {name: paired.test(mean(group, name) - mean(against, name), ratio, rope) for name in names}


def _row(cell: Cell, metric: str, result: PairedResult) -> dict[str, Any]:
    """One comparison; better and worse are as the metric has it."""
    better, worse = result.p_above, result.p_below
    if not METRICS[metric].higher_is_better:
        better, worse = worse, better
    return {
        **cell.place,
        **{"against": BASELINE, "protocol": cell.protocol, "metric": metric},
        **{name: getattr(result, name) for name in ("difference", "low", "high", "p")},
        **{"p_holm": None, "p_better": better, "p_equivalent": result.p_equivalent, "p_worse": worse},
    }


def _context(cell: Cell) -> str:
    """All that a cell and its baseline must share: everything but the balancer and the library that serves it alone."""
    shared = {name: value for name, value in cell.settings.items() if name not in OF_THE_BALANCER}
    serving = {"sklearn"}
    for head in shared.get("heads", {}).values():
        serving |= {package_of(head.get("build", "")), package_of(head.get("fast", ""))}
    versions = {name: text for name, text in cell.settings.get("versions", {}).items() if name in serving}
    names = (cell.problem, cell.dataset, cell.model, cell.head, cell.protocol)
    return json.dumps([*names, shared, versions], sort_keys=True, default=str)


def _obstacle(cell: Cell, baseline: Cell | None, scored: Mapping[str, Scored]) -> str:
    """Why a cell cannot be compared with its baseline; empty if it can."""
    if cell.status != "fitted":
        return f"it failed: {cell.reason}"
    if baseline is None:
        return f"there is no fitted cell with the same settings and balance '{BASELINE}'; fit it with --balance none"
    layout, folds = scored[cell.key].layout, len(scored[cell.key].tested)
    if not layout or layout != scored[baseline.key].layout:
        return f"its folds do not test the same rows as those of '{BASELINE}'"
    needed = PAIRED_TESTS[cell.protocol].min_folds
    if folds < needed:
        return f"a paired test needs {needed} folds and it has {folds}; fit it with more --folds"
    return ""
