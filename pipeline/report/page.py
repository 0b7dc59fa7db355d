"""The report as one self-contained HTML page."""

from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.report.claims import claimed
from headroom.pipeline.report.figures import class_metrics
from headroom.pipeline.report.gallery import Plate, plates
from headroom.pipeline.report.model import Part, Report
from headroom.pipeline.report.numbers import (
    MAIN,
    PRINTED,
    SHORT,
    difference,
    digits,
    interval,
    mark,
    outlook,
    shown,
    title,
)
from headroom.pipeline.report.verdict import balancer, label, verdict, winner
from headroom.pipeline.report.wording import sentence


@dataclass(frozen=True)
class Chapter:
    """One data set in the page.

    Attributes
    ----------
    part : Part
    plates : list of Plate
    facts : dict of str to str
        What was run.
    winners : set of (str, str)
        Key and metric of every best value that is better than the runner-up by more than noise.
    counts : dict of str to list of float
        Training images a class, mean over folds, before balancing and after each resampling balancer.
    """

    part: Part
    plates: list[Plate]
    facts: dict[str, str]
    winners: set[tuple[str, str]]
    counts: dict[str, list[float]]


def as_html(report: Report) -> str:
    """Return the page; everything that comes from users' data is escaped by the template."""
    environment = Environment(
        loader=PackageLoader("headroom.pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"digits": digits, "interval": interval, "title_of": title, "difference": difference}
    environment.globals |= {
        **{"METRICS": METRICS, "SHORT": SHORT, "PRINTED": PRINTED, "MAIN": MAIN, "Markup": Markup},
        **{"claimed": claimed, "verdict": verdict, "label": label, "sentence": sentence, "mark": mark},
        **{"outlook": outlook, "shown": shown, "class_metrics": class_metrics},
    }
    chapters = [_chapter(part, number) for number, part in enumerate(report.parts)]
    page = environment.get_template("page.html")
    return page.render(report=report, chapters=chapters, version=_version(), today=date.today().isoformat())


def _version() -> str:
    try:
        return version("headroom")
    except PackageNotFoundError:
        return "(not installed)"


def _chapter(part: Part, number: int) -> Chapter:
    return Chapter(
        part=part,
        plates=plates(part, number),
        facts=_facts(part),
        winners={(row["key"], name) for name in PRINTED if (row := winner(part, name))},
        counts=_counts(part),
    )


def _facts(part: Part) -> dict[str, str]:
    """Say what was run."""
    problem = part.problem
    counts = np.bincount(problem.labels, minlength=len(problem.classes))
    classes = ", ".join(f"{name} {count:,}" for name, count in zip(problem.classes, counts, strict=True))
    models = [_model(name, about) for name, about in part.embeddings.items()]
    settings = [cell.settings for cell in part.cells.values()]
    versions = {name: text for each in settings for name, text in each.get("versions", {}).items()}
    runs = {part.common([row]) + f", seed {row['seed']}" for row in part.rows}
    return {
        "Images": f"{len(problem.labels):,} in {len(np.unique(problem.groups)):,} independent groups "
        "(same patient or identical content)",
        "Classes": classes + (" (ordered grades)" if problem.ordinal else ""),
        "Models": "; ".join(models) or ", ".join(sorted({row["model"] for row in part.rows})),
        "Runs": "; ".join(sorted(runs)),
        "Cells": f"{len(part.rows):,} fitted, {len(part.failed):,} failed",
        "Versions": ", ".join(f"{name} {text}" for name, text in sorted(versions.items())),
    }


def _model(name: str, about: Any) -> str:
    weights = f"{about['weights']} weights" + (f" {about['weights_digest'][:8]}" if "weights_digest" in about else "")
    return f"{name}: {weights}, {about['dim']}-d, {about['size']} px, {about['engine']} {about['precision']}"


def _counts(part: Part) -> dict[str, list[float]]:
    """Mean training images a class, before and after; balancers that change nothing are left out."""
    found: dict[str, list[float]] = {}
    for row in part.honest(balanced=True):
        folds = part.cells[row["key"]].folds
        before, after = (np.mean([getattr(f, f"counts_{side}") for f in folds], axis=0) for side in ("before", "after"))
        found.setdefault("before", before.tolist())
        if (before != after).any():
            found.setdefault(balancer(row["balance"]), after.tolist())
    return found if len(found) > 1 else {}
