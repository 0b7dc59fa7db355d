"""Balancers against none: what may be compared, signs, corrections and words."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from headroom.errors import HeadError
from headroom.heads.balancing import BALANCERS
from headroom.heads.cell import FoldScores
from headroom.heads.scores import comparing
from headroom.heads.scores.comparing import contrast
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.paired import holm, paired_t
from headroom.pipeline.report.words import sentence
from tests.heads.cells import make_cell, make_problem, scored_of

COMPARED = [name for name, record in METRICS.items() if record.compared and record.binary != "only"]

KEYS = (
    *("dataset", "model", "head", "balance", "against", "protocol", "about", "metric", "difference", "low", "high"),
    *("p", "p_better", "p_equivalent", "p_worse", "p_same", "error", "freedom", "detectable"),
    *("p_holm", "p_same_holm", "detectable_holm", "low_simultaneous", "high_simultaneous"),
)


def comparisons(cells, problem, **options):
    return comparing.comparisons(cells, scored_of(cells, problem), **options)


def plan_comparisons(cells, problem):
    return comparing.plan_comparisons(cells, scored_of(cells, problem))


@pytest.fixture(scope="module")
def problem():
    return make_problem()


@pytest.fixture(scope="module")
def cells(problem):
    return [
        make_cell(problem, head, balance, skill=skill, seed=seed)
        for seed, (head, balance, skill) in enumerate(
            [("svm", "none", 0.4), ("svm", "smote", 0.9), ("knn", "adasyn", 0.2), ("knn", "none", 0.7)]
        )
    ]


def test_rows_have_the_agreed_form(cells, problem):
    rows = comparisons(cells, problem)
    assert all(tuple(row) == KEYS for row in rows)
    assert [(row["head"], row["balance"], row["metric"]) for row in rows] == [
        (head, balance, metric) for head, balance in (("svm", "smote"), ("knn", "adasyn")) for metric in COMPARED
    ]


def test_numbers_are_those_of_the_replicates(cells, problem):
    rows = comparisons(cells, problem, rope=0.02)
    none, smote = (scored_of([cell], problem)[cell.key] for cell in cells[:2])
    for row in rows[: len(COMPARED)]:
        name = row["metric"]
        spread = (smote.drawn[name] - none.drawn[name]).std(dtype=float)
        df = row["freedom"]
        error = spread * np.sqrt((df + 1) / df * (1 + 0.25))  # few groups; training images, a quarter of them tested
        expected = paired_t(smote.metrics[name] - none.metrics[name], error, df, 0.02)
        assert (row["difference"], row["low"], row["high"], row["p"]) == pytest.approx(
            (expected.difference, expected.low, expected.high, expected.p), abs=1e-6
        )
        assert row["p_better"] == pytest.approx(expected.p_above, abs=1e-6)
    assert [row["p_holm"] for row in rows] == pytest.approx(holm([row["p"] for row in rows]))


@pytest.mark.parametrize("protocol", ["cv", "split", "leaky"])
@pytest.mark.parametrize("metric", [name for name, record in METRICS.items() if record.binary != "only"])
def test_better_means_better_for_every_metric(problem, protocol, metric):
    folds = 1 if protocol == "split" else 5
    bad, good = (
        make_cell(problem, balance=balance, protocol=protocol, skill=skill, folds=folds)
        for balance, skill in (("none", 0.1), ("smote", 0.95))
    )
    (row,) = comparisons([bad, good], problem, metrics=[metric])
    assert (row["difference"] > 0) == METRICS[metric].higher_is_better
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["p_better"] > 0.9
    assert row["p"] < 0.05


def test_a_split_tells_of_the_fitted_heads_and_takes_no_account_of_training(problem):
    by_protocol = {}
    for protocol in ("split", "cv"):
        cells = [make_cell(problem, balance=balance, protocol=protocol, folds=2) for balance in ("none", "smote")]
        cells[1] = dataclasses.replace(make_cell(problem, seed=1, protocol=protocol, folds=2), balance="smote")
        by_protocol[protocol] = {row["metric"]: row for row in comparisons(cells, problem)}
    split, cv = by_protocol["split"]["accuracy"], by_protocol["cv"]["accuracy"]
    assert (split["about"], cv["about"]) == ("fitted heads", "method")
    assert cv["error"] == pytest.approx(split["error"] * np.sqrt(1 + 1))  # two folds: as many tested as trained on


@pytest.mark.parametrize("protocol", ["cv", "split"])
def test_identical_predictions_are_no_evidence_on_few_images(protocol):
    """Of 0 in n up to 3 in n may differ: under 300 of them a difference of 0.01 cannot be excluded."""
    for n, claimed in ((100, False), (200, False), (1000, True)):
        problem = make_problem(n)
        problem.groups = np.arange(n)
        none = make_cell(problem, protocol=protocol)
        same = dataclasses.replace(none, balance="class-weight", key="same")
        rows = {row["metric"]: row for row in comparisons([none, same], problem)}
        assert {(row["difference"], row["p"]) for row in rows.values()} == {(0, 1)}
        assert (rows["accuracy"]["p_same"] < 0.05) == claimed
        assert rows["auroc_ovr"]["p_same"] < 0.05  # equal scores of every image, not only equal decisions
        assert rows["recall_macro"]["error"] == pytest.approx(np.sqrt(3) / (3 * (problem.labels == 2).sum()))


def test_identical_predictions_of_few_patients_are_less_evidence_yet(problem):
    few = make_problem(1000)
    few.groups = np.arange(1000) % 50
    none = make_cell(few)
    rows = comparisons([none, dataclasses.replace(none, balance="class-weight", key="same")], few, metrics=["accuracy"])
    assert rows[0]["error"] == pytest.approx(np.sqrt(3) / 50)


def test_cells_of_other_protocols_and_data_sets_cannot_be_set_against_each_other(problem):
    cell = make_cell(problem)
    for other in ({"protocol": "leaky"}, {"dataset": "another"}):
        rival = dataclasses.replace(cell, key="rival", **other)
        with pytest.raises(HeadError, match="cannot be compared"):
            contrast([cell], [rival], scored_of([cell, rival], problem), ["accuracy"])


def test_the_order_in_which_folds_are_stored_does_not_matter(cells, problem):
    shuffled = dataclasses.replace(cells[1], folds=cells[1].folds[::-1])
    assert comparisons([cells[0], shuffled], problem) == comparisons(cells[:2], problem)


def test_metrics_undefined_for_the_problem_are_left_out():
    unordered = make_problem(ordinal=False)
    cells = [make_cell(unordered), make_cell(unordered, balance="smote")]
    assert "kappa_quadratic" not in {row["metric"] for row in comparisons(cells, unordered)}


def refusal(*cells):
    plan = plan_comparisons(cells, make_problem())
    assert not plan.pairs
    ((_, reason),) = plan.refused
    return reason


def test_what_cannot_be_compared_and_why(problem):
    none, smote = make_cell(problem), make_cell(problem, balance="smote", seed=1)
    assert plan_comparisons([smote, none], problem).pairs == ((smote, none),)
    assert "--balance none" in refusal(smote)
    assert "--balance none" in refusal(smote, make_cell(problem, status="failed"))
    assert "--balance none" in refusal(smote, make_cell(problem, head="knn"))
    assert "--balance none" in refusal(smote, dataclasses.replace(none, problem="another"))
    assert "--balance none" in refusal(smote, make_cell(problem, settings={"folds": 5, "reduce": "pca:8"}))
    assert "too few neighbours" in refusal(none, make_cell(problem, balance="smote", status="failed"))
    assert "same rows" in refusal(none, dataclasses.replace(smote, folds=smote.folds[:4]))
    assert "same rows" in refusal(none, dataclasses.replace(smote, folds=smote.folds[::-1][:1] + smote.folds[1:]))
    leaky = make_cell(problem, protocol="leaky"), make_cell(problem, balance="smote", protocol="leaky", synthetic=20)
    assert "same rows" in refusal(*leaky)


def test_the_balancer_and_its_library_do_not_part_a_cell_from_none(problem):
    plain = {"folds": 5, "balancer": {"sampler": ""}, "versions": {"sklearn": "1.9"}}
    with_smote = {"folds": 5, "balancer": {"sampler": "SMOTE"}, "versions": {"sklearn": "1.9", "imblearn": "0.14"}}
    none, smote = make_cell(problem, settings=plain), make_cell(problem, balance="smote", settings=with_smote)
    assert len(plan_comparisons([none, smote], problem).pairs) == 1
    older = {**plain, "versions": {"sklearn": "1.8"}}
    assert "--balance none" in refusal(make_cell(problem, settings=older), smote)


def together(low, high):
    return {"low_simultaneous": low, "high_simultaneous": high}


COMPARISON = {
    "head": "svm",
    "balance": "smote",
    "metric": "recall_macro",
    "difference": 0.045,
    "low_simultaneous": 0.031,
    "high_simultaneous": 0.059,
    "p_holm": 0.003,
    "p_same_holm": 0.9,
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "SMOTE raises macro recall of svm by 0.045 [0.031, 0.059]; p = 0.003 (Holm)"),
        (
            {
                "difference": -0.2,
                "low_simultaneous": -0.25,
                "high_simultaneous": -0.15,
                "p_holm": 0.0001,
                "head": "knn",
                "metric": "accuracy",
            },
            "SMOTE lowers accuracy of knn by 0.200 [0.150, 0.250]; p < 0.001 (Holm)",
        ),
        (
            {"metric": "log_loss"},
            "SMOTE raises log loss of svm by 0.045 [0.031, 0.059], for the worse; p = 0.003 (Holm)",
        ),
        (
            {
                "metric": "brier",
                "difference": -0.045,
                "low_simultaneous": -0.059,
                "high_simultaneous": -0.031,
                "balance": "class-weight",
            },
            "Class weights lower Brier score (0 to 2) of svm by 0.045 [0.031, 0.059], for the better; p = 0.003 (Holm)",
        ),
        (
            {
                "difference": 0.002,
                "low_simultaneous": -0.003,
                "high_simultaneous": 0.007,
                "p_holm": 1.0,
                "p_same_holm": 0.03,
            },
            "SMOTE leaves macro recall of svm practically unchanged: +0.002 [-0.003, 0.007]; "
            "p = 0.030 (equivalence, Holm)",
        ),
        (
            {
                "difference": 0.004,
                "low_simultaneous": 0.002,
                "high_simultaneous": 0.006,
                "p_holm": 0.01,
                "p_same_holm": 0.01,
            },
            "SMOTE leaves macro recall of svm practically unchanged: +0.004 [0.002, 0.006]; "
            "p = 0.010 (equivalence, Holm)",
        ),
        (
            {**together(-0.01, 0.1), "p_holm": 0.2},
            "SMOTE cannot be shown to change macro recall of svm: +0.045 [-0.010, 0.100]; p = 0.200 (Holm)",
        ),
        (
            {**together(None, None), "p_holm": None, "p_same_holm": None},
            "SMOTE changes macro recall of svm by +0.045; the images allow no test",
        ),
    ],
)
def test_sentences(changes, words):
    assert sentence(COMPARISON | changes) == words


@pytest.mark.parametrize("balance", [*BALANCERS, "one-of-an-older-database"])
@pytest.mark.parametrize("metric", [name for name, record in METRICS.items() if record.binary != "only"])
def test_every_balancer_and_metric_has_a_sentence(balance, metric):
    words = sentence(COMPARISON | {"balance": balance, "metric": metric})
    assert words[0].isupper() or not words[0].isalpha()
    assert METRICS[metric].title in words


def test_different_scores_that_rank_alike_are_no_evidence_on_few_images():
    """Both rank 20 images without a mistake; nothing tells that they would rank others alike."""
    labels = np.arange(20) % 2
    problem = SimpleNamespace(labels=labels, groups=np.arange(20), ordinal=False)
    cells = []
    for balance, right in (("none", 0.9), ("smote", 0.8)):
        scores = np.where(np.eye(2)[labels] > 0, right, 1 - right).astype(np.float32)
        folds = [
            FoldScores(0, fold, rows, labels[rows], labels[rows], scores[rows], 0.1, np.array([5, 5]), np.array([5, 5]))
            for fold, rows in enumerate(np.arange(20).reshape(2, 10))
        ]
        cells.append(dataclasses.replace(make_cell(make_problem(), balance=balance), folds=tuple(folds)))
    (row,) = comparisons(cells, problem, metrics=["auroc_ovr"])
    assert row["difference"] == 0
    assert row["high"] > 0.1
    assert row["p_same"] > 0.05
