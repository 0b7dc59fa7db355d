"""Probabilities from outputs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.svm import SVC

from headroom.heads.balancing import BALANCERS
from headroom.heads.calibration import Calibration, Outputs, fit_calibration
from headroom.heads.samples import Samples
from headroom.heads.training import Trainer


def made(logits):
    return Outputs(logits[:, 1:] - logits[:, :1] if logits.shape[1] == 2 else logits, logits)


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
        outputs = Outputs.of(estimator.fit(vectors, labels), vectors)
        assert (outputs.values.shape, outputs.logits.shape) == ((50, 1), (50, 2))
        assert np.array_equal(outputs.values[:, 0] > 0, estimator.predict(vectors))
        assert np.array_equal(outputs.logits.argmax(axis=1), estimator.predict(vectors))


def test_calibration_of_two_classes_keeps_the_order_of_a_weak_head():
    """A map of both log-probabilities turned it round, and cost AUROC up to 0.2."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        labels = (random.random(700) < 0.25).astype(int)
        vectors = (random.normal(size=(700, 20)) + 0.8 * labels[:, None] * (np.arange(20) < 3)).astype(np.float32)
        samples = Samples(labels=labels, groups=np.arange(700), classes=("a", "b"), vectors=vectors)
        fitted = Trainer(samples.take(np.arange(100)), BALANCERS["none"]).fit("logreg")
        raw, calibrated = fitted.estimator.predict_proba(vectors)[100:, 1], fitted.scores(vectors)[100:, 1]
        assert roc_auc_score(labels[100:], calibrated) == pytest.approx(roc_auc_score(labels[100:], raw))


@pytest.mark.parametrize(("balance", "classes"), [("none", 2), ("random-over", 3)])
@pytest.mark.parametrize(
    ("head", "worse"),
    [("lda", 0.02), ("logreg", 0.02), ("gaussian-nb", 0.02), ("svm", 0.08), ("adaboost", 0.05), ("random-forest", 0.1)],
)
def test_calibrated_log_loss_is_near_that_of_the_truth(head, worse, balance, classes):
    """Gaussian classes of which the first is common: a head may lose what it does not see, not by its scale."""
    random = np.random.default_rng(0)
    shares = np.array([0.7, 0.2, 0.1] if classes == 3 else [0.8, 0.2])
    labels = random.choice(classes, p=shares, size=3000)
    centres = 1.5 * np.eye(classes, 4)
    vectors = (centres[labels] + random.normal(size=(3000, 4))).astype(np.float32)
    apart = ((vectors[:, None] - centres) ** 2).sum(axis=2)
    truth = softmax(np.log(shares) - apart / 2, axis=1)
    names = tuple("abc"[:classes])
    samples = Samples(labels=labels, groups=np.arange(3000), classes=names, vectors=vectors)
    seen, unseen = samples.take(np.arange(1500)), slice(1500, None)
    scores = Trainer(seen, BALANCERS[balance]).fit(head).scores(vectors[unseen])
    assert log_loss(labels[unseen], scores) < log_loss(labels[unseen], truth[unseen]) + worse


def test_votes_are_at_the_frequencies_of_fitting_for_every_head():
    """Of a resampled training part the mean vote is that of balanced classes, the mean score that of the images."""
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], [1200, 300])
    vectors = (labels[:, None] + random.normal(size=(1500, 3))).astype(np.float32)
    samples = Samples(labels=labels, groups=np.arange(1500), classes=("a", "b"), vectors=vectors)
    trainer = Trainer(samples, BALANCERS["random-over"])
    fresh = np.repeat([0, 1], 1000)
    balanced = (fresh[:, None] + random.normal(size=(2000, 3))).astype(np.float32)
    for head in ("random-forest", "svm", "logreg", "voting", "stacking"):
        fitted = trainer.fit(head)
        assert fitted.votes(balanced).mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.05), head
        assert np.average(fitted.scores(balanced), weights=np.repeat([0.8, 0.2], 1000), axis=0) == pytest.approx(
            [0.8, 0.2], abs=0.04
        ), head


def test_separable_outputs_give_finite_probabilities_with_his_targets():
    logits = np.repeat([[-50.0, 50.0], [50.0, -50.0]], [9, 99], axis=0)
    scores = fit_calibration(made(logits), np.repeat([1, 0], [9, 99]))(made(logits))
    assert scores[[0, -1]].max(axis=1) == pytest.approx([10 / 11, 100 / 101], abs=1e-3)
