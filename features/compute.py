"""Compute the blocks that are missing: decode once, embed with every network, on every device."""

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from headroom.errors import FeatureError
from headroom.features.blocks import Block
from headroom.features.build import Network
from headroom.features.decode import quiet_pillow
from headroom.features.engines import Engine, EngineRecord, NoDevice, Pending, load_probed
from headroom.features.run import BlockPlan, Run
from headroom.features.scan import ImageSet
from headroom.features.stream import Batch, Stream
from headroom.features.views import Frame

Progress = Callable[[int, int, str], None]
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Computing:
    """How to compute.

    Attributes
    ----------
    engine : EngineRecord
    precision : {"auto", "float32", "bfloat16", "float16"}
    threads : int
        Decoding threads of each device.
    engines : Path
        Where engines keep what a later run can use again.
    otherwise : EngineRecord or None
        What to compute with where the engine cannot run on this machine; None: that is an error.
    """

    engine: EngineRecord
    precision: str
    threads: int
    engines: Path
    otherwise: EngineRecord | None = None


def compute(runs: list[Run], images: ImageSet, how: Computing, progress: Progress, say: Callable[[str], None]) -> None:
    """Compute what runs with the same work lack; each block is saved as soon as it is finished.

    Parameters
    ----------
    runs : list of Run
        Their recipes get the precision that was decided; ``computed`` and ``seconds`` are filled in.
    images : ImageSet
    how : Computing
    progress : callable
        Called with images done, images in all, and what is under way.
    say : callable
        Takes a line that the user should read.

    Raises
    ------
    FeatureError
        Weights do not fit, no image can be read, or a network gives values that are not finite.
    """
    how, others = _prepared(runs, how, say)
    missing = [block for block in runs[0].blocks if any(run.lacks(block) for run in runs)]
    total = sum(len(block.rows) for block in runs[0].blocks)
    mine = missing[:: len(others) + 1]
    with _decoded(runs, mine, images, how) as decoded:  # decoding has begun when the networks are loaded
        engines = _load_all(runs, images, how)
        began, done = time.perf_counter(), total - sum(len(block.rows) for block in missing)
        lacking = [[block for block in missing if run.lacks(block)] for run in runs]
        helpers = _start_helpers(runs, missing, images, how, others)
        try:
            for count in _on_one_device(runs, engines, mine, decoded):
                done += count
                progress(done, total, images.name)
            while any(helper.is_alive() for helper in helpers):
                left = sum(len(block.rows) for block in missing if any(run.lacks(block) for run in runs))
                progress(total - left, total, images.name)
                time.sleep(POLL_SECONDS)
        finally:
            for helper in helpers:
                helper.terminate()
                helper.join()
    if any(run.lacks(block) for run in runs for block in missing):
        raise FeatureError(
            got="a process that used another GPU ended before its blocks were finished",
            remedy="run again: finished blocks are kept; or set CUDA_VISIBLE_DEVICES to one GPU",
        )
    for run, blocks in zip(runs, lacking, strict=True):
        run.seconds = time.perf_counter() - began
        run.computed = sum(int((run.finished.load(b.number, b.key).reasons == "").sum()) for b in blocks)


def _prepared(runs: list[Run], how: Computing, say: Callable[[str], None]) -> tuple[Computing, list[dict[str, str]]]:
    """Take the first device for this process and get the engine ready; return the engine taken and other devices."""
    first, *others = how.engine.devices()
    os.environ.update(first)
    try:
        how.engine.prepare([run.network for run in runs], how.engines)
    except NoDevice as error:
        if how.otherwise is None:
            raise
        say(f"note: {error.got}; going on with {how.otherwise.name} ({error.remedy})")
        return _prepared(runs, replace(how, engine=how.otherwise, otherwise=None), say)
    return how, others


def _load_all(runs: list[Run], images: ImageSet, how: Computing) -> list[Engine]:
    """Load the engine of each run; views of one network share it."""
    loaded: dict[tuple[Network, str], Engine] = {}
    engines = []
    for run in runs:
        known = loaded.get((run.network, run.recipe.precision)) if run.frame.view else None
        if known is None:
            known = _load(run, images, how)
        else:
            run.engine = how.engine.name
            run.finished.begin({"engine": run.engine, "precision_error": run.precision_error})
        loaded[run.network, run.recipe.precision] = known
        engines.append(known)
    return engines


def _load(run: Run, images: ImageSet, how: Computing) -> Engine:
    """Load a network at the precision its run was begun with, or that its probe allows."""
    if run.begun:
        engine = how.engine.load(run.network, run.recipe.precision, how.engines)
        run.engine = run.engine or how.engine.name
    else:
        probed = load_probed(how.engine, run.network, how.precision, how.engines, lambda: _probe(run, images, how))
        engine, run.recipe = probed.engine, run.recipe.at(probed.precision)
        run.engine, run.precision_error = how.engine.name, probed.error
    run.finished.begin({"engine": run.engine, "precision_error": run.precision_error})
    return engine


def _probe(run: Run, images: ImageSet, how: Computing) -> np.ndarray:
    """Decode one batch of readable images, spread over the set."""
    work, frame, count = run.plan.work, Frame(run.network.size), how.engine.probe
    stride = max(len(work) // count, 1)
    spread = ([images.root / images.ids[row] for row in work[first::stride]] for first in range(stride))
    readable: list[np.ndarray] = []
    with Stream(spread, [frame], count, how.threads) as batches:
        for batch in batches:
            readable += [batch.pixels[frame][row] for row, reason in enumerate(batch.reasons) if not reason]
            if len(readable) >= count:
                break
    if not readable:
        raise FeatureError(
            got=f"none of the {len(work):,} images in {images.root} could be read",
            remedy="check the folder and the formats of its images",
        )
    return np.stack([readable[row % len(readable)] for row in range(count)])


def _decoded(runs: Sequence[Run], blocks: Sequence[BlockPlan], images: ImageSet, how: Computing) -> Stream:
    """Begin to decode blocks for every network."""
    paths = ([images.root / images.ids[row] for row in block.rows] for block in blocks)
    return Stream(paths, sorted({run.frame for run in runs}), how.engine.batch, how.threads)


def _on_one_device(
    runs: Sequence[Run], engines: Sequence[Engine], blocks: Sequence[BlockPlan], decoded: Stream
) -> Iterator[int]:
    """Compute blocks one after the other; gives the number of images after each batch."""
    batches = _embedded(decoded, runs, engines)
    for block in blocks:
        hashes: list[str] = []
        reasons: list[str] = []
        parts: list[list[np.ndarray]] = [[] for _ in runs]
        while len(hashes) < len(block.rows):
            batch, vectors = next(batches)
            for part, values in zip(parts, vectors, strict=True):
                part.append(values[: len(batch.hashes)])
            hashes += batch.hashes
            reasons += batch.reasons
            yield len(batch.hashes)
        for run, part in zip(runs, parts, strict=True):
            if run.lacks(block):
                _save(run, block, np.concatenate(part), hashes, reasons)


def _embedded(
    decoded: Stream, runs: Sequence[Run], engines: Sequence[Engine]
) -> Iterator[tuple[Batch, list[np.ndarray]]]:
    """Embed batches with every network, one batch ahead of what is given out."""
    pending: deque[tuple[Batch, list[Pending]]] = deque()
    for batch in decoded:
        started = [engine.start(batch.pixels[run.frame]) for run, engine in zip(runs, engines, strict=True)]
        pending.append((batch, started))
        if len(pending) > 1:
            yield _waited(*pending.popleft(), decoded)
    while pending:
        yield _waited(*pending.popleft(), decoded)


def _waited(batch: Batch, started: list[Pending], decoded: Stream) -> tuple[Batch, list[np.ndarray]]:
    """Wait for the vectors of one batch; then its pixels are free."""
    vectors = [wait() for wait in started]
    decoded.reuse(batch)
    return batch, vectors


def _save(run: Run, block: BlockPlan, vectors: np.ndarray, hashes: list[str], reasons: list[str]) -> None:
    """Save a finished block, unless the network gave values that are no numbers."""
    if not np.isfinite(vectors).all():
        raise FeatureError(
            got=f"{run.network.label} at {run.recipe.precision} gives values that are not finite",
            remedy="use --precision float32, or check the weights",
        )
    run.finished.save(block.number, block.key, Block(vectors, np.array(hashes, "S64"), np.array(reasons, np.str_)))


def _start_helpers(
    runs: Sequence[Run], missing: Sequence[BlockPlan], images: ImageSet, how: Computing, others: list[dict[str, str]]
) -> list[multiprocessing.process.BaseProcess]:
    """Start a process for each further device; each computes its share of the blocks."""
    spawn = multiprocessing.get_context("spawn")
    helpers: list[multiprocessing.process.BaseProcess] = []
    for number, device in enumerate(others, start=1):
        share = missing[number :: len(others) + 1]
        helper = spawn.Process(target=_help, args=(runs, share, images, how, device), daemon=True)
        helper.start()
        helpers.append(helper)
    return helpers


def _help(
    runs: Sequence[Run], blocks: Sequence[BlockPlan], images: ImageSet, how: Computing, device: dict[str, str]
) -> None:
    """Compute blocks on another device, in a process of its own."""
    os.environ.update(device)
    with quiet_pillow(), _decoded(runs, blocks, images, how) as decoded:
        how.engine.prepare([run.network for run in runs], how.engines)
        engines = [how.engine.load(run.network, run.recipe.precision, how.engines) for run in runs]
        for _ in _on_one_device(runs, engines, blocks, decoded):
            pass
