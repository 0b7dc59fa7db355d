"""``headroom demo``: the whole main job on generated images, offline."""

import typer

from pipeline.console import command
from pipeline.options import DEFAULT_CACHE, Cache


@command
def demo(cache: Cache = DEFAULT_CACHE) -> None:
    """Run the whole main job, offline, on a generated data set; ends by naming the report."""
    typer.echo(str(cache))
