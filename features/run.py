"""One network on one image set: what the cache holds, what is planned, what became of it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headroom.errors import FeatureError
from headroom.features.blocks import BLOCK_IMAGES, BlockFolder, block_key
from headroom.features.build import Network
from headroom.features.engines import REDUCED
from headroom.features.network import recipe_of
from headroom.features.plan import Plan, plan_extraction, plan_hashing
from headroom.features.recipe import Recipe
from headroom.features.scan import ImageSet
from headroom.features.store import Header, read_header
from headroom.features.views import Frame
from headroom.features.weights import file_digest


@dataclass(frozen=True, eq=False)
class BlockPlan:
    """A block of images to compute: its number, its `block_key` and its rows in the image set."""

    number: int
    key: str
    rows: np.ndarray


@dataclass
class Run:
    """One network on one image set.

    Attributes
    ----------
    network : Network
    frame : Frame
    recipe : Recipe
    folder : Path
        Of the data set in the cache.
    plan : Plan
    cached : Header or None
        The embedding file as it was before.
    blocks : list of BlockPlan
        All blocks of the plan's work, finished or not.
    engine, precision_error : str and float, or None
        What computed the vectors, and how far they are from float32.
    dim, computed : int
        Length of a vector; images embedded by this run.
    bad : dict of str to str
        Images that could not be embedded, with the reason.
    seconds : float
        To decode and embed, shared by the runs of one pass.
    """

    network: Network
    frame: Frame
    recipe: Recipe
    folder: Path
    plan: Plan
    cached: Header | None = None
    blocks: list[BlockPlan] = field(default_factory=list)
    engine: str | None = None
    precision_error: float | None = None
    dim: int = 0
    computed: int = 0
    bad: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def file(self) -> Path:
        """The embedding file."""
        return self.folder / f"{self.recipe.stem}.h5"

    @property
    def finished(self) -> BlockFolder:
        """Where finished blocks are kept until the file is written."""
        return BlockFolder(self.folder / f"{self.recipe.stem}.blocks")

    @property
    def begun(self) -> bool:
        """Whether a run with this recipe left anything."""
        return self.file.exists() or self.finished.path.exists()

    def lacks(self, block: BlockPlan) -> bool:
        """Return whether a block is still to be computed."""
        return not self.finished.file(block.number, block.key).exists()


def plan_run(
    network: Network,
    frame: Frame,
    images: ImageSet,
    stamps: np.ndarray,
    folder: Path,
    precision: str,
    say: Callable[[str], None],
) -> Run:
    """Find what the cache holds for a network and plan the rest.

    Parameters
    ----------
    network : Network
    frame : Frame
        The image itself or one of its augmented views.
    images : ImageSet
    stamps : ndarray of int64, shape (n, 2)
        Bytes and mtime of each image file.
    folder : Path
        Of the data set in the cache.
    precision : str
        ``"auto"`` goes on with whichever precision was begun.
    say : callable
        Takes a line that the user should read.

    Returns
    -------
    Run

    Raises
    ------
    FeatureError
        The cache holds another data set of this name.
    """
    nothing = plan_extraction(images, stamps, None, {})
    precisions = ("float32", *REDUCED) if precision == "auto" else (precision,)
    runs = [Run(network, frame, recipe_of(network, name, frame), folder, nothing) for name in precisions]
    run = next((run for run in runs if run.begun), runs[0])
    if run.file.exists():
        try:
            run.cached = read_header(run.file)
        except FeatureError as error:
            say(f"note: {error.got}; its vectors are computed again")
            run.file.replace(run.file.with_suffix(".damaged"))
    about: dict[str, Any] = run.finished.about
    if run.cached is not None:
        _refuse_another_place(run.cached, images)
        about = about or run.cached.about
        run.dim = run.cached.about["dim"]
    run.engine, run.precision_error = about.get("engine"), about.get("precision_error")
    run.plan = plan_extraction(images, stamps, run.cached, _hash_changed(images, stamps, run.cached))
    run.blocks = _cut(run.plan.work, images, stamps)
    return run


def _refuse_another_place(cached: Header, images: ImageSet) -> None:
    """Refuse to mix two data sets that happen to have one name."""
    was = Path(cached.about["root"])
    if was != images.root.resolve() and was.is_dir():
        raise FeatureError(
            got=f"the cache already holds a data set named {images.name}, from {was}",
            remedy="give this one another name with --name, or use another --cache",
        )


def _hash_changed(images: ImageSet, stamps: np.ndarray, cached: Header | None) -> dict[int, str]:
    """Read the images whose size or time changed, to know whether their content did."""
    fresh = {}
    for index in plan_hashing(images, stamps, cached):
        path = images.root / images.ids[index]
        if path.is_file() and os.access(path, os.R_OK):
            fresh[int(index)] = file_digest(path)
    return fresh


def _cut(work: np.ndarray, images: ImageSet, stamps: np.ndarray) -> list[BlockPlan]:
    """Cut the work into blocks."""
    parts = [work[start : start + BLOCK_IMAGES] for start in range(0, len(work), BLOCK_IMAGES)]
    return [
        BlockPlan(number, block_key([images.ids[row] for row in rows], stamps[rows]), rows)
        for number, rows in enumerate(parts)
    ]
