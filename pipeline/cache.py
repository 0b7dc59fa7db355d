"""What the cache holds, each file opened once; what was dear to learn; and whether all can be read back as written."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

from headroom.errors import FeatureError, HeadError
from headroom.features.store import Header, read_about, read_header, read_vectors, replacing
from headroom.heads.results import Results

ROWS = 8192

Image = tuple[str, bytes]  # id and content hash


@dataclass(frozen=True)
class EmbeddingFile:
    """An embedding file with its settings, and the files of its augmented views."""

    dataset: str
    model: str
    fingerprint: str
    path: Path
    about: Mapping[str, Any] = field(compare=False, repr=False)
    views: tuple["EmbeddingFile", ...] = ()

    @cached_property
    def header(self) -> Header:
        """All of the file but the vectors, read when first asked for; damage raises a FeatureError."""
        return read_header(self.path)

    @cached_property
    def rows(self) -> dict[Image, int]:
        """The row of each image."""
        images = zip(self.header.ids, self.header.content_hash.tolist(), strict=True)
        return {image: row for row, image in enumerate(images)}


@dataclass(frozen=True)
class Cached:
    """Embedding files by data set and model, the newest of each first, and a line for each unreadable one."""

    files: tuple[EmbeddingFile, ...]
    unreadable: tuple[str, ...]

    def newest(self, dataset: str) -> dict[str, EmbeddingFile]:
        """The newest file of every model of a data set."""
        found: dict[str, EmbeddingFile] = {}
        for item in self.files:
            if item.dataset == dataset:
                found.setdefault(item.model, item)
        return found


def read_cache(cache: Path) -> Cached:
    """Open every embedding file of a cache once; all who need to know of them take what this returns."""
    found, unreadable = [], []
    for path in sorted((cache / "embeddings").glob("*/*.h5"), key=lambda path: -path.stat().st_mtime_ns):
        try:
            about = read_about(path)
        except FeatureError as error:
            unreadable.append(f"{error.got}: {error.remedy}")
        else:
            found.append(EmbeddingFile(about["dataset"], about["model"], about["fingerprint"], path, about))
    views = [(item.dataset, item.about["view_of"], item) for item in found if item.about["view"]]
    files = [
        replace(item, views=tuple(view for *of, view in views if of == [item.dataset, item.fingerprint]))
        for item in found
        if not item.about["view"]
    ]
    return Cached(tuple(sorted(files, key=attrgetter("dataset", "model"))), tuple(unreadable))


def kept(path: Path, name: str, key: str, compute: Callable[[], Any]) -> Any:
    """What a JSON file keeps by this name under a key of all that determined it; else computed and, if possible, kept.

    A file that is missing, damaged or another's keeps nothing; one that cannot be written is left alone.
    """
    known: dict[str, Any] = {}
    with suppress(OSError, ValueError, TypeError, KeyError):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["checksum"] == _checksum(content["kept"]):
            known = content["kept"]
    if name not in known or known[name]["key"] != key:
        known[name] = {"key": key, "facts": compute()}
        with suppress(OSError), replacing(path) as beside:
            beside.write_text(json.dumps({"checksum": _checksum(known), "kept": known}), encoding="utf-8")
    return known[name]["facts"]


def _checksum(known: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def damages(cache: Path) -> Iterator[str]:
    """Read every embedding file and the results database back; yield a line for each that is damaged."""
    files = sorted((cache / "embeddings").glob("*/*.h5"))
    for verify, path in [(_verify_embeddings, path) for path in files] + [(_verify_results, cache / "results.db")]:
        try:
            verify(path)
        except (FeatureError, HeadError) as error:
            yield f"{error.got}: {error.remedy}"


def leftovers(cache: Path) -> list[str]:
    """Say which extractions were interrupted; their finished blocks wait for the next run."""
    folders = sorted((cache / "embeddings").glob("*/*.blocks"))
    return [f"{folder} is of an interrupted extraction; run the same extract again to finish it" for folder in folders]


def _verify_embeddings(path: Path) -> None:
    rows = len(read_header(path).ids)
    for start in range(0, rows, ROWS):
        read_vectors(path, start, min(start + ROWS, rows))


def _verify_results(path: Path) -> None:
    if path.is_file():
        with Results(path) as results:
            for cell in results.cells():
                results.folds(cell.key)
                results.problem(cell.problem)
