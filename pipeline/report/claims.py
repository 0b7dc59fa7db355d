"""What was published, beside what is measured here."""

from typing import Any

from headroom.errors import HeadError
from headroom.heads.scores.comparing import plan_comparisons
from headroom.heads.scores.contrast import contrast
from headroom.pipeline.report.model import GRID, Part
from headroom.pipeline.studies import STUDIES


def claimed(part: Part) -> list[dict[str, Any]]:
    """Set the published gains of a balancer beside those on one data set, averaged over its heads and models.

    Parameters
    ----------
    part : Part

    Returns
    -------
    list of dict
        ``study`` (title), ``balance``, ``metric``, ``claimed``, ``measured`` (a `PairedResult`) and ``cells``: how
        many with the balancer were averaged. Empty where none was fitted.
    """
    best = part.best or {}
    rows = []
    for study in STUDIES.values():
        pairs = [
            (cell, base)
            for cell, base in plan_comparisons(part.all_cells).pairs
            if cell.balance == study.balance and all(cell.settings.get(name) == best.get(name) for name in GRID)
        ]
        try:
            results = contrast([one for one, _ in pairs], [base for _, base in pairs], part.problems, list(study.gains))
        except HeadError:
            continue
        common = {"study": study.title, "balance": study.balance, "cells": len(pairs)}
        rows += [
            common | {"metric": metric, "claimed": gain, "measured": results[metric]}
            for metric, gain in study.gains.items()
        ]
    return rows
