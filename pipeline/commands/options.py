"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Cache = Annotated[Path, typer.Option(envvar="HEADROOM_CACHE", help="Where embeddings, results and reports are kept.")]
DataDir = Annotated[
    Path, typer.Option(envvar="HEADROOM_DATA", help="Where data sets lie, each in a folder of its name.")
]
Jobs = Annotated[int, typer.Option(min=0, help="Processes or threads at a time; 0: all cores.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn at random.")]
Ignore = Annotated[list[str] | None, typer.Option(help="Mute a check, for example M004.", show_default="none")]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout; all else goes to stderr.")]

DEFAULT_CACHE = Path("cache")
DEFAULT_DATA = Path("data")


def cores() -> int:
    """Return how many cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
