"""What was published, to be set beside what is measured here."""

from dataclasses import dataclass
from typing import Any

from pipeline.report.collecting import LEAKY, Part


@dataclass(frozen=True)
class Claim:
    """A published gain of a balancer over none.

    Attributes
    ----------
    source : str
        Title of the paper.
    balance, metric : str
    gain : float
        As a fraction: 0.0543 for 5.43 percentage points.
    """

    source: str
    balance: str
    metric: str
    gain: float


_SMOTE_PAPER = "Enhancing Transfer Learning for Medical Image Classification with SMOTE"

CLAIMS = (
    Claim(_SMOTE_PAPER, "smote", "accuracy", 0.0197),
    Claim(_SMOTE_PAPER, "smote", "recall_macro", 0.0543),
    Claim(_SMOTE_PAPER, "smote", "specificity_macro", 0.0072),
)
"""Published gains, averaged by their authors over models and data sets."""


def beside(claim: Claim, part: Part) -> dict[str, Any] | None:
    """Set a claim beside what was measured on one data set.

    Parameters
    ----------
    claim : Claim
    part : Part

    Returns
    -------
    dict or None
        ``count`` comparisons, ``mean``, ``low`` and ``high`` of their differences, and how many intervals ``hold``
        the claimed gain; None without any.
    """
    wanted = (claim.balance, claim.metric)
    items = [item for item in part.comparisons if (item["balance"], item["metric"]) == wanted]
    items = [item for item in items if item["protocol"] != LEAKY]
    if not items:
        return None
    gains = [item["difference"] for item in items]
    hold = sum(item["low"] is not None and item["low"] <= claim.gain <= item["high"] for item in items)
    return {"count": len(items), "mean": sum(gains) / len(gains), "low": min(gains), "high": max(gains), "hold": hold}
