"""The vectorised bootstrap equals drawing groups, copying their rows and calling the library."""

import numpy as np
import pytest
from sklearn import metrics as sk

from headroom.heads.scores.bootstrap import draw_weights, drawn_metrics
from headroom.heads.scores.metrics import METRICS, number
from headroom.heads.scores.predictions import Predictions, Sums
from tests.heads.cells import score


@pytest.fixture(params=[0.02, 3.0], ids=["many-ties", "few-ties"])
def sample(request):
    rng = np.random.default_rng(3)
    labels = rng.choice(4, 150, p=[0.6, 0.25, 0.1, 0.05])
    scores = np.round(rng.dirichlet(np.ones(4), 150) * 100 * request.param) + 0.5 + np.eye(4)[labels]
    scores = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    predicted = np.where(rng.random(150) < 0.2, rng.integers(4, size=150), scores.argmax(axis=1))
    groups = rng.integers(100, size=150)
    return Predictions(labels, predicted, scores, 4, groups % 3, groups), groups


def test_equals_copying_rows(sample):
    predictions, groups = sample
    weights = draw_weights(groups, replicates=130)  # more than one block
    fast = drawn_metrics([Sums(predictions, weights)], ordinal=True)[0]
    for b in range(130):
        rows = np.repeat(np.arange(len(groups)), weights[:, b])
        slow = score(
            *(array[rows] for array in (predictions.labels, predictions.predicted, predictions.scores)),
            *(4, True),
            fold=predictions.fold[rows],
            groups=groups[rows],
        )
        assert fast["ece"][b] ** 2 == pytest.approx(slow.pop("ece") ** 2, abs=2e-6)  # a root is steep at zero
        assert {name: number(fast[name][b]) for name in slow} == pytest.approx(slow, abs=2e-6)


def macro(measure, onehot, scores, weights):
    """The mean over the classes that occur among cases of some weight."""
    here = weights > 0
    present = np.flatnonzero(onehot[here].any(axis=0))
    return np.mean([measure(onehot[here, c], scores[here, c], sample_weight=weights[here]) for c in present])


def test_equals_the_library_with_sample_weights(sample):
    predictions, groups = sample
    labels, predicted, scores = predictions.labels, predictions.predicted, predictions.scores
    weights = draw_weights(groups, replicates=20)
    fast = drawn_metrics([Sums(predictions, weights)], ordinal=True)[0]
    onehot = np.eye(4)[labels]
    for b in range(20):
        weighted = {"sample_weight": weights[:, b].astype(float)}
        assert fast["accuracy"][b] == pytest.approx(sk.accuracy_score(labels, predicted, **weighted))
        assert fast["mcc"][b] == pytest.approx(sk.matthews_corrcoef(labels, predicted, **weighted))
        kappa = sk.cohen_kappa_score(labels, predicted, weights="quadratic", **weighted)
        assert fast["kappa_quadratic"][b] == pytest.approx(kappa)
        for name, measure in (("auroc_ovr", sk.roc_auc_score), ("auprc_macro", sk.average_precision_score)):
            by_fold = [
                macro(measure, onehot, scores, weighted["sample_weight"] * (predictions.fold == f)) for f in range(3)
            ]
            assert fast[name][b] == pytest.approx(np.mean(by_fold), abs=2e-6)
        assert fast["log_loss"][b] == pytest.approx(sk.log_loss(labels, scores, **weighted), abs=2e-6)


def test_groups_are_drawn_whole_and_with_replacement():
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    weights = draw_weights(groups, replicates=200)
    assert weights.shape == (6, 200)
    assert (weights[groups == "b"] == weights[0]).all()
    assert (weights[[0, 1, 3]].sum(axis=0) == 3).all()
    assert weights.max() == 3
    assert weights[:3].mean() == pytest.approx(1, abs=0.15)


def test_same_groups_same_replicates_other_seed_others():
    groups = np.arange(30)
    assert np.array_equal(draw_weights(groups, 50), draw_weights(groups.copy(), 50))
    assert not np.array_equal(draw_weights(groups, 50), draw_weights(groups, 50, seed=1))


def test_repeats_share_their_weights_and_are_averaged():
    labels = np.array([0, 1] * 20)
    right, wrong = (Predictions(labels, predicted, np.eye(2)[labels], 2) for predicted in (labels, 1 - labels))
    weights = draw_weights(np.arange(40), replicates=100)
    accuracy = drawn_metrics([Sums(right, weights), Sums(wrong, weights)], False)[0]["accuracy"]
    assert accuracy == pytest.approx(np.full(100, 0.5))


def test_no_score_metric_without_finite_scores():
    labels = np.array([0, 1, 0, 1])
    predictions = Predictions(labels, labels, np.full((4, 2), np.nan), 2)
    values = drawn_metrics([Sums(predictions, draw_weights(np.arange(4), 10))], ordinal=False)[0]
    for name, record in METRICS.items():
        assert np.isnan(values[name]).all() == (record.needs == "scores" or record.ordinal_only), name


def test_an_auroc_undefined_in_a_fold_of_a_replicate_is_that_of_the_others():
    labels, fold = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    right = np.array([0.1, 0.9, 0.8, 0.2])
    predictions = Predictions(labels, labels, np.column_stack([1 - right, right]), 2, fold)
    weights = np.array([[1, 2, 0, 1], [1, 1, 0, 0], [1, 0, 2, 0], [1, 2, 1, 3]])
    values = drawn_metrics([Sums(predictions, weights)], False)[0]["auroc_ovr"]
    np.testing.assert_allclose(values, [0.5, 1.0, 0.0, np.nan])
