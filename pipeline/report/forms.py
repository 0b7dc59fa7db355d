"""The forms a report can have: one record each."""

from collections.abc import Callable
from dataclasses import dataclass

from headroom.pipeline.report.latex import as_latex
from headroom.pipeline.report.model import Report
from headroom.pipeline.report.page import as_html
from headroom.pipeline.report.plain import as_csv, as_json, as_markdown
from headroom.pipeline.report.terminal import as_terminal


@dataclass(frozen=True)
class Format:
    """One form of the report.

    Attributes
    ----------
    name : str
        What ``--format`` takes.
    render : callable
        Maps a `Report` to its text.
    file : str
        Written to this file of ``<cache>/reports`` where ``--output`` names no other; empty: to stdout.
    """

    name: str
    render: Callable[[Report], str]
    file: str = ""


_RECORDS = (
    Format("terminal", as_terminal),
    Format("html", as_html, "report.html"),
    Format("md", as_markdown),
    Format("csv", as_csv),
    Format("latex", as_latex),
    Format("json", as_json),
)

FORMATS: dict[str, Format] = {record.name: record for record in _RECORDS}
"""Every form by name."""
