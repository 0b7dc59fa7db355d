"""Intervals and tests hold what they promise where the truth is known: a small version of benchmarks/validity.py."""

import numpy as np
import pytest

from benchmarks import validity
from headroom.heads.scores.predictions import Predictions, Sums


def rows_of(simulations, **condition):
    rows = validity.run(validity.Condition("", **condition), simulations, replicates=150)
    return {row["metric"]: row for row in rows}


def test_areas_are_those_of_the_tool():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(3, size=60), np.round(rng.dirichlet(np.ones(3), 60), 2)
    weights = rng.integers(3, size=(60, 5)).astype(np.float32)
    predictions = Predictions(labels, scores.argmax(axis=1), scores, 3)
    expected = Sums(predictions, weights).ranking[0]
    assert validity.aurocs(scores, labels, weights) == pytest.approx(expected, abs=1e-6)


def test_intervals_of_a_small_test_part_hold_the_truth_where_percentiles_do_not():
    rows = rows_of(150, images=100, repeats=0)
    for row in rows.values():
        assert row["coverage_fitted"] >= 0.93 > row["coverage_fitted_0.1"]


@pytest.mark.parametrize("head", ["stable", "unstable"])
def test_equal_methods_are_rarely_called_different(head):
    """At 150 simulations 5 % is told from 10 %."""
    rows = rows_of(150, images=150, repeats=1, head=head)
    assert np.mean([row["rejected"] for row in rows.values()]) < 0.075


def test_a_true_gain_is_found_more_often_than_by_folds():
    row = rows_of(40, images=500, repeats=1, gain=0.6)["accuracy"]
    assert row["rejected"] > 0.4 > row["rejected_0.1"]
    assert row["difference_coverage"] > 0.9
    assert row["gain"] < row["detectable"] < 2 * row["gain"]


def test_nearly_identical_predictions_are_not_called_unchanged():
    rows = rows_of(60, images=100, repeats=1, found=0.25)
    assert rows["recall_macro"]["gain"] > 0.03
    assert rows["recall_macro"]["unchanged_0.1"] > 0.15
    assert rows["recall_macro"]["unchanged"] == 0


def test_too_few_patients_are_said():
    assert rows_of(3, patients=20, repeats=1)["accuracy"]["few_patients"] == 1
    assert rows_of(3, patients=200, repeats=1)["accuracy"]["few_patients"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(("simulations", "size"), [(300, {"images": 500}), (100, {"patients": 200})])
def test_levels_and_differences_at_length(simulations, size):
    rows = rows_of(simulations, repeats=1, **size)
    for row in rows.values():
        assert 0.915 <= row["coverage_fitted"] <= 0.985
        assert row["rejected"] <= 0.075
