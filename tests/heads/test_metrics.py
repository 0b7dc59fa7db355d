"""Every metric equals the library's own, on labels and scores as wild as they come."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.metrics import specificity_score
from sklearn import metrics as sk

from headroom.heads.scores.metrics import CONFUSION, METRICS, SCORES, per_class
from headroom.heads.scores.predictions import Predictions
from tests.heads.cells import score


@st.composite
def predictions(draw):
    """Few cases, skewed or absent classes, many ties; predictions that need not follow the scores."""
    n_classes = draw(st.integers(2, 5))
    n = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.choice(n_classes, n, p=rng.dirichlet(np.full(n_classes, 0.6)))
    steps = draw(st.sampled_from([1, 3, 1000]))
    scores = rng.integers(0, steps + 1, (n, n_classes)) + 0.01
    scores += draw(st.sampled_from([0, steps])) * np.eye(n_classes)[labels]
    scores /= scores.sum(axis=1, keepdims=True)
    predicted = scores.argmax(axis=1) if draw(st.booleans()) else rng.choice(n_classes, n)
    return labels, predicted, scores, n_classes


def expected_calibration_error(labels, scores):
    """As Guo et al. (2017) write it, one bin after the other."""
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == labels
    error = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return error


def one_vs_rest_auroc(labels, scores, n_classes):
    present = np.unique(labels)
    if len(present) < 2:
        return None
    if len(present) == n_classes > 2:
        return sk.roc_auc_score(labels, scores, multi_class="ovr")
    return np.mean([sk.roc_auc_score(labels == c, scores[:, c]) for c in present])


def reference(labels, predicted, scores, n_classes):
    present, every = np.unique(labels), np.arange(n_classes)
    macro = {"labels": present, "average": "macro"}
    onehot = np.eye(n_classes)[labels]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries warn of what is undefined or never predicted
        return {
            "accuracy": sk.accuracy_score(labels, predicted),
            "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
            "recall_macro": sk.recall_score(labels, predicted, **macro),
            "specificity_macro": specificity_score(labels, predicted, **macro) if len(present) > 1 else None,
            "precision_macro": sk.precision_score(labels, predicted, **macro, zero_division=0),
            "f1_macro": sk.f1_score(labels, predicted, **macro, zero_division=0),
            "mcc": sk.matthews_corrcoef(labels, predicted),
            "kappa_quadratic": sk.cohen_kappa_score(labels, predicted, labels=every, weights="quadratic"),
            "auroc_ovr": one_vs_rest_auroc(labels, scores, n_classes),
            "auprc_macro": sk.average_precision_score(onehot[:, present], scores[:, present], average="macro"),
            "log_loss": sk.log_loss(labels, scores, labels=every),
            "brier": sk.brier_score_loss(labels, scores, labels=every, scale_by_half=False)
            if n_classes > 2
            else 2 * sk.brier_score_loss(labels, scores[:, 1], pos_label=1),
            "ece": expected_calibration_error(labels, scores),
        }


@given(predictions())
def test_equals_the_libraries(drawn):
    ours, theirs = score(*drawn, ordinal=True), reference(*drawn)
    assert list(ours) == list(theirs) == list(METRICS)
    for name, value in theirs.items():
        if value is None or np.isnan(value):
            assert ours[name] is None, name
        else:
            assert ours[name] == pytest.approx(value, abs=1e-9), name


@given(predictions())
def test_per_class_equals_the_libraries(drawn):
    labels, predicted, scores, n_classes = drawn
    ours = per_class(Predictions(*drawn))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for c in range(n_classes):
            mine, said = labels == c, predicted == c
            both = 0 < mine.sum() < len(labels)
            theirs = {
                "recall": sk.recall_score(mine, said) if mine.any() else None,
                "precision": sk.precision_score(mine, said) if mine.any() else None,
                "specificity": sk.recall_score(~mine, ~said) if not mine.all() else None,
                "auroc": sk.roc_auc_score(mine, scores[:, c]) if both else None,
            }
            assert {name: values[c] for name, values in ours.items()} == pytest.approx(theirs, abs=1e-9)


def test_single_precision_scores_are_clipped_as_the_library_does():
    labels, scores = np.array([0, 1, 1]), np.array([[1, 0], [1, 0], [0.25, 0.75]], np.float32)
    ours = score(labels, labels, scores, 2, ordinal=False, names=["log_loss"])["log_loss"]
    assert ours == pytest.approx(sk.log_loss(labels, scores), rel=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_every_record(name):
    record = METRICS[name]
    assert record.needs in (CONFUSION, SCORES)
    assert record.title
    assert record.definition.endswith(".")
    labels, wrong = np.array([0, 1, 2, 0, 1, 2]), np.array([1, 2, 0, 1, 0, 1])
    best, worst = (
        score(labels, predicted, np.eye(3)[predicted], 3, ordinal=True, names=[name])[name]
        for predicted in (labels, wrong)
    )
    assert (best > worst) == record.higher_is_better
    assert best == pytest.approx(1.0 if record.higher_is_better else 0.0, abs=1e-9)


def test_kappa_is_for_ordered_classes_only():
    labels = np.array([0, 1, 2])
    values = score(labels, labels, np.eye(3), 3, ordinal=False)
    assert [name for name, value in values.items() if value is None] == ["kappa_quadratic"]


def test_scores_that_are_not_finite_leave_the_other_metrics():
    labels = np.array([0, 1, 1])
    scores = np.array([[1, 0], [np.nan, 0], [0, 1]])
    for name, value in score(labels, labels, scores, 2, ordinal=True).items():
        assert (value is None) == (METRICS[name].needs == SCORES), name
    assert per_class(Predictions(labels, labels, scores, 2))["auroc"] == [None, None]
