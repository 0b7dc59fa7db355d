"""What the best of many is worth: the choice made again on resampled images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headroom.heads.cell import Cell
from headroom.heads.scores.bootstrap import replicated
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.pooled import ProblemInfo, pooled, resampled
from headroom.heads.scores.predictions import Tally


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
        Share of the resampled test sets in which the same cell is chosen; heads are not fitted again.
    """

    among: int
    value: float
    share: float


def judge_choice(best: Cell, cells: Sequence[Cell], problems: Mapping[str, ProblemInfo], metric: str) -> Choice | None:
    """Correct the metric of the best cell for having been chosen.

    Bootstrap bias corrected cross-validation (Tsamardinos, Greasidou and Borboudakis, Machine Learning 2018), with
    whole groups drawn: in each replicate the best cell on the drawn images is judged on the others.

    Parameters
    ----------
    best : Cell
    cells : sequence of Cell
        All that it was chosen from; those tested on other images are passed over.
    problems : mapping of str to ProblemInfo
        By fingerprint.
    metric : str
        By which it was chosen.

    Returns
    -------
    Choice or None
        None where there is nothing to choose from.

    Examples
    --------
    >>> cell = Cell("", "", "", "", "", "", "cv", {}, "fitted")
    >>> judge_choice(cell, [cell], {}, "recall_macro") is None
    True
    """
    images = _images(best)
    rivals = [best, *(cell for cell in cells if cell.key != best.key and _images(cell) == images)]
    if len(rivals) < 2:
        return None
    sign = 1 if METRICS[metric].higher_is_better else -1
    drawn = np.array([_replicates(cell, problems, metric) for cell in rivals])
    chosen = np.where(np.isfinite(drawn), sign * drawn, -np.inf).argmax(axis=0)
    judged = np.full(len(chosen), np.nan)
    for place in np.unique(chosen):
        here = chosen == place
        judged[here] = _replicates(rivals[place], problems, metric, left_out=True)[here]
    return Choice(len(rivals), float(np.nanmean(judged)), float((chosen == 0).mean()))


def _images(cell: Cell) -> list[tuple[bytes, bytes]]:
    """The images that each repeat tested, with their labels; folds may differ."""
    return [(rows.tobytes(), predictions.labels.tobytes()) for rows, predictions in pooled(cell)]


def _replicates(cell: Cell, problems: Mapping[str, ProblemInfo], metric: str, *, left_out: bool = False) -> np.ndarray:
    """The metric on the images that each replicate draws, or on those that it leaves out; shape (b,)."""
    problem = problems[cell.problem]
    tallies = resampled(pooled(cell), problem)
    if left_out:
        tallies = [Tally(tally.predictions, tally.weights == 0) for tally in tallies]
    return replicated(tallies, problem.ordinal, [metric])[metric]
