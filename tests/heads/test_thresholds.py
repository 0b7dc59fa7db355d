"""Decision thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from headroom.heads.thresholds import fit_cuts, fit_offsets


def graded(seed, classes=4, size=400):
    """Scores of rare high grades that lean to the frequent ones, as a head's do that was not balanced."""
    random = np.random.default_rng(seed)
    labels = np.minimum(random.geometric(0.5, size) - 1, classes - 1)
    centres = labels[:, None] + random.normal(0, 0.8, (size, 1))
    scores = np.exp(-((np.arange(classes) - centres) ** 2)) * 0.2 ** np.arange(classes)
    return scores / scores.sum(axis=1, keepdims=True), labels


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000))
def test_offsets_never_lose_macro_recall_on_what_they_were_fitted_on(seed):
    scores, labels = graded(seed)
    before = balanced_accuracy_score(labels, scores.argmax(axis=1))
    assert balanced_accuracy_score(labels, fit_offsets(scores, labels)(scores)) >= before - 0.02


@pytest.mark.parametrize("seed", range(3))
def test_thresholds_gain_on_images_they_have_not_seen(seed):
    scores, labels = graded(seed, size=4000)
    seen, unseen = slice(0, 2000), slice(2000, None)
    plain = scores[unseen].argmax(axis=1)
    moved = fit_offsets(scores[seen], labels[seen])(scores[unseen])
    cut = fit_cuts(scores[seen], labels[seen])(scores[unseen])
    recall = balanced_accuracy_score(labels[unseen], plain)
    kappa = cohen_kappa_score(labels[unseen], plain, weights="quadratic")
    assert balanced_accuracy_score(labels[unseen], moved) > recall + 0.03
    assert cohen_kappa_score(labels[unseen], cut, weights="quadratic") > kappa + 0.01


def test_cuts_keep_the_order_of_the_grades():
    scores, labels = graded(0)
    rule = fit_cuts(scores, labels)
    assert np.all(np.diff(rule.values) >= 0)
    assert np.all(np.diff(rule(np.eye(4))) >= 0)
    assert set(rule(scores)) == {0, 1, 2, 3}
