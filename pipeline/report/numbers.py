"""Numbers as they are written in every form of the report."""

from typing import Any

from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.report.wording import PRACTICALLY_CERTAIN, SIGNIFICANT

MAIN = ("accuracy", "recall_macro", "specificity_macro", "kappa_quadratic")
PRINTED = ("accuracy", "recall_macro", "specificity_macro", "f1_macro", "kappa_quadratic", "auroc_ovr", "ece")
SHORT = {
    "accuracy": "acc",
    "recall_macro": "recall",
    "specificity_macro": "spec",
    "f1_macro": "F1",
    "kappa_quadratic": "kappa",
    "auroc_ovr": "AUROC",
    "ece": "ECE",
}


def digits(value: float | None, places: int = 3, sign: str = "") -> str:
    """Return a number with a fixed number of decimals, or a dash.

    Examples
    --------
    >>> digits(0.12345), digits(0.12345, 2, "+"), digits(None)
    ('0.123', '+0.12', '-')
    """
    return "-" if value is None else f"{value:{sign}.{places}f}"


def interval(bounds: Any, sign: str = "") -> str:
    """Return a 95 % interval in brackets, or nothing.

    Examples
    --------
    >>> interval([0.1, 0.25], "+"), interval(None)
    ('[+0.100, +0.250]', '')
    """
    return "" if bounds is None or bounds[0] is None else f"[{bounds[0]:{sign}.3f}, {bounds[1]:{sign}.3f}]"


def measured(row: dict[str, Any], metric: str) -> str:
    """Return a metric of a row with its interval."""
    return f"{digits(row['metrics'][metric])} {interval(row['intervals'].get(metric))}".rstrip()


def difference(item: dict[str, Any]) -> str:
    """Return a comparison's difference with its interval."""
    return f"{digits(item['difference'], sign='+')} {interval((item['low'], item['high']), '+')}".rstrip()


def outlook(item: dict[str, Any]) -> str:
    """Return the three posterior probabilities of a comparison."""
    return " / ".join(digits(item[name], 2) for name in ("p_better", "p_equivalent", "p_worse"))


def mark(item: dict[str, Any]) -> str:
    """Return ``*`` for a difference that is significant, ``=`` for one that is practically none, else nothing.

    Examples
    --------
    >>> mark({"p_holm": 0.01, "p_equivalent": 0.2}), mark({"p_holm": None, "p_equivalent": None})
    ('*', '')
    """
    if item["p_equivalent"] is not None and item["p_equivalent"] >= PRACTICALLY_CERTAIN:
        return "="
    return "*" if item["p_holm"] is not None and item["p_holm"] < SIGNIFICANT else ""


def shown(rows: list[dict[str, Any]], metrics: tuple[str, ...]) -> list[str]:
    """Return the metrics that are defined in any row."""
    return [metric for metric in metrics if any(row["metrics"][metric] is not None for row in rows)]


def title(metric: str) -> str:
    """Return a metric's title with a capital letter."""
    text = METRICS[metric].title
    return text[0].upper() + text[1:]
