"""What is computed of a cell: once, kept beside it, and computed again where it no longer holds."""

import dataclasses
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from headroom.heads.results import Results
from headroom.heads.scores import scored as module
from headroom.heads.scores.bootstrap import draw_weights
from headroom.heads.scores.metrics import METRICS, PER_CLASS, number
from headroom.heads.scores.scored import Scored, positive_class, score_folds, scored_cells
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
        if name in ("by_fold", "drawn"):
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
        expected = score(fold.labels, fold.predicted, fold.scores, 3, True, groups=problem.groups[fold.rows])
        found = {name: number(values[place]) for name, values in scored.by_fold.items()}
        assert found == pytest.approx(expected)
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


def test_by_class_and_confusion_are_means_of_all_repeats(problem):
    cell = make_cell(problem, repeats=2)
    scored = score_folds(cell.folds, problem.groups, problem.ordinal)
    confusions = [
        sum(confusion_matrix(fold.labels, fold.predicted, labels=range(3)) for fold in cell.folds if fold.repeat == r)
        for r in (0, 1)
    ]
    assert not np.array_equal(*confusions)
    np.testing.assert_allclose(scored.confusion, np.mean(confusions, axis=0))
    recalls = np.mean([np.diag(each) / each.sum(axis=1) for each in confusions], axis=0)
    assert [value for value, _ in scored.by_class["recall"]] == pytest.approx(recalls.tolist())
    aurocs = [[roc_auc_score(f.labels == c, f.scores[:, c]) for c in range(3)] for f in cell.folds]
    assert [value for value, _ in scored.by_class["auroc"]] == pytest.approx(np.mean(aurocs, axis=0).tolist())
    for name, values in scored.by_class.items():
        for value, interval in values:
            if PER_CLASS[name].binary == "only":
                assert value is interval is None
            else:
                assert interval[0] < value < interval[1], name


def test_left_out_and_drawn_images_are_all_images(problem):
    cell = make_cell(problem, repeats=2)
    scored = score_folds(cell.folds, problem.groups, problem.ordinal)
    weights = draw_weights(problem.groups)
    counts = scored.left_out.sum(axis=2)
    for c in range(3):
        np.testing.assert_array_equal(counts[:, c], 2 * (weights[problem.labels == c] == 0).sum(axis=0))
    assert scored.left_out.dtype.itemsize == 1


def test_the_value_by_fold_has_the_mean_that_is_shown(problem):
    scored = score_folds(make_cell(problem, repeats=2).folds, problem.groups, problem.ordinal)
    for name, record in METRICS.items():
        if record.within_folds:
            assert scored.metrics[name] == pytest.approx(scored.by_fold[name].mean())


def two_classes(folds):
    """The last two classes as one."""
    return [
        replace(
            fold,
            labels=np.minimum(fold.labels, 1),
            predicted=np.minimum(fold.predicted, 1),
            scores=np.column_stack([fold.scores[:, 0], fold.scores[:, 1:].sum(axis=1)]),
            counts_before=fold.counts_before[:2],
            counts_after=fold.counts_after[:2],
        )
        for fold in folds
    ]


def test_sensitivity_is_that_of_the_positive_class(problem):
    cell = make_cell(problem)
    scored = score_folds(two_classes(cell.folds), problem.groups, problem.ordinal)
    healthy, ill = [value for value, _ in scored.by_class["recall"]]
    assert healthy != ill
    for positive, sensitivity, specificity in ((1, ill, healthy), (0, healthy, ill)):
        facing = scored.facing(("healthy", "ill"), positive)
        assert facing.positive == ("healthy", "ill")[positive]
        assert facing.metrics["sensitivity"] == pytest.approx(sensitivity)
        assert facing.metrics["specificity"] == pytest.approx(specificity)
        for table in (facing.drawn, facing.by_fold):
            np.testing.assert_allclose(
                (table["sensitivity"] + table["specificity"]) / 2, table["recall_macro"], rtol=1e-5
            )
        assert facing.intervals["sensitivity"] == facing.by_class["recall"][positive][1]
        assert list(facing.metrics) == list(METRICS)
        assert facing.cases[2] == scored.cases[1 + positive]  # the second of both, as `MetricRecord.of_class` has it
        assert facing.left_out[:, 1].sum() == scored.left_out[:, positive].sum()
    assert scored.facing(("a", "b", "c"), 0) is scored


def test_calibration_of_scores_that_are_no_numbers_is_unknown(problem):
    folds = [dataclasses.replace(fold, scores=np.full_like(fold.scores, np.nan)) for fold in make_cell(problem).folds]
    assert np.isnan(score_folds(folds, problem.groups, problem.ordinal).calibration_loss).all()


def test_the_same_images_in_other_groups_are_not_paired(problem):
    folds = make_cell(problem).folds
    digests = [
        (scored.images, scored.layout)
        for scored in (score_folds(folds, groups, True) for groups in (problem.groups, np.arange(len(problem.groups))))
    ]
    assert digests[0][0] != digests[1][0]
    assert digests[0][1] != digests[1][1]


def test_the_rarer_class_is_positive_unless_one_is_named():
    problem = SimpleNamespace(classes=("ill", "healthy"), labels=np.array([0, 0, 1, 1, 1]))
    assert [positive_class(problem, name) for name in ("", "ill", "healthy", "other")] == [0, 0, 1, 0]
    problem.labels = np.array([0, 1])
    assert positive_class(problem) == 0
