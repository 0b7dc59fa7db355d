"""Decide what of an image set has to be computed, and why; pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headroom.features.scan import ImageSet
from headroom.features.store import Header


@dataclass(frozen=True, eq=False)
class Plan:
    """What to do for one embedding file.

    Attributes
    ----------
    source : ndarray of int64, shape (n,)
        Row of the cached file that each image's vector is taken from, or -1.
    work : ndarray of int64, shape (w,)
        Images to compute, in order.
    bad : dict of int to str
        Images known to be unreadable and unchanged since, with the reason.
    write : bool
        Whether the file has to be written, even where nothing has to be computed.
    why : str
    """

    source: np.ndarray
    work: np.ndarray
    bad: dict[int, str]
    write: bool
    why: str


def plan_hashing(images: ImageSet, stamps: np.ndarray, cached: Header | None) -> np.ndarray:
    """Say which images have to be read to know whether their content changed.

    Parameters
    ----------
    images : ImageSet
    stamps : ndarray of int64, shape (n, 2)
        Bytes and mtime of each file; -1 where there is none.
    cached : Header or None

    Returns
    -------
    ndarray of int64
        None where nothing is cached: then every image is read and decoded once.
    """
    if cached is None:
        return np.zeros(0, np.int64)
    rows = _rows(images, cached)
    same = (rows >= 0) & (cached.stamps[rows] == stamps).all(axis=1) if len(cached.ids) else rows >= 0
    known_bad = _known_bad(images, stamps, cached)
    return np.array([index for index in np.flatnonzero(~same) if index not in known_bad], dtype=np.int64)


def plan_extraction(images: ImageSet, stamps: np.ndarray, cached: Header | None, fresh: Mapping[int, str]) -> Plan:
    """Say what is missing, stale or reusable.

    Parameters
    ----------
    images : ImageSet
    stamps : ndarray of int64, shape (n, 2)
    cached : Header or None
        What the cache holds for the same recipe.
    fresh : mapping of int to str
        Content hash of every image that `plan_hashing` named, where it could be read.

    Returns
    -------
    Plan
    """
    count = len(images.ids)
    if cached is None:
        return Plan(np.full(count, -1), np.arange(count), {}, True, "nothing is cached for these settings")
    row_of_hash = {digest.decode(): row for row, digest in reversed(list(enumerate(cached.content_hash)))}
    stale = plan_hashing(images, stamps, cached)
    bad = _known_bad(images, stamps, cached)
    source = _rows(images, cached)
    for index in stale:
        source[index] = row_of_hash.get(fresh.get(int(index), ""), -1)
    work = np.array([index for index in np.flatnonzero(source < 0) if index not in bad], dtype=np.int64)
    if len(work):
        return Plan(source, work, bad, True, f"{len(work):,} of {count:,} images are new or changed")
    return Plan(source, work, bad, len(stale) > 0 or not _same_labels(images, source, cached, bad), "all are cached")


def _rows(images: ImageSet, cached: Header) -> np.ndarray:
    """Return the cached row of each image by name, or -1."""
    row_of = {name: row for row, name in enumerate(cached.ids)}
    return np.array([row_of.get(name, -1) for name in images.ids], dtype=np.int64)


def _known_bad(images: ImageSet, stamps: np.ndarray, cached: Header) -> dict[int, str]:
    """Return the images that were unreadable and have not changed since."""
    was = dict(zip(cached.bad, map(tuple, cached.bad_stamps), strict=True))
    return {
        index: cached.bad[name]
        for index, name in enumerate(images.ids)
        if name in was and was[name] == tuple(stamps[index])
    }


def _same_labels(images: ImageSet, source: np.ndarray, cached: Header, bad: dict[int, str]) -> bool:
    """Return whether the cached file already says all that the scan says."""
    keep = [index for index in range(len(images.ids)) if index not in bad]
    return (
        tuple(images.ids[index] for index in keep) == cached.ids
        and images.classes == cached.classes
        and np.array_equal(images.labels[keep], cached.labels)
        and tuple(images.groups[index] for index in keep) == cached.groups
        and tuple(images.split[index] for index in keep) == cached.split
        and images.ordinal == bool(cached.about.get("ordinal"))
        and len(bad) == len(cached.bad)
    )
