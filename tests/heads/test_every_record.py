"""What must hold for every head under every balancer."""

from dataclasses import replace
from pkgutil import resolve_name

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from headroom.heads.balancing import BALANCERS
from headroom.heads.cell import FoldScores
from headroom.heads.classifiers import HEADS, WEIGHTINGS
from tests.heads.problems import COUNTS, fit, make_problem

QUICK = [name for name in HEADS if name != "dense"]  # a network takes seconds a fit: slow tests have it
UNABLE = {"class-weight": {"knn"}, "adasyn": {"stacking"}}  # the latter where an inner fold needs no new point
CHANCE = 1 / len(COUNTS)
NOISE = 0.15  # the mean macro recall of two shuffles of 128 contents strays less than this from chance


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    for name, record in HEADS.items():
        if "n_estimators" in record.parameters:
            monkeypatch.setitem(HEADS, name, replace(record, parameters={**record.parameters, "n_estimators": 10}))


def complete(folds):
    return all(isinstance(fold, FoldScores) for fold in folds)


def macro_recall(folds):
    labels = np.concatenate([fold.labels for fold in folds])
    return balanced_accuracy_score(labels, np.concatenate([fold.predicted for fold in folds]))


@pytest.mark.parametrize("record", HEADS.values(), ids=HEADS.keys())
def test_every_head_iscomplete(record):
    assert record.title
    assert record.note
    assert record.weighting in {"", *WEIGHTINGS}
    assert set(record.members) <= set(HEADS)
    assert callable(resolve_name(record.build))


@pytest.mark.parametrize("record", BALANCERS.values(), ids=BALANCERS.keys())
def test_every_balancer_iscomplete(record):
    assert record.title
    assert record.note
    assert not record.sampler or hasattr(resolve_name(record.sampler), "fit_resample")


@pytest.mark.parametrize("balance", BALANCERS)
def test_every_head_learns_under_every_balancer(balance, tmp_path):
    problem = make_problem(views=3, seed=1)
    outcomes = fit(problem, QUICK, balance, tmp_path)
    unable = {head for head, folds in outcomes.items() if not complete(folds)}
    assert unable <= UNABLE.get(balance, set())
    for head in set(QUICK) - unable:
        folds = outcomes[head]
        assert sorted(np.concatenate([fold.rows for fold in folds])) == list(range(len(problem.labels)))
        for fold in folds:
            assert np.array_equal(fold.labels, problem.labels[fold.rows])
            assert fold.scores.shape == (len(fold.rows), len(COUNTS))
            assert np.allclose(fold.scores.sum(axis=1), 1, atol=1e-5)
            assert fold.counts_before.sum() + len(fold.rows) == len(problem.labels)
        assert macro_recall(folds) > CHANCE + NOISE, head


@pytest.mark.parametrize("balance", BALANCERS)
def test_shuffled_labels_leave_every_head_at_chance(balance, tmp_path):
    shuffles = [make_problem(signal=0, permuted=True, views=3, seed=seed) for seed in (1, 2)]
    fitted = [fit(problem, QUICK, balance, tmp_path) for problem in shuffles]
    for head in QUICK:
        recalls = [macro_recall(outcomes[head]) for outcomes in fitted if complete(outcomes[head])]
        assert recalls or head in UNABLE[balance]
        assert not recalls or np.mean(recalls) == pytest.approx(CHANCE, abs=NOISE), head


def test_scores_are_there_even_where_no_class_can_be_held_out(tmp_path):
    problem = make_problem()
    few = np.concatenate([np.flatnonzero(problem.labels == label)[:20] for label in range(len(COUNTS))])
    small = replace(
        problem, **{name: getattr(problem, name)[few] for name in ("vectors", "labels", "groups", "ids", "split")}
    )
    for fold in fit(small, ["svm", "gaussian-nb"], "smote", tmp_path)["svm"]:
        assert np.allclose(fold.scores.sum(axis=1), 1, atol=1e-5)


def test_the_test_of_shuffled_labels_catches_a_leak(tmp_path):
    problem = make_problem(signal=0, permuted=True)
    leaky = fit(problem, ["knn", "random-forest", "svm"], "smote", tmp_path, protocol="leaky", folds=5)
    assert min(macro_recall(folds) for folds in leaky.values()) > CHANCE + NOISE


@pytest.mark.slow
@pytest.mark.parametrize("balance", ["none", "class-weight"])
def test_dense_learns_what_there_is_and_nothing_else(balance, tmp_path):
    learned = fit(make_problem(), ["dense"], balance, tmp_path)["dense"]
    shuffled = fit(make_problem(signal=0, permuted=True), ["dense"], balance, tmp_path)["dense"]
    assert macro_recall(learned) > CHANCE + NOISE
    assert macro_recall(shuffled) == pytest.approx(CHANCE, abs=NOISE)
