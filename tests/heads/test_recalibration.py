"""Calibration intercept, slope and loss: those of a logistic regression, under any weights; and the paired test."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from headroom.heads.scores.bootstrap import draw_weights
from headroom.heads.scores.metrics import PER_CLASS, evaluate
from headroom.heads.scores.predictions import Predictions, Sums
from headroom.heads.scores.recalibration import p_worse

NAMES = ("calibration_intercept", "calibration_slope", "calibration_loss")


def drawn(n, seed, shift=0.0, slope=1.0):
    """Labels, and scores whose logits are moved by ``shift`` and stretched by ``slope``."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1, 1.5, n)
    right = expit(slope * truth + shift)
    return (rng.random(n) < expit(truth)).astype(int), np.column_stack([1 - right, right])


def by_class(labels, scores, weights=None):
    predictions = Predictions(labels, scores.argmax(axis=1), scores, scores.shape[1])
    weights = np.ones((len(labels), 1)) if weights is None else weights
    return evaluate([Sums(predictions, weights)], False, NAMES, PER_CLASS)


@pytest.mark.parametrize(("shift", "slope"), [(0, 1), (1.24, 1), (0, 3), (-2, 0.5)])
def test_equals_a_logistic_regression(shift, slope):
    labels, scores = drawn(2000, 0, shift, slope)
    found = {name: values[0, 1] for name, values in by_class(labels, scores).items()}
    logits = logit(scores[:, [1]])
    fit = LogisticRegression(C=1e9, tol=1e-8).fit(logits, labels)
    assert found["calibration_slope"] == pytest.approx(fit.coef_[0, 0], rel=1e-3)
    assert expit(logits[:, 0] + found["calibration_intercept"]).mean() == pytest.approx(labels.mean(), abs=1e-4)
    before, after = (
        -np.log(np.where(labels, p, 1 - p)).mean() for p in (scores[:, 1], fit.predict_proba(logits)[:, 1])
    )
    assert found["calibration_loss"] == pytest.approx(before - after, abs=1e-5)


def test_what_was_put_in_is_found_of_both_classes():
    labels, scores = drawn(20_000, 1, shift=1.24, slope=2)
    found = by_class(labels, scores)
    assert found["calibration_slope"][0] == pytest.approx([0.5, 0.5], abs=0.02)
    labels, scores = drawn(20_000, 1, shift=1.24)
    assert by_class(labels, scores)["calibration_intercept"][0] == pytest.approx([1.24, -1.24], abs=0.05)


def test_one_step_is_near_the_fit_to_the_drawn_cases():
    labels, scores = drawn(500, 2, shift=0.5, slope=1.5)
    weights = draw_weights(np.arange(500), 40)
    fast = by_class(labels, scores, weights.astype(np.float32))
    rows = [np.repeat(np.arange(500), each) for each in weights.T]
    again = [by_class(labels[each], scores[each]) for each in rows]
    for name in NAMES[:2]:
        ours, fitted = fast[name][:, 1], np.array([values[name][0, 1] for values in again])
        assert np.corrcoef(ours, fitted)[0, 1] > 0.98, name
        assert ours.std() == pytest.approx(fitted.std(), rel=0.15), name
    once = by_class(labels, scores)["calibration_loss"][0]
    assert fast["calibration_loss"].mean(axis=0) == pytest.approx(once, rel=0.1)


@pytest.mark.parametrize("certain", [0.0, 1e-30])
def test_separated_classes_and_certain_scores_stay_finite(certain):
    labels = np.array([0, 0, 1, 1, 1])
    right = np.array([certain, certain, 1, 1 - certain, 1])
    for turned in (right, 1 - right):
        scores = np.column_stack([1 - turned, turned]).astype(np.float32)
        assert all(np.isfinite(values).all() for values in by_class(labels, scores).values())


def test_undefined_where_there_is_one_class():
    labels, scores = drawn(50, 0)
    assert all(np.isnan(values).all() for values in by_class(np.zeros_like(labels), scores).values())


def losses(labels, scores, weights):
    values = by_class(labels, scores, np.column_stack([np.ones(len(labels)), weights]).astype(np.float32))
    return values["calibration_loss"].sum(axis=1)


def share_found(shift, runs=100, n=300):
    """How often a head with a moved intercept is called worse than one that is else as good, at 5 %."""
    weights = draw_weights(np.arange(n), 200)
    found = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        truth = rng.normal(-1, 1.5, n)
        labels = (rng.random(n) < expit(truth)).astype(int)
        moved, plain = (
            expit(truth + rng.normal(0, 0.5, n) + each)[:, None] * [-1, 1] + [1, 0] for each in (shift, 0.0)
        )
        found += p_worse(losses(labels, moved, weights), losses(labels, plain, weights)) < 0.05
    return found / runs


def test_heads_that_are_alike_are_seldom_called_worse():
    assert share_found(0.0) <= 0.05


def test_an_intercept_of_124_is_found():
    assert share_found(-1.24, runs=20) >= 0.9
