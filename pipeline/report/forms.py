"""The forms a report can have: one record each, rendered from what has been computed."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.report import words
from headroom.pipeline.report.chapter import Report
from headroom.pipeline.report.model import CHECKS_SHOWN, FIGURES_SHOWN
from headroom.pipeline.report.terminal import as_terminal
from headroom.pipeline.report.words import NAMES, SIGNIFICANT, setting

Escape = Callable[[str], str]

FORMULA_STARTS = ("=", "+", "-", "@")
TEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}
TEX_DELIMITERS = (
    *(("variable_start_string", "<<"), ("variable_end_string", ">>"), ("comment_start_string", "<#")),
    *(("block_start_string", "<%"), ("block_end_string", "%>"), ("comment_end_string", "#>")),
)
FILTERS: dict[str, Callable[..., Any]] = {
    **{"digits": words.digits, "interval": words.interval, "difference": words.difference, "capital": words.capital},
    **{"measured": words.measured, "outlook": words.outlook, "setting": setting},
    **{"mark": words.mark, "sentence": words.sentence},
}
TABLES = {"METRICS": METRICS, "SIGNIFICANT": SIGNIFICANT}


@dataclass(frozen=True)
class Form:
    """One form of the report.

    Attributes
    ----------
    name : str
        What ``--format`` takes.
    render : callable
        Maps a `Report` to its text.
    shows : tuple of str
        What is costly and shown: ``"checks"``, ``"figures"``.
    file : str
        Written to this file of ``<cache>/reports`` where ``--output`` names no other; empty: to stdout.
    """

    name: str
    render: Callable[[Report], str]
    shows: tuple[str, ...] = ()
    file: str = ""


def as_json(report: Report) -> str:
    """One JSON object on one line."""
    return json.dumps(report.as_dict(), ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(report: Report) -> str:
    """Every metric of every cell with its interval, one cell a row, ready for a spreadsheet."""
    out = io.StringIO()
    names = ("dataset", "model", "head", "balance", "protocol", "n", "seconds", *NAMES[4:])
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, *(f"{metric}{part}" for metric in METRICS for part in ("", "_low", "_high"))])
    for row in (row for chapter in report.chapters for row in chapter.rows):
        cells = [setting(row, name) if name == "model" else row[name] for name in names]
        values = [
            value
            for metric in METRICS
            for value in (row["metrics"].get(metric), *(row["intervals"].get(metric) or (None, None)))
        ]
        writer.writerow([*map(_harmless, cells), *("" if value is None else f"{value:.6f}" for value in values)])
    return out.getvalue()


def escape_markdown(text: str) -> str:
    """Escape what Markdown or HTML would read as markup."""
    escaped = text.replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join("".join(f"\\{letter}" if letter in "|*_`[]" else letter for letter in escaped).split())


def escape_latex(text: str) -> str:
    r"""Escape what LaTeX would obey.

    >>> print(escape_latex("50 % of {a_b}\\input"))
    50 \% of \{a\_b\}\textbackslash{}input
    """
    return "".join(TEX_SPECIAL.get(letter, letter if letter.isprintable() else "?") for letter in text)


def _by_template(
    report: Report, template: str, escape: Escape | None = None, delimiters: tuple[tuple[str, str], ...] = ()
) -> str:
    """Render a template, in which all that is filled in is escaped: as HTML, or by ``escape``."""
    found = _template(template, escape, delimiters)
    return found.render(report=report, version=_version(), today=date.today().isoformat())


@cache
def _template(name: str, escape: Escape | None, delimiters: tuple[tuple[str, str], ...]) -> Template:
    environment = Environment(
        loader=PackageLoader("headroom.pipeline.report"),
        autoescape=True,
        finalize=partial(_escaped, escape) if escape else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **dict[str, Any](delimiters),
    )
    environment.filters |= FILTERS
    environment.globals |= TABLES
    return environment.get_template(name)


def _escaped(escape: Escape, value: Any) -> Markup:
    """What is not marked as safe, escaped."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def _harmless(value: Any) -> Any:
    """Keep a spreadsheet from running a name as a formula, and a name from breaking a line."""
    if not isinstance(value, str):
        return value
    text = "".join(letter if letter.isprintable() else " " for letter in value)
    return f"'{text}" if text.lstrip().startswith(FORMULA_STARTS) else text


def _version() -> str:
    try:
        return version("headroom")
    except PackageNotFoundError:
        return "(not installed)"


_RECORDS = (
    Form("terminal", as_terminal, (CHECKS_SHOWN,)),
    Form("html", partial(_by_template, template="page.html"), (CHECKS_SHOWN, FIGURES_SHOWN), "report.html"),
    Form("md", partial(_by_template, template="report.md", escape=escape_markdown), (CHECKS_SHOWN,)),
    Form("csv", as_csv),
    Form(
        "latex",
        partial(_by_template, template="tables.tex", escape=escape_latex, delimiters=TEX_DELIMITERS),
    ),
    Form("json", as_json, (CHECKS_SHOWN,)),
)

FORMS: dict[str, Form] = {record.name: record for record in _RECORDS}
"""Every form by name."""
