"""Stage one as a whole: images to embedding files, computing only what is missing."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from headroom.errors import FeatureError
from headroom.features.compute import Computing, Progress, Say, compute
from headroom.features.decode import Frame, quiet_pillow
from headroom.features.engines import REDUCED, Decision
from headroom.features.network import Network, file_digest
from headroom.features.plan import Found, Outcome, Plan, plan_extraction, plan_hashing
from headroom.features.scan import ImageSet
from headroom.features.store import (
    BLOCK_IMAGES,
    CHUNK_ROWS,
    Header,
    read_header,
    read_vectors,
    write_embeddings,
)


def extract(
    images: ImageSet,
    networks: Sequence[Network],
    how: Computing,
    cache: Path,
    views: Sequence[int] = (),
    mirror: bool = True,
    progress: Progress = lambda done, total, text: None,
    say: Say = lambda text: None,
) -> list[Outcome]:
    """Embed an image set with several networks, decoding each image once.

    Parameters
    ----------
    images : ImageSet
    networks : sequence of Network
    how : Computing
    cache : Path
        Embeddings go to ``cache/embeddings/<data set>/``.
    views : sequence of int
        Numbers of the augmented views to embed too, each in a file of its own.
    mirror : bool
        Whether views may be mirrored.
    progress : callable
        Called with images done, images in all, and what is under way.
    say : callable
        Called with lines that a user should read.

    Returns
    -------
    list of Outcome
        One a network, then one a network and view; images that could not be embedded are listed in ``bad``.

    Raises
    ------
    FeatureError
        Weights do not fit, the cache holds another data set of this name, or no image could be read.
    """
    folder = cache / "embeddings" / images.name
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as locks, quiet_pillow():
        for label in sorted({network.label for network in networks}):
            locks.enter_context(_lock(folder / f".{label}.lock", say))
        stamps = _stamps(images)

        def embed(found: list[Found]) -> list[Outcome]:
            together: dict[tuple[bytes, bool], list[Plan]] = {}
            for each in found:
                plan = plan_extraction(each, images, stamps, _hash_changed(images, stamps, each.cached))
                together.setdefault((plan.work.tobytes(), bool(plan.missing)), []).append(plan)
            outcomes: dict[tuple[Network, Frame], Outcome] = {}
            for (_, missing), plans in together.items():
                done, seconds = compute(plans, images, how, progress, say) if missing else (plans, 0.0)
                outcomes |= {(plan.network, plan.frame): _write(plan, seconds, images, stamps) for plan in done}
            return [outcomes[each.network, each.frame] for each in found]

        wanted = [Found(network, Frame(network.size), folder) for network in networks]
        outcomes = embed([_look(each, how.precision, images, say) for each in wanted])
        decided = [(outcome.plan.network, replace(outcome.plan.decision, engine=None)) for outcome in outcomes]
        wanted = [
            Found(network, Frame(network.size, view, mirror), folder, decision)
            for network, decision in decided
            for view in views
        ]
        return outcomes + embed([_look(each, each.decision.precision, images, say) for each in wanted])


def _lock(path: Path, say: Say) -> AbstractContextManager:
    """Take the lock of one model; it vanishes with the process that holds it."""
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        say(f"note: another run is extracting into {path.parent}; waiting for it to end")
        return lock.acquire()


def _stamps(images: ImageSet) -> np.ndarray:
    """Return bytes and mtime (ns) of each file; -1 where there is none."""
    stamps = np.full((len(images), 2), -1, np.int64)
    for index, name in enumerate(images.ids.tolist()):
        with suppress(OSError):
            status = os.stat(os.path.join(images.root, name))  # noqa: PTH116, PTH118 - a Path for each of 100,000 images is slow
            stamps[index] = status.st_size, status.st_mtime_ns
    return stamps


def _look(found: Found, asked: str, images: ImageSet, say: Say) -> Found:
    """Find what the cache holds of a network; ``auto`` goes on with whichever precision was begun."""
    for precision in ("float32", *REDUCED) if asked == "auto" else (asked,):
        begun = replace(found, decision=Decision(precision, None))
        cached = _cached(begun.file, images, say)
        if cached is not None or begun.block_folder.path.exists():
            about = begun.block_folder.about or (cached.about if cached is not None else {})
            decision = Decision(precision, about.get("engine"), about.get("precision_error"))
            return replace(begun, decision=decision, cached=cached, finished=begun.block_folder.names())
    return found


def _cached(file: Path, images: ImageSet, say: Say) -> Header | None:
    """Read a file if it is there; put a damaged one aside, and refuse to mix two data sets that have one name."""
    if not file.exists():
        return None
    try:
        cached = read_header(file)
    except FeatureError:
        say(f"note: {file} is damaged or no embedding file; its vectors are computed again")
        file.replace(file.with_suffix(".damaged"))
        return None
    if cached.root != images.root.resolve() and cached.root.is_dir():
        raise FeatureError(
            got=f"the cache already holds a data set named {images.name}, from {cached.root}",
            remedy="give this one another name with --name, or use another --cache",
        )
    return cached


def _hash_changed(images: ImageSet, stamps: np.ndarray, cached: Header | None) -> dict[int, str]:
    """Read the images whose size or time changed, to know whether their content did."""
    paths = {row: images.path(row) for row in plan_hashing(images, stamps, cached).tolist()}
    return {row: file_digest(path) for row, path in paths.items() if path.is_file() and os.access(path, os.R_OK)}


def _write(plan: Plan, seconds: float, images: ImageSet, stamps: np.ndarray) -> Outcome:
    """Put cached vectors and finished blocks together into the embedding file, then drop the blocks.

    Raises
    ------
    FeatureError
        No image could be read, or a block is damaged.
    """
    bad, computed, dim = dict(plan.bad), 0, 0
    hashes = np.zeros(len(images), "S64")
    if plan.cached is not None:
        dim = plan.cached.about["dim"]
        hashes[plan.source >= 0] = plan.cached.content_hash[plan.source[plan.source >= 0]]
    for part in plan.blocks:
        block = plan.block_folder.load(part.name)
        hashes[part.rows], dim = block.hashes, block.vectors.shape[1]
        bad.update({int(row): str(reason) for row, reason in zip(part.rows, block.reasons, strict=True) if reason})
        computed += int((block.reasons == "").sum()) if part in plan.missing else 0
    bad = dict(sorted(bad.items()))
    if len(bad) == len(images):
        raise FeatureError(
            got=f"none of the {len(images):,} images in {images.root} could be read ({next(iter(bad.values()))})",
            remedy="check the folder and the formats of its images",
        )
    outcome = Outcome(plan, dim, computed, {str(images.ids[row]): reason for row, reason in bad.items()}, seconds)
    if plan.write:
        kept = np.setdiff1d(np.arange(len(images)), list(bad)) if bad else slice(None)  # which copies no column
        header = Header(
            **vars(images.take(kept)),
            content_hash=hashes[kept],
            stamps=stamps[kept],
            bad=outcome.bad,
            bad_stamps=stamps[list(bad)],
            about=_about(outcome, images),
        )
        for left in plan.folder.glob(f".{plan.file.name}.*.part"):
            left.unlink()  # of a killed run: only the holder of the lock writes here
        write_embeddings(plan.file, header, _vectors(plan, np.arange(len(images))[kept], dim))
    plan.block_folder.remove()  # also those that a run left which was killed between writing and removing
    return outcome


def _about(outcome: Outcome, images: ImageSet) -> dict[str, object]:
    """Return every setting that the file keeps as an attribute."""
    plan, recipe = outcome.plan, outcome.plan.recipe
    return {
        **asdict(recipe),
        "weights": plan.network.weights.kind,
        "weights_digest": recipe.weights,
        "fingerprint": recipe.fingerprint,
        "view_of": replace(recipe, view="").fingerprint,
        "dataset": images.name,
        "root": str(images.root.resolve()),
        "ordinal": images.ordinal,
        "precision_error": plan.decision.error,
        "engine": plan.decision.engine,
        "dim": outcome.dim,
    }


def _vectors(plan: Plan, kept: np.ndarray, dim: int) -> Iterator[np.ndarray]:
    """Give the vectors of the kept images in order, a chunk at a time."""
    load = lru_cache(1)(plan.block_folder.load)
    place = np.full(len(plan.source), -1, np.int64)
    place[plan.work] = np.arange(len(plan.work))
    for start in range(0, len(kept), CHUNK_ROWS):
        rows = kept[start : start + CHUNK_ROWS]
        chunk = np.empty((len(rows), dim), np.float32)
        source, where = plan.source[rows], place[rows]
        old = source >= 0
        if old.any():
            low = int(source[old].min())
            chunk[old] = read_vectors(plan.file, low, int(source.max()) + 1)[source[old] - low]
        for number in np.unique(where[~old] // BLOCK_IMAGES).tolist():
            here = ~old & (where // BLOCK_IMAGES == number)
            chunk[here] = load(plan.blocks[number].name).vectors[where[here] % BLOCK_IMAGES]
        yield chunk
