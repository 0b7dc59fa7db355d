"""All that is computed of one fitted cell, once; everything that is said of a cell is said from this."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from headroom.heads.cell import Cell, FoldScores
from headroom.heads.results import Results
from headroom.heads.samples import Problem
from headroom.heads.scores.bootstrap import blocks, draw_weights, drawn_metrics
from headroom.heads.scores.intervals import effective_groups, interval, metric_interval
from headroom.heads.scores.metrics import METRICS, PER_CLASS, evaluate, number
from headroom.heads.scores.predictions import Pooled, Sums, pooled
from headroom.heads.scores.tradeoff import tradeoff

VERSION = 2  # raised whenever the same predictions would lead to other numbers
FEW = 24  # cells that are scored sooner here than workers start


@dataclass(frozen=True, eq=False)
class Scored:
    """Metrics of a fitted cell with what intervals and tests need.

    Attributes
    ----------
    n : int
        Cases of a repeat.
    metrics : dict of str to float or None
        Of the out-of-fold predictions of a repeat, averaged over the repeats; None where undefined.
    intervals : dict of str to list of two floats, or None
        At 95 %, from the bootstrap that draws whole groups: of the fitted heads, for it draws test images alone.
    by_class : dict of str to list of list
        Keys of `PER_CLASS`: one value a class, averaged over the repeats, and its interval; None where undefined.
    confusion : list of list of float, shape (k, k)
        True by predicted class, mean of the repeats.
    images, layout : str
        Digests of the images that each repeat, and each fold, tested, and of their groups; empty with synthetic ones.
    by_fold : dict of str to ndarray of float64, shape (folds,)
        Each metric by fold; NaN where undefined, as below.
    drawn : dict of str to ndarray of float32, shape (b,)
        Metrics on the images that each bootstrap replicate draws.
    calibration_loss : ndarray of float32, shape (1 + b,)
        Sum of that of the classes: of all images, then of those of each replicate.
    left_out : ndarray of unsigned int, shape (b, k, k)
        Confusion matrices of the images that each replicate leaves out, sum of the repeats.
    tested, before, after : ndarray of int64, shape (folds, k)
        Tested images a class, and training images a class before and after balancing.
    ranking : str
        Digest of the scores.
    tradeoff : dict of str to ndarray of float32
        Accuracy and macro recall of a moved decision, see `tradeoff`.
    cases, units : list of float
        Images of a repeat, and groups of equal size that would tell as much: all, then of each class.
    positive : str, optional
        Which of two classes ``sensitivity`` and ``specificity`` are of.
    """

    n: int
    metrics: dict[str, float | None]
    intervals: dict[str, list[float] | None]
    by_class: dict[str, list[tuple[float | None, list[float] | None]]]
    confusion: list[list[float]]
    images: str
    layout: str
    by_fold: dict[str, np.ndarray]
    drawn: dict[str, np.ndarray]
    calibration_loss: np.ndarray
    left_out: np.ndarray
    tested: np.ndarray
    before: np.ndarray
    after: np.ndarray
    cases: list[float]
    units: list[float]
    ranking: str
    tradeoff: dict[str, np.ndarray]
    positive: str | None = None

    @property
    def test_train(self) -> float:
        """Test images divided by training images, over all folds."""
        return float(self.tested.sum() / self.before.sum())

    def facing(self, classes: Sequence[str], positive: int) -> "Scored":
        """The same with one of two classes as the positive one; as computed, that is the second."""
        if len(classes) != 2:
            return self
        tables: dict[str, Any] = {name: getattr(self, name) for name in ("metrics", "intervals", "by_fold", "drawn")}
        if positive == 0:
            swapped = {"sensitivity": "specificity", "specificity": "sensitivity"}
            tables = {name: {key: table[swapped.get(key, key)] for key in table} for name, table in tables.items()}
            tables["cases"], tables["units"] = ([each[0], each[2], each[1]] for each in (self.cases, self.units))
            tables["left_out"] = self.left_out[:, ::-1, ::-1]
        return replace(self, **tables, positive=classes[positive])


def positive_class(problem: Problem, wanted: str = "") -> int:
    """The class that is to be found: the one that is wanted, else that with fewest images, the first of equals."""
    if wanted in problem.classes:
        return problem.classes.index(wanted)
    return int(np.bincount(problem.labels, minlength=len(problem.classes)).argmin())


def score_folds(folds: Sequence[FoldScores], groups: np.ndarray, ordinal: bool) -> Scored:
    """Compute all of it from a cell's folds and the groups of its problem's rows.

    Of two classes the second is the positive one, until `Scored.facing`.
    """
    repeats = pooled(folds, groups)
    whole = [_whole_and_folds(repeat) for repeat in repeats]
    values = [evaluate([sums], ordinal) for sums in whole]
    metrics = {name: np.mean([each[name][0] for each in values]) for name in METRICS}
    by_class = {name: found[0] for name, found in evaluate(whole, ordinal, table=PER_CLASS).items()}
    weights = [draw_weights(repeat.groups) for repeat in repeats]
    drawn, left_out = (
        [Sums(repeat.predictions, each) for repeat, each in zip(repeats, side, strict=True)]
        for side in (weights, [each == 0 for each in weights])
    )
    drawn_whole, drawn_by_class = drawn_metrics(drawn, ordinal, (METRICS, PER_CLASS))
    counts = np.concatenate([np.sum([sums.confusion for sums in block], axis=0) for block in blocks(left_out)])
    folds = sorted(folds, key=lambda fold: (fold.repeat, fold.fold))
    k = repeats[0].predictions.n_classes
    losses = np.concatenate([by_class["calibration_loss"][None], drawn_by_class["calibration_loss"]])
    labels = repeats[0].predictions.labels
    units = effective_groups(repeats[0].groups, labels, k)
    synthetic = any((repeat.rows < 0).any() for repeat in repeats)
    tested = [part for repeat in repeats for part in (repeat.rows, repeat.predictions.labels)]
    drawn_by = np.unique(repeats[0].groups, return_inverse=True)[1]
    return Scored(
        n=len(repeats[0].rows),
        metrics={name: number(value) for name, value in metrics.items()},
        intervals={
            name: metric_interval(
                record,
                metrics[name],
                drawn_whole[name],
                (by_class[record.mean_of], drawn_by_class[record.mean_of]) if record.mean_of else None,
                units,
            )
            for name, record in METRICS.items()
        },
        by_class={
            name: [
                (number(value), interval(value, found, count, max(count - 1, 1), low=record.low, high=record.high))
                for value, found, count in zip(by_class[name], drawn_by_class[name].T, units[1:], strict=True)
            ]
            for name, record in PER_CLASS.items()
        },
        confusion=np.mean([sums.confusion[0] for sums in whole], axis=0).tolist(),
        images="" if synthetic else _digest([*tested, drawn_by]),
        layout="" if synthetic else _digest([*tested, *(repeat.fold for repeat in repeats), drawn_by]),
        by_fold={name: np.concatenate([each[name][1:] for each in values]) for name in METRICS},
        drawn={name: found.astype(np.float32) for name, found in drawn_whole.items()},
        calibration_loss=np.where(np.isfinite(losses).any(axis=1), np.nansum(losses, axis=1), np.nan).astype(
            np.float32
        ),
        left_out=counts.astype(np.min_scalar_type(int(counts.max()))),
        tested=np.array([np.bincount(fold.labels, minlength=k) for fold in folds]),
        before=np.array([fold.counts_before for fold in folds]),
        after=np.array([fold.counts_after for fold in folds]),
        cases=[float(len(labels)), *np.bincount(labels, minlength=k).astype(float).tolist()],
        units=units.tolist(),
        ranking=_digest([repeat.predictions.scores.astype(np.float32).view(np.int32).ravel() for repeat in repeats]),
        tradeoff=tradeoff(folds, repeats, weights),
    )


def scored_cells(
    results: Results, cells: Sequence[Cell], problems: Mapping[str, Problem], positive: str = ""
) -> dict[str, Scored]:
    """Read what is kept of fitted cells, and compute and keep the rest.

    Parameters
    ----------
    results : Results
    cells : sequence of Cell
        Their folds are not looked at.
    problems : mapping of str to Problem
        By fingerprint.
    positive : str
        Which of two classes is the positive one, where a problem has it; else `positive_class`.

    Returns
    -------
    dict of str to Scored
        By key.
    """
    fitted = {cell.key: cell for cell in cells if cell.status == "fitted"}
    found = {key: scored for key, scored in _kept(results) if key in fitted}
    missing = sorted((cell for key, cell in fitted.items() if key not in found), key=lambda cell: cell.problem)
    with Parallel(-1 if len(missing) > FEW else 1) as parallel:
        for start in range(0, len(missing), FEW):
            together = missing[start : start + FEW]
            tasks = [(results.folds(cell.key), problems[cell.problem]) for cell in together]
            scoring = parallel(delayed(score_folds)(folds, of.groups, of.ordinal) for folds, of in tasks)
            for cell, scored in zip(together, scoring, strict=True):
                found[cell.key] = scored
                results.keep_scored(cell.key, VERSION, _about(scored), _arrays(scored))
    return {
        key: scored.facing(problem.classes, positive_class(problem, positive))
        for key, scored in found.items()
        for problem in [problems[fitted[key].problem]]
    }


def _whole_and_folds(repeat: Pooled) -> Sums:
    """All cases of a repeat, then those of each fold."""
    folds = repeat.fold[:, None] == np.unique(repeat.fold)
    return Sums(repeat.predictions, np.column_stack([np.ones(len(folds)), folds]))


def _digest(arrays: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.int64(len(array)).tobytes() + array.astype(np.int64).tobytes())
    return digest.hexdigest()


_PLAIN = ("n", "metrics", "intervals", "by_class", "confusion", "images", "layout", "cases", "units", "ranking")
_TABLES = {"by_fold": np.float64, "drawn": np.float32, "tradeoff": np.float32}
_COUNTS = ("tested", "before", "after")


def _about(scored: Scored) -> dict:
    """What is kept as JSON, with the names of the columns of the arrays."""
    plain = {name: getattr(scored, name) for name in _PLAIN}
    return plain | {name: list(getattr(scored, name)) for name in _TABLES} | {"left_out": scored.left_out.dtype.str}


def _arrays(scored: Scored) -> list[bytes]:
    """What is kept as bytes, in the order of the columns of the database."""
    tables = [np.array(list(getattr(scored, name).values()), dtype) for name, dtype in _TABLES.items()]
    counts = [getattr(scored, name).astype(np.int64) for name in _COUNTS]
    return [array.tobytes() for array in (*tables, scored.calibration_loss, scored.left_out, *counts)]


def _kept(results: Results) -> Iterator[tuple[str, Scored]]:
    """What was computed by this version, of the metrics that there are now."""
    for key, about, arrays in results.kept_scored(VERSION):
        if about["by_fold"] != list(METRICS) or list(about["by_class"]) != list(PER_CLASS):
            continue
        tables = {
            name: dict(zip(about[name], np.frombuffer(blob, dtype).reshape(len(about[name]), -1), strict=True))
            for (name, dtype), blob in zip(_TABLES.items(), arrays, strict=False)
        }
        losses, left_out, *counts = arrays[len(_TABLES) :]
        folds, k = len(next(iter(tables["by_fold"].values()))), len(about["confusion"])
        columns: dict[str, Any] = (
            {name: about[name] for name in _PLAIN}
            | tables
            | {
                name: np.frombuffer(blob, np.int64).reshape(folds, k)
                for name, blob in zip(_COUNTS, counts, strict=True)
            }
        )
        yield (
            key,
            Scored(
                **columns,
                calibration_loss=np.frombuffer(losses, np.float32),
                left_out=np.frombuffer(left_out, about["left_out"]).reshape(-1, k, k),
            ),
        )
