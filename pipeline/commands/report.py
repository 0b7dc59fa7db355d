"""``headroom report``: which combination wins, by how much, and whether that is noise."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.console import command, say
from pipeline.options import DEFAULT_CACHE, Cache, Jobs, Json, cores

Format = Literal["terminal", "md", "csv", "json"]


@command
def report(
    format: Annotated[Format, typer.Option(help="Form of the report.")] = "terminal",
    output: Annotated[Path | None, typer.Option(help="Write it to this file.", show_default="stdout")] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="Only these data sets.", show_default="all")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only these models.", show_default="all")] = None,
    cache: Cache = DEFAULT_CACHE,
    jobs: Jobs = 0,
    json: Json = False,
) -> None:
    """Show which combination is best, with intervals, and every balancer against none on the same folds."""
    from features.safewrite import replacing
    from pipeline.report.collecting import collect
    from pipeline.report.plain import FORMATS

    text = FORMATS["json" if json else format](collect(cache, dataset or (), model or (), jobs or cores()))
    if output is None:
        typer.echo(text, nl=False)
        return
    with replacing(output) as beside:
        beside.write_text(text, encoding="utf-8")
    say(f"wrote {output}")
