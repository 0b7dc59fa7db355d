"""Every metric equals the library's own, on labels and scores as wild as they come."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.metrics import specificity_score
from sklearn import metrics as sk

from headroom.heads.scores.metrics import CONFUSION, METRICS, PER_CLASS, SCORES, evaluate, number
from headroom.heads.scores.predictions import Predictions, Sums
from tests.heads.cells import score

SINGLE = ("log_loss", "brier", "ece")  # summed in single precision


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


def calibration_error(labels, scores, groups=None):
    """The mean product of the gaps of two cases, one bin after the other, one pair of groups after the other."""
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == labels
    groups = np.arange(len(labels)) if groups is None else groups
    error = 0.0
    for b in range(15):
        inside = np.flatnonzero((confidence > b / 15) & (confidence <= (b + 1) / 15))
        gaps = confidence[inside] - right[inside]
        apart = groups[inside][:, None] != groups[inside]
        if apart.any():
            error += len(inside) / len(labels) * np.outer(gaps, gaps)[apart].mean()
    return np.sqrt(max(error, 0))


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
            "sensitivity": sk.recall_score(labels, predicted) if n_classes == 2 and (labels == 1).any() else None,
            "specificity": sk.recall_score(labels, predicted, pos_label=0)
            if n_classes == 2 and (labels == 0).any()
            else None,
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
            "ece": calibration_error(labels, scores),
        }


@given(predictions())
def test_equals_the_libraries(drawn):
    ours, theirs = score(*drawn, ordinal=True), reference(*drawn)
    assert list(ours) == list(theirs) == list(METRICS)
    for name, value in theirs.items():
        if value is None or np.isnan(value):
            assert ours[name] is None, name
        else:
            assert ours[name] == pytest.approx(value, abs=1e-6 if name in SINGLE else 1e-9), name


def by_class(*arrays):
    """The metrics by class of one set of predictions."""
    values = evaluate([Sums.once(Predictions(*arrays))], False, table=PER_CLASS)
    return {name: [number(value) for value in found[0]] for name, found in values.items()}


def height(truth, scores, specificity):
    """Of the ROC curve, there where it is not vertical."""
    found, sensitivity, _ = sk.roc_curve(truth, scores, drop_intermediate=False)
    return np.interp(1 - specificity + 1e-9, found, sensitivity)


@given(predictions())
def test_per_class_equals_the_libraries(drawn):
    labels, predicted, scores, n_classes = drawn
    ours = by_class(*drawn)
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
            assert {name: ours[name][c] for name in theirs} == pytest.approx(theirs, abs=1e-9)
            theirs = {
                f"sensitivity_at_{at}": height(mine, scores[:, c], at / 100) if both and n_classes == 2 else None
                for at in (90, 95)
            }
            assert {name: ours[name][c] for name in theirs} == pytest.approx(theirs, abs=2e-3)


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
    k = 2 if record.binary == "only" else 3
    labels, wrong = np.array([0, 1, 2, 0, 1, 2]) % k, np.array([1, 2, 0, 1, 0, 1]) % k
    best, worst = (
        score(labels, predicted, np.eye(k)[predicted], k, ordinal=True, names=[name])[name]
        for predicted in (labels, 1 - labels if k == 2 else wrong)
    )
    assert (best > worst) == record.higher_is_better
    assert best == pytest.approx(1.0 if record.higher_is_better else 0.0, abs=1e-9)


def test_kappa_is_for_ordered_classes_only():
    labels = np.array([0, 1, 2])
    values = score(labels, labels, np.eye(3), 3, ordinal=False)
    assert [name for name, value in values.items() if value is None] == [
        *("sensitivity", "specificity"),
        "kappa_quadratic",
    ]


def test_scores_that_are_not_finite_leave_the_other_metrics():
    labels = np.array([0, 1, 1])
    scores = np.array([[1, 0], [np.nan, 0], [0, 1]])
    for name, value in score(labels, labels, scores, 2, ordinal=True).items():
        assert (value is None) == (METRICS[name].needs == SCORES), name
    for name, values in by_class(labels, labels, scores, 2).items():
        assert (values == [None, None]) == (PER_CLASS[name].needs == SCORES), name


def mapped(n=300, folds=5, seed=0):
    """Scores of one skill that each fold maps in its own way, as separately calibrated models do."""
    rng = np.random.default_rng(seed)
    labels, fold = rng.choice(3, n, p=[0.6, 0.3, 0.1]), rng.permutation(n) % folds
    scores = rng.dirichlet(np.ones(3), n) + 0.4 * np.eye(3)[labels]
    scores = (scores / scores.sum(axis=1, keepdims=True)) ** np.geomspace(0.2, 5, folds)[fold][:, None]
    scores *= np.array([[1, 8, 1], [8, 1, 1], [1, 1, 8], [1, 4, 4], [1, 1, 1]])[fold]
    return labels, scores.argmax(axis=1), scores / scores.sum(axis=1, keepdims=True), fold


def test_scores_of_different_folds_are_not_ranked_together():
    labels, predicted, scores, fold = mapped()
    ours = score(labels, predicted, scores, 3, False, fold=fold)
    parts = [labels == labels] + [fold == each for each in range(5)]
    pooled, *folds = (reference(labels[part], predicted[part], scores[part], 3) for part in parts)
    for name in ("auroc_ovr", "auprc_macro"):
        assert ours[name] == pytest.approx(np.mean([each[name] for each in folds])), name
        assert ours[name] > pooled[name] + 0.03
    for name in ("accuracy", "recall_macro", "log_loss", "brier", "ece"):
        assert ours[name] == pytest.approx(pooled[name], abs=1e-6), name


def test_a_fold_without_the_class_is_left_out():
    labels, fold = np.array([0, 1, 0, 1, 0, 0]), np.array([0, 0, 1, 1, 2, 2])
    right = np.array([0.2, 0.8, 0.7, 0.4, 0.1, 0.9])
    ours = score(labels, labels, np.column_stack([1 - right, right]), 2, False, ["auroc_ovr"], fold=fold)
    assert ours["auroc_ovr"] == pytest.approx(0.5)


def calibrated(n, seed, power=1.0):
    """Labels drawn from the probabilities, which are then made more extreme."""
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet([4, 2, 1], n)
    labels = (rng.random((n, 1)) > scores.cumsum(axis=1)).sum(axis=1)
    scores = scores**power
    return labels, scores / scores.sum(axis=1, keepdims=True)


def test_calibrated_scores_have_little_calibration_error():
    """The plain estimate (Guo et al. 2017) has a mean of 0.06 here."""
    errors = [score(*labelled(calibrated(300, seed)), ["ece"])["ece"] for seed in range(60)]
    assert np.mean(errors) < 0.035
    assert np.median(errors) < 0.03


def labelled(found):
    labels, scores = found
    return labels, labels, scores, 3, False


def test_calibration_error_of_extreme_scores_is_found_without_bias():
    large = score(*labelled(calibrated(100_000, 0, 2.0)), ["ece"])["ece"]
    errors = [score(*labelled(calibrated(300, seed, 2.0)), ["ece"])["ece"] for seed in range(60)]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(large, abs=0.01)


def test_copies_of_an_image_add_nothing_to_the_calibration_error():
    labels, scores = calibrated(200, 1, 2.0)
    groups = np.repeat(np.arange(200), 4)
    many = (np.repeat(labels, 4), np.repeat(labels, 4), np.repeat(scores, 4, axis=0), 3, False, ["ece"])
    assert score(*many, groups=groups)["ece"] == pytest.approx(score(*labelled((labels, scores)), ["ece"])["ece"])
    assert score(*many, groups=groups)["ece"] == pytest.approx(calibration_error(many[0], many[2], groups), abs=1e-6)
