"""Every fitted cell as one row, and what the best of them is worth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headroom.heads.cell import Cell
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.scored import Scored


def leaderboard(cells: Iterable[Cell], scored: Mapping[str, Scored]) -> list[dict[str, Any]]:
    """List the metrics of every fitted cell.

    Parameters
    ----------
    cells : iterable of Cell
        Those that failed are passed over.
    scored : mapping of str to Scored
        By key.

    Returns
    -------
    list of dict
        ``dataset``, ``model``, ``head``, ``balance``, ``protocol``, ``n`` (predicted cases), ``metrics`` and
        ``intervals`` (95 %, bootstrap clustered by group). Each metric is that of the pooled out-of-fold predictions
        of one repeat, averaged over the repeats; None where it is undefined. The interval of the calibration error
        is shifted back by the bootstrap's bias, since drawing cases twice adds noise to every bin. Ordered by data set
        and protocol, the highest macro recall first.
    """
    rows = [
        {
            **cell.place,
            "protocol": cell.protocol,
            "n": scored[cell.key].n,
            "metrics": scored[cell.key].metrics,
            "intervals": scored[cell.key].intervals,
        }
        for cell in cells
        if cell.status == "fitted"
    ]
    return sorted(rows, key=lambda row: (row["dataset"], row["protocol"], -(row["metrics"]["recall_macro"] or 0.0)))


@dataclass(frozen=True)
class Choice:
    """The best of several cells, after the luck of being chosen is taken off.

    Attributes
    ----------
    among : int
        Cells to choose from.
    value : float
        The metric of whichever cell is chosen, on images that had no part in the choice.
    share : float
        Share of the bootstrap replicates in which the same cell is chosen; heads are not fitted again.
    """

    among: int
    value: float
    share: float


def judge_choice(best: Cell, cells: Sequence[Cell], scored: Mapping[str, Scored], metric: str) -> Choice | None:
    """Correct the metric of the best cell for having been chosen.

    Bootstrap bias corrected cross-validation (Tsamardinos, Greasidou and Borboudakis, Machine Learning 2018), with
    whole groups drawn: in each replicate the best cell on the drawn images is judged on the others.

    Parameters
    ----------
    best : Cell
    cells : sequence of Cell
        All that it was chosen from; those tested on other images are passed over.
    scored : mapping of str to Scored
        By key.
    metric : str
        By which it was chosen; not a slow one.

    Returns
    -------
    Choice or None
        None where there is nothing to choose from.
    """
    images = scored[best.key].images if best.key in scored else None
    others = [cell for cell in cells if cell.key != best.key and cell.key in scored]
    rivals = [scored[cell.key] for cell in (best, *others) if images and scored[cell.key].images == images]
    if len(rivals) < 2:
        return None
    sign = 1 if METRICS[metric].higher_is_better else -1
    drawn, left_out = (np.array([getattr(rival, side)[metric] for rival in rivals]) for side in ("drawn", "left_out"))
    chosen = np.where(np.isfinite(drawn), sign * drawn, -np.inf).argmax(axis=0)
    judged = left_out[chosen, np.arange(len(chosen))]
    return Choice(len(rivals), float(np.nanmean(judged, dtype=float)), float((chosen == 0).mean()))
