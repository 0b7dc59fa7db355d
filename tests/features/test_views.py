"""Augmented views: drawn from the content, the same every time, and only what a camera could have seen."""

import numpy as np
import pytest

from headroom.features.decode import Frame, framed

DIGEST = "3f" * 32


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(1, 256, (33, 33, 3), dtype=np.uint8)


def test_view_zero_is_the_image(pixels):
    assert framed(pixels, Frame(33), DIGEST) is pixels


def test_views_differ_and_come_back(pixels):
    views = [framed(pixels, Frame(33, view), DIGEST) for view in range(4)]
    again = [framed(pixels, Frame(33, view), DIGEST) for view in range(4)]
    for number, view in enumerate(views):
        assert (view.shape, view.dtype) == (pixels.shape, pixels.dtype)
        np.testing.assert_array_equal(view, again[number])
        assert not any(np.array_equal(view, other) for other in views[number + 1 :])


def test_other_content_gives_another_view(pixels):
    assert not np.array_equal(framed(pixels, Frame(33, 1), DIGEST), framed(pixels, Frame(33, 1), "4a" * 32))


def test_what_must_not_be_mirrored_never_is():
    left = np.zeros((33, 33, 3), np.uint8)
    left[:, :8] = 255
    halves = {True: [], False: []}
    for mirror, kept in halves.items():
        for view in range(1, 40):
            seen = framed(left, Frame(33, view, mirror), DIGEST).astype(int)
            kept.append(seen[:, :16].sum() > seen[:, 17:].sum())
    assert all(halves[False])
    assert 5 < sum(halves[True]) < 34


def test_words_name_every_difference():
    frames = [Frame(33), Frame(33, 1), Frame(33, 2), Frame(33, 1, mirror=False)]
    assert len({frame.words for frame in frames}) == 4
    assert Frame(33).words == Frame(33, mirror=False).words == ""
