"""Probabilities from outputs."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.svm import SVC

from headroom.heads.calibration import Calibration, Outputs, fit_calibration


def made(logits):
    return Outputs(logits, logits)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_calibrated_scores_are_probabilities_even_of_a_class_never_held_out(classes, seed):
    random = np.random.default_rng(seed)
    outputs = made(random.normal(scale=30, size=(60, classes)))
    labels = random.integers(classes, size=60)
    labels[labels == classes - 1] = 0
    labels[1] = classes - 1 if classes == 2 else 1
    scores = fit_calibration(outputs, labels)(outputs)
    assert np.allclose(scores.sum(axis=1), 1)
    assert scores.min() >= 0
    assert scores.shape == (60, classes)


def test_overconfident_outputs_become_honest():
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 3))
    labels = np.array([random.choice(3, p=row) for row in softmax(logits, axis=1)])
    seen, unseen = map(made, np.split(5 * logits + np.array([0, 2, 0]), 2))
    honest = log_loss(labels[2000:], softmax(logits[2000:], axis=1))
    assert log_loss(labels[2000:], fit_calibration(seen, labels[:2000])(unseen)) < honest + 0.01
    assert log_loss(labels[2000:], Calibration()(unseen)) > honest + 0.3


def test_two_classes_give_one_output_each_whatever_the_estimator_says():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(50, 2))
    labels = (vectors[:, 0] > 0).astype(int)
    for estimator in (SVC(), LogisticRegression()):
        outputs = Outputs.of(estimator.fit(vectors, labels), vectors).values
        assert outputs.shape == (50, 2)
        assert np.array_equal(outputs.argmax(axis=1), estimator.predict(vectors))
