"""The contract between the stages: one dataclass and one HDF5 file.

Layout of ``<dataset>/<model>-<fingerprint8>.h5``: the datasets ``vectors`` (n, d) float32, ``labels`` (n,) int64,
``classes`` (k,), ``ids``, ``groups`` and ``split`` (n,) UTF-8, ``content_hash`` (n,) ASCII SHA-256, ``stamps`` (n, 2)
int64 (bytes and mtime in ns of the file), ``bad_ids``, ``bad_reasons`` UTF-8 and ``bad_stamps``; every setting is an
attribute. The attribute ``checksum`` guards all but the vectors, which HDF5's own checksums guard.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from headroom.errors import FeatureError
from headroom.features.safewrite import replacing

CHUNK_ROWS = 1024
REQUIRED = ("dataset", "model", "root", "fingerprint", "ordinal", "dim", "view")
CHECKED_FORMAT = ("v110", "v110")  # HDF5 1.10 and later checksum their own structures


@dataclass(frozen=True, eq=False)
class Header:
    """All of an embedding file but the vectors.

    Attributes
    ----------
    ids, groups, split : tuple of str, length n
    labels : ndarray of int64, shape (n,)
    classes : tuple of str, length k
    content_hash : ndarray of bytes, shape (n,)
        SHA-256 of each image file, hexadecimal.
    stamps : ndarray of int64, shape (n, 2)
        Bytes and modification time (ns) of each image file when it was read.
    bad : dict of str to str
        Images that could not be embedded, with the reason.
    bad_stamps : ndarray of int64, shape (len(bad), 2)
    about : dict
        dataset, model, root, fingerprint, ordinal, dim, engine, precision, precision_error, weights, recipe.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    split: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    content_hash: np.ndarray
    stamps: np.ndarray
    bad: dict[str, str] = field(default_factory=dict)
    bad_stamps: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What stage one hands to stage two.

    Attributes
    ----------
    vectors : ndarray of float32, shape (n, d)
    labels : ndarray of int64, shape (n,)
    classes : tuple of str, length k
    ids, groups, content_hash, split : ndarray of str, shape (n,)
    fingerprint : str
        Digest of everything that determined the vectors, but the images.
    about : dict
        Every other attribute of the file.
    """

    vectors: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    ids: np.ndarray
    groups: np.ndarray
    content_hash: np.ndarray
    split: np.ndarray
    fingerprint: str
    about: dict[str, Any]


def write_embeddings(path: Path, header: Header, chunks: Iterable[np.ndarray]) -> None:
    """Write an embedding file beside its place, then move it there.

    Parameters
    ----------
    path : Path
    header : Header
    chunks : iterable of ndarray of float32, shape (m, d)
        The vectors in order; they are never held all at once.
    """
    with replacing(path) as beside, h5py.File(beside, "w", libver=CHECKED_FORMAT) as file:
        shape = (len(header.ids), header.about["dim"])
        vectors = file.create_dataset(
            "vectors", shape, np.float32, chunks=(min(CHUNK_ROWS, shape[0]), shape[1]), fletcher32=True
        )
        start = 0
        for chunk in chunks:
            vectors[start : start + len(chunk)] = chunk
            start += len(chunk)
        for name in ("ids", "groups", "split", "classes"):
            _write_texts(file, name, getattr(header, name))
        _write_texts(file, "bad_ids", list(header.bad))
        _write_texts(file, "bad_reasons", list(header.bad.values()))
        for name in ("labels", "content_hash", "stamps", "bad_stamps"):
            file.create_dataset(name, data=getattr(header, name))
        for name, value in header.about.items():
            if value is not None:
                file.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) else value
        file.attrs["checksum"] = np.bytes_(_checksum(header))


def read_header(path: Path) -> Header:
    """Read all of an embedding file but the vectors.

    Raises
    ------
    FeatureError
        The file is damaged or of another kind.
    """
    with _open(path) as file:
        header = Header(
            ids=_texts(file["ids"]),
            groups=_texts(file["groups"]),
            split=_texts(file["split"]),
            labels=file["labels"][()],
            classes=_texts(file["classes"]),
            content_hash=file["content_hash"][()],
            stamps=file["stamps"][()],
            bad=dict(zip(_texts(file["bad_ids"]), _texts(file["bad_reasons"]), strict=True)),
            bad_stamps=file["bad_stamps"][()],
            about=_about(file),
        )
        if file.attrs["checksum"].decode() != _checksum(header) or len(file["vectors"]) != len(header.ids):
            raise damaged(path)
        return header


def read_about(path: Path) -> dict[str, Any]:
    """Read the settings of an embedding file only."""
    with _open(path) as file:
        return _about(file)


def read_vectors(path: Path, start: int, stop: int) -> np.ndarray:
    """Read the vectors of rows ``start`` to ``stop``; float32, shape (stop - start, d)."""
    with _open(path) as file:
        return file["vectors"][start:stop]


def read_embeddings(path: Path) -> Embeddings:
    """Read an embedding file whole.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Embeddings

    Raises
    ------
    FeatureError
        The file is damaged (a checksum fails, it is cut short) or of another kind.
    """
    header = read_header(path)
    return Embeddings(
        read_vectors(path, 0, len(header.ids)),
        header.labels,
        header.classes,
        np.array(header.ids),
        np.array(header.groups),
        header.content_hash.astype(str),
        np.array(header.split),
        header.about["fingerprint"],
        header.about,
    )


class _open:
    """Open an embedding file for reading; whatever HDF5 finds wrong becomes one error."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> h5py.File:
        try:
            self._file = h5py.File(self._path, "r")
        except OSError as error:
            raise damaged(self._path) from error
        return self._file

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        self._file.close()
        if isinstance(error, Exception):  # h5py raises almost anything at a damaged or foreign file
            raise damaged(self._path) from error


def damaged(path: Path) -> FeatureError:
    """Return the error for an embedding file that cannot be read."""
    return FeatureError(f"{path} is damaged or no embedding file", "delete it and run extract again")


def _write_texts(file: h5py.File, name: str, texts: Sequence[str]) -> None:
    """Write strings at one length: those of any length would lie in a heap that HDF5 does not checksum."""
    length = max((len(text.encode()) for text in texts), default=0) or 1
    kind = h5py.string_dtype("utf-8", length)
    dataset = file.create_dataset(name, (len(texts),), kind)
    for start in range(0, len(texts), CHUNK_ROWS):
        part = texts[start : start + CHUNK_ROWS]
        dataset[start : start + len(part)] = np.array([text.encode() for text in part], dtype=kind)


def _texts(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Read a dataset of strings."""
    return tuple(text.decode() for text in dataset[()].tolist())


def _about(file: h5py.File) -> dict[str, Any]:
    """Read the settings as plain Python values."""
    about = {name: value.item() for name, value in file.attrs.items() if name != "checksum"}
    about = {name: value.decode() if isinstance(value, bytes) else value for name, value in about.items()}
    return {"precision_error": None, **{name: about[name] for name in REQUIRED}, **about}


def _checksum(header: Header) -> str:
    """Return the SHA-256 of all that a header holds."""
    about = sorted((key, value) for key, value in header.about.items() if value is not None)
    texts = [header.ids, header.groups, header.split, header.classes, list(header.bad.items()), about]
    digest = hashlib.sha256()
    for place, text in enumerate(texts):  # one at a time: all at once would be the largest thing in memory
        digest.update(f"{', ' if place else '['}{json.dumps(text)}".encode())
    digest.update(b"]")
    for array in (header.labels, header.content_hash, header.stamps, header.bad_stamps):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()
