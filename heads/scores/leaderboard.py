"""Every fitted cell as one row: its metrics and their intervals."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from headroom.heads.cell import Cell
from headroom.heads.results import ProblemInfo
from headroom.heads.scores.bootstrap import percentile_interval, replicated
from headroom.heads.scores.metrics import METRICS, evaluate, number
from headroom.heads.scores.pooled import Problems, pooled, resampled
from headroom.heads.scores.predictions import Tally


def leaderboard(cells: Iterable[Cell], problem_info: Problems) -> list[dict[str, Any]]:
    """Compute the metrics of every fitted cell.

    Parameters
    ----------
    cells : iterable of Cell
        Those that failed are passed over.
    problem_info : mapping of str to ProblemInfo
        By fingerprint; labels, groups, ids, classes and whether they are ordinal.

    Returns
    -------
    list of dict
        ``dataset``, ``model``, ``head``, ``balance``, ``protocol``, ``n`` (predicted cases), ``metrics`` and
        ``intervals`` (95 %, bootstrap clustered by group). Each metric is that of the pooled out-of-fold predictions
        of one repeat, averaged over the repeats; None where it is undefined. The interval of the calibration error
        is shifted back by the bootstrap's bias, since drawing cases twice adds noise to every bin. Ordered by data set
        and protocol, the highest macro recall first.

    Examples
    --------
    >>> leaderboard([], {})
    []
    """
    rows = [_row(cell, problem_info[cell.problem]) for cell in cells if cell.status == "fitted"]
    return sorted(rows, key=lambda row: (row["dataset"], row["protocol"], -(row["metrics"]["recall_macro"] or 0.0)))


def _row(cell: Cell, problem: ProblemInfo) -> dict[str, Any]:
    repeats = pooled(cell)
    values = evaluate([Tally.once(predictions) for _, predictions in repeats], problem.ordinal)
    replicates = replicated(resampled(repeats, problem), problem.ordinal)
    return {
        "dataset": cell.dataset,
        "model": cell.model,
        "head": cell.head,
        "balance": cell.balance,
        "protocol": cell.protocol,
        "n": len(repeats[0][0]),
        "metrics": {name: number(value[0]) for name, value in values.items()},
        "intervals": {name: _interval(name, drawn, values[name]) for name, drawn in replicates.items()},
    }


def _interval(name: str, replicates: np.ndarray, estimate: np.ndarray) -> list[float] | None:
    """Percentile interval, less the bias of the bootstrap for a metric that drawing cases twice raises."""
    if METRICS[name].inflates and np.isfinite(estimate[0]):
        replicates = np.maximum(replicates - (np.nanmean(replicates) - estimate[0]), 0.0)
    return percentile_interval(replicates)
