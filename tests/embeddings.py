"""Small embedding files, written as stage one does."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from headroom.features.store import write_embeddings
from tests.records import header_of, image_set

LABELS = [0, 1, 0, 1, 2, 2]


def store(
    cache: Path, dataset="scans", model="fake", fingerprint="f" * 64, rows=range(6), offset=0.0, about=(), **changes
):
    """Write an embedding file as stage one does."""
    rows = list(rows)
    images = image_set([LABELS[row] for row in rows], name=dataset, ids=tuple(f"{row}.png" for row in rows))
    images = replace(images, classes=("a", "b", "c"), **changes)
    header = header_of(images, np.zeros((len(rows), 2), np.int64))
    header.content_hash[:] = [f"{row:064x}".encode() for row in rows]
    header.about.update(dataset=dataset, model=model, fingerprint=fingerprint, **dict(about))
    vectors = np.array([[row + offset] * 8 for row in rows], np.float32)
    path = cache / "embeddings" / dataset / f"{model}-{fingerprint[:8]}.h5"
    write_embeddings(path, header, [vectors])
    return path
