"""What a data set's numbers amount to, in words."""

from typing import Any

from headroom.errors import HeadError
from headroom.heads.balancing import BALANCERS
from headroom.heads.scores.choice import judge_choice
from headroom.heads.scores.contrast import contrast
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.paired import PairedResult
from headroom.pipeline.report.model import JUDGED, Part, Row
from headroom.pipeline.report.numbers import digits, interval, measured, title
from headroom.pipeline.report.wording import PRACTICALLY_CERTAIN, SIGNIFICANT

QUESTION = "smote"
OUTCOMES = RAISED, LOWERED, SAME, UNCLEAR = ("raised", "lowered", "practically unchanged", "no change shown")


def verdict(part: Part) -> list[str]:
    """Say which combination wins, by how much, whether that is noise, and whether SMOTE is worth it.

    Parameters
    ----------
    part : Part

    Returns
    -------
    list of str
        One sentence or two each.
    """
    best = part.best
    if best is None:
        return ["Nothing here can be reported: no cell was fitted by an honest protocol."]
    lines = [
        f"Best: {label(part, best)}, macro recall {measured(best, JUDGED)}, accuracy {measured(best, 'accuracy')}."
    ]
    lines += _chosen(part, best)
    others = part.honest()[1:]
    if others:
        lines.append(
            f"Next: {label(part, others[0])}, {digits(others[0]['metrics'][JUDGED])}; {_lead(part, others[0])}."
        )
    for row in part.honest(balanced=False)[:1]:
        if row is not best:
            lines.append(f"Best without balancing: {row['head']}, {measured(row, JUDGED)}; {_lead(part, row)}.")
    return lines + _worth(part)


def label(part: Part, row: Row) -> str:
    """Name a row by what tells it apart."""
    names = [name for name in part.differing(part.rows) if name not in ("head", "balance") and row[name] is not None]
    context = ", ".join(str(row[name]) if name in ("model", "protocol") else f"{name} {row[name]}" for name in names)
    balance = "without balancing" if row["balance"] == "none" else f"with {balancer(row['balance'])}"
    return f"{row['head']} {balance}" + (f" ({context})" if context else "")


def balancer(name: str) -> str:
    """Return a balancer's title; the name where it is none of ours."""
    return BALANCERS[name].title if name in BALANCERS else name


def tested_lead(part: Part, row: Row, other: Row, metric: str) -> PairedResult | None:
    """Test two rows on the same folds; None where they do not share them."""
    cell, second = (part.cells[each["key"]] for each in (row, other))
    try:
        return contrast([cell], [second], part.problems, [metric])[metric]
    except HeadError:
        return None


def winner(part: Part, metric: str) -> Row | None:
    """Return the honest row that is better than the runner-up by more than noise, if any is."""
    sign = 1 if METRICS[metric].higher_is_better else -1
    defined = [row for row in part.honest() if row["metrics"][metric] is not None]
    ranked = sorted(defined, key=lambda row: -sign * row["metrics"][metric])
    result = tested_lead(part, ranked[0], ranked[1], metric) if len(ranked) > 1 else None
    ahead = result and result.p is not None and result.p < SIGNIFICANT and sign * (result.difference or 0) > 0
    return ranked[0] if ahead else None


def _chosen(part: Part, best: Row) -> list[str]:
    """Say how firm the choice of the best row is, and what it is worth without the luck of being chosen."""
    cells = [part.cells[row["key"]] for row in part.honest()]
    choice = judge_choice(part.cells[best["key"]], cells, part.problems, JUDGED)
    if choice is None:
        return []
    again = f"Chosen among {choice.among:,}, and again in {choice.share:.0%} of resampled test sets"
    return [f"{again}; corrected for the choice: macro recall {digits(choice.value)}."]


def _lead(part: Part, other: Row) -> str:
    """Say how far the best row is ahead of another, and how sure that is."""
    assert part.best is not None
    result = tested_lead(part, part.best, other, JUDGED)
    if result is None or result.p is None:
        return "the two cannot be tested against each other"
    evidence = f"{digits(result.difference, sign='+')} {interval((result.low, result.high), '+')}"
    p = "p < 0.001" if result.p < 0.001 else f"p = {result.p:.3f}"
    sure = "the lead is" if result.p < SIGNIFICANT else "the lead may be noise:"
    return f"{sure} {evidence}, {p}"


def _worth(part: Part) -> list[str]:
    """Say for which heads SMOTE helps or harms."""
    lines = []
    for metric in (JUDGED, "accuracy"):
        groups: dict[str, list[str]] = {outcome: [] for outcome in OUTCOMES}
        for item in part.comparisons:
            if item["balance"] == QUESTION and item["metric"] == metric:
                groups[_outcome(item)].append(item["head"])
        said = [f"{outcome} for {_listed(heads)}" for outcome, heads in groups.items() if heads]
        lines += [f"{title(metric)} with SMOTE: {'; '.join(said)}."] * bool(said)
    return lines


def _outcome(item: dict[str, Any]) -> str:
    if item["p_equivalent"] is not None and item["p_equivalent"] >= PRACTICALLY_CERTAIN:
        return SAME
    if item["p_holm"] is None or item["p_holm"] >= SIGNIFICANT:
        return UNCLEAR
    return RAISED if item["difference"] > 0 else LOWERED


def _listed(names: list[str]) -> str:
    """Join names, each with how often it occurs where more than once."""
    counted = {name: names.count(name) for name in names}
    return ", ".join(name if count == 1 else f"{name} (x{count})" for name, count in counted.items())
