"""A cell's predictions, and the sums over them under many sets of case weights that metrics are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from headroom.heads.cell import FoldScores
from headroom.heads.scores.recalibration import Recalibration, recalibrate

ECE_BINS = 15
WIDE = 64  # columns from which adding row to row is faster than cumsum
LEVELS = 128  # of a ranking that are worked on at a time
SPECIFICITIES = (0.9, 0.95)  # at which sensitivity is read off the ROC curve
SLACK = 1e-3  # of a case: a share of whole cases in single precision
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
    fold, groups : ndarray, shape (n,), optional
        In which fold a case was tested (all in one), and its group (each its own).
    """

    labels: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray
    n_classes: int
    fold: np.ndarray | None = None
    groups: np.ndarray | None = None

    @cached_property
    def folds(self) -> list[tuple[np.ndarray, "Predictions"]]:
        """The cases of each fold and their predictions."""
        fold = np.zeros(len(self.labels)) if self.fold is None else self.fold
        cases = [np.flatnonzero(fold == each) for each in np.unique(fold)]
        return [
            (here, Predictions(self.labels[here], self.predicted[here], self.scores[here], self.n_classes))
            for here in cases
        ]

    @cached_property
    def scores_usable(self) -> bool:
        """Whether every score is a finite number."""
        return bool(np.isfinite(self.scores).all())

    @cached_property
    def cells(self) -> csr_array:
        """Cases by (true, predicted) cell of the confusion matrix, shape (k * k, n)."""
        cells = self.labels * self.n_classes + self.predicted
        return _selector(cells, self.n_classes**2, np.arange(len(cells)), len(cells))

    @cached_property
    def recalibrations(self) -> list[Recalibration]:
        """One a class."""
        scores = self._clipped()
        return [recalibrate(scores[:, c], self.labels == c) for c in range(self.n_classes)]

    @cached_property
    def terms(self) -> np.ndarray:
        """All that is summed over cases: penalties, gaps and cases by bin, terms of recalibration; float32.

        Shape (2 + 2 * bins + 8 * k, n); log loss and Brier score are the penalties.
        """
        onehot = np.eye(self.n_classes)[self.labels]
        log_losses = -np.log((self._clipped() * onehot).sum(axis=1))
        briers = ((self.scores.astype(np.float64) - onehot) ** 2).sum(axis=1)
        bins, gaps = self._binned
        by_bin = bins == np.arange(bins.max(initial=0) + 1)[:, None]
        calibration = [fit.terms for fit in self.recalibrations]
        return np.concatenate([[log_losses, briers], by_bin * gaps, by_bin, *calibration], dtype=np.float32)

    @cached_property
    def squares(self) -> np.ndarray:
        """Squared sums of gaps, and of cases, of a group in a bin, kept at one of its cases; (2 * bins, n), float32."""
        bins, gaps = self._binned
        apart = bins if self.fold is None else bins + (bins.max(initial=0) + 1) * self.fold
        groups = np.arange(len(bins)) if self.groups is None else np.unique(self.groups, return_inverse=True)[1]
        _, first, of = np.unique(groups * (apart.max(initial=0) + 1) + apart, return_index=True, return_inverse=True)
        squares = np.zeros((2, 1, len(bins)), np.float32)
        squares[:, 0, first] = [np.bincount(of, gaps) ** 2, np.bincount(of) ** 2]
        by_bin = bins == np.arange(bins.max(initial=0) + 1)[:, None]
        return (squares * by_bin).reshape(-1, len(bins))

    @cached_property
    def _binned(self) -> tuple[np.ndarray, np.ndarray]:
        """Bin of the confidence, numbered without those that are empty, and signed calibration gap of every case."""
        confidence = self.scores.max(axis=1).astype(np.float64)
        bins = np.clip(np.ceil(confidence * ECE_BINS).astype(np.int64) - 1, 0, ECE_BINS - 1)
        return np.unique(bins, return_inverse=True)[1], confidence - (self.scores.argmax(axis=1) == self.labels)

    def _clipped(self) -> np.ndarray:
        """Scores that have a logarithm."""
        epsilon = np.finfo(self.scores.dtype).eps
        return np.clip(self.scores.astype(np.float64), epsilon, 1 - epsilon)

    @cached_property
    def rankings(self) -> tuple[Ranking, ...]:
        """One a class; see `_ranking`."""
        return tuple(_ranking(self.scores[:, c], self.labels == c) for c in range(self.n_classes))


@dataclass(frozen=True, eq=False)
class Pooled:
    """The folds of one repeat together, cases in the order of their rows.

    Attributes
    ----------
    rows, fold, groups : ndarray of int64, shape (n,)
        Row of the problem (-1: synthetic), in which fold it was tested, and its group.
    predictions : Predictions
    """

    rows: np.ndarray
    fold: np.ndarray
    groups: np.ndarray
    predictions: Predictions


def pooled(folds: Sequence[FoldScores], groups: np.ndarray | None = None) -> list[Pooled]:
    """Join the folds of each repeat; equal rows are equal cases in all of them.

    ``groups`` are those of the rows of the problem; without them each row is its own.
    """
    by_repeat = groupby(sorted(folds, key=attrgetter("repeat", "fold")), key=attrgetter("repeat"))
    return [_joined(list(of_repeat), groups) for _, of_repeat in by_repeat]


def _joined(folds: list[FoldScores], groups: np.ndarray | None) -> Pooled:
    rows = np.concatenate([fold.rows for fold in folds])
    order = np.argsort(rows, kind="stable")
    labels, predicted, scores = (
        np.concatenate([getattr(fold, name) for fold in folds])[order] for name in ("labels", "predicted", "scores")
    )
    fold_of = np.repeat([fold.fold for fold in folds], [len(fold.rows) for fold in folds])
    rows, fold_of = rows[order], fold_of[order]
    groups = _groups_of(rows, groups)
    return Pooled(rows, fold_of, groups, Predictions(labels, predicted, scores, scores.shape[1], fold_of, groups))


def _groups_of(rows: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Groups of the cases; a synthetic one is a group of its own."""
    found = rows.copy() if groups is None else np.asarray(groups)[rows]
    synthetic = rows < 0
    found[synthetic] = found.max(initial=0) + 1 + np.arange(synthetic.sum())
    return found


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

    @classmethod
    def counted(cls, confusion: np.ndarray) -> Self:
        """Confusion matrices of b replicates, shape (b, k, k); their cells are the cases, and have no scores."""
        k = confusion.shape[-1]
        true, predicted = np.divmod(np.arange(k * k), k)
        return cls(Predictions(true, predicted, np.full((k * k, k), np.nan), k), confusion.reshape(-1, k * k).T)

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
    def folds(self) -> list["Sums"]:
        """Of each fold alone."""
        return [Sums(predictions, self.weights[cases]) for cases, predictions in self.predictions.folds]

    @cached_property
    def penalties(self) -> np.ndarray:
        """Mean log loss and Brier score, shape (2, b)."""
        return self._mean(self._terms[:2])

    @cached_property
    def squared_gap(self) -> np.ndarray:
        """Squared calibration gap from pairs of cases in a bin that are of two groups, shape (b,)."""
        squares = self.predictions.squares
        gap, cases = np.split(self._terms[2 : 2 + len(squares)], 2)
        gap_alone, cases_alone = np.split((squares.astype(self.weights.dtype) @ self.weights**2).astype(np.float64), 2)
        pairs = cases**2 - cases_alone
        squared = np.divide(gap**2 - gap_alone, pairs, out=np.zeros_like(gap), where=pairs > SLACK)
        return self._mean((cases * squared).sum(axis=0))

    @cached_property
    def calibration(self) -> np.ndarray:
        """Calibration intercept, slope and loss by class, shape (3, b, k)."""
        fits = self.predictions.recalibrations
        by_class = np.split(self._terms[2 + len(self.predictions.squares) :], len(fits))
        return np.stack([fit.stepped(each, self.total) for fit, each in zip(fits, by_class, strict=True)], axis=-1)

    @cached_property
    def _terms(self) -> np.ndarray:
        """Sums over cases, shape (terms, b)."""
        return (self.predictions.terms.astype(self.weights.dtype) @ self.weights).astype(np.float64)

    @cached_property
    def ranking(self) -> np.ndarray:
        """One-vs-rest AUROC, average precision and, of two classes, sensitivity at `SPECIFICITIES`.

        Shape (2 + len(SPECIFICITIES), b, k); NaN where undefined.
        """
        true = self.confusion.sum(axis=2).T
        targets = SPECIFICITIES if len(true) == 2 else ()
        by_class = [
            _along_ranking(ranking, self.weights, positive, self.total - positive, targets)
            for ranking, positive in zip(self.predictions.rankings, true, strict=True)
        ]
        return np.stack(by_class, axis=-1)

    def _mean(self, sums: np.ndarray) -> np.ndarray:
        """Sums over cases by their number, NaN where there is none."""
        return np.divide(sums, self.total, out=np.full(sums.shape, np.nan), where=self.total > 0)


def _selector(rows: np.ndarray, n_rows: int, cases: np.ndarray, n: int) -> csr_array:
    """Sparse (n_rows, n) matrix that sums each of the cases into its row."""
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.bincount(rows, minlength=n_rows).cumsum()])
    return csr_array((np.ones(len(cases), np.float32), cases[order], starts), shape=(n_rows, n))


def _ranking(scores: np.ndarray, positive: np.ndarray) -> Ranking:
    """Sum cases by the descending distinct scores ("levels") of the positives, so many levels at a time.

    Stacked blocks: positives at a level, negatives between the previous level and this one (ties included), and, where
    there are any, negatives tied with a level. They are all that AUROC and average precision depend on.
    """
    levels = np.unique(scores[positive])
    below = np.searchsorted(levels, scores, side="right") - 1
    tied = ~positive & (below >= 0)
    tied[tied] = levels[below[tied]] == scores[tied]
    kinds = [positive, ~positive, tied] if tied.any() else [positive, ~positive]
    kind, case = np.nonzero(np.stack(kinds) & (below >= 0))
    piece, place = np.divmod(len(levels) - 1 - below[case], LEVELS)
    height = np.minimum(LEVELS, len(levels) - LEVELS * piece)
    rows = height * kind + place
    return [
        (_selector(rows[here], len(kinds) * height[here][0], case[here], len(scores)), len(kinds))
        for here in (piece == each for each in range(-(-len(levels) // LEVELS)))
    ]


def _along_ranking(
    ranking: Ranking, weights: np.ndarray, positive: np.ndarray, negative: np.ndarray, targets: Sequence[float]
) -> np.ndarray:
    """AUROC, average precision and sensitivity at each target of specificity, of every replicate."""
    hits, alarms = np.zeros(len(positive), weights.dtype), np.full(len(positive), NONE, weights.dtype)
    lost, found = np.zeros((2, len(positive)))
    allowed = [((1 - target) * negative + SLACK).astype(weights.dtype) for target in targets]
    sensed = np.full((len(SPECIFICITIES), len(positive)), 0.0 if targets else np.nan)
    for matrix, blocks in ranking:  # in pieces that stay in the processor's cache
        here, false, *tied = np.split(matrix @ weights, blocks)
        seen, false = _running(here, hits), _running(false, alarms)
        hits, alarms = seen[-1].copy(), false[-1].copy()
        lost += np.einsum("lb,lb->b", here, false - tied[0] / 2 if tied else false)
        for limit, so_far in zip(allowed, sensed, strict=False):
            so_far += np.einsum("lb,lb->b", here, _share(limit, false, *tied))
        precision = np.divide(seen, np.add(seen, false, out=false), out=seen)
        found += np.einsum("lb,lb->b", here, precision)
    with np.errstate(invalid="ignore", divide="ignore"):
        undefined = np.where(positive * negative > 0, 0, np.nan)
        return np.stack([1 - lost / (positive * negative), found / positive, *(sensed / positive + undefined)])


def _share(allowed: np.ndarray, false: np.ndarray, tied: np.ndarray | None = None) -> np.ndarray:
    """Share of the positives at a level that are found with so many false alarms; along the ROC curve where tied."""
    if tied is None:
        return false <= allowed
    return np.clip((allowed - (false - tied)) / np.maximum(tied, NONE), 0, 1)


def _running(rows: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Running sums down the rows, from what was before them."""
    sums = np.empty_like(rows)
    if rows.shape[1] < WIDE:
        np.cumsum(rows, axis=0, out=sums)
        return np.add(sums, before, out=sums)
    for row, after in zip(rows, sums, strict=True):
        before = np.add(row, before, out=after)
    return sums
