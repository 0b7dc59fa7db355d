"""Small fabricated reports for the tests of what renders them."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.fabricated import fabricate
from headroom.heads.cell import Cell
from headroom.heads.results import Results
from headroom.pipeline.report.chapter import Report
from headroom.pipeline.report.model import FIGURES_SHOWN, compute
from headroom.pipeline.report.source import ReportSettings, read_sources

SCRIPT = "<script>alert(1)</script>"
FORMULA = "=cmd()"
NASTY = (SCRIPT, FORMULA, r"a_b & $x^2$ \input{50 %} | `#~` é")
HEADS = ("svm", "knn")
BALANCERS = ("none", "smote", "class-weight")


def write_results(cache: Path, dataset: str = "aptos", classes: tuple[str, ...] = ("0", "1", "2"), **options) -> None:
    """Leave a results database of a few cells in a cache."""
    with Results(cache / "results.db") as results:
        counts = dict(zip(classes, (60, 30, 20), strict=False))
        fabricate(results, dataset, counts, **({"heads": HEADS, "balancers": BALANCERS} | options))


def write_failed(cache: Path, dataset: str, reason: str) -> None:
    """Add a failed cell to `write_results`'s."""
    settings = {"folds": 5, "repeats": 1, "protocol": "cv", "seed": 0, "reduce": None, "tune": False}
    names = (f"{dataset}/mobilenet", dataset, "mobilenet", "lda", "adasyn", "cv")
    with Results(cache / "results.db") as results:
        results.save(Cell(f"{dataset}/failed", *names, settings, "failed", reason))


def report_of(cache: Path, checks: list | None = None, figures: bool = True, **settings: Any) -> Report:
    """The report of a cache, with these findings, and with figures or without."""
    sources, _ = read_sources(cache, ReportSettings(**settings))
    return replace(compute(sources, (FIGURES_SHOWN,) * figures), checks=checks or [])


def forget_results(cache: Path, which: str = "TRUE") -> None:
    """Remove cells from a results database, all of them by default."""
    with sqlite3.connect(cache / "results.db") as connection:
        connection.execute(f"DELETE FROM cells WHERE {which}")
    connection.close()
