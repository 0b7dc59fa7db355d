"""``headroom report``: which combination wins, by how much, and whether that is noise."""

from pathlib import Path
from typing import Any, Literal

import headroom
from headroom.pipeline.commands.options import command
from headroom.pipeline.console import say, write

FormName = Literal["terminal", "html", "md", "csv", "latex", "json"]


@command(headroom.report)
def report(
    format: FormName = "terminal",
    output: Path | None = None,
    figures: Path | None = None,
    json: bool = False,
    **options: Any,
) -> None:
    """The options that Python has no use for.

    Parameters
    ----------
    format : {"terminal", "html", "md", "csv", "latex", "json"}
        Form of the report.
    output : path, default: stdout; html: CACHE/reports/report.html
        Write it to this file.
    figures : path, default: none
        Write each figure as SVG, PDF and PNG to this folder.
    """
    from headroom.features.store import replacing
    from headroom.pipeline.checks.checks import muted
    from headroom.pipeline.report.forms import FORMS
    from headroom.pipeline.report.model import compute, write_figures
    from headroom.pipeline.report.source import ReportSettings, read_sources

    ignored = muted(options["ignore"] or ())
    form = FORMS["json" if json else format]
    named = {f"{name}s": tuple(options[name] or ()) for name in ("dataset", "model")}
    settings = ReportSettings(**{name: options[name] for name in ("criterion", "rope", "positive")} | named)
    sources, notes = read_sources(options["cache"], settings)
    for line in notes:
        say(f"note: {line}")
    computed = compute(sources, form.shows, options["data_dir"], ignored)
    for remark in computed.remarks if form.name in ("csv", "json") else ():
        say(f"note: {remark}")
    text = form.render(computed)
    if figures is not None:
        say(f"wrote {len(write_figures(sources, computed, figures)):,} files to {figures}")
    place = output or (options["cache"] / "reports" / form.file if form.file else None)
    if place is None:
        write(text)
        return
    with replacing(place) as beside:
        beside.write_text(text, encoding="utf-8")
    say(f"wrote {place}")
