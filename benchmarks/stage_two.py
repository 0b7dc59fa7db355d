"""Time headroom's grid against a plain scikit-learn and imbalanced-learn loop on the same folds and cores.

The plain loop is what one writes without headroom: StandardScaler, sampler and classifier a cell, fitted fold after
fold, each estimator with the threads it takes by default. Only the sampler has one BLAS thread, as in headroom: with
more, rounding decides between identical images, and ADASYN makes other points (accuracy of k-NN by 0.02). headroom's
whole grid runs between the two halves of the plain loop. Its time is wall time: workers started, calibrated scores
computed, every cell written to a results database.

    python benchmarks/stage_two.py --cache cache --dataset aptos --model mobilenet-0.75
"""

import argparse
import math
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE
from machine import machine, versions, write_csv
from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from headroom.heads.cell import FoldScores, GridSettings
from headroom.heads.folds import plan_folds
from headroom.heads.grid import plan_cells, run_cells
from headroom.heads.results import Results
from headroom.heads.samples import Problem
from headroom.pipeline.cache import read_cache
from headroom.pipeline.problems import load_problem, plan_problems

HEADS: dict[str, Callable[[], BaseEstimator]] = {
    "svm": SVC,
    "logreg": lambda: LogisticRegression(max_iter=1000),
    "knn": KNeighborsClassifier,
    "random-forest": lambda: RandomForestClassifier(200, random_state=0),
    "lda": LinearDiscriminantAnalysis,
    "gaussian-nb": GaussianNB,
    "decision-tree": lambda: DecisionTreeClassifier(random_state=0),
    "xgboost": lambda: XGBClassifier(n_estimators=100, random_state=0),
}
SAMPLERS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "smote": lambda: SMOTE(random_state=0),
    "borderline-smote": lambda: BorderlineSMOTE(random_state=0),
    "adasyn": lambda: ADASYN(random_state=0),
}


def main() -> None:
    """Run both, write the table, print the ratio."""
    options = _options()
    problem = load_problem(*plan_problems(read_cache(options.cache), [options.dataset], [options.model])[0])
    balancers, heads = options.balance or list(SAMPLERS), options.head or list(HEADS)
    half = len(balancers) // 2
    plain, walls = {}, {"plain": 0.0, "headroom": 0.0}
    for balance in balancers[:half]:
        plain[balance], seconds = _timed(_plain, problem, heads, balance)
        walls["plain"] += seconds
    headroom, walls["headroom"] = _timed(_headroom, problem, heads, balancers)
    for balance in balancers[half:]:
        plain[balance], seconds = _timed(_plain, problem, heads, balance)
        walls["plain"] += seconds
    rows = [
        _row(balance, head, plain[balance][head], headroom[balance, head], problem)
        for balance in balancers
        for head in heads
    ]
    largest = max(abs(row["accuracy_plain"] - row["accuracy_headroom"]) for row in rows)
    whole = (Measured(math.nan, walls[name]) for name in ("plain", "headroom"))
    print("wrote", write_csv(options.output, [*rows, _row("all", "wall time", *whole, problem)]))
    print(
        f"plain {walls['plain']:.1f} s, headroom {walls['headroom']:.1f} s: {walls['plain'] / walls['headroom']:.2f} x"
    )
    print(f"largest difference of accuracy in a cell: {largest:.4f}")


class Measured(NamedTuple):
    """Mean accuracy of the folds, and seconds: wall time of the plain loop, time inside the workers of headroom."""

    accuracy: float
    seconds: float


def _timed(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What the work returns, and the wall time it took."""
    start = time.perf_counter()
    result = work(*arguments)
    seconds = time.perf_counter() - start
    print(work.__name__.strip("_"), arguments[-1], f"{seconds:.1f} s", flush=True)
    return result, seconds


def _plain(problem: Problem, heads: list[str], balance: str) -> dict[str, Measured]:
    """The plain loop, head by head."""
    folds = plan_folds(problem, GridSettings())
    measured = {}
    for head in heads:
        start, hits = time.perf_counter(), []
        for fold in folds:
            scaler, sampler = StandardScaler(), SAMPLERS[balance]()
            vectors, labels = scaler.fit_transform(problem.vectors[fold.train]), problem.labels[fold.train]
            if sampler is not None:
                with threadpool_limits(1):
                    vectors, labels = sampler.fit_resample(vectors, labels)
            predicted = HEADS[head]().fit(vectors, labels).predict(scaler.transform(problem.vectors[fold.test]))
            hits.append(np.mean(predicted == problem.labels[fold.test]))
        measured[head] = Measured(float(np.mean(hits)), time.perf_counter() - start)
    return measured


def _headroom(problem: Problem, heads: list[str], balancers: list[str]) -> dict[tuple[str, str], Measured]:
    """The grid, into a results database of its own."""
    with tempfile.TemporaryDirectory() as folder, Results(Path(folder) / "results.db") as results:
        planned = plan_cells(problem, heads, balancers, GridSettings(), results)
        list(run_cells(problem, GridSettings(), planned, results))
        return {
            (cell.balance, cell.head): Measured(_accuracy(results.folds(cell.key)), cell.seconds)
            for cell in results.cells()
        }


def _accuracy(folds: Sequence[FoldScores]) -> float:
    return float(np.mean([np.mean(fold.predicted == fold.labels) for fold in folds]))


def _row(balance: str, head: str, plain: Measured, ours: Measured, problem: Problem) -> dict[str, Any]:
    """One line of the table."""
    return {
        "balance": balance,
        "head": head,
        "accuracy_plain": round(plain.accuracy, 4),
        "accuracy_headroom": round(ours.accuracy, 4),
        "seconds_plain": round(plain.seconds, 2),
        "seconds_headroom": round(ours.seconds, 2),
        "data": f"{problem.dataset} {problem.model} {problem.vectors.shape[0]} x {problem.vectors.shape[1]}",
        "machine": machine(),
        "versions": versions("scikit-learn", "imbalanced-learn", "xgboost", "scikit-learn-intelex"),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--dataset", default="aptos")
    parser.add_argument("--model", default="mobilenet-0.75")
    parser.add_argument("--output", default="stage_two")
    parser.add_argument("--head", action="append", choices=list(HEADS), help="only these; default: all eight")
    parser.add_argument("--balance", action="append", choices=list(SAMPLERS), help="only these; default: all four")
    return parser.parse_args()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
