"""How often the test of a lift is wrong, how often its interval is right, and how often it finds a true lift.

Null cases: LDA on Gaussian classes of equal covariance, where SMOTE and random over-sampling shift the prior and no
more, and heads that differ in the seed of sampling only. True lifts: LDA with a minority of another
covariance, which over-sampling gives its share of the pooled one; 5-NN, where copies outvote their neighbours.
The true lift of a case is the mean over its simulations. ``wrong`` is the share of p below 5 % (power, where there is a
lift), ``wrong_of_mean`` that share against the true lift, ``covered`` the share of intervals that hold it.

    python benchmarks/validity_lift.py --simulations 1000
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from imblearn.over_sampling import SMOTE, RandomOverSampler
from joblib import Parallel, delayed
from machine import versions, write_csv
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier

from headroom.heads.cell import FoldScores, GridSettings
from headroom.heads.folds import plan_folds
from headroom.heads.samples import Samples
from headroom.heads.scores.bootstrap import draw_weights
from headroom.heads.scores.intervals import effective_groups
from headroom.heads.scores.lift import Curve, judged, lift_values
from headroom.heads.scores.predictions import pooled
from headroom.heads.scores.tradeoff import AXES, EXPONENTS, tradeoff

DIMENSION, FOLDS = 5, 5

Sampler = Callable[[int], Any]
HEADS: dict[str, Callable[[int], Any]] = {
    "lda": lambda _: LinearDiscriminantAnalysis(),
    "knn": lambda _: KNeighborsClassifier(5),
}
SAMPLERS: dict[str, Sampler | None] = {
    "none": None,
    "smote": lambda seed: SMOTE(random_state=seed),
    "over": lambda seed: RandomOverSampler(random_state=seed),
}


@dataclass(frozen=True)
class Case:
    """What is compared with what, on which data."""

    head: str
    balanced: str
    baseline: str
    lifted: bool = False
    classes: int = 3
    n: int = 500
    patients: int = 0
    repeats: int = 1
    stretch: float = 1.0


CASES = (
    *(Case("lda", "smote", "none", n=n) for n in (500, 1000, 2000)),
    Case("lda", "over", "none", n=1000),
    Case("lda", "over", "none", classes=2, n=1000),
    Case("lda", "smote", "none", n=1000, repeats=3),
    Case("lda", "smote", "none", n=1000, patients=100),
    Case("lda", "over", "over", n=1000),
    *(Case("lda", "smote", "none", True, classes=2, n=n, stretch=0.3) for n in (1000, 2000)),
    Case("knn", "over", "none", True, n=1000),
    Case("knn", "smote", "none", True, classes=2, n=1000),
)


def main() -> None:
    """Simulate every case, print and keep the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    rows = []
    for case in CASES:
        run = Parallel(options.jobs)(delayed(_simulation)(case, seed) for seed in range(options.simulations))
        rows.append({**vars(case), "simulations": len(run), **_shares(np.array(run)), "versions": versions("numpy")})
        path = write_csv("validity_lift", rows)
        print(rows[-1], flush=True)
    print(f"wrote {path}")


def _shares(run: np.ndarray) -> dict[str, Any]:
    """Of lifts with the ends of their intervals and p."""
    lift, low, high, p = run.T
    true, half = lift.mean(), (high - low) / 2
    shares = {
        "lift": true,
        "deviation": lift.std(ddof=1),
        "error": half.mean() / 1.96,
        "wrong": (p < 0.05).mean(),
        "wrong_of_mean": (np.abs(lift - true) > half).mean(),
        "covered": ((low <= true) & (true <= high)).mean(),
    }
    return {name: round(float(value), 4) for name, value in shares.items()}


def _simulation(case: Case, seed: int) -> tuple[float, ...]:
    points, labels, groups = _data(case, np.random.default_rng(seed))
    classes = tuple(map(str, range(case.classes)))
    images = Samples(labels=labels, groups=groups, classes=classes)
    plan = plan_folds(images, GridSettings(FOLDS, case.repeats, seed=seed))
    splits = [(fold.repeat, fold.fold, fold.train, fold.test) for fold in plan]
    curves = [
        _curve(case.head, sampler, other, points, labels, groups, splits)
        for sampler, other in ((case.balanced, 2 * seed), (case.baseline, 2 * seed + 1))
    ]
    found = judged(lift_values(*curves), effective_groups(groups, labels, case.classes))
    return found.difference, found.low, found.high, found.p


def _data(case: Case, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gaussian classes; images of a patient have the class and part of the deviation in common."""
    priors = np.array([0.7, 0.2, 0.1] if case.classes == 3 else [0.85, 0.15])
    of = np.sort(rng.integers(case.patients, size=case.n)) if case.patients else np.arange(case.n)
    diagnosed = rng.permutation(np.repeat(np.arange(case.classes), np.round(priors * (of[-1] + 1)).astype(int)))
    labels = diagnosed[of]
    points = rng.normal(size=(case.n, DIMENSION))
    if case.patients:
        points = np.sqrt(0.7) * points + np.sqrt(0.3) * rng.normal(size=(case.patients, DIMENSION))[of]
    points[labels == case.classes - 1, 0] *= case.stretch
    return points + 1.5 * (np.eye(case.classes, DIMENSION) + 0.3)[labels], labels, of


def _curve(head: str, sampler: str, seed: int, points, labels, groups, splits) -> Curve:
    folds = []
    for repeat, number, train, test in splits:
        part, make = (points[train], labels[train]), SAMPLERS[sampler]
        own = seed * 1000 + repeat * FOLDS + number
        part = make(own).fit_resample(*part) if make else part
        scores = HEADS[head](own).fit(*part).predict_proba(points[test]).astype(np.float32)
        counts = np.bincount(labels[train])
        folds.append(FoldScores(repeat, number, test, labels[test], scores.argmax(axis=1), scores, 0.0, counts, counts))
    repeats = pooled(folds)
    weights = [draw_weights(groups[repeat.rows]) for repeat in repeats]
    kept = tradeoff(folds, repeats, weights)
    return Curve(*(kept[name].reshape(-1, len(EXPONENTS)).astype(float) for name in AXES))


if __name__ == "__main__":
    main()
