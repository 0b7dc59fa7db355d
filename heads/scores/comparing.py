"""Every balancer against none, paired on the same folds."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headroom.heads.cell import Cell, FoldScores
from headroom.heads.results import ProblemInfo
from headroom.heads.scores.bootstrap import replicated
from headroom.heads.scores.metrics import METRICS, evaluate, score
from headroom.heads.scores.paired import ROPE, PairedResult, corrected_t, holm, paired_bootstrap
from headroom.heads.scores.pooled import Problems, pooled, resampled
from headroom.heads.scores.predictions import Tally

BASELINE = "none"
COMPARED = ("accuracy", "recall_macro", "specificity_macro", "f1_macro", "auroc_ovr", "kappa_quadratic")

# What belongs to the balancer and may differ from the baseline: its parameters, and the version of its library.
BALANCER_SETTING = "balancer"
BALANCER_LIBRARY = "imblearn"

Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class PairedTest:
    """How the cells of a protocol are compared.

    Attributes
    ----------
    min_folds : int
        Fewest folds with which it can be done.
    measure : callable
        Maps a cell, its problem and metric names to what is subtracted pairwise, one array a metric.
    test : callable
        Maps the differences of one metric, the ratio of test to training images and the rope to a `PairedResult`.
    """

    min_folds: int
    measure: Callable[[Cell, ProblemInfo, Sequence[str]], Values]
    test: Callable[[np.ndarray, float, float], PairedResult]


def _by_fold(cell: Cell, problem: ProblemInfo, names: Sequence[str]) -> Values:
    """Metrics of each fold."""
    folds = [
        score(fold.labels, fold.predicted, fold.scores, fold.scores.shape[1], problem.ordinal, names)
        for fold in sorted(cell.folds, key=_place)
    ]
    return {name: np.array([fold[name] for fold in folds], float) for name in names}  # None becomes NaN


def _by_replicate(cell: Cell, problem: ProblemInfo, names: Sequence[str]) -> Values:
    """Metrics of the test set, then those of each bootstrap replicate of it."""
    repeats = pooled(cell)
    observed = evaluate([Tally.once(predictions) for _, predictions in repeats], problem.ordinal, names)
    replicates = replicated(resampled(repeats, problem), problem.ordinal, names)
    return {name: np.concatenate([observed[name], replicates[name]]) for name in names}


_CORRECTED_T = PairedTest(2, _by_fold, corrected_t)

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


def plan_comparisons(cells: Iterable[Cell]) -> ComparisonPlan:
    """Pair every balanced cell with the cell that differs from it in nothing but the balancer.

    Parameters
    ----------
    cells : iterable of Cell
        Fitted and failed ones.

    Returns
    -------
    ComparisonPlan
        Pairs have the same problem, head, protocol and settings, and were tested on the same rows fold by fold.

    Examples
    --------
    >>> plan_comparisons([]).pairs
    ()
    """
    cells = tuple(cells)
    baselines = {_context(cell): cell for cell in cells if cell.balance == BASELINE and cell.status == "fitted"}
    matched = [(cell, baselines.get(_context(cell))) for cell in cells if cell.balance != BASELINE]
    reasons = [_obstacle(cell, baseline) for cell, baseline in matched]
    return ComparisonPlan(
        tuple((cell, base) for (cell, base), reason in zip(matched, reasons, strict=True) if base and not reason),
        tuple((cell, reason) for (cell, _), reason in zip(matched, reasons, strict=True) if reason),
    )


def comparisons(
    cells: Iterable[Cell], problem_info: Problems, *, metrics: Sequence[str] = COMPARED, rope: float = ROPE
) -> list[dict[str, Any]]:
    """Test every balancer against none on the same folds.

    Parameters
    ----------
    cells : iterable of Cell
    problem_info : mapping of str to ProblemInfo
        By fingerprint; labels, groups, ids, classes and whether they are ordinal.
    metrics : sequence of str
        Keys of `headroom.heads.scores.metrics.METRICS`. One that is undefined for a pair is left out.
    rope : float
        A difference no larger than this is practically none.

    Returns
    -------
    list of dict
        ``dataset``, ``model``, ``head``, ``balance``, ``against``, ``protocol``, ``metric``, ``difference``, ``low``,
        ``high``, ``p``, ``p_holm``, ``p_better``, ``p_equivalent``, ``p_worse``. The difference is balanced less
        none, for every metric; better means higher or lower as the metric has it. By folds
        `corrected_t`; for ``split`` `paired_bootstrap`. Holm's correction is over the whole list. What a test cannot
        say is None.

    Examples
    --------
    >>> comparisons([], {})
    []
    """
    measured: dict[str, Values] = {}

    def values(cell: Cell) -> Values:
        if cell.key not in measured:
            measured[cell.key] = PAIRED_TESTS[cell.protocol].measure(cell, problem_info[cell.problem], metrics)
        return measured[cell.key]

    rows = [
        row
        for cell, baseline in plan_comparisons(cells).pairs
        for row in _rows(cell, values(cell), values(baseline), rope)
    ]
    for row, p_holm in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = p_holm
    return rows


def _rows(cell: Cell, balanced: Values, baseline: Values, rope: float) -> list[dict[str, Any]]:
    """One comparison a metric, those left out that are undefined."""
    test = PAIRED_TESTS[cell.protocol].test
    results = {name: test(balanced[name] - baseline[name], test_train_ratio(cell), rope) for name in balanced}
    return [
        {
            "dataset": cell.dataset,
            "model": cell.model,
            "head": cell.head,
            "balance": cell.balance,
            "against": BASELINE,
            "protocol": cell.protocol,
            "metric": name,
            "difference": result.difference,
            "low": result.low,
            "high": result.high,
            "p": result.p,
            "p_holm": None,
            **_outlook(result, METRICS[name].higher_is_better),
        }
        for name, result in results.items()
        if result.difference is not None
    ]


def _outlook(result: PairedResult, higher_is_better: bool) -> dict[str, float | None]:
    """Probabilities by whether the difference is for the better."""
    above, below = result.p_above, result.p_below
    better, worse = (above, below) if higher_is_better else (below, above)
    return {"p_better": better, "p_equivalent": result.p_equivalent, "p_worse": worse}


def test_train_ratio(cell: Cell) -> float:
    """Test images divided by training images, over all folds."""
    return sum(len(fold.rows) for fold in cell.folds) / sum(int(fold.counts_before.sum()) for fold in cell.folds)


def _context(cell: Cell) -> tuple[str, ...]:
    """All that a cell and its baseline must share."""
    shared = {name: value for name, value in cell.settings.items() if name != BALANCER_SETTING}
    versions = shared.pop("versions", {})
    shared["versions"] = {library: version for library, version in versions.items() if library != BALANCER_LIBRARY}
    settings = json.dumps(shared, sort_keys=True, default=str)
    return cell.problem, cell.dataset, cell.model, cell.head, cell.protocol, settings


def _obstacle(cell: Cell, baseline: Cell | None) -> str:
    """Why a cell cannot be compared with its baseline; empty if it can."""
    if cell.status != "fitted":
        return f"it failed: {cell.reason}"
    if baseline is None:
        return f"there is no fitted cell with the same settings and balance '{BASELINE}'; fit it with --balance none"
    if not _same_rows(cell, baseline):
        return f"its folds do not test the same rows as those of '{BASELINE}'"
    needed = PAIRED_TESTS[cell.protocol].min_folds
    if len(cell.folds) < needed:
        return f"a paired test needs {needed} folds and it has {len(cell.folds)}; fit it with more --folds"
    return ""


def _same_rows(cell: Cell, baseline: Cell) -> bool:
    """Whether both tested the same images, fold by fold, and no synthetic ones."""
    tested, of_baseline = ({_place(fold): fold.rows for fold in either.folds} for either in (cell, baseline))
    return tested.keys() == of_baseline.keys() and all(
        rows.min(initial=0) >= 0 and np.array_equal(rows, of_baseline[place]) for place, rows in tested.items()
    )


def _place(fold: FoldScores) -> tuple[int, int]:
    return fold.repeat, fold.fold
