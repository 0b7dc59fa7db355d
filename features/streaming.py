"""Decode images on threads, a bounded number of batches ahead of the engine."""

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.decoding import BadImage, decode
from features.views import Frame, framed

BATCHES_AHEAD = 3
Pixels = dict[Frame, np.ndarray]


@dataclass(frozen=True, eq=False)
class Batch:
    """One decoded batch of fixed shape.

    Attributes
    ----------
    pixels : dict of Frame to ndarray of uint8, shape (batch, size, size, 3)
        Rows of images that could not be decoded are black; rows behind the last image hold anything.
    hashes : list of str
        SHA-256 of each file; empty where it could not be decoded.
    reasons : list of str
        Why a file could not be decoded; empty where it could.
    """

    pixels: Pixels
    hashes: list[str]
    reasons: list[str]


def stream(
    blocks: Iterable[Sequence[Path]],
    frames: Sequence[Frame],
    batch: int,
    threads: int,
    used: list[Pixels] | None = None,
) -> Generator[Batch]:
    """Decode images in order, in batches of one fixed shape that never cross from one block to the next.

    Parameters
    ----------
    blocks : iterable of sequence of Path
    frames : sequence of Frame
        Every image is decoded once for all of them.
    batch : int
    threads : int
    used : list of dict of Frame to ndarray, optional
        Pixels of batches that the caller has done with; they are taken from here and filled again, so that memory
        stays the same however long the stream is.

    Yields
    ------
    Batch
        The last one of a block may be padded; its lists are as long as the images left.
    """
    groups = (block[start : start + batch] for block in blocks for start in range(0, len(block), batch))
    ahead: deque[tuple[Pixels, list[Future[tuple[str, str]]]]] = deque()
    with ThreadPoolExecutor(threads, "decode") as workers:
        try:
            for paths in groups:
                pixels = used.pop() if used else _black(frames, batch)
                tasks = [workers.submit(_decode_into, path, row, pixels) for row, path in enumerate(paths)]
                ahead.append((pixels, tasks))
                if len(ahead) == BATCHES_AHEAD:
                    yield _gathered(*ahead.popleft())
            while ahead:
                yield _gathered(*ahead.popleft())
        finally:
            for _, tasks in ahead:
                for task in tasks:
                    task.cancel()


def _black(frames: Sequence[Frame], batch: int) -> Pixels:
    """Return arrays for one batch."""
    return {frame: np.zeros((batch, frame.size, frame.size, 3), np.uint8) for frame in frames}


def _gathered(pixels: Pixels, tasks: list[Future[tuple[str, str]]]) -> Batch:
    """Wait for the images of one batch."""
    results = [task.result() for task in tasks]
    return Batch(pixels, [digest for digest, _ in results], [reason for _, reason in results])


def _decode_into(path: Path, row: int, pixels: Pixels) -> tuple[str, str]:
    """Decode one image into its row of every frame; return its hash and why it failed."""
    try:
        digest, images = decode(path, tuple({frame.size for frame in pixels}))
    except BadImage as bad:
        for rows in pixels.values():
            rows[row] = 0
        return "", str(bad)
    for frame, rows in pixels.items():
        rows[row] = framed(images[frame.size], frame, digest)
    return digest, ""
