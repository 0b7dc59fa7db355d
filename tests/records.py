"""Image sets and headers that exist in memory only."""

from pathlib import Path
from typing import Any

import numpy as np

from headroom.features.scan import ImageSet
from headroom.features.store import Header


def image_set(labels: list[int], **changes: Any) -> ImageSet:
    """Make an image set that exists in memory only."""
    count = len(labels)
    values: dict[str, Any] = {
        "name": "memory",
        "root": Path("nowhere"),
        "classes": tuple(map(str, range(max(labels, default=0) + 1))),
        "ids": tuple(f"{index:03d}.png" for index in range(count)),
        "labels": np.array(labels, np.int64),
        "groups": ("",) * count,
        "split": ("",) * count,
        "ordinal": False,
    }
    return ImageSet(**{**values, **changes})


def header_of(images: ImageSet, stamps: np.ndarray, **changes: Any) -> Header:
    """Make the header that a finished extraction of these images leaves."""
    values: dict[str, Any] = {
        "ids": images.ids,
        "groups": images.groups,
        "split": images.split,
        "labels": images.labels,
        "classes": images.classes,
        "content_hash": np.array([f"{index:064x}" for index in range(len(images.ids))], "S64"),
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
    return Header(**{**values, **changes})
