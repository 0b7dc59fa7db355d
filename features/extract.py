"""Stage one as a whole: images to embedding files, computing only what is missing."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from headroom.features.build import Network
from headroom.features.compute import Computing, Progress, compute
from headroom.features.decode import quiet_pillow
from headroom.features.finish import finish
from headroom.features.run import Run, plan_run
from headroom.features.scan import ImageSet
from headroom.features.views import Frame


def extract(
    images: ImageSet,
    networks: Sequence[Network],
    how: Computing,
    cache: Path,
    views: Sequence[int] = (),
    mirror: bool = True,
    progress: Progress = lambda done, total, text: None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Run]:
    """Embed an image set with several networks, decoding each image once.

    Parameters
    ----------
    images : ImageSet
    networks : sequence of Network
    how : Computing
    cache : Path
        Embeddings go to ``cache/embeddings/<data set>/``.
    views : sequence of int
        Numbers of the augmented views to embed too, each in a file of its own.
    mirror : bool
        Whether views may be mirrored.
    progress : callable
        Called with images done, images in all, and what is under way.
    say : callable
        Called with lines that a user should read.

    Returns
    -------
    list of Run
        One a network, then one a network and view; images that could not be embedded are listed in ``bad``.

    Raises
    ------
    FeatureError
        Weights do not fit, the cache holds another data set of this name, or no image could be read.
    """
    folder = cache / "embeddings" / images.name
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as locks, quiet_pillow():
        for label in sorted({network.label for network in networks}):
            locks.enter_context(_locked(folder / f".{label}.lock", say))
        stamps = _stamps(images)

        def embed(planned: list[Run]) -> list[Run]:
            for together in _same_work(planned):
                compute(together, images, how, progress, say)
            for run in planned:
                finish(run, images, stamps)
            return planned

        runs = embed(
            [plan_run(network, Frame(network.size), images, stamps, folder, how.precision, say) for network in networks]
        )
        return runs + embed(
            [
                plan_run(
                    run.network,
                    Frame(run.network.size, view, mirror),
                    images,
                    stamps,
                    folder,
                    run.recipe.precision,
                    say,
                )
                for run in runs
                for view in views
            ]
        )


@contextmanager
def _locked(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of one model; it vanishes with the process that holds it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"note: another run is extracting into {path.parent}; waiting for it to end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _stamps(images: ImageSet) -> np.ndarray:
    """Return bytes and mtime (ns) of each file; -1 where there is none."""
    stamps = np.full((len(images.ids), 2), -1, np.int64)
    for index, name in enumerate(images.ids):
        try:
            status = os.stat(os.path.join(images.root, name))  # noqa: PTH116, PTH118 - a Path for each of 100,000 images is slow
        except OSError:
            continue
        stamps[index] = status.st_size, status.st_mtime_ns
    return stamps


def _same_work(runs: list[Run]) -> list[list[Run]]:
    """Group the runs that have the same images to compute."""
    groups: dict[bytes, list[Run]] = {}
    for run in runs:
        if len(run.plan.work):
            groups.setdefault(run.plan.work.tobytes(), []).append(run)
    return list(groups.values())
