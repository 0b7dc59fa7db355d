"""Finished blocks of an extraction: files that a killed run leaves for the next one, and that never change."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from headroom.errors import FeatureError
from headroom.features.atomic import replacing

BLOCK_IMAGES = 256


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
        save = partial(np.savez, vectors=block.vectors, hashes=block.hashes, reasons=block.reasons)
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
                return Block(arrays["vectors"], arrays["hashes"], arrays["reasons"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
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
