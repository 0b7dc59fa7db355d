"""Tiny image sets on disk."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 20


def picture(seed: int, brightness: int = 0) -> Image.Image:
    """Draw one small RGB image; brighter ones stand for other classes."""
    noise = np.random.default_rng(seed).integers(0, 120, (SIDE, SIDE, 3))
    return Image.fromarray(np.clip(noise + brightness, 0, 255).astype(np.uint8))


def write_picture(path: Path, seed: int, brightness: int = 0) -> None:
    """Write one small image, in the format that its name asks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, brightness).save(path)


def folder_set(root: Path, counts: Mapping[str, int], ending: str = "png") -> Path:
    """Write a tree with one folder a class; class i is 40 i brighter."""
    for number, (label, count) in enumerate(counts.items()):
        for index in range(count):
            write_picture(root / label / f"{label}{index:03d}.{ending}", 1000 * number + index, 40 * number)
    return root


def table_set(root: Path, rows: Iterable[tuple], header: Iterable[str] = ("image", "label")) -> Path:
    """Write ``labels.csv`` and an image for the first cell of every row."""
    rows = list(rows)
    for seed, (name, *_) in enumerate(rows):
        write_picture(root / "images" / name, seed)
    with (root / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([tuple(header), *rows])
    return root
