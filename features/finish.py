"""Put cached vectors and finished blocks together into the embedding file."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from headroom.errors import FeatureError
from headroom.features.blocks import BLOCK_IMAGES
from headroom.features.run import Run
from headroom.features.scan import ImageSet
from headroom.features.store import CHUNK_ROWS, Header, read_vectors, write_embeddings


def finish(run: Run, images: ImageSet, stamps: np.ndarray) -> None:
    """Write the embedding file of a run whose blocks are all finished, then drop the blocks.

    Parameters
    ----------
    run : Run
        Its ``bad`` and ``dim`` are filled in.
    images : ImageSet
    stamps : ndarray of int64, shape (n, 2)

    Raises
    ------
    FeatureError
        No image could be read, or a block is damaged.
    """
    bad = dict(run.plan.bad)
    hashes = np.zeros(len(images.ids), "S64")
    if run.cached is not None:
        reused = np.flatnonzero(run.plan.source >= 0)
        hashes[reused] = run.cached.content_hash[run.plan.source[reused]]
    for plan in run.blocks:
        block = run.finished.load(plan.number, plan.key)
        hashes[plan.rows], run.dim = block.hashes, block.vectors.shape[1]
        bad.update({int(row): str(reason) for row, reason in zip(plan.rows, block.reasons, strict=True) if reason})
    run.bad = {images.ids[row]: bad[row] for row in sorted(bad)}
    kept = np.setdiff1d(np.arange(len(images.ids)), sorted(bad), assume_unique=True)
    if not len(kept):
        reason = next(iter(run.bad.values()))
        raise FeatureError(
            got=f"none of the {len(images.ids):,} images in {images.root} could be read ({reason})",
            remedy="check the folder and the formats of its images",
        )
    if run.plan.write:
        header = Header(
            ids=_of(images.ids, kept),
            groups=_of(images.groups, kept),
            split=_of(images.split, kept),
            labels=_of(images.labels, kept),
            classes=images.classes,
            content_hash=_of(hashes, kept),
            stamps=_of(stamps, kept),
            bad=run.bad,
            bad_stamps=stamps[sorted(bad)],
            about=_about(run, images),
        )
        for left in run.folder.glob(f".{run.file.name}.*.part"):
            left.unlink()  # of a killed run: only the holder of the lock writes here
        write_embeddings(run.file, header, _vectors(run, kept))
        run.finished.remove()


def _of(column: Any, kept: np.ndarray) -> Any:
    """Return a column's kept rows; not a copy of it where all are kept, for columns are what grows with the set."""
    if len(kept) == len(column):
        return column
    return column[kept] if isinstance(column, np.ndarray) else tuple(column[row] for row in kept)


def _about(run: Run, images: ImageSet) -> dict[str, object]:
    """Return every setting that the file keeps as an attribute."""
    return {
        "dataset": images.name,
        "root": str(images.root.resolve()),
        "ordinal": images.ordinal,
        "fingerprint": run.recipe.fingerprint,
        "view": run.recipe.view,
        "view_of": replace(run.recipe, view="").fingerprint,
        "model": run.recipe.model,
        "weights": run.network.weights.kind,
        "weights_digest": run.recipe.weights,
        "size": run.recipe.size,
        "resize": run.recipe.resize,
        "preprocessing": run.recipe.preprocessing,
        "pooling": run.recipe.pooling,
        "precision": run.recipe.precision,
        "precision_error": run.precision_error,
        "engine": run.engine,
        "dim": run.dim,
        "version": run.recipe.version,
    }


def _vectors(run: Run, kept: np.ndarray) -> Iterator[np.ndarray]:
    """Give the vectors of the kept images in order, a chunk at a time."""
    place = np.full(len(run.plan.source), -1, np.int64)
    place[run.plan.work] = np.arange(len(run.plan.work))
    held, block = -1, np.empty((0, run.dim), np.float32)
    for start in range(0, len(kept), CHUNK_ROWS):
        rows = kept[start : start + CHUNK_ROWS]
        chunk = np.empty((len(rows), run.dim), np.float32)
        source, where = run.plan.source[rows], place[rows]
        if (source >= 0).any():
            low = int(source[source >= 0].min())
            slab = read_vectors(run.file, low, int(source.max()) + 1)
            chunk[source >= 0] = slab[source[source >= 0] - low]
        for wanted in np.unique(where[source < 0] // BLOCK_IMAGES):
            if wanted != held:
                plan = run.blocks[wanted]
                held, block = int(wanted), run.finished.load(plan.number, plan.key).vectors
            here = (source < 0) & (where // BLOCK_IMAGES == wanted)
            chunk[here] = block[where[here] % BLOCK_IMAGES]
        yield chunk
