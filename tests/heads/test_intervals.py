"""Intervals of metrics: against published ones, at their edges, and where few cases speak for a class."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from headroom.heads.scores.intervals import (
    effective_groups,
    few_patients,
    freedom,
    interval,
    mean_interval,
    resting_on,
    score_interval,
    standard_error,
)
from headroom.heads.scores.metrics import METRICS
from tests.heads.cells import make_cell, make_problem, scored_of


@pytest.mark.parametrize(("right", "n"), [(60, 60), (59, 60), (30, 60), (0, 60), (1, 2000)])
def test_of_a_share_of_independent_cases_it_is_wilsons(right, n):
    share = right / n
    error = np.sqrt(share * (1 - share) / n)
    wilson = binomtest(right, n).proportion_ci(method="wilson")
    assert score_interval(share, error, 1e9, units=n) == pytest.approx((wilson.low, wilson.high), abs=1e-6)


def test_without_an_upper_bound_it_is_that_of_t_and_not_below_the_lower_one():
    t = norm.ppf(0.975)
    assert score_interval(0.3, 0.1, 1e9, high=np.inf) == pytest.approx((0.3 - t * 0.1, 0.3 + t * 0.1))
    assert score_interval(0.1, 0.1, 1e9, high=np.inf) == pytest.approx((0.0, 0.1 + t * 0.1))
    assert score_interval(-0.3, 0.1, 1e9, low=-np.inf, high=np.inf) == pytest.approx((-0.3 - t * 0.1, -0.3 + t * 0.1))


def test_bounds_may_lie_anywhere():
    plain = score_interval(0.8, 0.05, 20)
    kappa = score_interval(0.6, 0.1, 20, low=-1.0)
    assert kappa == pytest.approx([2 * bound - 1 for bound in plain])


def test_all_right_is_not_certain():
    problem = make_problem(60)
    problem.groups = np.arange(60)
    cell = make_cell(problem, skill=2.0)
    (scored,) = scored_of([cell], problem).values()
    assert scored.metrics["accuracy"] == scored.metrics["recall_macro"] == 1
    assert scored.intervals["accuracy"] == pytest.approx([0.94, 1.0], abs=0.005)
    assert scored.intervals["recall_macro"][0] < 0.89  # 30, 20 and 10 cases
    assert scored.intervals["recall_macro"][1] == 1


def coverage(counts, recalls, simulations=1000):
    """How often the interval of macro recall holds the truth where cases are independent."""
    rng, counts, truth, held = np.random.default_rng(0), np.array(counts), np.mean(recalls), 0
    for _ in range(simulations):
        found = rng.binomial(counts, recalls) / counts
        drawn = rng.binomial(counts, found, (200, len(counts))) / counts
        low, high = mean_interval(found.mean(), found, drawn, counts)
        held += low <= truth <= high
    return held / simulations


@pytest.mark.parametrize("recalls", [(0.9, 0.7, 0.8), (0.95, 0.7, 0.2), (0.95, 0.9, 0.95)])
def test_macro_recall_with_a_class_of_five_images(recalls):
    assert coverage((65, 30, 5), recalls) > 0.92


def test_few_groups_widen_and_undefined_replicates_count_as_nothing():
    values = np.random.default_rng(0).normal(0.8, 0.01, 1000)
    assert standard_error(values, 9) == pytest.approx(values.std() * np.sqrt(10 / 9))
    widths = [np.ptp(interval(0.8, values, units, units - 1)) for units in (5, 20, 1000)]
    assert widths == sorted(widths, reverse=True)
    half = np.where(np.arange(1000) < 500, np.nan, values)
    assert interval(0.8, half, 20, 19) is not None
    half[500] = np.nan
    assert interval(0.8, half, 20, 19) is None
    assert interval(np.nan, values, 20, 19) is None


def test_a_mean_over_equal_classes_knows_that_they_move_together():
    """With two classes both AUROCs are the same number, and so are their intervals."""
    drawn = np.random.default_rng(0).normal(0.8, 0.02, 1000)
    alone = interval(0.8, drawn, 50, 49)
    assert mean_interval(0.8, np.full(2, 0.8), np.column_stack([drawn, drawn]), np.full(2, 50)) == pytest.approx(alone)
    assert mean_interval(0.8, np.array([0.8, np.nan]), np.column_stack([drawn, drawn]), np.full(2, 50)) == alone


def test_effective_groups_and_freedom():
    groups, labels = np.repeat(np.arange(10), [1, 1, 1, 1, 1, 1, 1, 1, 1, 91]), np.zeros(100, int)
    assert effective_groups(groups, labels, 2) == pytest.approx([1.206, 1.206, 0], abs=1e-3)
    assert freedom(np.array([100])) == pytest.approx(99)
    assert freedom(np.array([50, 50])) == pytest.approx(98)
    assert freedom(np.array([95, 5])) < 6


def test_a_metric_rests_on_all_cases_on_every_class_or_on_its_own():
    counts, recall = np.array([100, 95, 5, 0]), METRICS["recall_macro"]
    assert resting_on(METRICS["accuracy"], counts).tolist() == [100]
    assert resting_on(recall, counts).tolist() == [95, 5]
    assert resting_on(replace(recall, mean_of="", of_class=1), counts).tolist() == [5]


def test_few_patients():
    many = np.arange(400)
    assert few_patients(many, many % 4) == ""
    assert "images tell no more than 20" in few_patients(many // 20, many % 4)
    assert "rarest class tell no more than 6" in few_patients(many, np.where(many < 6, 1, 0))
    unequal = np.where(many < 350, 0, many)  # one patient has nearly all
    assert "no more than 1." in few_patients(unequal, many % 2)
