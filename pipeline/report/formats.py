"""The forms a report can have: one record each."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.report.collecting import Report
from pipeline.report.latex import as_latex
from pipeline.report.page import as_html
from pipeline.report.plain import as_csv, as_json, as_markdown
from pipeline.report.terminal import as_terminal


@dataclass(frozen=True)
class Format:
    """One form of the report.

    Attributes
    ----------
    name : str
        What ``--format`` takes.
    note : str
        What it is for.
    render : callable
        Maps a `Report` to its text.
    file : str
        Written to this file of ``<cache>/reports`` where ``--output`` names no other; empty: to stdout.
    """

    name: str
    note: str
    render: Callable[[Report], str]
    file: str = ""


_RECORDS = (
    Format("terminal", "to read at once, 80 columns wide", as_terminal),
    Format("html", "one self-contained page with figures, to keep and to send", as_html, "report.html"),
    Format("md", "tables for a README or an issue", as_markdown),
    Format("csv", "every metric with its interval, for a spreadsheet", as_csv),
    Format("latex", "booktabs tables for a paper", as_latex),
    Format("json", "one object, for programs", as_json),
)

FORMATS: dict[str, Format] = {record.name: record for record in _RECORDS}
"""Every form by name."""
