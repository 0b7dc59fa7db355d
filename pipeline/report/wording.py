"""A comparison in words."""

from collections.abc import Mapping
from typing import Any

from headroom.heads.balancing import BALANCERS
from headroom.heads.scores.metrics import METRICS

SIGNIFICANT = 0.05
PRACTICALLY_CERTAIN = 0.95


def sentence(comparison: Mapping[str, Any]) -> str:
    """Say what a balancer does to a metric, and how sure that is.

    Parameters
    ----------
    comparison : mapping
        One of `headroom.heads.scores.comparing.comparisons`.

    Returns
    -------
    str
        Without a full stop. A difference is called practically unchanged where it lies within the region of practical
        equivalence with a probability of at least 95 %, raised or lowered where Holm's p is below 5 %, and not
        shown to differ otherwise.

    Examples
    --------
    >>> comparison = {
    ...     "head": "svm", "balance": "smote", "metric": "recall_macro", "difference": 0.045, "low": 0.031,
    ...     "high": 0.059, "p": 0.0004, "p_holm": 0.003, "p_better": 0.99, "p_equivalent": 0.01, "p_worse": 0.0,
    ... }
    >>> sentence(comparison)
    'SMOTE raises macro recall of svm by 0.045 [0.031, 0.059]; p = 0.003 (Holm)'
    >>> sentence(comparison | {"difference": 0.001, "low": -0.004, "high": 0.006, "p_holm": 1.0, "p_equivalent": 0.99})
    'SMOTE leaves macro recall of svm practically unchanged: +0.001 [-0.004, 0.006]; p = 1.000 (Holm)'
    """
    metric = METRICS[comparison["metric"]]
    balancer, third_person = _subject(comparison["balance"])
    outcome = f"{metric.title} of {comparison['head']}"
    difference, p_holm = comparison["difference"], comparison["p_holm"]
    if p_holm is None:
        return f"{balancer} change{third_person} {outcome} by {difference:+.3f}; the folds allow no test"
    low, high = comparison["low"], comparison["high"]
    evidence = f"{difference:+.3f} [{low:.3f}, {high:.3f}]; {_p_value(p_holm)} (Holm)"
    if comparison["p_equivalent"] >= PRACTICALLY_CERTAIN:
        return f"{balancer} leave{third_person} {outcome} practically unchanged: {evidence}"
    if p_holm >= SIGNIFICANT:
        return f"{balancer} cannot be shown to change {outcome}: {evidence}"
    verb, sign = ("raise", 1) if difference > 0 else ("lower", -1)
    smaller, larger = sorted((sign * low, sign * high))
    interval = f"{sign * difference:.3f} [{smaller:.3f}, {larger:.3f}]"
    value = "" if metric.higher_is_better else ", for the worse" if difference > 0 else ", for the better"
    return f"{balancer} {verb}{third_person} {outcome} by {interval}{value}; {_p_value(p_holm)} (Holm)"


def _subject(balance: str) -> tuple[str, str]:
    """A balancer's title, and the ending of the verb after it."""
    record = BALANCERS.get(balance)
    title = record.title if record else balance
    plural = title.endswith("s") and not title.endswith("ss")
    return title[0].upper() + title[1:], "" if plural else "s"


def _p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
