"""What is computed of a cell: once, kept beside it, and computed again where it no longer holds."""

from dataclasses import replace

import numpy as np
import pytest

from headroom.heads.results import Results
from headroom.heads.scores import scored as module
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.scored import Scored, score_folds, scored_cells
from tests.heads.cells import make_cell, score
from tests.heads.problems import make_problem


@pytest.fixture
def problem():
    return make_problem(ordinal=True)


@pytest.fixture
def kept(tmp_path, problem):
    """A database of three cells, one of them failed."""
    with Results(tmp_path / "results.db") as results:
        results.save_problem(problem)
        for cell in (
            make_cell(problem, repeats=2),
            make_cell(problem, balance="smote", skill=0.8, repeats=2),
            make_cell(problem, head="knn", status="failed"),
        ):
            results.save(replace(cell, problem=problem.fingerprint))
        yield results


@pytest.fixture
def computed(monkeypatch):
    """How many cells were computed."""
    calls = []
    monkeypatch.setattr(module, "score_folds", lambda *arguments: calls.append(1) or score_folds(*arguments))
    return calls


def scored_of(results, problem):
    return scored_cells(results, results.cells(), {problem.fingerprint: problem})


def same(one, other):
    for name in Scored.__dataclass_fields__:
        left, right = getattr(one, name), getattr(other, name)
        if isinstance(left, dict) and name not in ("metrics", "intervals"):
            assert left.keys() == right.keys()
            for key in left:
                np.testing.assert_array_equal(left[key], right[key])
        else:
            np.testing.assert_equal(left, right)


def test_what_is_kept_is_what_was_computed(kept, problem, computed):
    first = scored_of(kept, problem)
    assert len(computed) == len(first) == 2
    again = scored_of(kept, problem)
    assert len(computed) == 2
    for key, scored in first.items():
        same(scored, again[key])


def test_workers_compute_the_same(kept, problem, monkeypatch):
    here = scored_of(kept, problem)
    kept._connection.execute("DELETE FROM scored")
    monkeypatch.setattr(module, "FEW", 1)
    for key, scored in scored_of(kept, problem).items():
        same(scored, here[key])


def test_it_is_computed_again_for_another_version_other_metrics_and_a_new_fit(kept, problem, computed, monkeypatch):
    scored_of(kept, problem)
    with monkeypatch.context() as other:
        other.setattr(module, "VERSION", module.VERSION + 1)
        scored_of(kept, problem)
        assert len(computed) == 4
    scored_of(kept, problem)
    assert len(computed) == 6
    kept.save(
        replace(make_cell(problem, seed=7, repeats=2), key="svm/none/cv/0.5/0/fitted", problem=problem.fingerprint)
    )
    scored_of(kept, problem)
    assert len(computed) == 7
    monkeypatch.setitem(METRICS, "another", METRICS["accuracy"])
    assert "another" in next(iter(scored_of(kept, problem).values())).metrics
    assert len(computed) == 9


def test_a_table_with_other_columns_is_made_again(kept, problem, computed):
    kept._connection.execute("ALTER TABLE scored DROP COLUMN left_out")
    with Results(kept.path) as results:
        assert len(scored_of(results, problem)) == len(computed) == 2


def test_metrics_by_fold_are_those_of_the_fold(problem):
    cell = make_cell(problem, repeats=2)
    scored = score_folds(cell.folds, problem.groups, problem.ordinal)
    for place, fold in enumerate(cell.folds):
        expected = score(fold.labels, fold.predicted, fold.scores, 3, True)
        assert {name: values[place] for name, values in scored.by_fold.items()} == pytest.approx(expected)
    assert scored.tested.sum() == 2 * len(problem.labels)
    assert scored.test_train == pytest.approx(0.25)


def test_digests_tell_images_and_folds_apart(problem):
    one = score_folds(make_cell(problem).folds, problem.groups, True)
    other_scores = score_folds(make_cell(problem, seed=3, skill=0.1).folds, problem.groups, True)
    other_folds = score_folds(make_cell(problem, folds=4).folds, problem.groups, True)
    synthetic = score_folds(make_cell(problem, synthetic=20).folds, problem.groups, True)
    assert (one.images, one.layout) == (other_scores.images, other_scores.layout)
    assert one.images == other_folds.images
    assert one.layout != other_folds.layout
    assert not synthetic.layout
