"""What is kept on disk, whole or not at all: one HDF5 file between the stages, and the blocks that it is made of.

Layout of ``<dataset>/<model>-<fingerprint8>.h5``: the datasets ``vectors`` (n, d) float32, ``labels`` (n,) int64,
``classes`` (k,), ``ids``, ``groups`` and ``split`` (n,) UTF-8, ``content_hash`` (n,) ASCII SHA-256, ``stamps`` (n, 2)
int64 (bytes and mtime in ns of the file), ``bad_ids``, ``bad_reasons`` UTF-8 and ``bad_stamps``; every setting is an
attribute. The attribute ``checksum`` guards all but the vectors, which HDF5's own checksums guard.
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from headroom.errors import FeatureError
from headroom.features.scan import ImageSet

CHUNK_ROWS = 1024
BLOCK_IMAGES = 256
TEXTS = ("ids", "groups", "split")
NUMBERS = ("labels", "content_hash", "stamps", "bad_stamps")
REQUIRED = ("dataset", "model", "root", "fingerprint", "ordinal", "dim", "view")
CHECKED_FORMAT = ("v110", "v110")  # HDF5 1.10 and later checksum their own structures


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a place beside ``path``; what was written there is synced to disk and moved to ``path`` at the end.

    Where the block raises, it is removed and ``path`` is as it was.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "note")) as beside:
    ...         _ = beside.write_text("whole")
    ...     Path(folder, "note").read_text()
    'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)  # so that the move survives a power cut
        os.close(folder)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@dataclass(frozen=True, eq=False, kw_only=True)
class Header(ImageSet):
    """An image set that was embedded: all of an embedding file but the vectors.

    Attributes
    ----------
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

    columns = (*ImageSet.columns, "content_hash", "stamps")

    content_hash: np.ndarray
    stamps: np.ndarray
    bad: dict[str, str] = field(default_factory=dict)
    bad_stamps: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Digest of everything that determined the vectors, but the images."""
        return self.about["fingerprint"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Embeddings(Header):
    """What stage one hands to stage two: the header, its ``content_hash`` as str, and ``vectors`` float32 (n, d)."""

    columns = (*Header.columns, "vectors")

    vectors: np.ndarray


def write_embeddings(path: Path, header: Header, chunks: Iterable[np.ndarray]) -> None:
    """Write an embedding file beside its place, then move it there; the vectors come in order, a chunk at a time."""
    with replacing(path) as beside, h5py.File(beside, "w", libver=CHECKED_FORMAT) as file:
        shape = (len(header), header.about["dim"])
        vectors = file.create_dataset(
            "vectors", shape, np.float32, chunks=(min(CHUNK_ROWS, shape[0]), shape[1]), fletcher32=True
        )
        start = 0
        for chunk in chunks:
            vectors[start : start + len(chunk)] = chunk
            start += len(chunk)
        for name in (*TEXTS, "classes"):
            _write_texts(file, name, getattr(header, name))
        _write_texts(file, "bad_ids", list(header.bad))
        _write_texts(file, "bad_reasons", list(header.bad.values()))
        for name in NUMBERS:
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
        about = _about(file)
        columns = {name: _texts(file[name]) for name in TEXTS} | {name: file[name][()] for name in NUMBERS}
        header = Header(
            name=about["dataset"],
            root=Path(about["root"]),
            classes=tuple(_texts(file["classes"]).tolist()),
            ordinal=bool(about["ordinal"]),
            **columns,
            bad=dict(zip(_texts(file["bad_ids"]).tolist(), _texts(file["bad_reasons"]).tolist(), strict=True)),
            about=about,
        )
        if file.attrs["checksum"].decode() != _checksum(header) or len(file["vectors"]) != len(header):
            raise _damaged(path)
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

    Raises
    ------
    FeatureError
        The file is damaged (a checksum fails, it is cut short) or of another kind.
    """
    header = read_header(path)
    columns = {**vars(header), "content_hash": header.content_hash.astype(str)}
    return Embeddings(**columns, vectors=read_vectors(path, 0, len(header)))


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """Open an embedding file for reading; whatever is found wrong becomes one error."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except Exception as error:  # h5py raises almost anything at a damaged or foreign file
        raise _damaged(path) from error


def _damaged(path: Path) -> FeatureError:
    """Return the error for an embedding file that cannot be read."""
    return FeatureError(got=f"{path} is damaged or no embedding file", remedy="delete it and run extract again")


def _write_texts(file: h5py.File, name: str, texts: Sequence[str] | np.ndarray) -> None:
    """Write strings at one length: those of any length would lie in a heap that HDF5 does not checksum."""
    encoded = np.char.encode(np.asarray(texts, str), "utf-8")
    file.create_dataset(name, data=encoded.astype(h5py.string_dtype("utf-8", encoded.itemsize)))


def _texts(dataset: h5py.Dataset) -> np.ndarray:
    """Read a dataset of strings."""
    return np.char.decode(dataset[()], "utf-8")


def _about(file: h5py.File) -> dict[str, Any]:
    """Read the settings as plain Python values."""
    about = {name: value.item() for name, value in file.attrs.items() if name != "checksum"}
    about = {name: value.decode() if isinstance(value, bytes) else value for name, value in about.items()}
    return {"precision_error": None, **{name: about[name] for name in REQUIRED}, **about}


def _checksum(header: Header) -> str:
    """Return the SHA-256 of all that a header holds."""
    about = sorted((key, value) for key, value in header.about.items() if value is not None)
    texts = [*(getattr(header, name).tolist() for name in TEXTS), header.classes, list(header.bad.items()), about]
    digest = hashlib.sha256()
    for place, text in enumerate(texts):  # one at a time: all at once would be the largest thing in memory
        digest.update(f"{', ' if place else '['}{json.dumps(text)}".encode())
    digest.update(b"]")
    for array in (getattr(header, name) for name in NUMBERS):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Block:
    """What one block left; rows of unreadable images are zero, with an empty hash and a reason."""

    vectors: np.ndarray  # (m, d) float32
    hashes: np.ndarray  # (m,) bytes, SHA-256 of each file
    reasons: np.ndarray  # (m,) str


@dataclass(frozen=True)
class BlockFolder:
    """The finished blocks of one recipe, in ``<model>-<fingerprint8>.blocks``; made at the first save."""

    path: Path

    def file(self, name: str) -> Path:
        """Return where the block of this name is kept."""
        return self.path / f"{name}.npz"

    def names(self) -> frozenset[str]:
        """Return the names of the finished blocks."""
        return frozenset(file.stem for file in self.path.glob("*.npz"))

    def save(self, name: str, block: Block) -> None:
        """Write a block; it is there whole or not at all."""
        save = partial(np.savez, **vars(block))
        with replacing(self.file(name)) as beside, beside.open("wb") as file, ThreadPoolExecutor(1) as thread:
            thread.submit(save, file).result()  # where an interrupt would end in an error of the ZIP file

    def load(self, name: str) -> Block:
        """Read a block back.

        Raises
        ------
        FeatureError
            The file is damaged; it is removed, so that the next run computes it again.
        """
        path = self.file(name)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return Block(**arrays)
        except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            path.unlink(missing_ok=True)
            raise FeatureError(
                got=f"the finished block {path} is damaged", remedy="run again: it is computed anew"
            ) from error

    @property
    def about(self) -> dict[str, Any]:
        """What was decided when the run began (engine, precision error)."""
        try:
            return dict(json.loads((self.path / "about.json").read_text()))
        except (OSError, ValueError, TypeError):
            return {}

    def begin(self, about: dict[str, Any]) -> None:
        """Note what was decided when the run began."""
        with replacing(self.path / "about.json") as beside:
            beside.write_text(json.dumps(about))

    def remove(self) -> None:
        """Delete the blocks, once they are in the embedding file."""
        shutil.rmtree(self.path, ignore_errors=True)


def block_key(ids: Iterable[str], stamps: np.ndarray) -> str:
    """Return what stands for the images of a block: their names, sizes and times.

    Examples
    --------
    >>> block_key(["a.png"], np.array([[10, 1]])) == block_key(["a.png"], np.array([[10, 2]]))
    False
    """
    return hashlib.sha256("\0".join(ids).encode() + stamps.astype(np.int64).tobytes()).hexdigest()[:12]
