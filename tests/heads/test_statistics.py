"""Paired tests against other implementations and at their edges; how often they err: test_validity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nct, t, ttest_1samp

from headroom.heads.scores.comparing import corrected
from headroom.heads.scores.paired import PairedResult, detectable, holm, paired_t

DIFFERENCES = np.array([0.021, 0.034, -0.006, 0.018, 0.027, 0.011, 0.042, 0.003, 0.015, 0.029])


def test_bayesian_probabilities_equal_baycomp():
    """Golden values: baycomp 1.0.3, two_on_single(DIFFERENCES, zeros, rope, runs=2)."""
    error = np.sqrt((1 / 10 + 0.25) * DIFFERENCES.var(ddof=1))
    for rope, golden in (
        (0.01, (0.849779498, 0.146502999, 0.003717503)),
        (0.02, (0.472813204, 0.526546086, 0.000640709)),
    ):
        result = paired_t(DIFFERENCES.mean(), error, 9, rope)
        assert (result.p_above, result.p_equivalent, result.p_below) == pytest.approx(golden, abs=1e-8)


def test_of_independent_differences_it_is_the_ordinary_paired_t():
    ordinary = ttest_1samp(DIFFERENCES, 0)
    result = paired_t(DIFFERENCES.mean(), DIFFERENCES.std(ddof=1) / np.sqrt(10), 9)
    assert result.p == pytest.approx(ordinary.pvalue)
    assert (result.low, result.high) == pytest.approx(tuple(ordinary.confidence_interval()))


@given(st.floats(-0.5, 0.5), st.floats(1e-6, 0.5), st.floats(1, 500), st.floats(0.0, 0.1))
def test_interval_p_and_probabilities_agree(difference, error, df, rope):
    result, mirrored = paired_t(difference, error, df, rope), paired_t(-difference, error, df, rope)
    assert (mirrored.p, mirrored.p_above, mirrored.p_below) == pytest.approx((result.p, result.p_below, result.p_above))
    assert result.p_above + result.p_equivalent + result.p_below == pytest.approx(1)
    if abs(result.p - 0.05) > 1e-9:
        assert (result.p < 0.05) == (result.low > 0 or result.high < 0)


def test_edges_of_the_test():
    assert paired_t(np.nan, 0.1, 9) == PairedResult()
    assert paired_t(0.1, np.nan, 9) == PairedResult(0.1)
    same = paired_t(0.0, 0.0, 9)
    assert (same.low, same.high, same.p, same.p_equivalent) == (0, 0, 1, 1)


def test_a_detectable_difference_is_found_in_four_of_five_cases():
    for tests in (1, 14):
        critical = t.ppf(1 - 0.025 / tests, 80)
        power = nct.sf(critical, 80, detectable(0.01, 80, tests) / 0.01)
        assert power == pytest.approx(0.8, abs=0.01)


def test_a_family_is_corrected_for_its_number():
    rows = [
        {"difference": difference, "p": result.p, "p_same": max(result.p_above, result.p_below)}
        | {"error": result.error, "freedom": result.freedom}
        for difference in (0.0, 0.02, 0.05)
        for result in [paired_t(difference, 0.004, 99)]
    ]
    untested = {"difference": 0.1, "p": None, "p_same": None, "error": None, "freedom": None}
    *found, last = corrected([*rows, untested])
    assert [row["p_holm"] for row in found] == holm([row["p"] for row in rows])
    assert [row["p_same_holm"] for row in found] == holm([row["p_same"] for row in rows])
    for row in found:
        assert row["high_simultaneous"] - row["difference"] == pytest.approx(0.004 * t.ppf(1 - 0.025 / 3, 99))
        assert row["detectable_holm"] == pytest.approx(detectable(0.004, 99, 3))
    assert {last[name] for name in ("p_holm", "low_simultaneous", "detectable_holm")} == {None}


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
