"""One task of the grid: one fold under one balancer, for several heads."""

import time
import warnings
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from headroom.errors import HeadError
from headroom.heads.balancing import BALANCERS, BalancerRecord, resample
from headroom.heads.cell import FoldScores
from headroom.heads.folds import Fold, plan_folds
from headroom.heads.part import Part
from headroom.heads.samples import Problem
from headroom.heads.settings import GridSettings, plan_reduction
from headroom.heads.training import Trainer


@dataclass(frozen=True, eq=False)
class Failure:
    """Why one head could not be fitted on one fold, and whether trying again would end the same."""

    reason: str
    lasting: bool = True


@dataclass(frozen=True)
class Stored:
    """A problem whose vectors (and views) lie in files that every worker maps into memory; equal by those files."""

    vectors: Path
    views: Path | None
    labels: np.ndarray = field(compare=False)
    groups: np.ndarray = field(compare=False)
    classes: tuple[str, ...] = field(compare=False)
    ordinal: bool = field(compare=False)

    def load(self) -> Part:
        """All rows as one part."""
        views = None if self.views is None else np.load(self.views, mmap_mode="r")
        vectors = np.load(self.vectors, mmap_mode="r")
        return Part(vectors, self.labels, self.groups, self.classes, self.ordinal, views)


@dataclass(frozen=True)
class Ground:
    """What the heads of one fold under one balancer stand on."""

    stored: Stored
    fold: Fold
    balance: str
    settings: GridSettings
    threads: int = 1
    fast: bool = False


@dataclass(frozen=True, eq=False)
class Task:
    """Heads to fit on one ground, one after the other."""

    ground: Ground
    heads: tuple[str, ...]


def store(problem: Problem, folder: Path) -> Stored:
    """Write the problem's arrays where workers can map them."""
    vectors, views = folder / f"{problem.fingerprint}.npy", None
    np.save(vectors, problem.vectors.astype(np.float32, copy=False))
    if problem.views is not None:
        views = folder / f"{problem.fingerprint}-views.npy"
        np.save(views, problem.views.astype(np.float32, copy=False))
    return Stored(vectors, views, problem.labels, problem.groups, problem.classes, problem.ordinal)


def prepare(vectors: np.ndarray, settings: GridSettings) -> Pipeline:
    """Scaling, and reduction where asked, fitted on the training part's vectors.

    Raises
    ------
    HeadError
        Where more components are asked than the training part has images or columns.
    """
    components = plan_reduction(settings.reduce)
    if components is None:
        return make_pipeline(StandardScaler()).fit(vectors)
    if components > min(vectors.shape):
        raise HeadError(
            got=f"--reduce pca:{components} with {vectors.shape[0]} training images of {vectors.shape[1]} columns",
            remedy=f"ask for at most {min(vectors.shape)} components",
        )
    return make_pipeline(StandardScaler(), PCA(components, random_state=settings.seed)).fit(vectors)


@dataclass(frozen=True, eq=False)
class Sides:
    """What one fold trains on and is tested on."""

    train: Part
    test: Part
    rows: np.ndarray
    balancer: BalancerRecord


def fit_task(task: Task) -> dict[str, FoldScores | Failure]:
    """Fit the task's heads and predict its test fold.

    Parameters
    ----------
    task : Task

    Returns
    -------
    dict of FoldScores or Failure, by head
    """
    try:
        sides, trainer = _prepared(task.ground)
        counts = trainer.counts
    except Exception as error:
        return dict.fromkeys(task.heads, _failure(error))
    outcomes: dict[str, FoldScores | Failure] = {}
    for head in task.heads:
        try:
            outcomes[head] = _predict(head, trainer, sides, task.ground.fold, counts)
        except Exception as error:
            outcomes[head] = _failure(error)
    return outcomes


@lru_cache(maxsize=1)
def _prepared(ground: Ground) -> tuple[Sides, Trainer]:
    """Both sides, and the trainer that shares what it does among heads; kept for the next task on the same ground."""
    settings = ground.settings
    seed = settings.seed + ground.fold.repeat
    sides = _leaky_sides(ground, seed) if settings.protocol == "leaky" else _honest_sides(ground)
    return sides, Trainer(
        sides.train, sides.balancer, seed=seed, threads=ground.threads, fast=ground.fast, tune=settings.tune
    )


def _predict(
    head: str, trainer: Trainer, sides: Sides, fold: Fold, counts: tuple[np.ndarray, np.ndarray]
) -> FoldScores:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = trainer.fit(head)
    start = time.perf_counter()
    predicted, scores = model.predict(sides.test.vectors), model.scores(sides.test.vectors)
    seconds = trainer.seconds[head] + time.perf_counter() - start
    return FoldScores(
        *(fold.repeat, fold.fold, sides.rows, sides.test.labels, predicted, scores.astype(np.float32), seconds),
        *counts,
    )


def _honest_sides(ground: Ground) -> Sides:
    """Scaling and reduction learned from the training rows alone."""
    whole = ground.stored.load()
    train, test = whole.take(ground.fold.train), whole.take(ground.fold.test)
    chain = prepare(train.vectors, ground.settings)
    return Sides(train.transform(chain), test.transform(chain), ground.fold.test, BALANCERS[ground.balance])


def _leaky_sides(ground: Ground, seed: int) -> Sides:
    """Everything is scaled and resampled before the split, as it must not be done."""
    balancer, whole, settings = BALANCERS[ground.balance], ground.stored.load(), ground.settings
    whole = whole.transform(prepare(np.asarray(whole.vectors), settings))
    vectors, labels = resample(balancer, whole, seed=seed)
    units = np.arange(len(labels))
    plan = plan_folds(labels, units, np.full(len(labels), ""), **fold_arguments(settings))
    fold = plan[ground.fold.repeat * settings.folds + ground.fold.fold]
    mixed = Part(vectors, labels, units, whole.classes, whole.ordinal)
    rows = _original_rows(whole.vectors, vectors)
    return Sides(mixed.take(fold.train), mixed.take(fold.test), rows[fold.test], replace(balancer, sampler=""))


def _original_rows(original: np.ndarray, resampled: np.ndarray) -> np.ndarray:
    """Row that each resampled point was, each row once; -1 where the point is synthetic or a copy."""
    unused: dict[bytes, list[int]] = {}
    for row in range(len(original) - 1, -1, -1):
        unused.setdefault(original[row].tobytes(), []).append(row)
    return np.array([rows.pop() if (rows := unused.get(point.tobytes())) else -1 for point in resampled])


def fold_arguments(settings: GridSettings) -> dict[str, Any]:
    """The part of the settings that ``plan_folds`` takes."""
    return {name: getattr(settings, name) for name in ("protocol", "folds", "repeats", "seed")}


def _failure(error: Exception) -> Failure:
    """An error as a reason; only a shortage of memory, disk or packages may end otherwise next time."""
    if isinstance(error, HeadError):
        return Failure(f"{error.got}; {error.remedy}")
    first_line = (str(error).strip().splitlines() or [""])[0]
    lasting = isinstance(error, (ValueError, ArithmeticError))
    remedy = "use another head or --balance here" if lasting else "free memory or disk and run again"
    return Failure(f"{type(error).__name__}: {first_line}; {remedy}", lasting)
