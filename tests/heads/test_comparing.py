"""Balancers against none: what may be compared, signs, corrections and words."""

import dataclasses

import numpy as np
import pytest

from headroom.heads.balancing import BALANCERS
from headroom.heads.scores import comparing
from headroom.heads.scores.comparing import corrected_t, holm
from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.report.words import sentence
from tests.heads.cells import make_cell, make_problem, score, scored_of

COMPARED = [name for name, record in METRICS.items() if record.compared]

KEYS = (
    *("dataset", "model", "head", "balance", "against", "protocol", "metric", "difference", "low", "high"),
    *("p", "p_holm", "p_better", "p_equivalent", "p_worse"),
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


def test_numbers_are_those_of_the_corrected_test_over_folds(cells, problem):
    rows = comparisons(cells, problem, rope=0.02)
    none, smote = ([score(f.labels, f.predicted, f.scores, 3, True) for f in cell.folds] for cell in cells[:2])
    for row in rows[: len(COMPARED)]:
        before, after = (np.array([fold[row["metric"]] for fold in folds]) for folds in (none, smote))
        expected = corrected_t(after - before, 0.25, 0.02)
        assert (row["difference"], row["low"], row["high"], row["p"]) == pytest.approx(
            (expected.difference, expected.low, expected.high, expected.p)
        )
        assert row["p_better"] == pytest.approx(expected.p_above)
    assert [row["p_holm"] for row in rows] == pytest.approx(holm([row["p"] for row in rows]))


@pytest.mark.parametrize("protocol", ["cv", "split", "leaky"])
@pytest.mark.parametrize("metric", METRICS)
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


def test_split_is_compared_by_a_bootstrap_that_keeps_pairs(problem):
    none = make_cell(problem, protocol="split", folds=1)
    same = dataclasses.replace(none, balance="class-weight", key="same")
    assert all(row["low"] == row["high"] == 0 and row["p"] == 1 for row in comparisons([none, same], problem))


def test_identical_predictions_are_equivalent(cells, problem):
    same = dataclasses.replace(cells[0], balance="class-weight", key="same")
    for row in comparisons([cells[0], same], problem):
        assert (row["difference"], row["p"], row["p_equivalent"]) == (0, 1, 1)


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
    one_fold = [dataclasses.replace(cell, folds=cell.folds[:1]) for cell in (none, smote)]
    assert "--folds" in refusal(*one_fold)
    leaky = make_cell(problem, protocol="leaky"), make_cell(problem, balance="smote", protocol="leaky", synthetic=20)
    assert "same rows" in refusal(*leaky)


def test_the_balancer_and_its_library_do_not_part_a_cell_from_none(problem):
    plain = {"folds": 5, "balancer": {"sampler": ""}, "versions": {"sklearn": "1.9"}}
    with_smote = {"folds": 5, "balancer": {"sampler": "SMOTE"}, "versions": {"sklearn": "1.9", "imblearn": "0.14"}}
    none, smote = make_cell(problem, settings=plain), make_cell(problem, balance="smote", settings=with_smote)
    assert len(plan_comparisons([none, smote], problem).pairs) == 1
    older = {**plain, "versions": {"sklearn": "1.8"}}
    assert "--balance none" in refusal(make_cell(problem, settings=older), smote)


COMPARISON = {
    "head": "svm",
    "balance": "smote",
    "metric": "recall_macro",
    "difference": 0.045,
    "low": 0.031,
    "high": 0.059,
    "p_holm": 0.003,
    "p_equivalent": 0.0,
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "SMOTE raises macro recall of svm by 0.045 [0.031, 0.059]; p = 0.003 (Holm)"),
        (
            {"difference": -0.2, "low": -0.25, "high": -0.15, "p_holm": 0.0001, "head": "knn", "metric": "accuracy"},
            "SMOTE lowers accuracy of knn by 0.200 [0.150, 0.250]; p < 0.001 (Holm)",
        ),
        (
            {"metric": "log_loss"},
            "SMOTE raises log loss of svm by 0.045 [0.031, 0.059], for the worse; p = 0.003 (Holm)",
        ),
        (
            {"metric": "brier", "difference": -0.045, "low": -0.059, "high": -0.031, "balance": "class-weight"},
            "Class weights lower Brier score of svm by 0.045 [0.031, 0.059], for the better; p = 0.003 (Holm)",
        ),
        (
            {"difference": 0.002, "low": -0.003, "high": 0.007, "p_holm": 1.0, "p_equivalent": 0.97},
            "SMOTE leaves macro recall of svm practically unchanged: +0.002 [-0.003, 0.007]; p = 1.000 (Holm)",
        ),
        (
            {"difference": 0.004, "low": 0.002, "high": 0.006, "p_holm": 0.01, "p_equivalent": 0.99},
            "SMOTE leaves macro recall of svm practically unchanged: +0.004 [0.002, 0.006]; p = 0.010 (Holm)",
        ),
        (
            {"low": -0.01, "high": 0.1, "p_holm": 0.2},
            "SMOTE cannot be shown to change macro recall of svm: +0.045 [-0.010, 0.100]; p = 0.200 (Holm)",
        ),
        (
            {"low": None, "high": None, "p_holm": None, "p_equivalent": None},
            "SMOTE changes macro recall of svm by +0.045; the folds allow no test",
        ),
    ],
)
def test_sentences(changes, words):
    assert sentence(COMPARISON | changes) == words


@pytest.mark.parametrize("balance", [*BALANCERS, "one-of-an-older-database"])
@pytest.mark.parametrize("metric", METRICS)
def test_every_balancer_and_metric_has_a_sentence(balance, metric):
    words = sentence(COMPARISON | {"balance": balance, "metric": metric})
    assert words[0].isupper() or not words[0].isalpha()
    assert METRICS[metric].title in words
