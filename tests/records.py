"""Image sets and headers that exist in memory only."""

from pathlib import Path
from typing import Any

import numpy as np

from headroom.features.scan import ImageSet
from headroom.features.store import Header

TEXTS = ("ids", "groups", "split")


def image_set(labels: list[int], **changes: Any) -> ImageSet:
    """Make an image set that exists in memory only."""
    count = len(labels)
    values: dict[str, Any] = {
        "name": "memory",
        "root": Path("nowhere"),
        "classes": tuple(map(str, range(max(labels, default=0) + 1))),
        "ids": [f"{index:03d}.png" for index in range(count)],
        "labels": np.array(labels, np.int64),
        "groups": [""] * count,
        "split": [""] * count,
    }
    return ImageSet(**_arrays({**values, **changes}))


def header_of(images: ImageSet, stamps: np.ndarray, **changes: Any) -> Header:
    """Make the header that a finished extraction of these images leaves."""
    values: dict[str, Any] = {
        **vars(images),
        "content_hash": np.array([f"{index:064x}" for index in range(len(images))], "S64"),
        "stamps": stamps,
        "about": {
            "dataset": images.name,
            "model": "fake",
            "fingerprint": "f" * 64,
            "ordinal": images.ordinal,
            "dim": 8,
            "view": "",
            "root": str(images.root),
        },
    }
    return Header(**_arrays({**values, **changes}))


def _arrays(values: dict[str, Any]) -> dict[str, Any]:
    """Let a test write texts as a list or tuple."""
    return {name: np.array(value, str) if name in TEXTS else value for name, value in values.items()}
