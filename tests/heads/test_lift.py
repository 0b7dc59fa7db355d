"""Lift: what balancing gains at equal accuracy; nothing where it only moves the decision."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_curve
from sklearn.model_selection import StratifiedKFold

from headroom.heads.cell import FoldScores
from headroom.heads.scores import lift as module
from headroom.heads.scores.lift import Curve, curve_of, judged, kind_of, lift_values, lifts, window
from headroom.heads.scores.scored import score_folds
from tests.heads.cells import make_cell, make_problem, scored_of

OFFSETS = np.array([1.0, 4.0, 9.0])
UNITS = [600, 420, 120, 60]


@pytest.fixture
def problem():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [700, 200, 100]))
    return SimpleNamespace(labels=labels, groups=np.arange(len(labels)), ordinal=False)


def ranked(problem, balance="none", blur=0.0):
    """A cell with the posterior probabilities of Gaussian classes; what is blurred ranks images worse."""
    cell = make_cell(problem, balance=balance, seed=int(10 * blur))
    rng = np.random.default_rng(0)
    evidence = 1.5 * rng.normal(1.5 * np.eye(3)[problem.labels], 1) + blur * rng.normal(size=(len(problem.labels), 3))
    folds = []
    for fold in cell.folds:
        scores = fold.counts_before * np.exp(evidence[fold.rows])
        scores = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
        folds.append(replace(fold, scores=scores, predicted=scores.argmax(axis=1)))
    return replace(cell, folds=tuple(folds))


def moved(cell, balance, power=1.0):
    """The same scores under another balancer, at other class frequencies, and the likeliest class as decision."""
    folds = []
    for fold in cell.folds:
        scores = fold.scores * (fold.counts_before.sum() / fold.counts_before) ** power
        scores = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
        folds.append(replace(fold, scores=scores, predicted=scores.argmax(axis=1)))
    return replace(cell, key=f"{cell.head}/{balance}/moved", balance=balance, folds=tuple(folds))


def lift_of(cells, problem, **options):
    found = {row["balance"]: row for row in lifts(cells, scored_of(cells, problem), **options)}
    return found[cells[-1].balance]


def test_thresholds_on_the_same_scores_lift_by_exactly_nothing(problem):
    none = make_cell(problem)
    folds = tuple(replace(fold, predicted=(fold.scores * OFFSETS).argmax(axis=1)) for fold in none.folds)
    row = lift_of([none, replace(none, key="t", balance="threshold", folds=folds)], problem)
    assert (row["lift"], row["low"], row["high"], row["p_holm"], row["p_same"]) == (0, 0, 0, 1, 0)
    assert row["move"] == row["gain"] != 0
    assert row["matched"]["difference"] == row["matched_recall"]["difference"] == 0
    assert row["kind"] in ("moves", "no lift")


def test_equal_scores_count_in_no_family(problem):
    none, other = ranked(problem, blur=0.5), ranked(problem, "smote", blur=0.6)
    same = replace(none, key="t", balance="threshold")
    assert lift_of([none, same, other], problem)["p_holm"] == lift_of([none, other], problem)["p"]


def test_a_shift_of_the_prior_moves_along_the_same_curve(problem):
    none = ranked(problem)
    row = lift_of([none, moved(none, "random-over", power=0.8)], problem)  # ten steps of the grid
    assert row["gain"] > 0.02
    assert row["lift"] == pytest.approx(0, abs=1e-6)
    assert row["move"] == pytest.approx(row["gain"], abs=1e-6)


def test_a_better_ranking_is_a_lift_and_a_worse_one_harms(problem):
    none, better, worse = (ranked(problem, *made) for made in (("none", 1.5), ("smote", 0.0), ("adasyn", 3.0)))
    found = {row["balance"]: row for row in lifts([none, better, worse], scored_of([none, better, worse], problem))}
    assert found["smote"]["kind"] == "lifts"
    assert found["smote"]["lift"] > 0.03
    assert found["smote"]["matched"]["low"] > 0
    assert found["adasyn"]["matched"]["at"] == pytest.approx(found["adasyn"]["window"][1])  # as near as both reach
    assert found["adasyn"]["kind"] == "harms"
    assert found["adasyn"]["p_holm"] == 2 * found["adasyn"]["p"]  # the smaller of the two


def test_two_classes_give_the_roc_curve():
    rng = np.random.default_rng(0)
    labels = (rng.random(400) < 0.2).astype(np.int64)
    ill = 1 / (1 + np.exp(-rng.normal(2 * labels - 2.5, 1)))
    scores = np.column_stack([1 - ill, ill]).astype(np.float32)
    counts = np.bincount(labels)
    fold = FoldScores(0, 0, np.arange(400), labels, scores.argmax(axis=1), scores, 0.0, counts, counts)
    curve = curve_of(score_folds([fold], np.arange(400), False))
    false, true, _ = roc_curve(labels, scores[:, 1], drop_intermediate=False)
    share = labels.mean()
    points = {
        (round(share * t + (1 - share) * (1 - f), 5), round((t + 1 - f) / 2, 5))
        for f, t in zip(false, true, strict=True)
    }
    reached = {(round(a, 5), round(r, 5)) for a, r in zip(curve.accuracy[0], curve.recall[0], strict=True)}
    assert len(reached) > 15
    assert reached <= points


def test_replicates_are_those_of_the_drawn_images(problem):
    cell = make_cell(problem, repeats=2)
    scored = scored_of([cell], problem)[cell.key]
    curve, zero = curve_of(scored), int(np.argmin(np.abs(module.EXPONENTS)))
    assert module.EXPONENTS[zero] == pytest.approx(0)
    for axis, values in (("accuracy", curve.accuracy), ("recall_macro", curve.recall)):
        np.testing.assert_allclose(values[1:, zero], scored.drawn[axis][: module.REPLICATES], atol=1e-5)
        assert values[0, zero] == pytest.approx(scored.metrics[axis], abs=1e-6)


def straight(*points):
    accuracy, recall = np.array(points).T
    return Curve(accuracy[None], recall[None])


def test_the_window_and_the_mean_over_it():
    high = straight((0.5, 0.3), (0.8, 0.4), (0.7, 0.6), (0.4, 0.6))
    low = straight((0.9, 0.2), (0.6, 0.5))
    assert window(high, low) == (0.7, 0.8)
    assert lift_values(high, low) == pytest.approx(0.5 - 0.35)
    assert window(high, straight((0.6, 0.5))) == (0.6, 0.6)
    assert lift_values(high, straight((0.6, 0.5))) == pytest.approx(0.6 - 0.5)


def test_scores_that_are_no_numbers_say_so(problem):
    none = make_cell(problem)
    folds = tuple(replace(fold, scores=fold.scores * np.nan) for fold in none.folds)
    row = lift_of([none, replace(none, key="n", balance="smote", folds=folds)], problem)
    assert (row["lift"], row["reason"]) == (None, module.NO_SCORES)


def test_what_leaks_has_no_lift(problem):
    cells = [make_cell(problem, balance=balance, protocol="leaky", synthetic=20) for balance in ("none", "smote")]
    assert lifts(cells, scored_of(cells, problem)) == []


def test_nearly_equal_scores_of_few_images_are_no_evidence_of_equality():
    few = make_problem(n=60)
    none = make_cell(few)
    row = lift_of([none, moved(none, "smote", power=1e-4)], few)
    assert row["lift"] == pytest.approx(0, abs=1e-6)
    assert (row["p_same"], row["kind"]) == (None, "unclear")


@pytest.mark.parametrize(
    ("p_holm", "p_same", "gain_p_holm", "lift", "kind"),
    [
        (0.01, 0.5, 0.01, 0.03, "lifts"),
        (0.01, 0.5, 0.01, -0.03, "harms"),
        (0.5, 0.01, 0.01, 0.0, "moves"),
        (0.01, 0.01, 0.01, 0.004, "moves"),
        (0.5, 0.01, 0.5, 0.0, "no lift"),
        (0.5, 0.2, 0.01, 0.01, "unclear"),
        (None, None, None, None, "unclear"),
    ],
)
def test_what_is_said_of_a_lift(p_holm, p_same, gain_p_holm, lift, kind):
    assert kind_of({"p_holm": p_holm, "p_same": p_same, "gain_p_holm": gain_p_holm, "lift": lift}) == kind


def test_without_any_spread_only_no_difference_is_certain():
    assert judged(np.zeros(9), UNITS).p_equivalent == 1
    assert judged(np.full(9, 0.1), UNITS).p is None
    assert judged(np.array([0.1, *[np.nan] * 6, 0.1, 0.2]), UNITS).p is None


def simulated(n, seed, balanced):
    """The curve of LDA on Gaussian classes of equal covariance, where over-sampling is a mere shift of the prior."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1, 2], [7 * n // 10, 2 * n // 10, n // 10]))
    points = rng.normal(size=(n, 5)) + 1.5 * np.eye(3, 5)[labels]
    folds = []
    for number, (train, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=seed).split(points, labels)):
        part = points[train], labels[train]
        part = SMOTE(random_state=seed).fit_resample(*part) if balanced else part
        scores = LinearDiscriminantAnalysis().fit(*part).predict_proba(points[test]).astype(np.float32)
        counts = np.bincount(labels[train])
        folds.append(FoldScores(0, number, test, labels[test], scores.argmax(axis=1), scores, 0.0, counts, counts))
    return curve_of(score_folds(folds, np.arange(n), False))


def test_a_mere_shift_of_the_prior_is_seldom_called_a_lift():
    p = [judged(lift_values(simulated(600, seed, True), simulated(600, seed, False)), UNITS).p for seed in range(12)]
    assert sum(value < 0.05 for value in p) <= 2  # 3 of 12 at 5 %: 2 %


def test_a_curve_of_few_points_is_chosen_anew_in_each_replicate():
    rng = np.random.default_rng(0)
    balanced, baseline = (
        Curve(*rng.choice([0.5, 0.6, 0.7], (2, 9, 41)) + rng.normal(0, 1e-3, (2, 9, 1))) for _ in "ab"
    )
    found = lift_values(balanced, baseline)
    for row, value in enumerate(found):
        one, other = (Curve(curve.accuracy[[row]], curve.recall[[row]]) for curve in (balanced, baseline))
        low, high = window(one, other)
        at = low + (high - low) * module.SPREAD
        heights = [(curve.shares(at) @ curve.recall[0]).mean() for curve in (one, other)]
        assert value == pytest.approx(heights[0] - heights[1])
