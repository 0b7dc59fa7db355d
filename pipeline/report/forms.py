"""The forms a report can have: one record each, rendered from what has been computed."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from rich.box import Box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.report import words
from headroom.pipeline.report.chapter import Chapter, Report
from headroom.pipeline.report.model import CHECKS_SHOWN, FIGURES_SHOWN
from headroom.pipeline.report.words import NAMES, Row

FORMULA_STARTS = ("=", "+", "-", "@")
MARKDOWN_SPECIAL = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", **{mark: f"\\{mark}" for mark in "\\|*_`[]"}})
TEX_SPECIAL = str.maketrans(
    {
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
)
FILTERS = (
    "bounds",
    "digits",
    "interval",
    "difference",
    "capital",
    "label",
    "measured",
    "outlook",
    "setting",
    "mark",
    "sentence",
)

WIDTH = 80
RULE_BELOW_HEAD = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
MOST = 20  # rows of a table on a terminal; the other forms show all
NAMED = ("model", "head", "balance")  # settings with a column of their own


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
    names = ("dataset", "model", "head", "balance", "protocol", "n", "seconds", *NAMES[4:], "positive", "about")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, *(f"{metric}{part}" for metric in METRICS for part in ("", "_low", "_high"))])
    for row in (row for chapter in report.chapters for row in chapter.rows):
        cells = [words.setting(row, name) if name == "model" else row[name] for name in names]
        values = []
        for metric in METRICS:
            values += [row["metrics"].get(metric), *(row["intervals"].get(metric) or (None, None))]
        writer.writerow([*map(_harmless, cells), *("" if value is None else f"{value:.6f}" for value in values)])
    return out.getvalue()


def as_terminal(report: Report) -> str:
    """Verdict, leaderboard, comparisons and checks, no line wider than 80 columns."""
    shown = [_wrapped("! ", remark) for remark in report.remarks]
    for chapter in report.chapters:
        images = f"{chapter.images:,} images, {len(chapter.classes)} classes"
        title = f"{chapter.dataset}: {', '.join(filter(None, (images, chapter.setting)))}"
        shown += ["", Text(_printable(title)), "", *_leaderboard(chapter), *_comparisons(chapter), *_lifts(chapter), ""]
        for verdict in chapter.verdicts if chapter.rows else ():
            several = [_wrapped("", f"Protocol {verdict.protocol}:")] * (len(chapter.verdicts) > 1)
            shown += [*several, *(_wrapped("> ", line) for line in verdict.lines)]
        shown += [_wrapped("~ ", note) for note in chapter.interval_notes]
        shown += [_wrapped("x ", f"{cell.head} {cell.balance}: {cell.reason}") for cell in chapter.left_out]
    return "\n".join([*_printed(shown), "", *check_lines(report.checks)]).strip("\n") + "\n"


def check_lines(checks: Sequence[dict[str, str]]) -> list[str]:
    """Findings for a terminal."""
    found = [_wrapped(f"{check['code']} ", f"{check['severity']}: {check['message']}") for check in checks]
    return _printed([*found, *["each is explained in docs/checks.md"] * bool(found)])


def escape_markdown(text: str) -> str:
    """Escape what Markdown or HTML would read as markup."""
    return " ".join(text.translate(MARKDOWN_SPECIAL).split())


def escape_latex(text: str) -> str:
    r"""Escape what LaTeX would obey.

    >>> print(escape_latex("50 % of {a_b}\\input"))
    50 \% of \{a\_b\}\textbackslash{}input
    """
    return _printable(text).translate(TEX_SPECIAL)


def _by_template(name: str, escape: Callable[[str], str] | None = None) -> Callable[[Report], str]:
    """A form by a template, in which all that is filled in is escaped: as HTML, or by ``escape``."""

    def escaped(value: Any) -> Any:
        return value if isinstance(value, Markup) or escape is None else Markup(escape(str(value)))

    environment = Environment(
        loader=PackageLoader("headroom.pipeline.report"),
        autoescape=True,
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {name: getattr(words, name) for name in FILTERS}
    environment.globals |= {"METRICS": METRICS, "version": _version}

    def render(report: Report) -> str:
        return environment.get_template(name).render(report=report, today=date.today().isoformat())

    return render


def _leaderboard(chapter: Chapter) -> list[RenderableType]:
    """The best rows by the criterion."""
    if not chapter.rows:
        return ["nothing fitted"]
    names = chapter.main_metrics
    lines = [(row, [words.digits(row["metrics"][name]) for name in names]) for row in chapter.rows]
    return _table(chapter.columns, [METRICS[name].short for name in names], lines, MOST)


def _comparisons(chapter: Chapter) -> list[RenderableType]:
    """Differences from no balancing on the same folds, a line a pair of head and balancer, best first in each head."""
    by_pair: dict[tuple[str, ...], dict[str, Row]] = {}
    for item in chapter.main_comparisons:
        by_pair.setdefault(tuple(str(item[name]) for name in chapter.compared_columns), {})[item["metric"]] = item
    if not by_pair:
        return []
    heads = list(dict.fromkeys(row["head"] for row in chapter.rows))
    names = [name for name in chapter.main_metrics if any(name in items for items in by_pair.values())]
    headings = [f"{METRICS[name].short} " for name in names]
    lines = [  # in the order of the comparisons, the largest gain in the criterion first
        (next(iter(items.values())), [_change(items.get(name)) for name in names]) for items in by_pair.values()
    ]
    lines.sort(key=lambda line: heads.index(line[0]["head"]))
    rope = f"within {chapter.settings.rope:g} of none"
    legend = f"less none on the same folds (* Holm's p < 0.05; = {rope})"
    return ["", legend, *_table(chapter.compared_columns, headings, lines, 2 * MOST)]


def _lifts(chapter: Chapter) -> list[RenderableType]:
    """What balancing gains, and how much of that is a lift at equal accuracy."""
    if not chapter.lifts:
        return []
    names = ("gain", "move", "lift", "low", "high")
    lines = [
        (item, [*(words.digits(item[name], sign="+") for name in names), words.digits(item["p_holm"])])
        for item in chapter.lifts
    ]
    legend = "gain in macro recall = move between classes + lift at equal accuracy"
    labelled = "(95 % interval, one at a time; Holm's p)"
    return ["", legend, labelled, *_table(chapter.compared_columns, [*names, "p"], lines, MOST)]


def _change(item: Row | None) -> str:
    return "- " if item is None else words.digits(item["difference"], sign="+") + (words.mark(item) or " ")


def _table(
    columns: Sequence[str], headings: Iterable[str], lines: Sequence[tuple[Row, list[str]]], most: int
) -> list[RenderableType]:
    """The first lines, each of a row's settings and values. Names are cut until it fits, no number is.

    Settings but names share one column.
    """
    table = Table(box=RULE_BELOW_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
    named = [name for name in NAMED if name in columns]
    for name in named:
        table.add_column(name)
    if others := set(columns) - set(NAMED):
        table.add_column("run", no_wrap=True)
    for name in headings:
        table.add_column(name, justify="right", no_wrap=True)
    for row, values in lines[:most]:
        texts = [words.setting(row, name) for name in named] + [words.run(row, columns)] * bool(others)
        table.add_row(*(Text(_printable(text), no_wrap=True, overflow="ellipsis") for text in texts), *values)
    more = len(lines) - most
    return [table, *[f"... and {more:,} more: --format html, md, csv or latex"] * (more > 0)]


def _wrapped(before: str, text: str) -> RenderableType:
    """A text broken into lines, ``before`` in front of the first."""
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(before, Text(_printable(text)))
    return grid


def _printed(shown: Iterable[RenderableType]) -> list[str]:
    """What Rich makes of it, as lines of plain text."""
    out = io.StringIO()
    console = Console(file=out, width=WIDTH, color_system=None, markup=False, highlight=False, emoji=False)
    for each in shown:
        console.print(each)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def _printable(text: str, instead: str = "?") -> str:
    return "".join(letter if letter.isprintable() else instead for letter in text)


def _harmless(value: Any) -> Any:
    """Keep a spreadsheet from running a name as a formula, and a name from breaking a line."""
    if not isinstance(value, str):
        return value
    text = _printable(value, " ")
    return f"'{text}" if text.lstrip().startswith(FORMULA_STARTS) else text


def _version() -> str:
    try:
        return version("headroom")
    except PackageNotFoundError:
        return "(not installed)"


_RECORDS = (
    Form("terminal", as_terminal, (CHECKS_SHOWN,)),
    Form("html", _by_template("page.html"), (CHECKS_SHOWN, FIGURES_SHOWN), "report.html"),
    Form("md", _by_template("report.md", escape_markdown), (CHECKS_SHOWN,)),
    Form("csv", as_csv),
    Form("latex", _by_template("tables.tex", escape_latex)),
    Form("json", as_json, (CHECKS_SHOWN,)),
)

FORMS: dict[str, Form] = {record.name: record for record in _RECORDS}
"""Every form by name."""
