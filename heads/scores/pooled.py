"""A cell's folds joined into one set of predictions a repeat, ready for metrics and bootstrap."""

from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter

import numpy as np

from headroom.heads.cell import Cell, FoldScores
from headroom.heads.results import ProblemInfo
from headroom.heads.scores.bootstrap import draw_weights
from headroom.heads.scores.predictions import Predictions, Tally

Problems = Mapping[str, ProblemInfo]


def pooled(cell: Cell) -> list[tuple[np.ndarray, Predictions]]:
    """Join the folds of each repeat.

    Parameters
    ----------
    cell : Cell
        A fitted cell.

    Returns
    -------
    list of (rows, Predictions)
        One entry a repeat, its cases in the order of their rows, so that equal rows are equal cases in all of them.

    Examples
    --------
    >>> pooled(Cell("", "", "", "", "", "", "cv", {}, "failed"))
    []
    """
    by_repeat = groupby(sorted(cell.folds, key=attrgetter("repeat", "fold")), key=attrgetter("repeat"))
    return [_joined(list(folds)) for _, folds in by_repeat]


def resampled(repeats: list[tuple[np.ndarray, Predictions]], problem: ProblemInfo) -> list[Tally]:
    """Give pooled predictions the bootstrap weights of the problem's groups.

    Parameters
    ----------
    repeats : list of (rows, Predictions)
        From `pooled`.
    problem : ProblemInfo
        Of which only the groups are used. A synthetic case (row -1) is a group of its own.

    Returns
    -------
    list of Tally
        One a repeat, with the same weights where the repeats hold the same rows.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> rows, labels = np.array([0, 1, 2]), np.array([0, 1, 1])
    >>> problem = SimpleNamespace(groups=np.array([5, 5, 6]))
    >>> resampled([(rows, Predictions(labels, labels, np.eye(2)[labels], 2))], problem)[0].weights[:, :4]
    array([[0, 1, 2, 2],
           [0, 1, 2, 2],
           [2, 1, 0, 0]], dtype=uint16)
    """
    return [Tally(predictions, draw_weights(_groups(rows, problem))) for rows, predictions in repeats]


def _joined(folds: list[FoldScores]) -> tuple[np.ndarray, Predictions]:
    rows = np.concatenate([fold.rows for fold in folds])
    order = np.argsort(rows, kind="stable")
    labels, predicted, scores = (
        np.concatenate([getattr(fold, name) for fold in folds])[order] for name in ("labels", "predicted", "scores")
    )
    return rows[order], Predictions(labels, predicted, scores, scores.shape[1])


def _groups(rows: np.ndarray, problem: ProblemInfo) -> np.ndarray:
    groups = np.asarray(problem.groups)[rows]
    synthetic = rows < 0
    groups[synthetic] = groups.max(initial=0) + 1 + np.arange(synthetic.sum())
    return groups
