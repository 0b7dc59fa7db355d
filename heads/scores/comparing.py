"""Rows against rows, paired on the same folds: every balancer against none, and any group of cells against another."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headroom.errors import HeadError
from headroom.heads.cell import Cell, package_of
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.paired import ROPE, PairedResult, corrected_t, holm, paired_bootstrap
from headroom.heads.scores.scored import Scored

BASELINE = "none"
OF_THE_BALANCER = ("balancer", "versions")  # settings that may differ from the baseline

Values = dict[str, np.ndarray]


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
    reasons = [_obstacle(cell, baseline, scored) for cell, baseline in matched]
    return ComparisonPlan(
        tuple((cell, base) for (cell, base), reason in zip(matched, reasons, strict=True) if base and not reason),
        tuple((cell, reason) for (cell, _), reason in zip(matched, reasons, strict=True) if reason),
    )


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
    higher = METRICS[metric].higher_is_better
    return {
        "dataset": cell.dataset,
        "model": cell.model,
        "head": cell.head,
        "balance": cell.balance,
        "against": BASELINE,
        "protocol": cell.protocol,
        "metric": metric,
        "difference": result.difference,
        "low": result.low,
        "high": result.high,
        "p": result.p,
        "p_holm": None,
        "p_better": result.p_above if higher else result.p_below,
        "p_equivalent": result.p_equivalent,
        "p_worse": result.p_below if higher else result.p_above,
    }


def _context(cell: Cell) -> str:
    """All that a cell and its baseline must share: everything but the balancer and the library that serves it alone."""
    shared = {name: value for name, value in cell.settings.items() if name not in OF_THE_BALANCER}
    paths = [
        path for head in shared.get("heads", {}).values() for path in (head.get("build"), head.get("fast")) if path
    ]
    serving = {"sklearn", *map(package_of, paths)}
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
