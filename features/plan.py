"""What of an image set has to be computed, and how it is cut: decided from what was found, without disk or clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headroom.features.decode import Frame
from headroom.features.engines import UNDECIDED, Decision
from headroom.features.network import Network, Recipe, recipe_of
from headroom.features.scan import ImageSet
from headroom.features.store import BLOCK_IMAGES, BlockFolder, Header, block_key


@dataclass(frozen=True, eq=False)
class Found:
    """What the cache holds of one network and frame, in the folder of the data set."""

    network: Network
    frame: Frame
    folder: Path
    decision: Decision = UNDECIDED  # taken when the run was begun, or for the images that this is a view of
    cached: Header | None = None
    finished: frozenset[str] = frozenset()  # names of blocks

    @property
    def recipe(self) -> Recipe:
        """All that determines the vectors, once the precision is decided."""
        return recipe_of(self.network, self.decision.precision, self.frame)

    @property
    def file(self) -> Path:
        """The embedding file."""
        return self.folder / self.recipe.file_name

    @property
    def block_folder(self) -> BlockFolder:
        """Where finished blocks are kept until the file is written."""
        return BlockFolder(self.file.with_suffix(".blocks"))


@dataclass(frozen=True, eq=False)
class BlockPlan:
    """A block of images to compute: its name and its rows in the image set."""

    name: str
    rows: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan(Found):
    """What was found of one embedding file, and what to do for it.

    Attributes
    ----------
    source : ndarray of int64, shape (n,)
        Row of the cached file that each image's vector is taken from, or -1.
    work : ndarray of int64, shape (w,)
        Images that are not in the cached file, in order.
    bad : dict of int to str
        Images known to be unreadable and unchanged since, with the reason.
    write : bool
        Whether the file has to be written, even where nothing has to be computed.
    blocks, missing : tuple of BlockPlan
        All blocks of the work, and those that were not finished before.
    """

    source: np.ndarray
    work: np.ndarray
    bad: dict[int, str]
    write: bool
    blocks: tuple[BlockPlan, ...]
    missing: tuple[BlockPlan, ...]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a plan: images embedded by it, in how many seconds, and those that could not be, with the reason."""

    plan: Plan
    dim: int
    computed: int
    bad: dict[str, str]
    seconds: float


def plan_hashing(images: ImageSet, stamps: np.ndarray, cached: Header | None) -> np.ndarray:
    """Say which images have to be read to know whether their content changed.

    None where nothing is cached: then every image is read and decoded once. ``stamps`` ``(n, 2)`` are the bytes and
    mtime of each file; -1 where there is none.
    """
    if cached is None:
        return np.zeros(0, np.int64)
    rows = _rows(images, cached)
    same = (rows >= 0) & (cached.stamps[rows] == stamps).all(axis=1) if len(cached) else rows >= 0
    return np.setdiff1d(np.flatnonzero(~same), list(_known_bad(images, stamps, cached)))


def plan_extraction(found: Found, images: ImageSet, stamps: np.ndarray, fresh: Mapping[int, str]) -> Plan:
    """Say what is missing, stale or reusable.

    ``fresh`` holds the content hash of every image that `plan_hashing` named, where it could be read.
    """
    cached = found.cached
    bad = {} if cached is None else _known_bad(images, stamps, cached)
    source = _source(images, stamps, cached, fresh)
    work = np.setdiff1d(np.flatnonzero(source < 0), list(bad))
    write = cached is None or not _is_up_to_date(cached, images, stamps, bad)
    parts = (work[start : start + BLOCK_IMAGES] for start in range(0, len(work), BLOCK_IMAGES))
    blocks = tuple(
        BlockPlan(f"{number:06d}-{block_key(images.ids[rows], stamps[rows])}", rows)
        for number, rows in enumerate(parts)
    )
    missing = tuple(block for block in blocks if block.name not in found.finished)
    return Plan(**vars(found), source=source, work=work, bad=bad, write=write, blocks=blocks, missing=missing)


def _source(images: ImageSet, stamps: np.ndarray, cached: Header | None, fresh: Mapping[int, str]) -> np.ndarray:
    """Return the cached row of each image by name, or by content where that was looked at; else -1."""
    if cached is None:
        return np.full(len(images), -1)
    row_of_hash = {digest.decode(): row for row, digest in reversed(list(enumerate(cached.content_hash)))}
    source = _rows(images, cached)
    for index in plan_hashing(images, stamps, cached).tolist():
        source[index] = row_of_hash.get(fresh.get(index, ""), -1)
    return source


def _rows(images: ImageSet, cached: Header) -> np.ndarray:
    """Return the cached row of each image by name, or -1."""
    row_of = {name: row for row, name in enumerate(cached.ids.tolist())}
    return np.array([row_of.get(name, -1) for name in images.ids.tolist()], dtype=np.int64)


def _known_bad(images: ImageSet, stamps: np.ndarray, cached: Header) -> dict[int, str]:
    """Return the images that were unreadable and have not changed since."""
    was = dict(zip(cached.bad, cached.bad_stamps.tolist(), strict=True))
    return {
        index: cached.bad[name]
        for index, name in enumerate(images.ids.tolist())
        if name in was and was[name] == stamps[index].tolist()
    }


def _is_up_to_date(cached: Header, images: ImageSet, stamps: np.ndarray, bad: Mapping[int, str]) -> bool:
    """Return whether the cached file already says all that the scan says."""
    kept = np.setdiff1d(np.arange(len(images)), list(bad))
    same_files = len(bad) == len(cached.bad) and np.array_equal(stamps[kept], cached.stamps)
    return same_files and images.take(kept).says_the_same_as(cached)
