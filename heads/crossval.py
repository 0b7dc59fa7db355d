"""One task of the grid: one fold under one balancer, for several heads."""

import time
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import joblib
import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from headroom.errors import HeadError
from headroom.heads.balancing import BALANCERS, resample
from headroom.heads.cell import FoldScores, GridSettings, plan_reduction
from headroom.heads.folds import Fold, plan_folds
from headroom.heads.samples import Samples
from headroom.heads.thresholds import CRITERIA, plan_criterion
from headroom.heads.training import APART, Trainer


@dataclass(frozen=True, eq=False)
class Failure:
    """Why one head could not be fitted on one fold, and whether trying again would end the same."""

    reason: str
    lasting: bool = True


@dataclass(frozen=True)
class Task:
    """Heads to fit one after the other on one fold under one balancer.

    Attributes
    ----------
    samples : Path
        File with all rows of the problem, written by joblib.
    fold : Fold
    balance : str
    settings : GridSettings
    heads : tuple of str
    threads : int
    fast : bool
        Whether scikit-learn-intelex's estimators are used where a head names one.
    balance_seed : int
        Which of the seeds of resampling.
    """

    samples: Path
    fold: Fold
    balance: str
    settings: GridSettings
    heads: tuple[str, ...]
    threads: int = 1
    fast: bool = False
    balance_seed: int = 0


def fit_scaling(vectors: np.ndarray, settings: GridSettings) -> Pipeline:
    """Scaling, and reduction where asked, fitted on the training part's vectors.

    Raises
    ------
    HeadError
        Where more components are asked than the training part has images or columns.
    """
    components, most = plan_reduction(settings.reduce), min(vectors.shape)
    if components is not None and components > most:
        raise HeadError(
            got=f"--reduce pca:{components} with {vectors.shape[0]} training images of {vectors.shape[1]} columns",
            remedy=f"ask for at most {most} components",
        )
    reduction = PCA(components, random_state=settings.seed) if components else "passthrough"
    return make_pipeline(StandardScaler(), reduction).fit(vectors)


def fit_task(task: Task) -> dict[str, FoldScores | Failure]:
    """Fit the task's heads and predict its test fold; by head."""
    outcomes: dict[str, FoldScores | Failure] = {}
    for head in task.heads:
        try:
            outcomes[head] = _predict(head, task.fold, *_divided(replace(task, heads=())))
        except Exception as error:
            outcomes[head] = _failure(error)
    return outcomes


def _predict(head: str, fold: Fold, trainer: Trainer, test: Samples, rows: np.ndarray) -> FoldScores:
    """Fit a head and predict the test fold, which consists of these rows of the problem."""
    counts = trainer.counts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = trainer.fit(head)
    start = time.perf_counter()
    predicted, scores = fitted.predict(test.vectors), fitted.scores(test.vectors)
    seconds = trainer.seconds[head] + time.perf_counter() - start
    return FoldScores(
        *(fold.repeat, fold.fold, rows, test.labels, predicted, scores.astype(np.float32), seconds),
        *counts,
        trainer.balance_seed,
    )


@lru_cache(maxsize=1)
def _divided(task: Task) -> tuple[Trainer, Samples, np.ndarray]:
    """What heads share, kept for the next task on the same fold, and the images and rows that they are tested on."""
    samples: Samples = joblib.load(task.samples, mmap_mode="r")
    settings, fold, balancer = task.settings, task.fold, BALANCERS[task.balance]
    seed, rows = settings.seed + fold.repeat, np.arange(len(samples.labels))
    if settings.protocol == "leaky":  # everything is scaled and resampled before the split, as it must not be done
        whole = samples.transform(fit_scaling(np.asarray(samples.vectors), settings))
        vectors, labels = resample(balancer, whole, seed=seed + APART * task.balance_seed)
        rows = _original_rows(whole.vectors, vectors)
        one_each = {"labels": labels, "groups": np.arange(len(labels)), "vectors": vectors}
        samples = Samples(classes=whole.classes, ordinal=whole.ordinal, **one_each)
        fold = plan_folds(samples, settings)[fold.repeat * settings.folds + fold.fold]
        balancer = replace(balancer, sampler="")
    train, test = samples.take(fold.train), samples.take(fold.test)
    if settings.protocol != "leaky":
        chain = fit_scaling(train.vectors, settings)
        train, test = train.transform(chain), test.transform(chain)
    costs = plan_criterion(settings.criterion, settings.cost, samples.classes, ordinal=samples.ordinal)
    how = (seed, task.threads, task.fast, settings.tune, CRITERIA[settings.criterion], costs, task.balance_seed)
    trainer = Trainer(train, balancer, *how)
    return trainer, test, rows[fold.test]


def _original_rows(original: np.ndarray, resampled: np.ndarray) -> np.ndarray:
    """Row that each resampled point was, each row once; -1 where the point is synthetic or a copy."""
    unused: dict[bytes, list[int]] = {}
    for row in range(len(original) - 1, -1, -1):
        unused.setdefault(original[row].tobytes(), []).append(row)
    return np.array([rows.pop() if (rows := unused.get(point.tobytes())) else -1 for point in resampled])


def _failure(error: Exception) -> Failure:
    """An error as a reason; only a shortage of memory, disk or packages may end otherwise next time."""
    if isinstance(error, HeadError):
        return Failure(f"{error.got}; {error.remedy}")
    first_line = (str(error).strip().splitlines() or [""])[0]
    lasting = isinstance(error, (ValueError, ArithmeticError))
    remedy = "use another head or --balance here" if lasting else "free memory or disk and run again"
    return Failure(f"{type(error).__name__}: {first_line}; {remedy}", lasting)
