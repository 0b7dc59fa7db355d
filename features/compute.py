"""One device: decode once, embed with every network, save each block; other devices do the same beside it."""

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from headroom.errors import FeatureError
from headroom.features.decode import Batch, Stream, quiet_pillow
from headroom.features.engines import Engine, EngineRecord, NoDevice, Pending, load_probed
from headroom.features.network import Network
from headroom.features.plan import BlockPlan, Plan, Run
from headroom.features.scan import ImageSet
from headroom.features.store import Block

Progress = Callable[[int, int, str], None]
Device = dict[str, str]  # what is put into a process's environment
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Computing:
    """How to compute."""

    engine: EngineRecord
    precision: str  # auto, float32, bfloat16 or float16
    threads: int  # that decode, of each device
    engines: Path  # where engines keep what a later run can use again
    otherwise: EngineRecord | None = None  # where the engine cannot run on this machine; None: that is an error


def compute(
    plans: Sequence[Plan], images: ImageSet, how: Computing, progress: Progress, say: Callable[[str], None]
) -> tuple[list[Run], float]:
    """Compute what plans with the same work miss, each block saved as soon as it is finished.

    Returns the runs, at the precisions that were decided, and the seconds that they took together.

    Raises
    ------
    FeatureError
        Weights do not fit, no image can be read, or a network gives values that are not finite.
    """
    how, others = _set_up([plan.found.network for plan in plans], how, say)
    names = {block.name for plan in plans for block in plan.missing}
    missing = [block for block in plans[0].blocks if block.name in names]
    total = len(plans[0].work)
    mine = missing[:: len(others) + 1]
    with _decoded(plans, mine, images, how) as decoded:  # decoding has begun when the networks are loaded
        runs, engines = _load(plans, images, how)
        began, done = time.perf_counter(), total - _images_in(missing)
        helpers = _start_helpers(runs, missing, images, how, others)
        try:
            for count in _on_one_device(runs, engines, mine, decoded):
                done += count
                progress(done, total, images.name)
            while any(helper.is_alive() for helper in helpers):
                progress(total - _images_in(_unfinished(runs, missing)), total, images.name)
                time.sleep(POLL_SECONDS)
        finally:
            for helper in helpers:
                helper.terminate()
                helper.join()
    if _unfinished(runs, missing):
        raise FeatureError(
            got="a process that used another GPU ended before its blocks were finished",
            remedy="run again: finished blocks are kept; or set CUDA_VISIBLE_DEVICES to one GPU",
        )
    return runs, time.perf_counter() - began


def _set_up(networks: list[Network], how: Computing, say: Callable[[str], None]) -> tuple[Computing, list[Device]]:
    """Take the first device for this process and set the engine up; return the engine taken and other devices."""
    first, *others = how.engine.devices()
    os.environ.update(first)
    try:
        how.engine.set_up(networks, how.engines)
    except NoDevice as error:
        if how.otherwise is None:
            raise
        say(f"note: {error.got}; going on with {how.otherwise.name} ({error.remedy})")
        return _set_up(networks, replace(how, engine=how.otherwise, otherwise=None), say)
    return how, others


def _images_in(blocks: Sequence[BlockPlan]) -> int:
    """Count the images of blocks."""
    return sum(len(block.rows) for block in blocks)


def _unfinished(runs: Sequence[Run], blocks: Sequence[BlockPlan]) -> list[BlockPlan]:
    """Return the blocks that a run still lacks."""
    return [block for block in blocks if any(not run.finished.file(block.name).exists() for run in runs)]


def _load(plans: Sequence[Plan], images: ImageSet, how: Computing) -> tuple[list[Run], list[Engine]]:
    """Load the network of each plan at the precision decided before, or that its probe allows; views share it."""
    loaded: dict[tuple[Network, str], Engine] = {}
    runs, engines = [], []
    for plan in plans:
        network, decision = plan.found.network, plan.found.decision
        if decision is None:
            probe = partial(_probe, plan, images, how)
            engine, decision = load_probed(how.engine, network, how.precision, how.engines, probe)
        else:
            known = loaded.get((network, decision.precision))
            engine = known or how.engine.load(network, decision.precision, how.engines)
            decision = replace(decision, engine=decision.engine or how.engine.name)
        loaded[network, decision.precision] = engine
        run = Run(plan, decision)
        run.finished.begin({"engine": decision.engine, "precision_error": decision.error})
        runs.append(run)
        engines.append(engine)
    return runs, engines


def _probe(plan: Plan, images: ImageSet, how: Computing) -> np.ndarray:
    """Decode one batch of readable images, spread over the set."""
    work, frame, count = plan.work, plan.found.frame, how.engine.probe
    stride = max(len(work) // count, 1)
    spread = ([images.path(row) for row in work[first::stride]] for first in range(stride))
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


def _decoded(plans: Sequence[Plan], blocks: Sequence[BlockPlan], images: ImageSet, how: Computing) -> Stream:
    """Begin to decode blocks for every network."""
    paths = ([images.path(row) for row in block.rows] for block in blocks)
    return Stream(paths, sorted({plan.found.frame for plan in plans}), how.engine.batch, how.threads)


def _on_one_device(
    runs: Sequence[Run], engines: Sequence[Engine], blocks: Sequence[BlockPlan], decoded: Stream
) -> Iterator[int]:
    """Compute blocks one after the other; gives the number of images after each batch."""
    batches = _embedded(decoded, runs, engines)
    for block in blocks:
        hashes: list[str] = []
        reasons: list[str] = []
        parts: list[list[np.ndarray]] = []
        while len(hashes) < len(block.rows):
            batch, vectors = next(batches)
            parts.append([values[: len(batch.hashes)] for values in vectors])
            hashes += batch.hashes
            reasons += batch.reasons
            yield len(batch.hashes)
        for run, vectors in zip(runs, zip(*parts, strict=True), strict=True):
            if _unfinished([run], [block]):
                _save(run, block, np.concatenate(vectors), hashes, reasons)


def _embedded(
    decoded: Stream, runs: Sequence[Run], engines: Sequence[Engine]
) -> Iterator[tuple[Batch, list[np.ndarray]]]:
    """Embed batches with every network, one batch ahead of what is given out."""
    pending: deque[tuple[Batch, list[Pending]]] = deque()
    for batch in chain(decoded, [None]):
        if batch is not None:
            waits = [engine.start(batch.pixels[run.frame]) for run, engine in zip(runs, engines, strict=True)]
            pending.append((batch, waits))
        if pending and (len(pending) > 1 or batch is None):
            before, waits = pending.popleft()
            vectors = [wait() for wait in waits]
            decoded.reuse(before)
            yield before, vectors


def _save(run: Run, block: BlockPlan, vectors: np.ndarray, hashes: list[str], reasons: list[str]) -> None:
    """Save a finished block, unless the network gave values that are no numbers."""
    if not np.isfinite(vectors).all():
        raise FeatureError(
            got=f"{run.network.label} at {run.decision.precision} gives values that are not finite",
            remedy="use --precision float32, or check the weights",
        )
    run.finished.save(block.name, Block(vectors, np.array(hashes, "S64"), np.array(reasons, np.str_)))


def _start_helpers(
    runs: Sequence[Run], missing: Sequence[BlockPlan], images: ImageSet, how: Computing, others: list[Device]
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


def _help(runs: Sequence[Run], blocks: Sequence[BlockPlan], images: ImageSet, how: Computing, device: Device) -> None:
    """Compute blocks on another device, in a process of its own."""
    os.environ.update(device)
    with quiet_pillow(), _decoded([run.plan for run in runs], blocks, images, how) as decoded:
        how.engine.set_up([run.network for run in runs], how.engines)
        engines = [how.engine.load(run.network, run.decision.precision, how.engines) for run in runs]
        for _ in _on_one_device(runs, engines, blocks, decoded):
            pass
