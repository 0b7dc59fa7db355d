"""One device: decode once, embed with every network, save each block; other devices do the same beside it."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from headroom.errors import FeatureError
from headroom.features.decode import Stream, quiet_pillow
from headroom.features.engines import UNDECIDED, Engine, EngineRecord, NoDevice, load_probed
from headroom.features.network import Network
from headroom.features.plan import BlockPlan, Plan
from headroom.features.scan import ImageSet
from headroom.features.store import Block

Progress = Callable[[int, int, str], None]
Say = Callable[[str], None]
Device = dict[str, str]  # what is put into a process's environment
Loaded = list[tuple[Plan, Engine]]
POLL_SECONDS = 0.5
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Computing:
    """How to compute."""

    engine: EngineRecord
    precision: str  # auto, float32, bfloat16 or float16
    threads: int  # that decode, of each device
    engines: Path  # where engines keep what a later run can use again
    otherwise: EngineRecord | None = None  # where the engine cannot run on this machine; None: that is an error


def compute(
    plans: Sequence[Plan], images: ImageSet, how: Computing, progress: Progress, say: Say
) -> tuple[list[Plan], float]:
    """Compute what plans with the same work miss, each block saved as soon as it is finished.

    Returns the plans, at the precisions that were decided, and the seconds that they took together.

    Raises
    ------
    FeatureError
        Weights do not fit, no image can be read, or a network gives values that are not finite.
    """
    how, devices = _set_up([plan.network for plan in plans], how, say)
    names = {block.name for plan in plans for block in plan.missing}
    missing = [block for block in plans[0].blocks if block.name in names]
    mine, *shares = [missing[number :: len(devices)] for number in range(len(devices))]
    total = len(plans[0].work)
    with _decoded(plans, mine, images, how) as decoded:  # decoding has begun when the networks are loaded
        loaded = _load(plans, images, how)
        plans = [plan for plan, _ in loaded]
        began, done = time.perf_counter(), total - _images_in(missing)
        helpers = [
            multiprocessing.get_context("spawn").Process(
                target=_help, args=(plans, share, images, how, device), daemon=True
            )
            for share, device in zip(shares, devices[1:], strict=True)
        ]
        for helper in helpers:
            helper.start()
        try:
            for count in _on_one_device(loaded, mine, decoded):
                done += count
                progress(done, total, images.name)
            while any(helper.is_alive() for helper in helpers):
                progress(total - _images_in(_unfinished(plans, missing)), total, images.name)
                time.sleep(POLL_SECONDS)
        finally:
            for helper in helpers:
                helper.terminate()
                helper.join()
    if _unfinished(plans, missing):
        raise FeatureError(
            got="a process that used another GPU ended before its blocks were finished",
            remedy="run again: finished blocks are kept; or set CUDA_VISIBLE_DEVICES to one GPU",
        )
    return plans, time.perf_counter() - began


def _set_up(networks: list[Network], how: Computing, say: Say) -> tuple[Computing, list[Device]]:
    """Take the first device for this process and set the engine up; return the engine taken and its devices."""
    devices = how.engine.devices()
    os.environ.update(devices[0])
    try:
        how.engine.set_up(networks, how.engines)
    except NoDevice as error:
        if how.otherwise is None:
            raise
        say(f"note: {error.got}; going on with {how.otherwise.name} ({error.remedy})")
        return _set_up(networks, replace(how, engine=how.otherwise, otherwise=None), say)
    return how, devices


def _images_in(blocks: Sequence[BlockPlan]) -> int:
    """Count the images of blocks."""
    return sum(len(block.rows) for block in blocks)


def _unfinished(plans: Sequence[Plan], blocks: Sequence[BlockPlan]) -> list[BlockPlan]:
    """Return the blocks that a plan still lacks."""
    return [block for block in blocks if any(not plan.block_folder.file(block.name).exists() for plan in plans)]


def _load(plans: Sequence[Plan], images: ImageSet, how: Computing) -> Loaded:
    """Load the network of each plan at the precision decided before, or that its probe allows; views share it."""
    known: dict[tuple[Network, str], Engine] = {}
    loaded = []
    for plan in plans:
        network, decision = plan.network, plan.decision
        if decision == UNDECIDED:
            probe = partial(_probe, plan, images, how)
            engine, decision = load_probed(how.engine, network, how.precision, how.engines, probe)
        else:
            before = known.get((network, decision.precision))
            engine = before or how.engine.load(network, decision.precision, how.engines)
            decision = replace(decision, engine=decision.engine or how.engine.name)
        known[network, decision.precision] = engine
        decided = replace(plan, decision=decision)
        decided.block_folder.begin({"engine": decision.engine, "precision_error": decision.error})
        loaded.append((decided, engine))
    return loaded


def _probe(plan: Plan, images: ImageSet, how: Computing) -> np.ndarray:
    """Decode one batch of images, spread over the set; those that cannot be read are black."""
    count = how.engine.probe
    rows = np.resize(plan.work[:: max(len(plan.work) // count, 1)], count)
    with Stream([[images.path(row) for row in rows]], [plan.frame], count, how.threads) as batches:
        return next(iter(batches)).pixels[plan.frame]


def _decoded(plans: Sequence[Plan], blocks: Sequence[BlockPlan], images: ImageSet, how: Computing) -> Stream:
    """Begin to decode blocks for every network."""
    paths = ([images.path(row) for row in block.rows] for block in blocks)
    return Stream(paths, sorted({plan.frame for plan in plans}), how.engine.batch, how.threads)


def _on_one_device(loaded: Loaded, blocks: Sequence[BlockPlan], decoded: Stream) -> Iterator[int]:
    """Compute blocks one after the other; gives the number of images after each batch."""
    begun = ((batch, [engine.start(batch.pixels[plan.frame]) for plan, engine in loaded]) for batch in decoded)
    ahead: Iterator[Any] = pairwise(chain(begun, [None]))  # a batch is waited for when the next one is begun
    for block in blocks:
        hashes: list[str] = []
        reasons: list[str] = []
        parts: list[list[np.ndarray]] = [[] for _ in loaded]
        while len(hashes) < len(block.rows):
            (batch, waits), _ = next(ahead)
            for part, wait in zip(parts, waits, strict=True):
                part.append(wait()[: len(batch.hashes)])
            decoded.reuse(batch)
            hashes += batch.hashes
            reasons += batch.reasons
            yield len(batch.hashes)
        for (plan, _), part in zip(loaded, parts, strict=True):
            vectors = np.concatenate(part)
            if not np.isfinite(vectors).all():
                raise FeatureError(
                    got=f"{plan.network.label} at {plan.decision.precision} gives values that are not finite",
                    remedy="use --precision float32, or check the weights",
                )
            if _unfinished([plan], [block]):
                plan.block_folder.save(block.name, Block(vectors, np.array(hashes, "S64"), np.array(reasons, np.str_)))


def _help(plans: Sequence[Plan], blocks: Sequence[BlockPlan], images: ImageSet, how: Computing, device: Device) -> None:
    """Compute blocks on another device, in a process of its own."""
    os.environ.update(device)
    with quiet_pillow(), _decoded(plans, blocks, images, how) as decoded:
        how.engine.set_up([plan.network for plan in plans], how.engines)
        loaded = [(plan, how.engine.load(plan.network, plan.decision.precision, how.engines)) for plan in plans]
        for _ in _on_one_device(loaded, blocks, decoded):
            pass
