"""The report as LaTeX tables (booktabs), ready to be input into a paper."""

from typing import Any

from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.report.model import Part, Report
from headroom.pipeline.report.numbers import MAIN, SHORT, difference, digits, measured, shown
from headroom.pipeline.report.verdict import winner
from headroom.pipeline.report.wording import SIGNIFICANT

_SPECIAL = {
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


def escape(text: Any) -> str:
    r"""Return a text that LaTeX prints as it is.

    Examples
    --------
    >>> print(escape("50 % of {a_b}\\input"))
    50 \% of \{a\_b\}\textbackslash{}input
    """
    return "".join(_SPECIAL.get(letter, letter if letter.isprintable() else "?") for letter in str(text))


def as_latex(report: Report) -> str:
    """Return a leaderboard and a table of comparisons for each data set."""
    lines = ["% needs \\usepackage{booktabs} and \\usepackage{longtable}"]
    lines += [f"% {escape(remark)}" for remark in report.remarks]
    for part in report.parts:
        lines += _leaderboard(part) if part.rows else []
        lines += _comparisons(part) if part.comparisons else []
    return "\n".join(lines) + "\n"


def _leaderboard(part: Part) -> list[str]:
    """Every row; the best value of a column in bold where it differs from the runner-up by more than noise."""
    names, metrics = part.differing(part.rows), shown(part.rows, MAIN)
    bold = {(row["key"], metric) for metric in metrics if (row := winner(part, metric)) is not None}
    body = [
        [
            *(escape(row[name]) for name in names),
            *(_bold(measured(row, metric), (row["key"], metric) in bold) for metric in metrics),
        ]
        for row in part.rows
    ]
    caption = (
        f"{escape(part.dataset)} ({len(part.problem.labels):,} images, {escape(part.common(part.rows))}): "
        "out-of-fold metrics with 95\\,\\% intervals. Bold: better than the runner-up, paired test, $p < 0.05$."
    )
    return _table(caption, "l" * len(names) + "r" * len(metrics), [*names, *(SHORT[m] for m in metrics)], body)


def _comparisons(part: Part) -> list[str]:
    """Every comparison of the main metrics; significant ones in bold."""
    names = [*part.differing(part.comparisons), "metric"]
    body = [
        [
            *(escape(METRICS[item[name]].title if name == "metric" else item[name]) for name in names),
            _bold(difference(item), item["p_holm"] is not None and item["p_holm"] < SIGNIFICANT),
            digits(item["p_holm"]),
        ]
        for item in part.comparisons
        if item["metric"] in MAIN
    ]
    caption = (
        f"{escape(part.dataset)}: balanced less not balanced, paired on the same folds; 95\\,\\% intervals and "
        "Nadeau--Bengio corrected $p$ with Holm's correction. Bold: $p < 0.05$."
    )
    return _table(caption, "l" * len(names) + "rr", [*names, "difference", "p"], body)


def _bold(text: str, bold: bool) -> str:
    return f"\\textbf{{{text}}}" if bold else text


def _table(caption: str, columns: str, header: list[str], body: list[list[str]]) -> list[str]:
    """A table that may run over pages."""
    return [
        "",
        f"\\begin{{longtable}}{{{columns}}}",
        f"\\caption{{{caption}}}\\\\",
        "\\toprule",
        " & ".join(escape(name) for name in header) + " \\\\",
        "\\midrule \\endhead",
        "\\bottomrule \\endfoot",
        *(" & ".join(row) + " \\\\" for row in body),
        "\\end{longtable}",
    ]
