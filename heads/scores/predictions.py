"""A cell's predictions, and the sums over them under many sets of case weights that metrics are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import Self

import numpy as np
from scipy.sparse import csr_array, vstack

from headroom.heads.cell import FoldScores

ECE_BINS = 15
WIDE = 64  # columns from which adding row to row is faster than cumsum
LEVELS = 128  # of a ranking that are worked on at a time
NONE = 1e-30  # stands for no false alarm: no case is none, and nothing is divided by zero

Ranking = list[tuple[csr_array, int]]  # matrices of shape (blocks * levels, n), and their blocks


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions for n cases, with the sparse matrices that turn case weights into sums.

    Attributes
    ----------
    labels, predicted : ndarray of int, shape (n,)
    scores : ndarray of float, shape (n, k)
        Class probabilities, each row summing to 1.
    n_classes : int
        The number of classes, k.
    """

    labels: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray
    n_classes: int

    @cached_property
    def scores_usable(self) -> bool:
        """Whether every score is a finite number."""
        return bool(np.isfinite(self.scores).all())

    @cached_property
    def cells(self) -> csr_array:
        """Cases by (true, predicted) cell of the confusion matrix, shape (k * k, n)."""
        return _selector(self.labels * self.n_classes + self.predicted, self.n_classes**2)

    @cached_property
    def penalties(self) -> csr_array:
        """Log loss, Brier score and signed calibration gap by bin, shape (2 + ECE_BINS, n)."""
        epsilon = np.finfo(self.scores.dtype).eps
        scores = self.scores.astype(np.float64)
        onehot = np.eye(self.n_classes)[self.labels]
        log_losses = -np.log(np.clip((scores * onehot).sum(axis=1), epsilon, 1 - epsilon))
        briers = ((scores - onehot) ** 2).sum(axis=1)
        confidence = scores.max(axis=1)
        gaps = confidence - (scores.argmax(axis=1) == self.labels)
        bins = np.clip(np.ceil(confidence * ECE_BINS).astype(np.int64) - 1, 0, ECE_BINS - 1)
        return vstack([csr_array(np.stack([log_losses, briers])), _selector(bins, ECE_BINS, gaps)], format="csr")

    @cached_property
    def rankings(self) -> tuple[Ranking, ...]:
        """One a class; see `_ranking`."""
        return tuple(_ranking(self.scores[:, c], self.labels == c) for c in range(self.n_classes))


@dataclass(frozen=True, eq=False)
class Pooled:
    """The folds of one repeat together, cases in the order of their rows.

    Attributes
    ----------
    rows, fold : ndarray of int64, shape (n,)
        Row of the problem (-1: synthetic), and in which fold it was tested.
    predictions : Predictions
    """

    rows: np.ndarray
    fold: np.ndarray
    predictions: Predictions


def pooled(folds: Sequence[FoldScores]) -> list[Pooled]:
    """Join the folds of each repeat; equal rows are equal cases in all of them."""
    by_repeat = groupby(sorted(folds, key=attrgetter("repeat", "fold")), key=attrgetter("repeat"))
    return [_joined(list(of_repeat)) for _, of_repeat in by_repeat]


def _joined(folds: list[FoldScores]) -> Pooled:
    rows = np.concatenate([fold.rows for fold in folds])
    order = np.argsort(rows, kind="stable")
    labels, predicted, scores = (
        np.concatenate([getattr(fold, name) for fold in folds])[order] for name in ("labels", "predicted", "scores")
    )
    fold_of = np.repeat([fold.fold for fold in folds], [len(fold.rows) for fold in folds])
    return Pooled(rows[order], fold_of[order], Predictions(labels, predicted, scores, scores.shape[1]))


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted sums of predictions, one column of weights a replicate; computed when asked for.

    Attributes
    ----------
    predictions : Predictions
    weights : ndarray of float, shape (n, b)
        How often each case counts in each of b replicates.
    """

    predictions: Predictions
    weights: np.ndarray

    @classmethod
    def once(cls, predictions: Predictions) -> Self:
        """Every case counted once."""
        return cls(predictions, np.ones((len(predictions.labels), 1)))

    @cached_property
    def total(self) -> np.ndarray:
        """Cases in all, shape (b,)."""
        return self.weights.sum(axis=0).astype(np.float64)

    @cached_property
    def confusion(self) -> np.ndarray:
        """Confusion matrices, rows true and columns predicted, shape (b, k, k)."""
        k = self.predictions.n_classes
        return (self.predictions.cells @ self.weights).T.reshape(-1, k, k).astype(np.float64)

    @cached_property
    def penalties(self) -> np.ndarray:
        """Mean log loss, Brier score and signed calibration gap by bin, shape (2 + ECE_BINS, b)."""
        total = self.total
        return np.divide(
            self.predictions.penalties.astype(self.weights.dtype) @ self.weights,
            total,
            out=np.full((2 + ECE_BINS, len(total)), np.nan),
            where=total > 0,
        )

    @cached_property
    def ranking(self) -> np.ndarray:
        """One-vs-rest AUROC and average precision by class, shape (2, b, k); NaN where undefined."""
        by_class = [_auroc_and_precision(ranking, self.weights, self.total) for ranking in self.predictions.rankings]
        return np.stack(by_class, axis=-1)


def _selector(rows: np.ndarray, n_rows: int, values: np.ndarray | None = None) -> csr_array:
    """Sparse (n_rows, n) matrix that sums case i, times its value, into rows[i]; row -1 drops the case."""
    kept = np.flatnonzero(rows >= 0)
    data = np.ones(len(kept), np.float32) if values is None else values[kept]
    return csr_array((data, (rows[kept], kept)), shape=(n_rows, len(rows)))


def _ranking(scores: np.ndarray, positive: np.ndarray) -> Ranking:
    """Sum cases by the descending distinct scores ("levels") of the positives, so many levels at a time.

    Stacked blocks: positives at a level, negatives between the previous level and this one (ties included), and, where
    there are any, negatives tied with a level. They are all that AUROC and average precision depend on.
    """
    levels = np.unique(scores[positive])
    below = np.searchsorted(levels, scores, side="right") - 1
    rank = np.where(below >= 0, len(levels) - 1 - below, -1)
    tied = ~positive & np.isin(scores, levels)
    masks = (positive, ~positive, tied) if tied.any() else (positive, ~positive)
    blocks = [_selector(np.where(mask, rank, -1), len(levels)) for mask in masks]
    starts = range(0, len(levels), LEVELS)
    return [
        (vstack([block[start : start + LEVELS] for block in blocks], format="csr"), len(blocks)) for start in starts
    ]


def _auroc_and_precision(ranking: Ranking, weights: np.ndarray, total: np.ndarray) -> np.ndarray:
    """AUROC and average precision of every replicate, shape (2, b)."""
    hits, alarms = np.zeros(len(total), weights.dtype), np.full(len(total), NONE, weights.dtype)
    lost, found = np.zeros((2, len(total)))
    for matrix, blocks in ranking:  # in pieces that stay in the processor's cache
        here, false, *tied = np.split(matrix @ weights, blocks)
        seen, false = _running(here, hits), _running(false, alarms)
        hits, alarms = seen[-1].copy(), false[-1].copy()
        lost += np.einsum("lb,lb->b", here, false - tied[0] / 2 if tied else false)
        precision = np.divide(seen, np.add(seen, false, out=false), out=seen)
        found += np.einsum("lb,lb->b", here, precision)
    n_negative = total - hits
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([1 - lost / (hits * n_negative), found / hits])


def _running(rows: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Running sums down the rows, from what was before them."""
    sums = np.empty_like(rows)
    if rows.shape[1] < WIDE:
        np.cumsum(rows, axis=0, out=sums)
        return np.add(sums, before, out=sums)
    for row, after in zip(rows, sums, strict=True):
        before = np.add(row, before, out=after)
    return sums
