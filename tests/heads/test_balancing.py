"""Resampling of a training part."""

from dataclasses import replace

import numpy as np
import pytest

from headroom.errors import HeadError
from headroom.heads.balancing import BALANCERS, resample
from headroom.heads.samples import Samples

OVER_SAMPLERS = ("random-over", "smote", "borderline-smote", "svm-smote", "kmeans-smote", "adasyn", "augment")


def make_part(counts, seed=0, views=4):
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    vectors = (random.normal(size=(len(labels), 5)) + labels[:, None]).astype(np.float32)
    seen = random.normal(size=(len(labels), views, 5)).astype(np.float32)
    classes = ("well", "mild", "ill")[: len(counts)]
    return Samples(vectors=vectors, labels=labels, groups=np.arange(len(labels)), classes=classes, views=seen)


@pytest.mark.parametrize("balance", BALANCERS)
def test_resampling_is_seeded_and_leaves_the_part_alone(balance):
    part = make_part((60, 40, 25))
    before = part.vectors.copy()
    once, again, other = (resample(BALANCERS[balance], part, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(part.vectors, before)
    assert np.array_equal(once[0], again[0])
    assert np.array_equal(once[1], again[1])
    assert once[0].dtype == np.float32
    assert other[0].shape[1] == 5
    assert set(once[1]) == {0, 1, 2}


@pytest.mark.parametrize("balance", OVER_SAMPLERS)
def test_over_samplers_keep_every_image_and_come_near_equal_counts(balance):
    part = make_part((60, 40, 25))
    vectors, labels = resample(BALANCERS[balance], part)
    assert np.array_equal(vectors[: len(part.labels)], part.vectors)
    assert np.bincount(labels)[2] > 45
    assert np.bincount(labels)[0] == 60


@pytest.mark.parametrize("balance", [name for name, record in BALANCERS.items() if record.least > 1])
def test_a_class_too_small_is_named_with_what_to_do(balance):
    with pytest.raises(HeadError, match="class 'ill' has 2 training images") as caught:
        resample(BALANCERS[balance], make_part((60, 40, 2)))
    assert "random-over" in caught.value.remedy


class DropsTheRarest:
    """A sampler that removes a whole class, as edited nearest neighbours may."""

    def fit_resample(self, vectors, labels):
        return vectors[labels < 2], labels[labels < 2]


def test_a_sampler_that_removes_a_class_is_refused():
    record = replace(BALANCERS["tomek-links"], sampler=f"{__name__}:DropsTheRarest")
    with pytest.raises(HeadError, match="removed every training image of class 'ill'"):
        resample(record, make_part((60, 40, 7)))


def test_every_view_is_taken_once_before_any_is_taken_twice():
    part = make_part((40, 4), views=5)
    vectors, _ = resample(BALANCERS["augment"], part)
    taken = vectors[44:]
    _, times = np.unique(taken, axis=0, return_counts=True)
    assert len(taken) == 36
    assert sorted(times) == [1] * 4 + [2] * 16
