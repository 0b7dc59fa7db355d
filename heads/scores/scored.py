"""All that is computed of one fitted cell, once; everything that is said of a cell is said from this."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from headroom.heads.cell import Cell, FoldScores
from headroom.heads.results import Results
from headroom.heads.samples import Problem
from headroom.heads.scores.bootstrap import blocks, draw_weights, drawn_metrics
from headroom.heads.scores.intervals import effective_groups, metric_interval
from headroom.heads.scores.metrics import CONFUSION, METRICS, PER_CLASS, evaluate, number
from headroom.heads.scores.predictions import Pooled, Sums, pooled

VERSION = 1  # raised whenever the same predictions would lead to other numbers
FEW = 24  # cells that are scored sooner here than workers start


@dataclass(frozen=True, eq=False)
class Scored:
    """Metrics of a fitted cell with what intervals and tests need.

    Attributes
    ----------
    n : int
        Cases of a repeat.
    metrics : dict of str to float or None
        Of the pooled out-of-fold predictions of a repeat, averaged over the repeats; None where undefined.
    intervals : dict of str to list of two floats, or None
        At 95 %, from the bootstrap that draws whole groups: of the fitted heads, for it draws test images alone.
    images, layout : str
        Digests of the images that each repeat, and each fold, tested; ``layout`` is empty with synthetic ones.
    by_fold : dict of str to ndarray of float64, shape (folds,)
        Each metric by fold; NaN where undefined, as below.
    drawn, left_out : dict of str to ndarray of float32, shape (b,)
        Metrics on the images that each bootstrap replicate draws, and on those that it leaves out (without slow ones).
    tested, before, after : ndarray of int64, shape (folds, k)
        Tested images a class, and training images a class before and after balancing.
    cases, units : list of float
        Images of a repeat, and groups of equal size that would tell as much: all, then of each class.
    """

    n: int
    metrics: dict[str, float | None]
    intervals: dict[str, list[float] | None]
    images: str
    layout: str
    by_fold: dict[str, np.ndarray]
    drawn: dict[str, np.ndarray]
    left_out: dict[str, np.ndarray]
    tested: np.ndarray
    before: np.ndarray
    after: np.ndarray
    cases: list[float]
    units: list[float]

    @property
    def test_train(self) -> float:
        """Test images divided by training images, over all folds."""
        return float(self.tested.sum() / self.before.sum())


def score_folds(folds: Sequence[FoldScores], groups: np.ndarray, ordinal: bool) -> Scored:
    """Compute all of it from a cell's folds and the groups of its problem's rows."""
    repeats = pooled(folds)
    values = [_whole_and_by_fold(repeat, ordinal) for repeat in repeats]
    metrics = {name: np.mean([each[name][0] for each in values]) for name in METRICS}
    weights = [draw_weights(_groups_of(repeat.rows, groups)) for repeat in repeats]
    drawn, left_out = (
        {
            name: found.astype(np.float32)
            for name, found in drawn_metrics(
                [Sums(repeat.predictions, each) for repeat, each in zip(repeats, side, strict=True)],
                ordinal,
                names,
            ).items()
        }
        for side, names in (
            (weights, tuple(METRICS)),
            ([each == 0 for each in weights], [name for name, record in METRICS.items() if not record.slow]),
        )
    )
    folds = sorted(folds, key=lambda fold: (fold.repeat, fold.fold))
    k = repeats[0].predictions.n_classes
    labels = repeats[0].predictions.labels
    units = effective_groups(_groups_of(repeats[0].rows, groups), labels, k)
    by_class = _by_class([Sums(repeat.predictions, each) for repeat, each in zip(repeats, weights, strict=True)])
    return Scored(
        n=len(repeats[0].rows),
        metrics={name: number(value) for name, value in metrics.items()},
        intervals={
            name: metric_interval(record, metrics[name], drawn[name], by_class.get(record.mean_of), units)
            for name, record in METRICS.items()
        },
        images=_digest([part for repeat in repeats for part in (repeat.rows, repeat.predictions.labels)]),
        layout=""
        if any((fold.rows < 0).any() for fold in folds)
        else _digest([part for fold in folds for part in (np.array([fold.repeat, fold.fold]), fold.rows, fold.labels)]),
        by_fold={name: np.concatenate([each[name][1:] for each in values]) for name in METRICS},
        drawn=drawn,
        left_out=left_out,
        tested=np.array([np.bincount(fold.labels, minlength=k) for fold in folds]),
        before=np.array([fold.counts_before for fold in folds]),
        after=np.array([fold.counts_after for fold in folds]),
        cases=[float(len(labels)), *np.bincount(labels, minlength=k).astype(float).tolist()],
        units=units.tolist(),
    )


def scored_cells(results: Results, cells: Sequence[Cell], problems: Mapping[str, Problem]) -> dict[str, Scored]:
    """Read what is kept of fitted cells, and compute and keep the rest.

    Parameters
    ----------
    results : Results
    cells : sequence of Cell
        Their folds are not looked at.
    problems : mapping of str to Problem
        By fingerprint.

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
    return found


def _whole_and_by_fold(repeat: Pooled, ordinal: bool) -> dict[str, np.ndarray]:
    """Each metric on all cases of a repeat, then on those of each fold."""
    folds = repeat.fold[:, None] == np.unique(repeat.fold)
    return evaluate([Sums(repeat.predictions, np.column_stack([np.ones(len(folds)), folds]))], ordinal)


def _by_class(repeats: Sequence[Sums]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each metric by class on all cases, shape (k,), and on the replicates, shape (b, k)."""
    usable = all(sums.predictions.scores_usable for sums in repeats)
    once = [Sums.once(sums.predictions) for sums in repeats]
    found = [
        {
            name: np.mean([compute(sums) for sums in block], axis=0)
            for name, (needs, compute) in PER_CLASS.items()
            if usable or needs == CONFUSION
        }
        for block in (once, *blocks(repeats))
    ]
    return {name: (found[0][name][0], np.concatenate([each[name] for each in found[1:]])) for name in found[0]}


def _groups_of(rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Groups of the cases; a synthetic one is a group of its own."""
    found = np.asarray(groups)[rows]
    synthetic = rows < 0
    found[synthetic] = found.max(initial=0) + 1 + np.arange(synthetic.sum())
    return found


def _digest(arrays: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.int64(len(array)).tobytes() + array.astype(np.int64).tobytes())
    return digest.hexdigest()


_PLAIN = ("n", "metrics", "intervals", "images", "layout", "cases", "units")
_TABLES = {"by_fold": np.float64, "drawn": np.float32, "left_out": np.float32}
_COUNTS = ("tested", "before", "after")


def _about(scored: Scored) -> dict:
    """What is kept as JSON, with the names of the columns of the arrays."""
    return {name: getattr(scored, name) for name in _PLAIN} | {name: list(getattr(scored, name)) for name in _TABLES}


def _arrays(scored: Scored) -> list[bytes]:
    """What is kept as bytes, in the order of `_TABLES` and `_COUNTS`."""
    tables = [np.array(list(getattr(scored, name).values()), dtype) for name, dtype in _TABLES.items()]
    return [array.tobytes() for array in (*tables, *(getattr(scored, name).astype(np.int64) for name in _COUNTS))]


def _kept(results: Results) -> Iterator[tuple[str, Scored]]:
    """What was computed by this version, of the metrics that there are now."""
    for key, about, arrays in results.kept_scored(VERSION):
        if about["by_fold"] != list(METRICS):
            continue
        tables = {
            name: dict(zip(about[name], np.frombuffer(blob, dtype).reshape(len(about[name]), -1), strict=True))
            for (name, dtype), blob in zip(_TABLES.items(), arrays, strict=False)
        }
        folds = len(next(iter(tables["by_fold"].values())))
        counts = [np.frombuffer(blob, np.int64).reshape(folds, -1) for blob in arrays[len(_TABLES) :]]
        columns: dict[str, Any] = (
            {name: about[name] for name in _PLAIN} | tables | dict(zip(_COUNTS, counts, strict=True))
        )
        yield key, Scored(**columns)
