"""Rows against rows, paired on the same folds: every balancer against none, and any group of cells against another.

By cross-validation a comparison is about the method, other training images allowed for; the official split tells of the
two fitted heads only.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headroom.errors import HeadError
from headroom.heads.cell import Cell, package_of
from headroom.heads.scores.intervals import CONFIDENCE
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.paired import ROPE, PairedResult, detectable, holm, paired_difference, quantile
from headroom.heads.scores.scored import Scored

BASELINE = "none"
OF_THE_BALANCER = ("balancer", "versions", "balance_seeds")  # settings that may differ from the baseline
OF_THRESHOLDS = ("criterion", "cost")  # these too, unless all heads are tuned by them
METHOD, FITTED = "method", "fitted heads"  # what a test is about
ABOUT = {"cv": METHOD, "leaky": METHOD, "split": FITTED}


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
        ``dataset``, ``model``, ``head``, ``balance``, ``against``, ``protocol``, ``about`` (what a test is about: the
        "method", or the "fitted heads" of an official split), ``metric``, ``difference``, ``low``, ``high``, ``p``,
        ``p_better``, ``p_equivalent``, ``p_worse``, ``p_same`` (one-sided test of equivalence), ``error``,
        ``freedom``, ``detectable`` and what `corrected` adds for the whole list. The difference is balanced less none,
        for every metric; better means higher or lower as the metric has it. What a test cannot say is None.
    """
    metrics = metrics or [name for name, record in METRICS.items() if record.compared]
    rows = [
        _row(cell, name, result)
        for cell, baseline in plan_comparisons(cells, scored).pairs
        for name, result in contrast([cell], [baseline], scored, metrics, rope).items()
        if result.difference is not None
    ]
    return corrected(rows)


def corrected(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Correct the rows of one family for their number.

    Parameters
    ----------
    rows : sequence of mapping
        Of `comparisons`: all that were asked together, of one protocol.

    Returns
    -------
    list of dict
        The same with ``p_holm`` and ``p_same_holm`` (Holm), ``low_simultaneous``, ``high_simultaneous`` (Bonferroni:
        all of them hold together in 95 %) and ``detectable_holm``, the smallest difference found after correction.
    """
    tests = sum(row["p"] is not None for row in rows)
    adjusted = [holm([row[name] for row in rows]) for name in ("p", "p_same")]
    found = []
    for row, p_holm, p_same_holm in zip(rows, *adjusted, strict=True):
        low = high = least = None
        if row["p"] is not None:
            half = row["error"] * quantile(row["freedom"], 1 - (1 - CONFIDENCE) / 2 / tests)
            low, high = row["difference"] - half, row["difference"] + half
            least = detectable(row["error"], row["freedom"], tests)
        after = {"p_holm": p_holm, "p_same_holm": p_same_holm, "detectable_holm": least}
        found.append({**row, **after, "low_simultaneous": low, "high_simultaneous": high})
    return found


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
        Group less against.

    Raises
    ------
    HeadError
        A group is empty, or the cells do not share their images, folds and protocol.
    """
    if not group or not against:
        raise HeadError(got="a contrast with an empty group", remedy="fit the cells that it compares first")
    shared = {(cell.dataset, cell.protocol, scored[cell.key].layout) for cell in (*group, *against)}
    if len(shared) > 1 or not all(next(iter(shared))):
        raise HeadError(
            got="cells whose folds differ cannot be compared fold by fold",
            remedy="fit them with the same --protocol, --folds, --repeats and --seed on the same images",
        )
    one, about = scored[group[0].key], ABOUT[group[0].protocol]
    found = {}
    for name in names:
        (before, drawn_before), (after, drawn_after) = (
            (
                np.mean([_defined(scored[cell.key].metrics[name]) for cell in cells]),
                np.mean([scored[cell.key].drawn[name] for cell in cells], axis=0, dtype=float),
            )
            for cells in (against, group)
        )
        found[name] = paired_difference(
            METRICS[name],
            float(after - before),
            drawn_after - drawn_before,
            cases=np.array(one.cases),
            units=np.array(one.units),
            test_train=one.test_train if about == METHOD else 0.0,
            rope=rope,
            same=len({scored[cell.key].ranking for cell in (*group, *against)}) == 1,
        )
    return found


def _defined(value: float | None) -> float:
    return np.nan if value is None else value


def _row(cell: Cell, metric: str, result: PairedResult) -> dict[str, Any]:
    """One comparison; better and worse are as the metric has it."""
    better, worse = result.p_above, result.p_below
    if not METRICS[metric].higher_is_better:
        better, worse = worse, better
    return {
        **cell.place,
        **{"against": BASELINE, "protocol": cell.protocol, "about": ABOUT[cell.protocol], "metric": metric},
        **{name: getattr(result, name) for name in ("difference", "low", "high", "p")},
        **{"p_better": better, "p_equivalent": result.p_equivalent, "p_worse": worse},
        "p_same": None if better is None or worse is None else max(better, worse),
        **{name: getattr(result, name) for name in ("error", "freedom")},
        "detectable": None if result.error is None else detectable(result.error, result.freedom or 1),
    }


def _context(cell: Cell) -> str:
    """All that a cell and its baseline must share: everything but the balancer and the library that serves it alone."""
    own = OF_THE_BALANCER if cell.settings.get("tune") else OF_THE_BALANCER + OF_THRESHOLDS
    shared = {name: value for name, value in cell.settings.items() if name not in own}
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
    layout = scored[cell.key].layout
    if not layout or layout != scored[baseline.key].layout:
        return f"its folds do not test the same rows as those of '{BASELINE}'"
    return ""
