"""Groups, folds and near-duplicates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom.errors import HeadError
from headroom.heads import folds as module
from headroom.heads.cell import GridSettings
from headroom.heads.folds import near_duplicates, union_groups
from headroom.heads.samples import Samples

CLASSES = ("well", "ill", "worse")
IDS = st.lists(st.tuples(st.sampled_from("abcd "), st.sampled_from("pqrs ")), min_size=1, max_size=30)


def plan_folds(labels, groups, split, **settings):
    samples = Samples(labels=labels, groups=groups, split=split, classes=CLASSES[: labels.max() + 1])
    return module.plan_folds(samples, GridSettings(**settings))


@given(IDS)
def test_rows_that_share_an_id_share_a_group_and_no_others_do(pairs):
    columns = [np.array([pair[column].strip() for pair in pairs]) for column in (0, 1)]
    groups = union_groups(*columns)
    reached = [{row} for row in range(len(pairs))]
    for _ in pairs:  # as many rounds as the longest chain could need
        for one in range(len(pairs)):
            for other in range(len(pairs)):
                if any(column[one] == column[other] != "" for column in columns):
                    reached[one] |= reached[other]
    expected = [min(rows) for rows in reached]
    assert len(set(zip(groups, expected, strict=True))) == len(set(groups)) == len(set(expected))
    assert list(dict.fromkeys(groups.tolist())) == sorted(set(groups.tolist()))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 3), st.sampled_from(["cv", "leaky"]))
def test_every_row_is_tested_once_a_repeat_and_every_class_lies_on_both_sides(seed, folds, repeats, protocol):
    random = np.random.default_rng(seed)
    groups = random.integers(60, size=150)
    labels = np.minimum(groups % 6, 2)
    plan = plan_folds(labels, groups, np.full(150, ""), protocol=protocol, folds=folds, repeats=repeats, seed=seed)
    assert [(fold.repeat, fold.fold) for fold in plan] == [(r, f) for r in range(repeats) for f in range(folds)]
    for repeat in range(repeats):
        tested = np.concatenate([fold.test for fold in plan if fold.repeat == repeat])
        assert sorted(tested) == list(range(150))
    for fold in plan:
        assert len(np.intersect1d(fold.train, fold.test)) == 0
        assert set(labels[fold.train]) == set(labels[fold.test]) == set(labels)
        if protocol == "cv":
            assert not set(groups[fold.train]) & set(groups[fold.test])


def partitions(plan):
    """Each repeat's division, whatever its folds are called."""
    repeats = {fold.repeat for fold in plan}
    return [frozenset(tuple(fold.test.tolist()) for fold in plan if fold.repeat == repeat) for repeat in repeats]


def test_unequal_patients_are_divided_anew_by_every_repeat():
    """Where sizes had no ties, ten repeats were one division: their spread was no spread, and tests were too sure."""
    random = np.random.default_rng(0)
    sizes = 20 + random.permutation(181)[:30]
    groups, labels = np.repeat(np.arange(30), sizes), np.repeat(np.arange(30) % 2, sizes)
    plan = plan_folds(labels, groups, np.full(len(labels), ""), repeats=10)
    assert len(set(partitions(plan))) == 10


WILD = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 2)), min_size=18, max_size=60)


@settings(deadline=None, max_examples=100)
@given(WILD, st.integers(2, 5), st.integers(0, 99))
def test_folds_are_as_even_as_the_largest_patients_allow(patients, folds, seed):
    """Of two folds, one has at most as many images more as the largest patient of each class has."""
    patients = [*patients, *((1, label) for label in (0, 1, 2) for _ in range(folds))]
    sizes, of = np.array(patients).T
    groups, labels = np.repeat(np.arange(len(sizes)), sizes), np.repeat(of, sizes)
    plan = plan_folds(labels, groups, np.full(len(labels), ""), folds=folds, seed=seed)
    largest = np.array([sizes[of == label].max() for label in range(3)])
    images = np.array([np.bincount(labels[fold.test], minlength=3) for fold in plan])
    assert (np.ptp(images, axis=0) <= largest).all()
    numbers = np.array([np.bincount(of[np.unique(groups[fold.test])], minlength=3) for fold in plan])
    assert (np.ptp(numbers, axis=0) <= 1).all()
    assert np.ptp(numbers.sum(axis=1)) <= 1


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 99), st.sampled_from(["cv", "leaky"]))
def test_independent_images_are_stratified_exactly(seed, protocol):
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat([0, 1, 2], random.integers(5, 60, size=3)))
    plan = plan_folds(labels, random.permutation(len(labels)), np.full(len(labels), ""), seed=seed, protocol=protocol)
    assert (np.ptp([np.bincount(labels[fold.test], minlength=3) for fold in plan], axis=0) <= 1).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 99), st.permutations(range(3)))
def test_folds_depend_neither_on_the_order_of_rows_nor_on_that_of_classes(seed, renamed):
    random = np.random.default_rng(seed)
    groups = random.integers(60, size=200)
    labels = np.where(random.random(200) < 0.9, groups % 3, random.integers(3, size=200))
    rows, none = random.permutation(200), np.full(200, "")
    plan = plan_folds(labels, groups, none, repeats=2)
    moved = plan_folds(np.array(renamed)[labels[rows]], groups[rows], none, repeats=2)
    assert [fold.test.tolist() for fold in plan] == [sorted(rows[fold.test]) for fold in moved]


def test_divisions_that_coincide_are_counted_once():
    groups, labels = np.repeat(np.arange(4), 5), np.repeat([0, 0, 1, 1], 5)
    images = Samples(labels=labels, groups=groups, classes=CLASSES[:2])
    plan = plan_folds(labels, groups, np.full(20, ""), folds=2, repeats=10)
    assert len(partitions(plan)) == len(set(partitions(plan))) == 2
    assert module.distinct(images, GridSettings(folds=2, repeats=10)) == GridSettings(folds=2, repeats=2)
    few = GridSettings(folds=2, repeats=1)
    assert module.distinct(images, few) == few
    first = plan_folds(labels, groups, np.full(20, ""), folds=2, repeats=1)
    assert [fold.test.tolist() for fold in first] == [fold.test.tolist() for fold in plan[:2]]


def test_repeats_differ_and_the_seed_repeats_them():
    labels, groups = np.array([0, 1] * 30), np.arange(60)
    first, again = (plan_folds(labels, groups, np.full(60, ""), repeats=2, seed=3) for _ in range(2))
    assert all(np.array_equal(one.test, other.test) for one, other in zip(first, again, strict=True))
    assert not np.array_equal(first[0].test, first[5].test)


def test_the_official_split_trains_on_nothing_that_is_tested():
    labels = np.array([0, 0, 1, 1, 0, 1])
    groups = np.array([0, 1, 2, 3, 0, 4])
    split = np.array(["train", "train", "train", "train", "test", "test"])
    (fold,) = plan_folds(labels, groups, split, protocol="split")
    assert fold.train.tolist() == [1, 2, 3]
    assert fold.test.tolist() == [4, 5]


def test_an_official_split_of_repeated_images_is_refused_for_what_it_is():
    split = np.array(["train", "train", "test", "test"])
    with pytest.raises(HeadError, match="shares a patient or its content"):
        plan_folds(np.array([0, 1, 0, 1]), np.array([0, 1, 0, 1]), split, protocol="split")


@pytest.mark.parametrize(
    ("labels", "groups", "settings", "message"),
    [
        ([0] * 8 + [1], range(9), {}, "class 'ill' has 1 image, too few for 5 folds"),
        ([0] * 8 + [1] * 6, [*range(8), *[8] * 6], {}, "class 'ill' has 6 images of 1 patients"),
        ([0] * 9, range(9), {}, "all images are of one class"),
        ([0, 1] * 5, range(10), {"folds": 1}, "1 folds"),
        ([0, 1] * 5, range(10), {"protocol": "holdout"}, "unknown protocol"),
        ([0, 1] * 5, range(10), {"protocol": "split"}, "no official train and test parts"),
    ],
)
def test_what_cannot_be_divided_is_refused_in_one_line(labels, groups, settings, message):
    with pytest.raises(HeadError) as caught:
        plan_folds(np.array(labels), np.array(groups), np.full(len(labels), ""), **settings)
    assert message in caught.value.got
    assert caught.value.remedy
    assert "\n" not in caught.value.got + caught.value.remedy


def test_a_class_that_no_draw_can_place_is_named():
    labels = np.array([0] * 20 + [1] * 3 + [2] * 3)
    groups = np.array([*range(20), 20, 21, 22, 20, 21, 23])
    with pytest.raises(HeadError, match=r"class '(ill|worse)'"):
        plan_folds(labels, groups, np.full(26, ""), folds=4)


def test_near_duplicates_are_all_pairs_above_the_threshold():
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    vectors[7] = 3 * vectors[31]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = np.argwhere(np.triu(unit @ unit.T, 1) > 0.9)
    found = near_duplicates(vectors, 0.9)
    assert found.tolist() == expected.tolist()
    assert [7, 31] in found.tolist()
