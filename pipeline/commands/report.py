"""``headroom report``: which combination wins, by how much, and whether that is noise."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from headroom.pipeline.commands.options import DEFAULT_CACHE, DEFAULT_DATA, Cache, DataDir, Ignore, Json
from headroom.pipeline.console import command, say

Form = Literal["terminal", "html", "md", "csv", "latex", "json"]


@command
def report(
    format: Annotated[Form, typer.Option(help="Form of the report.")] = "terminal",
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
    from headroom.features.atomic import replacing
    from headroom.pipeline.checks.checks import muted, run_checks
    from headroom.pipeline.checks.facts import gather
    from headroom.pipeline.problems import stored_embeddings
    from headroom.pipeline.report.forms import FORMATS
    from headroom.pipeline.report.model import Report, collect, remarks

    ignored = muted(ignore or ())
    form = FORMATS["json" if json else format]
    parts = collect(cache, dataset or (), model or ())
    stored, unreadable = stored_embeddings(cache)
    for line in unreadable:
        say(f"note: {line}")
    gathered = (gather(part.dataset, stored, part.all_cells, part.problems, data_dir) for part in parts)
    found = run_checks([one for one in gathered if one is not None], ignored)
    text = form.render(Report(parts, found, remarks(parts)))
    if figures is not None:
        from headroom.pipeline.report.gallery import save_figures

        say(f"wrote {len(save_figures(parts, figures)):,} files to {figures}")
    place = output or (cache / "reports" / form.file if form.file else None)
    if place is None:
        typer.echo(text, nl=False)
        return
    with replacing(place) as beside:
        beside.write_text(text, encoding="utf-8")
    say(f"wrote {place}")
