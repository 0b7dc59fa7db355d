"""What is missing, stale or reusable, decided without a disk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom.features.decode import Frame
from headroom.features.network import Network, Weights
from headroom.features.plan import Found, Plan, plan_extraction, plan_hashing
from tests.records import header_of, image_set

LABELS = [0, 0, 1, 1, 2]


def planned(images, stamps, cached, fresh, finished=frozenset()) -> Plan:
    network = Network("fake", 16, "none", "avg", Weights("random", None, "random-0"))
    found = Found(network, Frame(16), Path("nowhere"), cached=cached, finished=finished)
    return plan_extraction(found, images, stamps, fresh)


def digest(number: int) -> str:
    return f"{number:064x}"


@pytest.fixture
def images():
    return image_set(LABELS)


@pytest.fixture
def stamps():
    return np.array([[100 + index, 7] for index in range(len(LABELS))], np.int64)


@pytest.fixture
def cached(images, stamps):
    return header_of(images, stamps)


def touched(stamps, *rows):
    changed = stamps.copy()
    changed[list(rows), 1] += 1
    return changed


class TestNothingCached:
    def test_no_file_has_to_be_hashed_before(self, images, stamps):
        assert plan_hashing(images, stamps, None).tolist() == []

    def test_all_is_work(self, images, stamps):
        plan = planned(images, stamps, None, {})
        assert plan.work.tolist() == [0, 1, 2, 3, 4]
        assert plan.source.tolist() == [-1] * 5
        assert plan.write
        assert plan.bad == {}

    def test_finished_blocks_are_not_missing(self, images, stamps, monkeypatch):
        monkeypatch.setattr("headroom.features.plan.BLOCK_IMAGES", 2)
        plan = planned(images, stamps, None, {})
        assert [block.rows.tolist() for block in plan.missing] == [[0, 1], [2, 3], [4]]
        finished = frozenset({plan.blocks[1].name, "000009-of-another-run"})
        again = planned(images, touched(stamps, 4), None, {}, finished)
        assert [block.rows.tolist() for block in again.missing] == [[0, 1], [4]]
        assert again.blocks[2].name != plan.blocks[2].name


class TestAllCached:
    def test_nothing_is_read_computed_or_written(self, images, stamps, cached):
        assert plan_hashing(images, stamps, cached).tolist() == []
        plan = planned(images, stamps, cached, {})
        assert plan.work.tolist() == []
        assert plan.source.tolist() == [0, 1, 2, 3, 4]
        assert not plan.write

    def test_order_of_the_images_is_followed(self, images, stamps, cached):
        turned = image_set(LABELS[::-1], ids=images.ids[::-1])
        plan = planned(turned, stamps[::-1], cached, {})
        assert plan.source.tolist() == [4, 3, 2, 1, 0]
        assert plan.work.tolist() == []
        assert plan.write


class TestTouched:
    def test_only_it_is_hashed(self, images, stamps, cached):
        assert plan_hashing(images, touched(stamps, 1, 3), cached).tolist() == [1, 3]

    def test_same_content_is_reused_and_the_new_time_kept(self, images, stamps, cached):
        plan = planned(images, touched(stamps, 1), cached, {1: digest(1)})
        assert plan.work.tolist() == []
        assert plan.source.tolist() == [0, 1, 2, 3, 4]
        assert plan.write

    def test_changed_content_is_work(self, images, stamps, cached):
        plan = planned(images, touched(stamps, 1), cached, {1: digest(99)})
        assert plan.work.tolist() == [1]
        assert plan.source.tolist() == [0, -1, 2, 3, 4]
        assert plan.write

    def test_content_of_another_image_is_taken_from_there(self, images, stamps, cached):
        plan = planned(images, touched(stamps, 1), cached, {1: digest(4)})
        assert plan.work.tolist() == []
        assert plan.source.tolist() == [0, 4, 2, 3, 4]
        assert plan.write

    def test_one_that_cannot_be_read_any_more_is_work(self, images, stamps, cached):
        assert planned(images, touched(stamps, 2), cached, {}).work.tolist() == [2]


class TestChangedSet:
    def test_deleted_image(self, images, stamps, cached):
        fewer = image_set(LABELS[1:], ids=images.ids[1:])
        plan = planned(fewer, stamps[1:], cached, {})
        assert plan.source.tolist() == [1, 2, 3, 4]
        assert plan.work.tolist() == []
        assert plan.write

    def test_renamed_image(self, images, stamps, cached):
        renamed = image_set(LABELS, ids=("new.png", *images.ids[1:]))
        assert plan_hashing(renamed, stamps, cached).tolist() == [0]
        plan = planned(renamed, stamps, cached, {0: digest(0)})
        assert plan.work.tolist() == []
        assert plan.source.tolist() == [0, 1, 2, 3, 4]
        assert plan.write

    def test_new_image(self, images, stamps, cached):
        more = image_set([*LABELS, 1], ids=(*images.ids, "z.png"))
        plan = planned(more, np.vstack([stamps, [[5, 5]]]), cached, {5: digest(50)})
        assert plan.work.tolist() == [5]
        assert plan.source.tolist() == [0, 1, 2, 3, 4, -1]

    @pytest.mark.parametrize(
        "changes",
        [
            {"labels": np.array([1, 0, 1, 1, 2])},
            {"classes": ("a", "b", "c")},
            {"groups": np.array(["p", "", "", "", ""])},
            {"split": np.array(["train"] * 5)},
            {"ordinal": True},
        ],
    )
    def test_what_is_said_of_the_images_is_written_but_not_computed(self, images, stamps, cached, changes):
        plan = planned(replace(images, **changes), stamps, cached, {})
        assert plan.work.tolist() == []
        assert plan.write


class TestBadImages:
    @pytest.fixture
    def cached(self, images, stamps):
        keep = [0, 1, 3, 4]
        return replace(
            header_of(images, stamps).take(keep),
            bad={images.ids[2]: "broken"},
            bad_stamps=stamps[[2]],
        )

    def test_known_ones_are_not_tried_again(self, images, stamps, cached):
        assert plan_hashing(images, stamps, cached).tolist() == []
        plan = planned(images, stamps, cached, {})
        assert plan.bad == {2: "broken"}
        assert plan.work.tolist() == []
        assert plan.source.tolist() == [0, 1, -1, 2, 3]
        assert not plan.write

    def test_mended_one_is_work(self, images, stamps, cached):
        plan = planned(images, touched(stamps, 2), cached, {2: digest(77)})
        assert plan.work.tolist() == [2]
        assert plan.bad == {}

    def test_one_replaced_by_a_known_image_is_reused(self, images, stamps, cached):
        plan = planned(images, touched(stamps, 2), cached, {2: digest(4)})
        assert plan.work.tolist() == []
        assert plan.source.tolist() == [0, 1, 3, 2, 3]
        assert plan.write

    def test_one_that_left_the_set_is_forgotten(self, images, stamps, cached):
        keep = [0, 1, 3, 4]
        fewer = image_set([LABELS[row] for row in keep], ids=images.ids[keep])
        plan = planned(fewer, stamps[keep], cached, {})
        assert plan.bad == {}
        assert plan.write

    def test_one_that_was_missing_and_still_is(self, images, stamps, cached):
        gone = stamps.copy()
        gone[2] = -1
        cached = replace(cached, bad_stamps=gone[[2]])
        assert planned(images, gone, cached, {}).work.tolist() == []
        assert planned(images, stamps, cached, {2: digest(77)}).work.tolist() == [2]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_every_image_is_reused_with_its_own_content_or_computed_or_known_bad(data):
    """Draw a cache and a later state of the set; contents are numbers, a stamp changes wherever a content does."""
    names = st.sampled_from([f"{name}.png" for name in "abcdefgh"])
    was = data.draw(st.dictionaries(names, st.integers(0, 5), max_size=8))
    now = data.draw(st.dictionaries(names, st.integers(0, 7), min_size=1, max_size=8))
    retimed = data.draw(st.sets(names))
    ids_was, ids_now = sorted(was), sorted(now)
    before = image_set([0] * len(was), ids=tuple(ids_was))
    after = image_set([0] * len(now), ids=tuple(ids_now))
    times = np.array([[was[name], 1] for name in ids_was], np.int64).reshape(-1, 2)
    hashes = np.array([digest(was[name]) for name in ids_was], "S64")
    cached = header_of(before, times, content_hash=hashes)
    stamps = np.array([[now[name], 2 if name in retimed else 1] for name in ids_now], np.int64)
    fresh = {int(row): digest(now[ids_now[row]]) for row in plan_hashing(after, stamps, cached)}
    plan = planned(after, stamps, cached, fresh)
    assert sorted([*plan.work, *np.flatnonzero(plan.source >= 0), *plan.bad]) == list(range(len(now)))
    for row, name in enumerate(ids_now):
        if plan.source[row] >= 0:
            assert was[ids_was[plan.source[row]]] == now[name]
        else:
            assert now[name] not in was.values()
