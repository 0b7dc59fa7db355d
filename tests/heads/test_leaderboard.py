"""The leaderboard: form, pooling, repeats and intervals."""

from types import SimpleNamespace

import numpy as np
import pytest

from headroom.heads.scores.leaderboard import leaderboard
from headroom.heads.scores.metrics import METRICS
from tests.heads.cells import make_cell, make_problem, score, scored_of


def rows_of(cells, problem):
    return leaderboard(cells, scored_of(cells, problem))


@pytest.fixture(scope="module")
def problem():
    return make_problem()


def test_rows_have_the_agreed_form(problem):
    (row,) = rows_of([make_cell(problem)], problem)
    assert list(row) == ["dataset", "model", "head", "balance", "protocol", "n", "positive", "metrics", "intervals"]
    assert row["n"] == len(problem.labels)
    assert list(row["metrics"]) == list(row["intervals"]) == list(METRICS)
    for name, interval in row["intervals"].items():
        if METRICS[name].binary == "only":
            assert interval is row["metrics"][name] is None
        else:
            assert interval[0] < row["metrics"][name] < interval[1]


def test_metrics_are_those_of_the_predictions_of_a_repeat_averaged_over_repeats(problem):
    cell = make_cell(problem, repeats=2)
    (row,) = rows_of([cell], problem)
    by_repeat = []
    for repeat in (0, 1):
        folds = [fold for fold in cell.folds if fold.repeat == repeat]
        arrays = (np.concatenate([getattr(f, name) for f in folds]) for name in ("labels", "predicted", "scores"))
        fold = np.repeat(np.arange(len(folds)), [len(each.rows) for each in folds])
        groups = problem.groups[np.concatenate([each.rows for each in folds])]
        by_repeat.append(score(*arrays, 3, ordinal=True, fold=fold, groups=groups))
    assert by_repeat[0] != by_repeat[1]
    means = {name: np.mean([s[name] for s in by_repeat]) for name in METRICS if by_repeat[0][name] is not None}
    assert row["metrics"] == pytest.approx(dict.fromkeys(METRICS) | means)
    assert row["n"] == len(problem.labels)


def test_failed_cells_are_passed_over_and_the_best_comes_first(problem):
    cells = [make_cell(problem, skill=0.2), make_cell(problem, skill=0.9), make_cell(problem, status="failed")]
    rows = rows_of(cells, problem)
    assert len(rows) == 2
    assert rows[0]["metrics"]["recall_macro"] > rows[1]["metrics"]["recall_macro"]


def test_copies_of_a_row_in_its_group_do_not_narrow_the_interval(problem):
    copies = 4
    copied = SimpleNamespace(
        labels=np.repeat(problem.labels, copies), groups=np.repeat(np.arange(len(problem.labels)), copies), ordinal=True
    )
    single = SimpleNamespace(labels=problem.labels, groups=np.arange(len(problem.labels)), ordinal=True)
    cell = make_cell(single)
    (alone,) = rows_of([cell], single)
    (together,) = rows_of([make_cell(copied, copies_of=cell, copies=copies)], copied)
    for name in METRICS:
        assert together["intervals"][name] == pytest.approx(alone["intervals"][name], abs=1e-5)


def test_synthetic_test_points_are_groups_of_their_own(problem):
    cell = make_cell(problem, protocol="leaky", synthetic=30)
    (row,) = rows_of([cell], problem)
    assert row["n"] == len(problem.labels) + 30
    assert row["intervals"]["accuracy"][0] < row["metrics"]["accuracy"] < row["intervals"]["accuracy"][1]


def test_unordered_classes_have_no_kappa(problem):
    unordered = SimpleNamespace(labels=problem.labels, groups=problem.groups, ordinal=False)
    (row,) = rows_of([make_cell(unordered)], unordered)
    assert row["metrics"]["kappa_quadratic"] is None
    assert row["intervals"]["kappa_quadratic"] is None
