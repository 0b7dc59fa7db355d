"""What is best: criteria, what they determine, and that thresholds and search follow them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, cohen_kappa_score, f1_score

from headroom.errors import HeadError
from headroom.heads.cell import GridSettings
from headroom.heads.classifiers import HEADS
from headroom.heads.grid import plan_cells
from headroom.heads.results import Results
from headroom.heads.thresholds import CRITERIA, fit_rule, plan_criterion
from tests.heads.problems import fit, make_problem
from tests.heads.test_thresholds import graded

REFERENCES = {
    "recall_macro": balanced_accuracy_score,
    "accuracy": accuracy_score,
    "f1_macro": lambda labels, predicted: f1_score(labels, predicted, average="macro"),
    "kappa_quadratic": lambda labels, predicted: cohen_kappa_score(labels, predicted, weights="quadratic"),
    "cost": lambda labels, predicted: -np.mean(np.array([1.0, 1, 1, 5])[labels] * (labels != predicted)),
}
COSTS = np.array([1.0, 1.0, 1.0, 5.0])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000))
def test_criteria_are_the_metrics_of_their_names(seed):
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(4), random.integers(4, size=30)])
    predicted = random.integers(4, size=34)
    for name, criterion in CRITERIA.items():
        assert criterion(labels, predicted, COSTS) == pytest.approx(REFERENCES[name](labels, predicted)), name


def test_the_rule_of_each_criterion_is_the_best_by_it():
    scores, labels = graded(0, size=6000)
    seen, unseen = slice(0, 3000), slice(3000, None)
    rules = {name: fit_rule(record, scores[seen], labels[seen], COSTS) for name, record in CRITERIA.items()}
    for name, record in CRITERIA.items():
        for rows, noise in ((seen, 0.005), (unseen, 0.02)):
            found = {by: record(labels[rows], rule(scores[rows]), COSTS) for by, rule in rules.items()}
            assert found[name] >= max(found.values()) - noise, found
            assert found[name] > min(found.values()) + 0.01, found


@pytest.mark.parametrize(
    ("criterion", "cost", "got"),
    [
        ("recal", (), "unknown criterion 'recal'"),
        ("kappa_quadratic", (), "not ordered"),
        ("cost", (), "without a cost"),
        ("accuracy", ("ill=2",), "--cost with --criterion accuracy"),
        ("cost", ("well=2",), "'well=2' names no class"),
        ("cost", ("ill=much",), "'ill=much' is not understood"),
        ("cost", ("ill=-1",), "costs ill=-1"),
    ],
)
def test_criteria_and_costs_that_make_no_sense_are_refused(criterion, cost, got):
    with pytest.raises(HeadError, match=got):
        plan_criterion(criterion, cost, ("healthy", "ill"), ordinal=False)


def test_a_class_may_have_any_name_and_costs_1_where_none_is_given():
    assert plan_criterion("cost", ["a=b=2.5"], ("a=b", "c"), ordinal=False).tolist() == [2.5, 1.0]


def test_the_criterion_makes_another_cell_only_where_it_determines_something(tmp_path):
    with Results(tmp_path / "results.db") as results:

        def keys(**change):
            cells = plan_cells(problem, ["knn"], ["none", "threshold"], GridSettings(**change), results)
            return [cell.key for cell in cells]

        problem = make_problem(ordinal=True)
        recall, kappa = keys(), keys(criterion="kappa_quadratic")
        assert (recall[0] == kappa[0], recall[1] == kappa[1]) == (True, False)
        assert keys(tune=True)[0] != keys(tune=True, criterion="accuracy")[0]
        costs = [keys(criterion="cost", cost=(text,)) for text in ("mild=2", "mild=3")]
        assert (costs[0][0] == costs[1][0], costs[0][1] == costs[1][1]) == (True, False)


@pytest.mark.parametrize("balance", ["none", "threshold"])
def test_calibration_thresholds_and_stacking_use_the_parameters_that_were_chosen(balance, tmp_path, monkeypatch):
    """A search space of one point must give what the same parameters give when they are fixed."""
    heads = ["knn", "logreg", "stacking"]
    chosen = {"knn": {"n_neighbors": 21}, "logreg": {"C": 0.001}, "svm": {"C": 0.1}, "random-forest": {"max_depth": 2}}
    for name, parameters in chosen.items():
        few = {"n_estimators": 5} if name == "random-forest" else {}
        fixed = replace(HEADS[name], parameters={**HEADS[name].parameters, **few}, inner={}, tune={})
        monkeypatch.setitem(HEADS, name, replace(fixed, parameters={**fixed.parameters, **parameters}))
    fixed = fit(make_problem(signal=1.0), heads, balance, tmp_path)
    for name, parameters in chosen.items():
        spread = {parameter: (value,) for parameter, value in parameters.items()}
        default = {key: value for key, value in HEADS[name].parameters.items() if key not in parameters}
        monkeypatch.setitem(HEADS, name, replace(HEADS[name], parameters=default, tune=spread))
    searched = fit(make_problem(signal=1.0), heads, balance, tmp_path, tune=True)
    for head in heads:
        for one, other in zip(fixed[head], searched[head], strict=True):
            assert np.array_equal(one.scores, other.scores)
            assert np.array_equal(one.predicted, other.predicted)


def test_the_search_follows_the_criterion(tmp_path, monkeypatch):
    """Equal priors lose accuracy and gain macro recall."""
    priors = {"priors": ((0.98, 0.01, 0.01), (1 / 3, 1 / 3, 1 / 3))}
    monkeypatch.setitem(HEADS, "lda", replace(HEADS["lda"], tune=priors))
    problem = make_problem(signal=0.4, dimension=2)
    found = {
        name: fit(problem, ["lda"], "none", tmp_path, tune=True, criterion=name)["lda"]
        for name in ("accuracy", "recall_macro")
    }

    def mean(metric, by):
        return np.mean([metric(fold.labels, fold.predicted) for fold in found[by]])

    assert mean(accuracy_score, "accuracy") > mean(accuracy_score, "recall_macro")
    assert mean(balanced_accuracy_score, "recall_macro") > mean(balanced_accuracy_score, "accuracy")
