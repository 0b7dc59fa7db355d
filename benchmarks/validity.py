"""Do intervals hold what they promise, and do tests err as seldom as they say? Simulations with known truth.

    python benchmarks/validity.py --simulations 400

Three imbalanced Gaussian classes, images alone or of patients, heads that are fitted in closed form. The CSV is written
after every condition, and conditions that it holds are not simulated again.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit
from scipy.stats import qmc
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

from headroom.heads.scores.bootstrap import draw_weights
from headroom.heads.scores.intervals import effective_groups, few_patients, metric_interval
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.paired import ROPE, paired_difference

NAMES = ("accuracy", "recall_macro", "auroc_ovr")
CLASSES = 3
SHARES = np.array([0.6, 0.3, 0.1])
SIGNAL, NOISE = 4, 10  # columns that all methods see; columns of noise that each has for itself
PATIENT = 0.6  # standard deviation of what images of a patient have in common, in units of that of the images
OTHER = 0.1  # share of a patient's images that may be of another class
FOLDS = 5
REPEATS = (1, 3, 10)
TRUE_REPEATS = 2  # of which the truth is computed; it hardly differs in others
ALPHA = 0.05
MANY = 1_000_000
NORMAL = ndtri(qmc.Sobol(CLASSES, seed=0).random(1024) * 0.9999 + 0.00005)
RESULTS = Path(__file__).parent / "results" / "validity.csv"


@dataclass(frozen=True)
class Condition:
    """What is simulated.

    Attributes
    ----------
    name, head : str
    images, patients : int
        Independent images, or patients of 5 to 50 images.
    repeats : int
        Of five folds; 0: a single official split.
    gain : float
        How far an extra column parts two classes that the second method sees; 0: both methods are worth the same.
    found : float
        Share of the rarest class that the second method finds where the first does not, all else being the same.
    simulations : int
        At most so many.
    """

    name: str
    head: str = "stable"
    images: int = 0
    patients: int = 0
    repeats: int = 10
    gain: float = 0.0
    found: float = 0.0
    simulations: int = MANY

    @property
    def methods(self) -> str:
        """How the two that are compared relate."""
        return "nearly the same" if self.found else "better" if self.gain else "same"


def design(repeats: int) -> str:
    """As it is written."""
    return f"{repeats}x{FOLDS}" if repeats else "split"


def conditions() -> Iterator[Condition]:
    """All of them, the dearest last."""
    images = {f"{count} images": {"images": count} for count in (100, 500, 2000)}
    patients = {f"{count} patients": {"patients": count} for count in (20, 50, 200)}
    gains = {"100 images": 0.7, "500 images": 0.6, "2000 images": 0.55, "50 patients": 0.65, "200 patients": 0.6}
    dear = {"2000 images", "200 patients"}
    for name, size in (images | patients).items():
        yield Condition(name, **size, repeats=1 if name in dear else 10)
        yield Condition(name, **size, repeats=0)
        yield Condition(name, "unstable", **size, repeats=1, simulations=150 if name == "200 patients" else MANY)
        if name in gains:
            yield Condition(name, **size, repeats=3 if name == "500 images" else 1, gain=gains[name])
    for count in (100, 200):
        yield Condition(f"{count} images", images=count, repeats=1, found=0.25)
    for head in ("svm", "random-forest"):
        yield Condition("500 images", head, images=500, repeats=1, simulations=MANY if head == "svm" else 150)
    for name in sorted(dear):
        yield Condition(name, **(images | patients)[name], repeats=10, simulations=100)


def means(gain: float) -> np.ndarray:
    """Mean of every class in all columns: signal, noise of either method, and one more for each."""
    found = np.zeros((CLASSES, SIGNAL + 2 * NOISE + 2))
    found[1, [0, 2]], found[2, [1, 3]] = (1.9, 0.5), (2.1, 0.5)
    found[0, -1], found[1, -1] = -gain, gain
    return found


def columns(gain: float) -> tuple[np.ndarray, np.ndarray]:
    """What the two methods see: the signal and noise of their own; with a gain, the second an extra column."""
    noise = SIGNAL + np.arange(2 * NOISE + 2)
    if gain:
        shared = [*range(SIGNAL), *noise[:NOISE]]
        return np.array([*shared, noise[-2]]), np.array([*shared, noise[-1]])
    return np.array([*range(SIGNAL), *noise[:NOISE]]), np.array([*range(SIGNAL), *noise[NOISE : 2 * NOISE]])


def draw(condition: Condition, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, labels and groups."""
    units = condition.patients or condition.images
    of_unit = np.repeat(np.arange(CLASSES), _counts(units))
    groups = np.arange(units)
    if condition.patients:
        groups = np.repeat(groups, rng.integers(5, 51, units))
    labels = of_unit[groups]
    if condition.patients:
        other = rng.random(len(labels)) < OTHER
        labels = np.where(other, rng.choice(CLASSES, len(labels), p=SHARES), labels)
    centres = means(condition.gain)
    vectors = centres[labels] + rng.normal(size=(len(labels), centres.shape[1]))
    if condition.patients:
        vectors += PATIENT * rng.normal(size=(units, centres.shape[1]))[groups]
    return vectors, labels, groups


def _counts(units: int) -> np.ndarray:
    counts = np.maximum(np.round(SHARES * units).astype(int), 2)
    return np.array([units - counts[1:].sum(), *counts[1:]])


def folds_of(labels: np.ndarray, groups: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each row: groups at random, stratified by their commonest class."""
    table = np.zeros((groups.max() + 1, CLASSES))
    np.add.at(table, (groups, labels), 1)
    order = rng.permutation(len(table))
    order = order[np.argsort(table.argmax(axis=1)[order], kind="stable")]
    fold = np.empty(len(table), int)
    fold[order] = np.arange(len(table)) % folds
    return fold[groups]


@dataclass(frozen=True)
class Linear:
    """Linear discriminant analysis: a stable head."""

    weights: np.ndarray
    offset: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, labels: np.ndarray) -> "Linear":
        counts = np.bincount(labels, minlength=CLASSES)
        centres = np.eye(CLASSES)[labels].T @ vectors / np.maximum(counts, 1)[:, None]
        rest = vectors - centres[labels]
        weights = np.linalg.solve(rest.T @ rest / (len(rest) - CLASSES) + 0.01 * np.eye(rest.shape[1]), centres.T)
        return cls(weights, np.log(np.maximum(counts, 0.5) / counts.sum()) - (centres.T * weights).sum(axis=0) / 2)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        return _softmax(vectors @ self.weights + self.offset)

    def truth(self, condition: Condition, seen: np.ndarray) -> np.ndarray:
        """Its accuracy, macro recall and AUROC on all images that there could be, by quasi-random numbers."""
        centres = means(condition.gain)[:, seen] @ self.weights + self.offset
        variance = 1 + PATIENT**2 * bool(condition.patients)
        spread = np.linalg.cholesky(variance * self.weights.T @ self.weights + 1e-9 * np.eye(CLASSES))
        scores = np.array([_softmax(centre + NORMAL @ spread.T) for centre in centres])
        recalls = (scores.argmax(axis=2) == np.arange(CLASSES)[:, None]).mean(axis=1)
        shares = SHARES
        if condition.patients:
            shares = (1 - OTHER) * _counts(condition.patients) / condition.patients + OTHER * SHARES
        areas = []
        for c in range(CLASSES):
            ranked = [np.searchsorted(np.sort(scores[o, :, c]), scores[c, :, c]).mean() for o in range(CLASSES)]
            areas.append(
                np.average(np.array(ranked) / len(NORMAL), weights=np.where(np.arange(CLASSES) == c, 0, shares))
            )
        return np.array([recalls @ shares, recalls.mean(), np.mean(areas)])


@dataclass(frozen=True)
class Nearest:
    """The nearest neighbour: an unstable head."""

    vectors: np.ndarray
    labels: np.ndarray

    fit = classmethod(lambda cls, vectors, labels: cls(vectors, labels))

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        distances = (self.vectors**2).sum(axis=1) - 2 * vectors @ self.vectors.T
        near = distances.argmin(axis=1)
        return 0.02 + 0.94 * np.eye(CLASSES)[self.labels[near]]

    def truth(self, condition: Condition, seen: np.ndarray) -> np.ndarray:
        return np.full(len(NAMES), np.nan)


@dataclass(frozen=True)
class Learned:
    """A head of scikit-learn."""

    fitted: Any

    @classmethod
    def svm(cls, vectors: np.ndarray, labels: np.ndarray) -> "Learned":
        return cls(SVC().fit(vectors, labels))

    @classmethod
    def forest(cls, vectors: np.ndarray, labels: np.ndarray) -> "Learned":
        return cls(RandomForestClassifier(50, random_state=0).fit(vectors, labels))

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        if isinstance(self.fitted, SVC):
            return _softmax(self.fitted.decision_function(vectors))
        return self.fitted.predict_proba(vectors)

    def truth(self, condition: Condition, seen: np.ndarray) -> np.ndarray:
        return np.full(len(NAMES), np.nan)


HEADS: dict[str, Callable] = {
    "stable": Linear.fit,
    "unstable": Nearest.fit,
    "svm": Learned.svm,
    "random-forest": Learned.forest,
}


def _softmax(scores: np.ndarray) -> np.ndarray:
    found = np.exp(scores - scores.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


def aurocs(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One-vs-rest AUROC by replicate and class, shape (b, k), as `Sums.ranking`; quicker for few cases."""
    found = np.full((weights.shape[1], CLASSES), np.nan)
    for c in range(CLASSES):
        of = labels == c
        above, below = scores[of, c][:, None], scores[~of, c]
        wins = ((above > below) + 0.5 * (above == below)).astype(np.float32)
        pairs = weights[of].sum(axis=0, dtype=float) * weights[~of].sum(axis=0)
        wins_drawn = (wins @ weights[~of] * weights[of]).sum(axis=0)
        np.divide(wins_drawn, pairs, out=found[:, c], where=pairs > 0)
    return found


@dataclass(frozen=True)
class Measured:
    """What is known of one method after some repeats: by metric the estimate, and by class where it is their mean.

    Attributes
    ----------
    values : dict of str to ndarray, shape (1 + b,) or (1 + b, k)
        On all test images, then on the replicates.
    by_fold : ndarray, shape (metrics, folds)
    truth : ndarray, shape (metrics,)
        Of the fitted heads, mean.
    """

    values: dict[str, np.ndarray]
    by_fold: np.ndarray
    truth: np.ndarray


def measured(
    condition: Condition,
    data: tuple[np.ndarray, np.ndarray, np.ndarray],
    parts: Sequence[Sequence[np.ndarray]],
    seen: np.ndarray,
    weights: np.ndarray,
    found: np.ndarray,
) -> Iterator[Measured]:
    """Fit a method on every fold; yield what is known after each number of repeats in `REPEATS`."""
    vectors, labels, _ = data
    recalls, accuracies, areas, by_fold, truths = [], [], [], [], []
    for number, repeat in enumerate(parts, 1):
        hits, of_repeat = np.full(len(labels), np.nan), []
        for test in repeat:
            train = np.ones(len(labels), bool)
            train[test] = False
            head = HEADS[condition.head](vectors[np.ix_(train, seen)], labels[train])
            scores = head.scores(vectors[np.ix_(test, seen)])
            hits[test] = (scores.argmax(axis=1) == labels[test]) | found[test]
            of_repeat.append(aurocs(scores, labels[test], weights[test]))
            right = [hits[test][labels[test] == c].mean() for c in np.unique(labels[test])]
            by_fold.append([hits[test].mean(), np.mean(right), np.nanmean(of_repeat[-1][0])])
            if number <= TRUE_REPEATS:
                truths.append(head.truth(condition, seen))
        tested = np.isfinite(hits)
        by_class = [tested & (labels == c) for c in range(CLASSES)]
        recalls.append(np.column_stack([_share(hits[of], weights[of]) for of in by_class]))
        accuracies.append(_share(hits[tested], weights[tested]))
        areas.append(_mean(np.array(of_repeat), 0))
        if number in REPEATS:
            values = {"accuracy": accuracies, "recall": recalls, "auroc": areas}
            yield Measured(
                {name: np.mean(found, axis=0) for name, found in values.items()},
                np.array(by_fold).T,
                np.mean(truths, axis=0),
            )


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of what is defined; NaN without any."""
    defined = np.isfinite(values)
    total = np.where(defined, values, 0).sum(axis=axis)
    return np.divide(total, defined.sum(axis=axis), out=np.full(total.shape, np.nan), where=defined.any(axis=axis))


def _share(hits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=0, dtype=float)
    return np.divide(hits @ weights, total, out=np.full(len(total), np.nan), where=total > 0)


def corrected_t(differences: np.ndarray, rope: float = ROPE) -> tuple[float, float]:
    """p and probability of equivalence of the test of version 0.1, on differences by fold (Nadeau and Bengio 2003)."""
    values = differences[np.isfinite(differences)]
    if np.ptp(values) < 1e-12:
        return 1.0, float(abs(values.mean()) < 1e-12)
    scale, df = np.sqrt((1 / len(values) + 1 / (FOLDS - 1)) * values.var(ddof=1)), len(values) - 1
    outside = stdtr(df, (-rope - values.mean()) / scale) + stdtr(df, (-rope + values.mean()) / scale)
    return 2 * float(stdtr(df, -abs(values.mean()) / scale)), 1 - float(outside)


def simulate(condition: Condition, seed: int, replicates: int) -> Iterator[dict[str, object]]:
    """One data set: a record for every number of repeats and metric."""
    rng = np.random.default_rng([seed, 11])
    data = draw(condition, rng)
    _, labels, groups = data
    if condition.repeats:
        drawn = [folds_of(labels, groups, FOLDS, rng) for _ in range(condition.repeats)]
        parts = [[np.flatnonzero(fold == number) for number in range(FOLDS)] for fold in drawn]
    else:
        parts = [[np.flatnonzero(folds_of(labels, groups, 4, rng) == 0)]]
    tested = np.unique(np.concatenate(parts[0]))
    weights = np.ones((len(labels), 1 + replicates), np.float32)
    weights[tested, 1:] = draw_weights(groups[tested], replicates, seed)
    units = effective_groups(groups[tested], labels[tested], CLASSES)
    found = (labels == CLASSES - 1) & (rng.random(len(labels)) < condition.found)
    nothing = np.zeros(len(labels), bool)
    methods = zip(
        *(
            measured(condition, data, parts, seen, weights, extra)
            for seen, extra in zip(_seen(condition), (nothing, found), strict=True)
        ),
        strict=True,
    )
    for repeats, (before, after) in zip(REPEATS, methods, strict=False):
        for place, name in enumerate(NAMES):
            record = METRICS[name]
            one, two = (_whole(method, name) for method in (before, after))
            test = paired_difference(
                record,
                float(two[0] - one[0]),
                two[1:] - one[1:],
                cases=np.array([tested.size, *np.bincount(labels[tested], minlength=CLASSES)], float),
                units=units,
                test_train=1 / (FOLDS - 1) if condition.repeats else 0.0,
            )
            by_class = before.values.get(record.mean_of)
            classes = None if by_class is None else (by_class[0], by_class[1:])
            gain = after.truth[place] - before.truth[place]
            if condition.found:  # macro recall: what the second finds besides
                missed = 1 - before.values["recall"][0, -1]
                gain = condition.found * missed * {"accuracy": SHARES[-1], "recall_macro": 1 / CLASSES}.get(name, 0.0)
            by_fold = after.by_fold[place] - before.by_fold[place]
            earlier = corrected_t(by_fold) if condition.repeats else (_tail(two - one), 0.0)
            yield {
                "repeats": repeats if condition.repeats else 0,
                "metric": name,
                "estimate": one[0],
                "truth": before.truth[place],
                "interval": metric_interval(record, one[0], one[1:], classes, units) or [np.nan] * 2,
                "earlier_interval": percentile_interval(one[1:]) or [np.nan] * 2,
                "difference": test.difference,
                "gain": gain,
                "difference_interval": [test.low, test.high],
                "p": [test.p, earlier[0]],
                "same": [max(test.p_above or 0, test.p_below or 0) < ALPHA, earlier[1] >= 1 - ALPHA],
                "error": [test.error, test.freedom],
                "few": bool(few_patients(groups[tested], labels[tested])),
            }


def _seen(condition: Condition) -> tuple[np.ndarray, np.ndarray]:
    one, two = columns(condition.gain)
    return (one, one) if condition.found else (one, two)


def _whole(method: Measured, name: str) -> np.ndarray:
    values = method.values[METRICS[name].mean_of or name]
    return values if values.ndim == 1 else _mean(values, 1)


def _tail(differences: np.ndarray) -> float:
    """p of the bootstrap of version 0.1 for a split."""
    values = differences[1:][np.isfinite(differences[1:])]
    return min(1.0, 2 * (min((values <= 0).sum(), (values >= 0).sum()) + 1) / (len(values) + 1))


def summary(condition: Condition, records: list[dict[str, object]]) -> dict[str, object]:
    """One row of the CSV from all simulations of one number of repeats and metric."""
    column = {name: np.array([record[name] for record in records], float) for name in records[0] if name != "metric"}
    gain = np.nanmean(column["gain"]) if condition.gain or condition.found else 0.0
    fitted = column["gain"] if not condition.repeats else np.full(len(records), gain)
    rejected = column["p"] < ALPHA
    p_value = rejected.mean(axis=0)
    reach = [e * (stdtrit(df, 1 - ALPHA / 2) + stdtrit(df, 0.8)) for e, df in column["error"]]
    truths = column["truth"], np.full(len(records), np.mean(column["estimate"]))
    both = column["interval"], column["earlier_interval"]
    covered = [[float(_inside(side, truth)) for truth in truths] for side in both]
    return {
        "data": condition.name,
        "head": condition.head,
        "design": design(int(column["repeats"][0])),
        "methods": condition.methods,
        "metric": records[0]["metric"],
        "simulations": len(records),
        "few_patients": round(float(column["few"].mean()), 3),
        "value": round(float(np.mean(column["estimate"])), 3),
        "coverage_fitted": round(covered[0][0], 3),
        "coverage_method": round(covered[0][1], 3),
        "width": round(float(np.ptp(column["interval"], axis=1).mean()), 3),
        "coverage_fitted_0.1": round(covered[1][0], 3),
        "coverage_method_0.1": round(covered[1][1], 3),
        "width_0.1": round(float(np.ptp(column["earlier_interval"], axis=1).mean()), 3),
        "gain": round(float(gain), 4),
        "difference_coverage": round(float(_inside(column["difference_interval"], fitted)), 3),
        "rejected": round(float(p_value[0]), 3),
        "rejected_0.1": round(float(p_value[1]), 3),
        "unchanged": round(float(column["same"][:, 0].mean()), 3),
        "unchanged_0.1": round(float(column["same"][:, 1].mean()), 3),
        "detectable": round(float(np.mean(reach)), 4),
        "error_at_95": round(float(np.sqrt(0.95 * 0.05 / len(records))), 3),
    }


def _inside(intervals: np.ndarray, truth: np.ndarray) -> float:
    return ((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).mean() if np.isfinite(truth).all() else np.nan


def run(condition: Condition, simulations: int, replicates: int = 200) -> list[dict[str, object]]:
    """Rows of a condition from so many simulations, fewer where it is dear."""
    numbers = range(min(simulations, condition.simulations))
    records = [record for seed in numbers for record in simulate(condition, seed, replicates)]
    keys = sorted({(record["repeats"], NAMES.index(record["metric"])) for record in records})
    return [
        summary(condition, [r for r in records if (r["repeats"], r["metric"]) == (repeats, NAMES[place])])
        for repeats, place in keys
    ]


def percentile_interval(values: np.ndarray) -> list[float] | None:
    """The interval of version 0.1: None where most values are undefined."""
    defined = values[np.isfinite(values)]
    return None if 2 * len(defined) < len(values) else [float(bound) for bound in np.quantile(defined, [0.025, 0.975])]


def main() -> None:
    """Simulate what the CSV lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=400)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    rows = list(csv.DictReader(asked.output.open())) if asked.output.exists() else []
    for condition in conditions():
        place = (condition.name, condition.head, design(condition.repeats), condition.methods)
        known = {_place(row) for row in rows}
        if place in known:
            continue
        start = time.monotonic()
        rows += [row for row in run(condition, asked.simulations, asked.replicates) if _place(row) not in known]
        with asked.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[-1]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        print(*place, f"{time.monotonic() - start:.0f} s", flush=True)


def _place(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in ("data", "head", "design", "methods"))


if __name__ == "__main__":
    main()
