"""Every fitted cell as one row, and what the best of them is worth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headroom.heads.cell import Cell
from headroom.heads.scores.metrics import CONFUSION, METRICS, evaluate
from headroom.heads.scores.predictions import Sums
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
        ``dataset``, ``model``, ``head``, ``balance``, ``protocol``, ``n`` (predicted cases), ``positive`` (which of two
        classes ``sensitivity`` and ``specificity`` are of; None of more), ``metrics`` and ``intervals`` (95 %,
        bootstrap clustered by group). Each metric is that of the out-of-fold predictions of one repeat, averaged over
        the repeats; what compares scores of different cases is measured fold by fold and averaged. None where it is
        undefined. Ordered by data set and protocol, the highest macro recall first.
    """
    rows = [
        {
            **cell.place,
            "protocol": cell.protocol,
            "n": scored[cell.key].n,
            "positive": scored[cell.key].positive,
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
        The metric of whichever cell is chosen, on images that had no part in the choice; never above that of the best,
        for nothing is gained by choosing.
    interval : list of two floats, or None
        At 95 %: that of the best, moved by as much as the value.
    share : float
        Share of the bootstrap replicates in which the same cell is chosen; heads are not fitted again.
    """

    among: int
    value: float
    interval: list[float] | None
    share: float


def judge_choice(best: Cell, cells: Sequence[Cell], scored: Mapping[str, Scored], metric: str) -> Choice | None:
    """Correct the metric of the best cell for having been chosen.

    Bootstrap bias corrected cross-validation (Tsamardinos, Greasidou and Borboudakis, Machine Learning 2018), with
    whole groups drawn: in each replicate the best cell on the drawn images is judged on the others. Their confusion
    counts are summed over the replicates before the metric is taken, for few images of a class are left out of one.

    Parameters
    ----------
    best : Cell
    cells : sequence of Cell
        All that it was chosen from; those tested on other images are passed over.
    scored : mapping of str to Scored
        By key.
    metric : str
        By which it was chosen; one of true and predicted classes.

    Returns
    -------
    Choice or None
        None where there is nothing to choose from, or the metric is one of scores.
    """
    images = scored[best.key].images if best.key in scored else None
    others = [cell for cell in cells if cell.key != best.key and cell.key in scored]
    rivals = [scored[cell.key] for cell in (best, *others) if images and scored[cell.key].images == images]
    record, observed = METRICS[metric], scored[best.key].metrics[metric] if rivals else None
    if len(rivals) < 2 or record.needs != CONFUSION or observed is None:
        return None
    sign = 1 if record.higher_is_better else -1
    drawn = np.array([rival.drawn[metric] for rival in rivals], float)
    chosen = np.where(np.isfinite(drawn), sign * drawn, -np.inf).argmax(axis=0)
    left_out = sum(rivals[each].left_out[chosen == each].sum(axis=0, dtype=float) for each in np.unique(chosen))
    counts = Sums.counted(np.array([left_out, rivals[0].left_out.sum(axis=0, dtype=float)]))
    of_chosen, of_best = evaluate([counts], True, [metric])[metric]
    value = observed + sign * min(sign * float(of_chosen - of_best), 0.0)
    interval = [bound - observed + value for bound in rivals[0].intervals[metric] or []]
    return Choice(len(rivals), value, interval or None, float((chosen == 0).mean()))
