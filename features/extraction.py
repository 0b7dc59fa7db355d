"""Stage one as a whole: images to embedding files, computing only what is missing."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from features.blocks import BLOCK_IMAGES, Block, BlockFolder, block_key
from features.building import Network
from features.decoding import BadImage, decode
from features.embeddings import CHUNK_ROWS, Header, read_header, read_vectors, write_embeddings
from features.engines import REDUCED, Engine, EngineRecord, load_probed
from features.errors import FeatureError
from features.imageset import ImageSet
from features.networks import recipe_of
from features.planning import Plan, plan_extraction, plan_hashing
from features.recipe import Recipe
from features.streaming import stream
from features.weights import file_digest

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class ExtractionOptions:
    """How to extract.

    Attributes
    ----------
    engine : EngineRecord
    precision : {"auto", "float32", "bfloat16", "float16"}
    threads : int
        Decoding threads.
    """

    engine: EngineRecord
    precision: str = "auto"
    threads: int = 2


@dataclass
class Run:
    """One network on one image set: what is planned, and what became of it.

    Attributes
    ----------
    network : Network
    recipe : Recipe
    folder : Path
        Of the data set in the cache.
    plan : Plan
    cached : Header or None
    engine : Engine or None
    about : dict
        Engine, precision error.
    computed : int
        Images embedded by this run.
    bad : dict of str to str
    seconds : float
        To decode and embed, shared by the runs of one pass.
    dim : int
    """

    network: Network
    recipe: Recipe
    folder: Path
    plan: Plan
    cached: Header | None
    engine: Engine | None = None
    about: dict[str, Any] = field(default_factory=dict)
    computed: int = 0
    bad: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    dim: int = 0

    @property
    def file(self) -> Path:
        """The embedding file."""
        return self.folder / f"{self.recipe.stem}.h5"

    @property
    def blocks(self) -> BlockFolder:
        """Where finished blocks are kept until the file is written."""
        return BlockFolder(self.folder / f"{self.recipe.stem}.blocks")


def extract(
    images: ImageSet,
    networks: Sequence[Network],
    options: ExtractionOptions,
    cache: Path,
    progress: Progress = lambda done, total, text: None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Run]:
    """Embed an image set with several networks, decoding each image once.

    Parameters
    ----------
    images : ImageSet
    networks : sequence of Network
    options : ExtractionOptions
    cache : Path
        Embeddings go to ``cache/embeddings/<data set>/``.
    progress : callable
        Called with images done, images in all, and what is under way.
    say : callable
        Called with lines that a user should read.

    Returns
    -------
    list of Run
        One a network; images that could not be embedded are listed in ``bad``.

    Raises
    ------
    FeatureError
        Weights do not fit, the cache holds another data set of this name, or no image could be read.
    """
    folder = cache / "embeddings" / images.name
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in sorted({recipe_of(network, "").model for network in networks}):
            stack.enter_context(_locked(folder / f".{name}.lock", say))
        stamps = _stamps(images)
        runs = [_plan_run(network, images, stamps, folder, options, say) for network in networks]
        for group in _same_work(runs):
            _compute(group, images, stamps, options, cache / "engines", progress)
        for run in runs:
            _finish(run, images, stamps, options)
    return runs


def _locked(path: Path, say: Callable[[str], None]) -> FileLock:
    """Take the lock of one model; it vanishes with the process that holds it."""
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=0).lock
    except Timeout:
        say(f"another run is extracting {path.stem.removeprefix('.')} into {path.parent}; waiting for it to end")
        return lock.acquire().lock


def _stamps(images: ImageSet) -> np.ndarray:
    """Return bytes and mtime (ns) of each file; -1 where there is none."""
    stamps = np.full((len(images.ids), 2), -1, np.int64)
    for index, name in enumerate(images.ids):
        try:
            status = os.stat(f"{images.root}/{name}")  # noqa: PTH116 - a Path for each of 100,000 images is slow
        except OSError:
            continue
        stamps[index] = status.st_size, status.st_mtime_ns
    return stamps


def _plan_run(
    network: Network,
    images: ImageSet,
    stamps: np.ndarray,
    folder: Path,
    options: ExtractionOptions,
    say: Callable[[str], None],
) -> Run:
    """Find what the cache holds for a network and plan the rest."""
    precisions = ("float32", *REDUCED) if options.precision == "auto" else (options.precision,)
    begun = [recipe for precision in precisions if _exists(recipe := recipe_of(network, precision), folder)]
    run = Run(network, begun[0] if begun else recipe_of(network, precisions[0]), folder, _NOTHING, None)
    if run.file.exists():
        try:
            run.cached = read_header(run.file)
        except FeatureError as error:
            say(f"{error.got}; it is computed again")
            run.file.replace(run.file.with_suffix(".damaged"))
    if run.cached is not None:
        _same_place(run.cached, images)
    fresh = {}
    for index in plan_hashing(images, stamps, run.cached):
        path = images.root / images.ids[index]
        if path.is_file() and os.access(path, os.R_OK):
            fresh[int(index)] = file_digest(path)
    run.plan = plan_extraction(images, stamps, run.cached, fresh)
    run.about = run.blocks.about or ({} if run.cached is None else run.cached.about)
    return run


_NOTHING = Plan(np.zeros(0, np.int64), np.zeros(0, np.int64), {}, write=False, why="")


def _exists(recipe: Recipe, folder: Path) -> bool:
    """Return whether a run with this recipe was begun or finished."""
    return any((folder / f"{recipe.stem}{ending}").exists() for ending in (".h5", ".blocks"))


def _same_place(cached: Header, images: ImageSet) -> None:
    """Refuse to mix two data sets that happen to have one name."""
    was = Path(cached.about["root"])
    if was != images.root.resolve() and was.is_dir():
        got = f"the cache already holds a data set named {images.name}, from {was}"
        raise FeatureError(got, "give this one another name with --name, or another --cache")


def _same_work(runs: list[Run]) -> list[list[Run]]:
    """Group the runs that have the same images to compute."""
    groups: dict[bytes, list[Run]] = {}
    for run in runs:
        if len(run.plan.work):
            groups.setdefault(run.plan.work.tobytes(), []).append(run)
    return list(groups.values())


def _compute(
    runs: list[Run],
    images: ImageSet,
    stamps: np.ndarray,
    options: ExtractionOptions,
    engines: Path,
    progress: Progress,
) -> None:
    """Embed the images that these runs lack, block by block."""
    work, batch = runs[0].plan.work, options.engine.batch
    _load_engines(runs, images, options, engines)
    blocks = list(_blocks(work, images, stamps))
    missing = [(number, key, rows) for number, key, rows in blocks if any(_lacks(run, number, key) for run in runs)]
    done = len(work) - sum(len(rows) for _, _, rows in missing)
    paths = [images.root / images.ids[index] for _, _, rows in missing for index in rows]
    sizes = tuple(sorted({run.network.size for run in runs}))
    batches = stream(paths, sizes, batch, options.threads)
    began = time.perf_counter()
    for number, key, rows in missing:
        lacking = [run for run in runs if _lacks(run, number, key)]
        parts: list[list[np.ndarray]] = [[] for _ in lacking]
        hashes: list[str] = []
        reasons: list[str] = []
        while len(hashes) < len(rows):
            decoded = next(batches)
            for run, part in zip(lacking, parts, strict=True):
                assert run.engine is not None
                part.append(run.engine.embed(decoded.pixels[run.network.size])[: len(decoded.hashes)])
            hashes += decoded.hashes
            reasons += decoded.reasons
            progress(done + len(hashes), len(work), images.name)
        for run, part in zip(lacking, parts, strict=True):
            block = Block(np.concatenate(part), np.array(hashes, "S64"), np.array(reasons, dtype=np.str_))
            _refuse_dead(block, run)
            run.blocks.save(number, key, block)
            run.computed += len(rows) - sum(map(bool, reasons))
        done += len(rows)
    for run in runs:
        run.seconds = time.perf_counter() - began


def _load_engines(runs: list[Run], images: ImageSet, options: ExtractionOptions, engines: Path) -> None:
    """Load each network that lacks a block, at the precision its run was begun with or its probe allows."""
    for run in runs:
        begun = _exists(run.recipe, run.folder)
        asked = run.recipe.precision if begun else options.precision
        if begun:
            run.engine = options.engine.load(run.network, asked, engines)
        else:
            probe = _probe(run, images, options.engine.batch)
            probed = load_probed(options.engine, run.network, asked, engines, probe)
            run.engine, run.recipe = probed.engine, run.recipe.at(probed.precision)
            run.about = {"engine": options.engine.name, "precision_error": probed.error}
        run.blocks.begin({key: run.about.get(key) for key in ("engine", "precision_error")})


def _probe(run: Run, images: ImageSet, batch: int) -> Callable[[], np.ndarray]:
    """Return what decodes the first readable images, spread over the set, to one batch."""

    def probe() -> np.ndarray:
        pixels = []
        for index in run.plan.work[:: max(len(run.plan.work) // (2 * batch), 1)]:
            try:
                pixels.append(decode(images.root / images.ids[index], (run.network.size,))[1][run.network.size])
            except BadImage:
                continue
            if len(pixels) == batch:
                break
        if not pixels:
            got = f"none of the images tried in {images.root} could be read"
            raise FeatureError(got, "check the folder and the formats of its images")
        return np.stack([pixels[row % len(pixels)] for row in range(batch)])

    return probe


def _blocks(work: np.ndarray, images: ImageSet, stamps: np.ndarray) -> Iterator[tuple[int, str, np.ndarray]]:
    """Cut the work into blocks; number, key and images of each."""
    for number, start in enumerate(range(0, len(work), BLOCK_IMAGES)):
        rows = work[start : start + BLOCK_IMAGES]
        yield number, block_key([images.ids[index] for index in rows], stamps[rows]), rows


def _lacks(run: Run, number: int, key: str) -> bool:
    """Return whether a block is still to be computed."""
    return not run.blocks.file(number, key).exists()


def _refuse_dead(block: Block, run: Run) -> None:
    """Stop where the network gives values that are no numbers."""
    if not np.isfinite(block.vectors).all():
        got = f"{run.network.model} at {run.recipe.precision} gives values that are not finite"
        raise FeatureError(got, "use --precision float32, or check the weights")


def _finish(run: Run, images: ImageSet, stamps: np.ndarray, options: ExtractionOptions) -> None:
    """Put cached and computed vectors into the embedding file."""
    run.bad = {images.ids[index]: reason for index, reason in run.plan.bad.items()}
    run.dim = run.cached.about["dim"] if run.cached is not None else 0
    if not run.plan.write:
        return
    blocks = list(_blocks(run.plan.work, images, stamps))
    hashes = np.zeros(len(images.ids), "S64")
    cached_rows = np.flatnonzero(run.plan.source >= 0)
    if run.cached is not None:
        hashes[cached_rows] = run.cached.content_hash[run.plan.source[cached_rows]]
    bad = dict(run.plan.bad)
    for number, key, rows in blocks:
        block = run.blocks.load(number, key)
        hashes[rows], run.dim = block.hashes, block.vectors.shape[1]
        bad.update({int(index): str(reason) for index, reason in zip(rows, block.reasons, strict=True) if reason})
    run.bad = {images.ids[index]: bad[index] for index in sorted(bad)}
    kept = np.array([index for index in range(len(images.ids)) if index not in bad], np.int64)
    if not len(kept):
        got = f"none of the {len(images.ids):,} images in {images.root} could be read ({next(iter(run.bad.values()))})"
        raise FeatureError(got, "check the folder and the formats of its images")
    header = Header(
        ids=tuple(images.ids[index] for index in kept),
        groups=tuple(images.groups[index] for index in kept),
        split=tuple(images.split[index] for index in kept),
        labels=images.labels[kept],
        classes=images.classes,
        content_hash=hashes[kept],
        stamps=stamps[kept],
        bad=run.bad,
        bad_stamps=stamps[sorted(bad)],
        about={
            "dataset": images.name,
            "model": run.recipe.model,
            "root": str(images.root.resolve()),
            "fingerprint": run.recipe.fingerprint,
            "ordinal": images.ordinal,
            "dim": run.dim,
            "weights": run.network.weights.kind,
            "weights_digest": run.network.weights.digest,
            "size": run.network.size,
            "preprocessing": run.network.preprocessing,
            "pooling": run.network.pooling,
            "resize": run.recipe.resize,
            "precision": run.recipe.precision,
            "precision_error": run.about.get("precision_error"),
            "engine": run.about.get("engine"),
            "version": run.recipe.version,
        },
    )
    write_embeddings(run.file, header, _vectors(run, kept, blocks))
    run.blocks.remove()


def _vectors(run: Run, kept: np.ndarray, blocks: list[tuple[int, str, np.ndarray]]) -> Iterator[np.ndarray]:
    """Give the vectors of the kept images in order, a chunk at a time, from the cached file and the blocks."""
    place = np.full(len(run.plan.source), -1, np.int64)
    place[run.plan.work] = np.arange(len(run.plan.work))
    number, block = -1, None
    for start in range(0, len(kept), CHUNK_ROWS):
        rows = kept[start : start + CHUNK_ROWS]
        chunk: np.ndarray | None = None
        source = run.plan.source[rows]
        old = np.flatnonzero(source >= 0)
        if len(old):
            low = int(source[old].min())
            slab = read_vectors(run.file, low, int(source[old].max()) + 1)
            chunk = np.empty((len(rows), slab.shape[1]), np.float32)
            chunk[old] = slab[source[old] - low]
        new = np.flatnonzero(source < 0)
        for wanted in np.unique(place[rows[new]] // BLOCK_IMAGES):
            if wanted != number:
                number, block = int(wanted), run.blocks.load(*blocks[wanted][:2])
            assert block is not None
            if chunk is None:
                chunk = np.empty((len(rows), block.vectors.shape[1]), np.float32)
            here = new[place[rows[new]] // BLOCK_IMAGES == wanted]
            chunk[here] = block.vectors[place[rows[here]] % BLOCK_IMAGES]
        assert chunk is not None
        yield chunk
