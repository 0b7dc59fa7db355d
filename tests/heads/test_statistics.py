"""Paired tests against other implementations, by simulation, and at their edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc
from scipy.stats import ttest_1samp

from headroom.heads.scores.comparing import PairedResult, corrected_t, holm, paired_bootstrap

DIFFERENCES = np.array([0.021, 0.034, -0.006, 0.018, 0.027, 0.011, 0.042, 0.003, 0.015, 0.029])


def test_bayesian_probabilities_equal_baycomp():
    """Golden values: baycomp 1.0.3, two_on_single(DIFFERENCES, zeros, rope, runs=2)."""
    for rope, golden in (
        (0.01, (0.849779498, 0.146502999, 0.003717503)),
        (0.02, (0.472813204, 0.526546086, 0.000640709)),
    ):
        result = corrected_t(DIFFERENCES, 0.25, rope)
        assert (result.p_above, result.p_equivalent, result.p_below) == pytest.approx(golden, abs=1e-8)


def test_p_equals_the_formula_of_nadeau_and_bengio():
    variance = sum((d - DIFFERENCES.mean()) ** 2 for d in DIFFERENCES) / 9
    t = DIFFERENCES.mean() / np.sqrt((1 / 10 + 100 / 400) * variance)
    p = betainc(9 / 2, 1 / 2, 9 / (9 + t**2))  # tail areas of t from the incomplete beta function
    assert corrected_t(DIFFERENCES, 0.25).p == pytest.approx(p, abs=1e-12)


def test_without_test_images_it_is_the_ordinary_paired_t():
    ordinary = ttest_1samp(DIFFERENCES, 0)
    result = corrected_t(DIFFERENCES, 0.0)
    assert result.p == pytest.approx(ordinary.pvalue)
    assert (result.low, result.high) == pytest.approx(tuple(ordinary.confidence_interval()))


@given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=30), st.floats(0.05, 1.0), st.floats(0.0, 0.1))
def test_interval_p_and_probabilities_agree(differences, ratio, rope):
    values = np.array(differences)
    result, mirrored = corrected_t(values, ratio, rope), corrected_t(-values, ratio, rope)
    assert (mirrored.p, mirrored.p_above, mirrored.p_below) == pytest.approx((result.p, result.p_below, result.p_above))
    if result.p is None:
        assert np.ptp(values) < 1e-12
        return
    assert result.p_above + result.p_equivalent + result.p_below == pytest.approx(1)
    if abs(result.p - 0.05) > 1e-9 and np.ptp(values) > 1e-9:
        assert (result.p < 0.05) == (result.low > 0 or result.high < 0)


def test_edges_of_the_t_test():
    assert corrected_t(np.array([]), 0.25) == PairedResult()
    assert corrected_t(np.array([np.nan, np.nan]), 0.25) == PairedResult()
    assert corrected_t(np.array([0.1]), 0.25) == PairedResult(0.1)
    assert corrected_t(np.full(5, 0.1), 0.25) == PairedResult(pytest.approx(0.1))
    assert corrected_t(np.zeros(5), 0.25) == PairedResult(0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0)
    assert corrected_t(np.append(DIFFERENCES, np.nan), 0.25) == corrected_t(DIFFERENCES, 0.25)


def test_paired_bootstrap():
    result = paired_bootstrap(0.03, np.concatenate([np.full(20, -0.02), np.full(30, 0.005), np.full(949, 0.03)]))
    assert result.p == pytest.approx(2 * 21 / 1000)
    assert (result.p_above, result.p_equivalent, result.p_below) == pytest.approx((949 / 999, 30 / 999, 20 / 999))
    assert (result.low, result.high) == pytest.approx((0.005, 0.03))
    assert paired_bootstrap(0.0, np.zeros(99)) == PairedResult(0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0)
    assert paired_bootstrap(np.nan, np.zeros(99)) == PairedResult()
    assert paired_bootstrap(0.1, np.full(99, np.nan)) == PairedResult(0.1)


def test_holm_equals_statsmodels_and_leaves_out_what_was_not_tested():
    """Golden values: statsmodels 0.14, multipletests(p, method="holm")."""
    p = [0.012, 0.03, None, 0.0004, 0.2, 0.049, 0.012, 0.9]
    assert holm(p) == pytest.approx([0.072, 0.12, None, 0.0028, 0.4, 0.147, 0.072, 0.9])
    assert holm([]) == []
    assert holm([None]) == [None]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_by_its_definition(p):
    adjusted = holm(p)
    for i, value in enumerate(adjusted):
        below = sorted(p)[: sum(q <= p[i] for q in p)]
        assert value == pytest.approx(min(1, max((len(p) - rank) * q for rank, q in enumerate(below))))


def cross_validated_differences(simulations, repeats, n=100, features=10, folds=5, separation=0.3):
    """Accuracy differences by fold of two exchangeable learners, each simulation on a data set of its own.

    Both are nearest-centroid classifiers; each sees one half of features that are all equally informative.
    """
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    for _ in range(simulations):
        vectors = rng.normal(size=(n, 2 * features)) + separation * (2 * labels[:, None] - 1)
        differences = []
        for _ in range(repeats):
            fold_of = np.empty(n, int)
            for c in (0, 1):
                fold_of[labels == c] = rng.permutation(n // 2) % folds
            for fold in range(folds):
                test = fold_of == fold
                low, high = (vectors[~test & (labels == c)].mean(axis=0) for c in (0, 1))
                evidence = (vectors[test] - (low + high) / 2) * (high - low)
                right = [(half.sum(axis=1) > 0) == labels[test] for half in np.split(evidence, 2, axis=1)]
                differences.append(right[0].mean() - right[1].mean())
        yield np.array(differences)


@pytest.mark.parametrize("repeats", [1, 10])
def test_false_positive_rate(repeats):
    """At the 5 % level below 6 %, where the ordinary paired t test is above it."""
    simulated = list(cross_validated_differences(simulations=400, repeats=repeats))
    # Without any variance, no test is made and nothing is claimed.
    corrected = np.mean([(corrected_t(d, 0.25).p or 1.0) < 0.05 for d in simulated])
    naive = np.mean([(corrected_t(d, 0.0).p or 1.0) < 0.05 for d in simulated])
    print(f"false positives, {repeats} x 5 folds: corrected {corrected:.3f}, ordinary paired t {naive:.3f}")  # noqa: T201
    assert corrected < 0.06 < naive
