"""Decode images on threads, a bounded number of batches ahead of the engine."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from headroom.features.decode import BadImage, Frame, decode, framed

BATCHES_AHEAD = 3
Pixels = dict[Frame, np.ndarray]


@dataclass(frozen=True, eq=False)
class Batch:
    """One decoded batch of fixed shape; of a file that could not be decoded, pixels are black and the hash is empty."""

    pixels: Pixels  # uint8 (batch, size, size, 3) a frame; rows behind the last image hold anything
    hashes: list[str]
    reasons: list[str]  # empty where a file could be decoded


class Stream:
    """Images decoded in order, in batches of one fixed shape that never cross from one block to the next.

    Every image is decoded once for all frames. Decoding begins at once, and goes on until a bounded number of batches
    is ready. A context manager: leaving it ends the threads. The last batch of a block may be padded; its lists are as
    long as the images left.
    """

    def __init__(self, blocks: Iterable[Sequence[Path]], frames: Sequence[Frame], batch: int, threads: int) -> None:
        self._groups = (block[start : start + batch] for block in blocks for start in range(0, len(block), batch))
        self._frames, self._batch = frames, batch
        self._ahead: deque[tuple[Pixels, list[Future[tuple[str, str]]]]] = deque()
        self._used: list[Pixels] = []
        self._workers = ThreadPoolExecutor(threads, "decode")
        for _ in range(BATCHES_AHEAD):
            self._begin()

    def __iter__(self) -> Iterator[Batch]:
        """Give the batches once."""
        while self._ahead:
            pixels, tasks = self._ahead.popleft()
            results = [task.result() for task in tasks]
            self._begin()
            yield Batch(pixels, [digest for digest, _ in results], [reason for _, reason in results])

    def reuse(self, batch: Batch) -> None:
        """Fill the pixels of a batch again that is done with, so that memory stays the same however many follow."""
        self._used.append(batch.pixels)

    def _begin(self) -> None:
        """Begin the next batch, if there is one."""
        paths = next(self._groups, None)
        if paths is None:
            return
        pixels = self._used.pop() if self._used else self._black()
        tasks = [self._workers.submit(_decode_into, path, row, pixels) for row, path in enumerate(paths)]
        self._ahead.append((pixels, tasks))

    def _black(self) -> Pixels:
        """Return arrays for one batch."""
        return {frame: np.zeros((self._batch, frame.size, frame.size, 3), np.uint8) for frame in self._frames}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.shutdown(cancel_futures=True)


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
