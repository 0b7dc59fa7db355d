"""The report on a terminal, no line wider than 80 columns."""

import io
from collections.abc import Iterable, Sequence

from rich.box import Box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.report.chapter import Chapter, Report
from headroom.pipeline.report.words import JUDGED, Row, digits, mark, run, setting

WIDTH = 80
RULE_BELOW_HEAD = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
MOST = 20  # rows of a table; the other forms show all
NAMED = ("model", "head", "balance")  # settings with a column of their own


def as_terminal(report: Report) -> str:
    """Verdict, leaderboard, comparisons and checks."""
    shown = [_wrapped("! ", remark) for remark in report.remarks]
    for chapter in report.chapters:
        images = f"{chapter.images:,} images, {len(chapter.classes)} classes"
        title = f"{chapter.dataset}: {', '.join(filter(None, (images, chapter.setting)))}"
        shown += ["", _wrapped("", title), "", *_leaderboard(chapter), *_comparisons(chapter), ""]
        shown += [_wrapped("> ", line) for line in chapter.verdict if chapter.rows]
        shown += [_wrapped("x ", f"{cell.head} {cell.balance}: {cell.reason}") for cell in chapter.left_out]
    return _printed([*shown, "", *_findings(report.checks)]).strip("\n") + "\n"


def check_lines(checks: Sequence[dict[str, str]]) -> list[str]:
    """Findings for a terminal."""
    return _printed(_findings(checks)).splitlines()


def _findings(checks: Sequence[dict[str, str]]) -> list[RenderableType]:
    found = [_wrapped(f"{check['code']} ", f"{check['severity']}: {check['message']}") for check in checks]
    return [*found, "each is explained in docs/checks.md"] if found else []


def _leaderboard(chapter: Chapter) -> list[RenderableType]:
    """The best rows by macro recall."""
    if not chapter.rows:
        return ["nothing fitted"]
    table = _table(chapter.columns, [METRICS[name].short for name in chapter.main_metrics])
    for row in chapter.rows[:MOST]:
        values = (digits(row["metrics"][name]) for name in chapter.main_metrics)
        table.add_row(*_settings(row, chapter.columns), *values)
    return [table, *_rest(len(chapter.rows) - MOST)]


def _comparisons(chapter: Chapter) -> list[RenderableType]:
    """Differences from no balancing on the same folds, a line a pair of head and balancer, best first in each head."""
    by_pair: dict[tuple[str, ...], dict[str, Row]] = {}
    for item in chapter.main_comparisons:
        by_pair.setdefault(tuple(str(item[name]) for name in chapter.compared_columns), {})[item["metric"]] = item
    if not by_pair:
        return []
    heads = list(dict.fromkeys(row["head"] for row in chapter.rows))

    def order(items: dict[str, Row]) -> tuple[int, float]:
        gain = items.get(JUDGED)
        return heads.index(next(iter(items.values()))["head"]), -(gain["difference"] if gain else 0.0)

    metrics = [name for name in chapter.main_metrics if any(name in items for items in by_pair.values())]
    table = _table(chapter.compared_columns, [f"{METRICS[name].short} " for name in metrics])
    for items in sorted(by_pair.values(), key=order)[: 2 * MOST]:
        names = _settings(next(iter(items.values())), chapter.compared_columns)
        table.add_row(*names, *(_marked(items.get(name)) for name in metrics))
    legend = "less none on the same folds (* Holm's p < 0.05; = practically none)"
    return ["", legend, table, *_rest(len(by_pair) - 2 * MOST)]


def _marked(item: Row | None) -> str:
    return "- " if item is None else digits(item["difference"], sign="+") + (mark(item) or " ")


def _rest(more: int) -> list[RenderableType]:
    return [f"... and {more:,} more: --format html, md, csv or latex"] * (more > 0)


def _table(columns: Sequence[str], values: Iterable[str]) -> Table:
    """A table whose names are cut until it fits; no number is cut. Settings but names share one column."""
    table = Table(box=RULE_BELOW_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
    for name in (*(name for name in NAMED if name in columns), *["run"] * bool(set(columns) - set(NAMED))):
        table.add_column(name, no_wrap=name == "run")
    for name in values:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _settings(row: Row, columns: Sequence[str]) -> list[Text]:
    """The cells of a row under the first columns of `_table`."""
    texts = [setting(row, name) for name in NAMED if name in columns]
    texts += [run(row, columns)] * bool(set(columns) - set(NAMED))
    return [Text(_printable(text), no_wrap=True, overflow="ellipsis") for text in texts]


def _wrapped(before: str, text: str) -> RenderableType:
    """A text broken into lines, ``before`` in front of the first."""
    if not before:
        return Text(_printable(text))
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(before, Text(_printable(text)))
    return grid


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _printed(shown: Iterable[RenderableType]) -> str:
    """What Rich makes of it, as plain text."""
    out = io.StringIO()
    console = Console(file=out, width=WIDTH, color_system=None, markup=False, highlight=False, emoji=False)
    for each in shown:
        console.print(each)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
