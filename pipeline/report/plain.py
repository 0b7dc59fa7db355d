"""The report as text: terminal, Markdown, CSV, JSON."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from heads.metrics import METRICS
from heads.wording import sentence
from pipeline.report.collecting import Report

TERMINAL_METRICS = ("accuracy", "recall_macro", "specificity_macro", "kappa_quadratic")
MARKDOWN_METRICS = ("accuracy", "recall_macro", "specificity_macro", "f1_macro", "kappa_quadratic", "auroc_ovr", "ece")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_json(report: Report) -> str:
    """Return the report as one JSON object."""
    return json.dumps(report.as_dict(), ensure_ascii=False, allow_nan=False, indent=1)


def as_csv(report: Report) -> str:
    """Return every metric of every cell with its interval, one cell a row, ready for a spreadsheet."""
    out = io.StringIO()
    names = ("dataset", "model", "head", "balance", "protocol", "n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, *(f"{metric}{part}" for metric in METRICS for part in ("", "_low", "_high"))])
    for row in report.rows:
        cells = [_harmless(row[name]) for name in names]
        for metric in METRICS:
            low, high = row["intervals"].get(metric) or (None, None)
            cells += [_digits(value, 6) for value in (row["metrics"].get(metric), low, high)]
        writer.writerow(cells)
    return out.getvalue()


def as_markdown(report: Report) -> str:
    """Return leaderboard and comparisons as Markdown tables."""
    lines = ["# headroom", "", *(f"> {remark}\n" for remark in report.remarks)]
    for dataset in _datasets(report):
        rows = [row for row in report.rows if row["dataset"] == dataset]
        metrics = [metric for metric in MARKDOWN_METRICS if any(row["metrics"][metric] is not None for row in rows)]
        lines += [f"## {_cell(dataset)}", "", "95 % intervals in brackets.", ""]
        lines += _table(
            ["model", "head", "balance", "protocol", *metrics],
            [
                [
                    *(row[name] for name in ("model", "head", "balance", "protocol")),
                    *(_with_interval(row, metric) for metric in metrics),
                ]
                for row in rows
            ],
        )
        compared = [item for item in report.comparisons if item["dataset"] == dataset]
        if compared:
            lines += ["", "### Balanced against not balanced, paired on the same folds", ""]
            names = ("model", "head", "balance", "metric")
            lines += _table(
                [*names, "difference [95 % interval]", "p (Holm)", "better / equivalent / worse"],
                [
                    [*(item[name] for name in names), _difference(item), _digits(item["p_holm"], 3), _outlook(item)]
                    for item in compared
                ],
            )
        lines.append("")
    lines += [
        f"- not fitted: {_cell(f'{cell.dataset} {cell.model} {cell.head} {cell.balance}: {cell.reason}')}"
        for cell in report.failed
    ]
    return "\n".join(lines).rstrip() + "\n"


def as_terminal(report: Report, width: int = 80) -> str:
    """Return leaderboard and comparisons for a terminal of ``width`` columns."""
    lines = [f"! {remark}" for remark in report.remarks]
    for dataset in _datasets(report):
        rows = [row for row in report.rows if row["dataset"] == dataset]
        metrics = [metric for metric in TERMINAL_METRICS if any(row["metrics"][metric] is not None for row in rows)]
        names = _shared(rows, ("model", "head", "balance", "protocol"))
        lines += ["", f"{dataset}: {rows[0]['n']:,} images, {_common(rows, names)}".rstrip(", ")]
        table = [
            [*(str(row[name]) for name in names), *(_digits(row["metrics"][metric], 3) for metric in metrics)]
            for row in rows
        ]
        lines += _columns([*names, *(METRICS[metric].title.lower() for metric in metrics)], table, len(names), width)
        compared = [
            item for item in report.comparisons if item["dataset"] == dataset and item["metric"] in TERMINAL_METRICS
        ]
        if compared:
            lines += ["", "balanced against not balanced, on the same folds:"]
            lines += [f"  {_context(item, compared)}{sentence(item)}" for item in compared]
    lines += [
        f"not fitted: {cell.dataset} {cell.model} {cell.head} {cell.balance}: {cell.reason}" for cell in report.failed
    ]
    return "\n".join(lines).strip("\n") + "\n"


FORMATS: dict[str, Callable[[Report], str]] = {
    "terminal": as_terminal,
    "md": as_markdown,
    "csv": as_csv,
    "json": as_json,
}


def _datasets(report: Report) -> list[str]:
    return list(dict.fromkeys(row["dataset"] for row in report.rows))


def _digits(value: float | None, digits: int) -> str:
    """Return a number with a fixed number of digits, or a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def _harmless(value: Any) -> Any:
    """Keep a spreadsheet from running a name as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _cell(text: Any) -> str:
    """Escape what Markdown or HTML would read as markup."""
    escaped = str(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "|*_`[]":
        escaped = escaped.replace(mark, "\\" + mark)
    return " ".join(escaped.split())


def _table(header: list[str], rows: list[list[Any]]) -> list[str]:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(_cell(name) for name in header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]


def _with_interval(row: dict[str, Any], metric: str) -> str:
    """Return a metric with its interval."""
    interval = row["intervals"].get(metric)
    value = _digits(row["metrics"][metric], 3)
    return f"{value} [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else value


def _difference(item: dict[str, Any]) -> str:
    """Return a difference with its interval."""
    if item["low"] is None:
        return f"{item['difference']:+.3f}"
    return f"{item['difference']:+.3f} [{item['low']:+.3f}, {item['high']:+.3f}]"


def _outlook(item: dict[str, Any]) -> str:
    """Return the three posterior probabilities."""
    return " / ".join(_digits(item[name], 2) for name in ("p_better", "p_equivalent", "p_worse"))


def _shared(rows: list[dict[str, Any]], names: tuple[str, ...]) -> list[str]:
    """Return the names whose values differ between rows."""
    return [name for name in names if len({row[name] for row in rows}) > 1] or ["head"]


def _common(rows: list[dict[str, Any]], shown: list[str]) -> str:
    """Say once what all rows have in common."""
    return ", ".join(str(rows[0][name]) for name in ("model", "head", "balance", "protocol") if name not in shown)


def _context(item: dict[str, Any], items: list[dict[str, Any]]) -> str:
    """Name the model where there are several."""
    return f"{item['model']}: " if len({other["model"] for other in items}) > 1 else ""


def _columns(header: list[str], rows: list[list[str]], left: int, width: int) -> list[str]:
    """Align columns; those of numbers to the right, long texts cut to fit ``width``."""
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    spare = width - sum(widths) - 2 * (len(widths) - 1)
    if spare < 0:
        longest = max(range(left), key=lambda column: widths[column])
        widths[longest] = max(widths[longest] + spare, 12)
    lines = []
    for row in table:
        cells = [
            _cut(text, size).ljust(size) if column < left else text.rjust(size)
            for column, (text, size) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return [lines[0], "-" * len(max(lines, key=len)), *lines[1:]]


def _cut(text: str, size: int) -> str:
    """Shorten a text to ``size`` letters."""
    return text if len(text) <= size else text[: size - 1] + "…"
