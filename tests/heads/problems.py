"""Small made-up problems with vectors, for the tests of what is fitted on them."""

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from headroom.heads.cell import GridSettings
from headroom.heads.crossval import Task, fit_task
from headroom.heads.folds import plan_folds
from headroom.heads.samples import Problem

COUNTS = (60, 40, 28)  # groups a class
SIZE = 2  # images a group, of identical content


def make_problem(*, signal=2.5, dimension=6, permuted=False, ordinal=False, views=0, seed=0):
    """Imbalanced classes of Gaussian points, every point there twice; patients join some of the pairs."""
    random = np.random.default_rng(seed)
    contents = np.repeat(np.arange(len(COUNTS)), COUNTS)
    points = random.normal(size=(len(contents), dimension))
    points[:, 0] += signal * contents
    if permuted:
        contents = random.permutation(contents)
    labels = np.repeat(contents, SIZE).astype(np.int64)
    vectors = np.repeat(points, SIZE, axis=0).astype(np.float32)
    noise = 0.1 * random.normal(size=(len(labels), views, dimension))
    return Problem(
        dataset="made-up",
        model="none",
        vectors=vectors,
        labels=labels,
        classes=("healthy", "mild", "severe"),
        ids=np.array([f"{row}.png" for row in range(len(labels))]),
        groups=np.repeat(np.arange(len(contents)) // 2, SIZE),
        split=np.where(random.random(len(labels)) < 0.7, "train", "test"),
        ordinal=ordinal,
        fingerprint=f"made-up-{signal}-{permuted}-{ordinal}-{views}-{seed}",
        views=(vectors[:, None, :] + noise).astype(np.float32) if views else None,
    )


def fit(problem, heads, balance, folder, **settings):
    """Outcomes of all folds by head, fitted in this process."""
    chosen = GridSettings(**{"folds": 2, **settings})
    joblib.dump(problem, folder / problem.fingerprint)
    with threadpool_limits(1):
        folds = [
            fit_task(Task(folder / problem.fingerprint, fold, balance, chosen, tuple(heads)))
            for fold in plan_folds(problem, chosen)
        ]
    return {head: [fold[head] for fold in folds] for head in heads}
