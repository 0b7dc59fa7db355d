"""The report as text for other programs: Markdown, CSV, JSON."""

import csv
import io
import json
from typing import Any

from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.report.model import NAMES, Report
from headroom.pipeline.report.numbers import PRINTED, SHORT, difference, digits, measured, outlook, shown
from headroom.pipeline.report.verdict import verdict

FORMULA_STARTS = ("=", "+", "-", "@")


def as_json(report: Report) -> str:
    """Return the report as one JSON object on one line."""
    return json.dumps(report.as_dict(), ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(report: Report) -> str:
    """Return every metric of every cell with its interval, one cell a row, ready for a spreadsheet."""
    out = io.StringIO()
    names = ("dataset", "model", "head", "balance", "protocol", "n", "seconds", *NAMES[4:])
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, *(f"{metric}{part}" for metric in METRICS for part in ("", "_low", "_high"))])
    for row in (row for part in report.parts for row in part.rows):
        cells = [_harmless(row[name]) for name in names]
        for metric in METRICS:
            low, high = row["intervals"].get(metric) or (None, None)
            cells += ["" if value is None else f"{value:.6f}" for value in (row["metrics"].get(metric), low, high)]
        writer.writerow(cells)
    return out.getvalue()


def as_markdown(report: Report) -> str:
    """Return verdicts, leaderboards, comparisons and checks as Markdown."""
    lines = ["# headroom", "", *(f"> {_cell(remark)}\n" for remark in report.remarks)]
    for part in report.parts:
        metrics, names = shown(part.rows, PRINTED), part.differing(part.rows)
        said = [f"- {_cell(line)}" for line in verdict(part)]
        setting = part.common(part.rows) if part.rows else "nothing fitted"
        lines += [f"## {_cell(part.dataset)}", "", _cell(setting) + ". 95 % intervals in brackets.", "", *said, ""]
        body = [[*(row[name] for name in names), *(measured(row, metric) for metric in metrics)] for row in part.rows]
        lines += _table([*names, *(SHORT[metric] for metric in metrics)], body)
        if part.comparisons:
            names = [*part.differing(part.comparisons), "metric"]
            body = [
                [*(item[name] for name in names), difference(item), digits(item["p_holm"]), outlook(item)]
                for item in part.comparisons
            ]
            lines += ["", "### Balanced less not balanced, paired on the same folds", ""]
            lines += _table([*names, "difference [95 %]", "p (Holm)", "better / equivalent / worse"], body)
        lines += ["", *(f"- left out: {_cell(f'{cell.head} {cell.balance}: {why}')}" for cell, why in part.left_out)]
        lines.append("")
    lines += [f"- {check['code']} ({check['severity']}): {_cell(check['message'])}" for check in report.checks]
    return "\n".join(lines).rstrip() + "\n"


def _harmless(value: Any) -> Any:
    """Keep a spreadsheet from running a name as a formula, and a name from breaking a line."""
    if not isinstance(value, str):
        return value
    text = "".join(letter if letter.isprintable() else " " for letter in value)
    return f"'{text}" if text.lstrip().startswith(FORMULA_STARTS) else text


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
