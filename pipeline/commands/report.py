"""``headroom report``: which combination wins, by how much, and whether that is noise."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from headroom.pipeline.commands.options import DEFAULT_CACHE, DEFAULT_DATA, Cache, DataDir, Ignore, Json
from headroom.pipeline.console import command, say

FormName = Literal["terminal", "html", "md", "csv", "latex", "json"]


def collect_report(
    dataset: list[str] | None, model: list[str] | None, ignore: list[str] | None, data_dir: Path, cache: Path
) -> dict[str, Any]:
    """What ``report --json`` promises."""
    from headroom.pipeline.checks.checks import muted
    from headroom.pipeline.report.model import CHECKS_SHOWN, compute, read_sources

    ignored = muted(ignore or ())
    sources, _ = read_sources(cache, dataset or (), model or ())
    return compute(sources, [CHECKS_SHOWN], data_dir, ignored).as_dict()


@command
def report(
    format: Annotated[FormName, typer.Option(help="Form of the report.")] = "terminal",
    output: Annotated[
        Path | None, typer.Option(help="Write it to this file.", show_default="stdout; html: CACHE/reports/report.html")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Write each figure as SVG, PDF and PNG to this folder.", show_default="none")
    ] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="Only these data sets.", show_default="all")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only these models.", show_default="all")] = None,
    ignore: Ignore = None,
    data_dir: DataDir = DEFAULT_DATA,
    cache: Cache = DEFAULT_CACHE,
    json: Json = False,
) -> None:
    """Show which combination is best, with intervals, and every balancer against none on the same folds."""
    from headroom.features.store import replacing
    from headroom.pipeline.checks.checks import muted
    from headroom.pipeline.report.forms import FORMS
    from headroom.pipeline.report.model import compute, read_sources, write_figures

    ignored = muted(ignore or ())
    form = FORMS["json" if json else format]
    sources, notes = read_sources(cache, dataset or (), model or ())
    for line in notes:
        say(f"note: {line}")
    computed = compute(sources, form.shows, data_dir, ignored)
    text = form.render(computed)
    if figures is not None:
        say(f"wrote {len(write_figures(sources, computed, figures)):,} files to {figures}")
    place = output or (cache / "reports" / form.file if form.file else None)
    if place is None:
        typer.echo(text, nl=False)
        return
    with replacing(place) as beside:
        beside.write_text(text, encoding="utf-8")
    say(f"wrote {place}")
