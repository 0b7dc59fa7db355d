"""Stage one as a whole: images to embedding files, computing only what is missing."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from headroom.errors import FeatureError
from headroom.features.compute import Computing, Progress, compute
from headroom.features.decode import Frame, quiet_pillow
from headroom.features.engines import REDUCED, Decision
from headroom.features.network import Network, file_digest, recipe_of
from headroom.features.plan import Found, Outcome, Plan, Run, plan_extraction, plan_hashing
from headroom.features.scan import ImageSet
from headroom.features.store import (
    BLOCK_IMAGES,
    CHUNK_ROWS,
    BlockFolder,
    Header,
    read_header,
    read_vectors,
    write_embeddings,
)

Say = Callable[[str], None]


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
            for each in found:
                _clear(each, images, say)
            plans = [
                plan_extraction(each, images, stamps, _hash_changed(images, stamps, each.cached)) for each in found
            ]
            begun = [(plan, plan.found.decision) for plan in plans if not plan.missing]
            runs = {plan: (Run(plan, decision), 0.0) for plan, decision in begun if decision is not None}
            for together in _same_work([plan for plan in plans if plan.missing]):
                done, seconds = compute(together, images, how, progress, say)
                runs |= {run.plan: (run, seconds) for run in done}
            return [_write(*runs[plan], images, stamps) for plan in plans]

        outcomes = embed([_look(network, Frame(network.size), folder, how.precision, None) for network in networks])
        decided = [(each.run.network, replace(each.run.decision, engine=None)) for each in outcomes]
        return outcomes + embed(
            [
                _look(network, Frame(network.size, view, mirror), folder, decision.precision, decision)
                for network, decision in decided
                for view in views
            ]
        )


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
        try:
            status = os.stat(os.path.join(images.root, name))  # noqa: PTH116, PTH118 - a Path for each of 100,000 images is slow
        except OSError:
            continue
        stamps[index] = status.st_size, status.st_mtime_ns
    return stamps


def _look(network: Network, frame: Frame, folder: Path, precision: str, decision: Decision | None) -> Found:
    """Find what the cache holds of a network and frame; ``auto`` goes on with whichever precision was begun."""
    for name in ("float32", *REDUCED) if precision == "auto" else (precision,):
        file = folder / recipe_of(network, name, frame).file_name
        finished = BlockFolder(file.with_suffix(".blocks"))
        cached, damaged = None, None
        if file.exists():
            try:
                cached = read_header(file)
            except FeatureError:
                damaged = file
        if cached is not None or finished.path.exists():
            about = finished.about or (cached.about if cached is not None else {})
            decision = Decision(name, about.get("engine"), about.get("precision_error"))
        if cached is not None or damaged is not None or finished.path.exists():
            return Found(network, frame, folder, decision, cached, finished.names(), damaged)
    return Found(network, frame, folder, decision)


def _clear(found: Found, images: ImageSet, say: Say) -> None:
    """Put a damaged file aside, and refuse to mix two data sets that happen to have one name."""
    if found.damaged is not None:
        say(f"note: {found.damaged} is damaged or no embedding file; its vectors are computed again")
        found.damaged.replace(found.damaged.with_suffix(".damaged"))
    cached = found.cached
    if cached is not None and cached.root != images.root.resolve() and cached.root.is_dir():
        raise FeatureError(
            got=f"the cache already holds a data set named {images.name}, from {cached.root}",
            remedy="give this one another name with --name, or use another --cache",
        )


def _hash_changed(images: ImageSet, stamps: np.ndarray, cached: Header | None) -> dict[int, str]:
    """Read the images whose size or time changed, to know whether their content did."""
    paths = {row: images.path(row) for row in plan_hashing(images, stamps, cached).tolist()}
    return {row: file_digest(path) for row, path in paths.items() if path.is_file() and os.access(path, os.R_OK)}


def _same_work(plans: list[Plan]) -> list[list[Plan]]:
    """Group the plans that have the same images to compute."""
    groups: dict[bytes, list[Plan]] = {}
    for plan in plans:
        groups.setdefault(plan.work.tobytes(), []).append(plan)
    return list(groups.values())


def _write(run: Run, seconds: float, images: ImageSet, stamps: np.ndarray) -> Outcome:
    """Put cached vectors and finished blocks together into the embedding file, then drop the blocks.

    Raises
    ------
    FeatureError
        No image could be read, or a block is damaged.
    """
    plan, cached = run.plan, run.plan.found.cached
    bad, computed, dim = dict(plan.bad), 0, 0
    hashes = np.zeros(len(images), "S64")
    if cached is not None:
        dim = cached.about["dim"]
        hashes[plan.source >= 0] = cached.content_hash[plan.source[plan.source >= 0]]
    for part in plan.blocks:
        block = run.finished.load(part.name)
        hashes[part.rows], dim = block.hashes, block.vectors.shape[1]
        bad.update({int(row): str(reason) for row, reason in zip(part.rows, block.reasons, strict=True) if reason})
        computed += int((block.reasons == "").sum()) if part in plan.missing else 0
    bad = dict(sorted(bad.items()))
    outcome = Outcome(run, dim, computed, {str(images.ids[row]): reason for row, reason in bad.items()}, seconds)
    if len(bad) == len(images):
        raise FeatureError(
            got=f"none of the {len(images):,} images in {images.root} could be read ({next(iter(bad.values()))})",
            remedy="check the folder and the formats of its images",
        )
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
        for left in run.file.parent.glob(f".{run.file.name}.*.part"):
            left.unlink()  # of a killed run: only the holder of the lock writes here
        write_embeddings(run.file, header, _vectors(run, np.arange(len(images))[kept], dim))
        run.finished.remove()
    return outcome


def _about(outcome: Outcome, images: ImageSet) -> dict[str, object]:
    """Return every setting that the file keeps as an attribute."""
    run, recipe = outcome.run, outcome.run.recipe
    return {
        **asdict(recipe),
        "weights": run.network.weights.kind,
        "weights_digest": recipe.weights,
        "fingerprint": recipe.fingerprint,
        "view_of": replace(recipe, view="").fingerprint,
        "dataset": images.name,
        "root": str(images.root.resolve()),
        "ordinal": images.ordinal,
        "precision_error": run.decision.error,
        "engine": run.decision.engine,
        "dim": outcome.dim,
    }


def _vectors(run: Run, kept: np.ndarray, dim: int) -> Iterator[np.ndarray]:
    """Give the vectors of the kept images in order, a chunk at a time."""
    plan = run.plan
    place = np.full(len(plan.source), -1, np.int64)
    place[plan.work] = np.arange(len(plan.work))
    held, block = -1, np.empty((0, dim), np.float32)
    for start in range(0, len(kept), CHUNK_ROWS):
        rows = kept[start : start + CHUNK_ROWS]
        chunk = np.empty((len(rows), dim), np.float32)
        source, where = plan.source[rows], place[rows]
        if (source >= 0).any():
            low = int(source[source >= 0].min())
            slab = read_vectors(run.file, low, int(source.max()) + 1)
            chunk[source >= 0] = slab[source[source >= 0] - low]
        for wanted in np.unique(where[source < 0] // BLOCK_IMAGES).tolist():
            if wanted != held:
                held, block = wanted, run.finished.load(plan.blocks[wanted].name).vectors
            here = (source < 0) & (where // BLOCK_IMAGES == wanted)
            chunk[here] = block[where[here] % BLOCK_IMAGES]
        yield chunk
