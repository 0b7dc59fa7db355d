"""The report on a terminal, 80 columns wide."""

import textwrap
from typing import Any

from headroom.pipeline.report.model import JUDGED, Part, Report
from headroom.pipeline.report.numbers import MAIN, SHORT, digits, mark, shown
from headroom.pipeline.report.verdict import verdict

WIDTH = 80
MOST = 20  # rows of a table; the other forms show all
NARROWEST = 8


def as_terminal(report: Report) -> str:
    """Return verdict, leaderboard, comparisons and checks, no line wider than 80 columns."""
    lines = [line for remark in report.remarks for line in _wrapped(remark, "! ")]
    for part in report.parts:
        images = f"{len(part.problem.labels):,} images, {len(part.problem.classes)} classes"
        common = f", {part.common(part.rows)}" if part.rows else ""
        lines += ["", *_wrapped(f"{part.dataset}: {images}{common}"), *_leaderboard(part), *_compared(part)]
        lines += ["", *(line for said in verdict(part) for line in _wrapped(said, "> "))] if part.rows else []
        lines += [line for cell, why in part.left_out for line in _wrapped(f"{cell.head} {cell.balance}: {why}", "x ")]
    lines += ["", *check_lines(report.checks)]
    return "\n".join(lines).strip("\n") + "\n"


def check_lines(checks: list[dict[str, str]]) -> list[str]:
    """Return findings for a terminal of 80 columns."""
    lines = [
        line for check in checks for line in _wrapped(f"{check['severity']}: {check['message']}", f"{check['code']} ")
    ]
    return lines + ["each is explained in docs/checks.md"] * bool(lines)


def _leaderboard(part: Part) -> list[str]:
    """The best rows by macro recall."""
    if not part.rows:
        return ["nothing fitted"]
    names, metrics = part.differing(part.rows), shown(part.rows, MAIN)
    table = [
        [*(str(row[name]) for name in names), *(digits(row["metrics"][metric]) for metric in metrics)]
        for row in part.rows[:MOST]
    ]
    return ["", *_columns([*names, *(SHORT[metric] for metric in metrics)], table, len(names)), *_rest(part.rows)]


def _compared(part: Part) -> list[str]:
    """Differences from no balancing on the same folds, a line a pair of head and balancer, best first in each head."""
    by_pair: dict[tuple, dict[str, dict[str, Any]]] = {}
    names = part.differing(part.comparisons)
    for item in part.comparisons:
        by_pair.setdefault(tuple(str(item[name]) for name in names), {})[item["metric"]] = item
    if not by_pair:
        return []
    metrics = [metric for metric in MAIN if any(metric in found for found in by_pair.values())]
    heads = list(dict.fromkeys(row["head"] for row in part.rows))
    at = names.index("head")

    def order(pair: tuple) -> tuple[int, float]:
        gain = by_pair[pair].get(JUDGED)
        return heads.index(pair[at]), -(gain["difference"] if gain else 0.0)

    ordered = sorted(by_pair, key=order)
    table = [[*pair, *(_marked(by_pair[pair].get(metric)) for metric in metrics)] for pair in ordered[: 2 * MOST]]
    legend = "less none on the same folds (* Holm's p < 0.05; = practically none)"
    columns = _columns([*names, *(SHORT[metric] + " " for metric in metrics)], table, len(names))
    return ["", legend, *columns, *_rest(ordered, 2 * MOST)]


def _marked(item: dict[str, Any] | None) -> str:
    return "- " if item is None else digits(item["difference"], sign="+") + (mark(item) or " ")


def _rest(rows: list, most: int = MOST) -> list[str]:
    return [f"... and {len(rows) - most:,} more: --format html, md, csv or latex"] if len(rows) > most else []


def _wrapped(text: str, before: str = "") -> list[str]:
    """Break a text into lines, ``before`` in front of the first and the others under it."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return textwrap.wrap(printable, WIDTH, initial_indent=before, subsequent_indent=" " * len(before))


def _columns(header: list[str], rows: list[list[str]], left: int) -> list[str]:
    """Align columns; numbers to the right, the longest texts cut until the line fits."""
    table = [["".join(c if c.isprintable() else "?" for c in text) for text in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH and max(widths[:left]) > NARROWEST:
        widths[widths.index(max(widths[:left]))] -= 1
    lines = [
        "  ".join(
            _cut(text, size).ljust(size) if column < left else text.rjust(size)
            for column, (text, size) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]
    return [lines[0].rstrip(), "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])]


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"
