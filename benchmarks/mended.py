"""Figures that version 0.1 got wrong, then and now, each from data whose truth is known.

Every figure is computed in a process of its own by the code of a checkout: this one, and with ``--against`` one of
before: commit 69bd4ca, the last that computes what version 0.1 did (its interfaces are today's).

    git worktree add ../headroom-before 69bd4ca
    python benchmarks/mended.py --against ../headroom-before
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import numpy as np
from machine import machine, versions, write_csv

from headroom.heads.cell import Cell, FoldScores, GridSettings
from headroom.heads.crossval import Task, fit_task
from headroom.heads.folds import plan_folds
from headroom.heads.samples import Samples
from headroom.heads.scores.leaderboard import judge_choice
from headroom.heads.scores.scored import Scored, score_folds

HERE = Path(__file__).resolve().parents[1]
RUNS = 40


def partitions() -> float:
    """Distinct partitions among ten repeats of 30 patients with 20 to 200 images each."""
    random = np.random.default_rng(0)
    sizes = random.integers(20, 201, 30)
    labels, groups = np.repeat(np.arange(30) % 3, sizes), np.repeat(np.arange(30), sizes)
    plan = plan_folds(Samples(labels=labels, groups=groups, classes=("a", "b", "c")), GridSettings(repeats=10))
    tests = [frozenset(fold.test.tobytes() for fold in plan if fold.repeat == repeat) for repeat in range(10)]
    return len(set(tests))


def all_right() -> float:
    """Lower bound of the interval of accuracy where 60 of 60 are right."""
    labels = np.arange(60) % 2
    interval = _scored(labels, np.eye(2)[labels] * 0.8 + 0.1).intervals["accuracy"]
    return interval[0] if interval else float("nan")


def auroc_of_scales() -> float:
    """AUROC less the mean of that of each fold, where each fold's scores are on a scale of their own."""
    random, gaps = np.random.default_rng(0), []
    for _ in range(RUNS):
        labels = random.permutation(np.arange(300) % 2)
        outputs = random.normal(labels, 1.2)
        fold = np.arange(300) % 5
        right = 1 / (1 + np.exp(-outputs * (0.3 + 0.5 * fold) + fold - 2))
        scored = _scored(labels, np.column_stack([1 - right, right]), fold)
        gaps.append(scored.metrics["auroc_ovr"] - scored.by_fold["auroc_ovr"].mean())
    return float(np.mean(gaps))


def boosted_log_loss() -> float:
    """Log loss of AdaBoost with three classes; that of logistic regression is 0.37 to 0.38."""
    return _log_loss("adaboost")


def calibrated_error() -> float:
    """Mean calibration error of 300 scores that are the true probabilities."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(RUNS):
        right = random.beta(2, 2, 300)
        labels = (random.random(300) < right).astype(np.int64)
        found.append(_scored(labels, np.column_stack([1 - right, right])).metrics["ece"])
    return float(np.mean(found))


def chosen_above() -> float:
    """Share of runs, a class of five images, in which the best of three heads is worth more after correction."""
    random, above = np.random.default_rng(0), 0
    for _ in range(RUNS):
        labels = np.repeat([0, 1, 2], [80, 40, 5])
        scored = {str(rival): _scored(labels, _leaning(random, labels, rival)) for rival in range(3)}
        cells = [Cell(key, "p", "d", "m", key, "none", "cv", {}, "fitted") for key in scored]
        best = max(cells, key=lambda cell: scored[cell.key].metrics["recall_macro"])
        choice = judge_choice(best, cells, scored, "recall_macro")
        above += choice.value > scored[best.key].metrics["recall_macro"]
    return above / RUNS


def _log_loss(head: str) -> float:
    """Log loss of a head on 1,200 images of three classes that differ in two of ten columns."""
    random = np.random.default_rng(0)
    labels = random.choice(3, 1200, p=[0.6, 0.3, 0.1])
    vectors = random.normal(size=(1200, 10)).astype(np.float32)
    vectors[:, :2] += 2 * np.eye(3, 2)[labels]
    images = Samples(labels=labels, groups=np.arange(1200), classes=("a", "b", "c"), vectors=vectors)
    return _scored_folds(_fitted(images, head, "none"), images).metrics["log_loss"]


def _leaning(random: np.random.Generator, labels: np.ndarray, skill: float) -> np.ndarray:
    """Scores that lean to the truth, and to classes as they are frequent."""
    outputs = random.normal(size=(len(labels), labels.max() + 1)) + skill * np.eye(labels.max() + 1)[labels]
    weights = np.exp(outputs) * np.bincount(labels)
    return weights / weights.sum(axis=1, keepdims=True)


def _scored(labels: np.ndarray, scores: np.ndarray, fold: np.ndarray | None = None) -> Scored:
    """What is computed of out-of-fold scores, each image a patient."""
    fold = np.arange(len(labels)) % 5 if fold is None else fold
    images = Samples(labels=labels, groups=np.arange(len(labels)), classes=tuple(map(str, np.unique(labels))))
    return _scored_folds(list(_as_folds(labels, scores, fold)), images)


def _scored_folds(folds: list[FoldScores], images: Samples) -> Scored:
    return score_folds(folds, images.groups, images.ordinal)


def _as_folds(labels: np.ndarray, scores: np.ndarray, fold: np.ndarray) -> Iterator[FoldScores]:
    for number in np.unique(fold):
        rows = np.flatnonzero(fold == number)
        counts = np.bincount(labels[fold != number], minlength=scores.shape[1])
        tested = scores[rows].astype(np.float32)
        yield FoldScores(0, int(number), rows, labels[rows], tested.argmax(axis=1), tested, 0.1, counts, counts)


def _fitted(images: Samples, head: str, balance: str) -> list[FoldScores]:
    """Out-of-fold scores of one head."""
    settings = GridSettings()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "samples"
        joblib.dump(images, file)
        tasks = [Task(file, fold, balance, settings, (head,)) for fold in plan_folds(images, settings)]
        return [fit_task(task)[head] for task in tasks]


FIGURES: dict[str, Callable[[], float]] = {
    figure.__name__: figure
    for figure in (partitions, all_right, auroc_of_scales, boosted_log_loss, calibrated_error, chosen_above)
}


def main() -> None:
    """Compute each figure by each checkout, print and keep them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, help="folder with a checkout of before")
    parser.add_argument("--only", choices=FIGURES, action="append", help="some figures")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(FIGURES[options.only[0]]()))
        return
    rows = []
    for name in options.only or FIGURES:
        then = _computed(options.against.resolve(), name) if options.against else ""
        rows.append({"figure": FIGURES[name].__doc__, "then": then, "now": _computed(HERE, name)})
        print("{figure} {then} -> {now}".format(**rows[-1]), flush=True)
    if not options.only:
        about = {"machine": machine(), "versions": versions("numpy", "scikit-learn")}
        print(f"wrote {write_csv('mended', [row | about for row in rows])}")


def _computed(code: Path, name: str) -> float:
    """A figure by the code of a checkout."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "--inside", "--only", name],
        env=os.environ | {"PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return round(json.loads(done.stdout.splitlines()[-1]), 3)


if __name__ == "__main__":
    main()
