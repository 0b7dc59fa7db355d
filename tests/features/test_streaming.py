"""Batches of one fixed shape, in order, a bounded number ahead."""

from pathlib import Path

import numpy as np
import pytest

from headroom.features.decode import Frame, Stream, decode
from tests.pictures import write_picture


@pytest.fixture
def paths(tmp_path):
    made = [tmp_path / f"{index:02d}.png" for index in range(11)]
    for index, path in enumerate(made):
        write_picture(path, index)
    made[4].write_text("broken")
    return made


def batches_of(*arguments):
    with Stream(*arguments) as batches:
        return list(batches)


def flat(batches, size):
    return np.concatenate([batch.pixels[Frame(size)][: len(batch.hashes)] for batch in batches])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [8, 16])
def test_images_come_in_order(paths, threads, size):
    batches = batches_of([paths], [Frame(8), Frame(16)], 4, threads)
    assert [len(batch.hashes) for batch in batches] == [4, 4, 3]
    assert {batch.pixels[Frame(size)].shape for batch in batches} == {(4, size, size, 3)}
    for row, path in enumerate(paths):
        if row != 4:
            np.testing.assert_array_equal(flat(batches, size)[row], decode(path, (size,))[1][size])
            assert batches[row // 4].hashes[row % 4] == decode(path, (size,))[0]


def test_bad_image_is_black_with_a_reason(paths):
    batch = batches_of([paths], [Frame(8)], 4, 2)[1]
    assert batch.reasons[0]
    assert batch.hashes[0] == ""
    assert not batch.pixels[Frame(8)][0].any()
    assert batch.reasons[1:] == ["", "", ""]


def test_batches_never_cross_blocks(paths):
    batches = batches_of([paths[:5], paths[5:]], [Frame(8)], 4, 2)
    assert [len(batch.hashes) for batch in batches] == [4, 1, 4, 2]


def test_nothing_to_do():
    assert batches_of([], [Frame(8)], 4, 2) == []


def test_no_more_than_a_few_batches_are_decoded_ahead(paths, monkeypatch):
    begun: list[Path] = []

    def counted(path, sizes):
        begun.append(path)
        return decode(path, sizes)

    monkeypatch.setattr("headroom.features.decode.decode", counted)
    with Stream([paths * 30], [Frame(8)], 4, 2) as batches:
        next(iter(batches))
        assert len(begun) <= 4 * 8


def test_consumer_that_stops_early_leaves_no_thread(paths):
    import threading

    before = threading.active_count()
    with Stream([paths * 30], [Frame(8)], 4, 2) as batches:
        next(iter(batches))
    assert threading.active_count() == before


def test_pixels_given_back_are_filled_again_and_a_bad_image_is_black_in_them(paths):
    seen, bad = set(), 0
    with Stream([paths * 30], [Frame(8)], 4, 2) as batches:
        for batch in batches:
            pixels = batch.pixels[Frame(8)]
            seen.add(id(pixels))
            for row, (digest, reason) in enumerate(zip(batch.hashes, batch.reasons, strict=True)):
                assert bool(reason) == (not digest)
                assert not (reason and pixels[row].any())
                bad += bool(reason)
            batches.reuse(batch)
    assert bad == 30
    assert len(seen) <= 5


def test_decoding_begins_at_once(paths, monkeypatch):
    import threading

    begun = threading.Event()
    monkeypatch.setattr("headroom.features.decode.decode", lambda path, sizes: begun.set() or decode(path, sizes))
    with Stream([paths], [Frame(8)], 4, 1):
        assert begun.wait(10)
