"""``headroom fit``: embeddings to out-of-fold predictions."""

import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import typer

import headroom
from headroom.errors import HeadError
from headroom.pipeline.commands.options import command
from headroom.pipeline.console import progress, say, write_json

BASELINE = "none"


@command(headroom.fit)
def fit(json: bool = False, **options: Any) -> None:
    began = time.perf_counter()
    rows = _fitted(SimpleNamespace(**options))
    seconds = time.perf_counter() - began
    for row in rows:
        if row["status"] == "failed":
            say(f"failed: {row['dataset']} {row['model']} {row['head']} {row['balance']}: {row['reason']}")
    if json:
        write_json({"cells": rows, "seconds": round(seconds, 3)})
    counts = Counter(row["status"] for row in rows)
    summary = ", ".join(f"{counts[status]} {status}" for status in ("fitted", "reused", "failed"))
    line = f"{len(rows)} cells: {summary} in {seconds:.1f} s; see them with: report"
    (say if json else typer.echo)(line)
    if counts["failed"] == len(rows):  # also where there is none, every problem having been left out
        raise HeadError(got="no cell could be fitted", remedy="see the reason given for each")


def _fitted(asked: SimpleNamespace) -> list[dict[str, Any]]:
    """Fit what is missing; a row for each cell as ``fit --json`` promises."""
    from headroom.heads.balancing import BALANCERS
    from headroom.heads.cell import GridSettings
    from headroom.heads.classifiers import HEADS
    from headroom.heads.grid import plan_cells, run_cells
    from headroom.heads.results import Results
    from headroom.pipeline.cache import read_cache
    from headroom.pipeline.names import pick
    from headroom.pipeline.problems import load_problem, plan_problems

    heads = pick("head", asked.head, HEADS)
    balancers = pick("balancer", [BASELINE, *(asked.balance or ()), *["smote"] * asked.smote], BALANCERS)
    cached = read_cache(asked.cache)
    for line in cached.unreadable:
        say(f"note: {line}")
    planned = plan_problems(cached, asked.dataset or (), asked.model or ())
    searched = {"tune": asked.tune, "criterion": asked.criterion, "cost": tuple(asked.cost or ())}
    settings = GridSettings(asked.folds, asked.repeats, asked.protocol, asked.seed, asked.reduce, **searched)
    augmented = any(BALANCERS[name].views for name in balancers)
    rows: list[dict[str, Any]] = []
    with Results(asked.cache / "results.db") as results, progress() as show:
        for name, embedding, files in planned:
            try:
                problem = load_problem(name, embedding, files, views=augmented)
                cells = plan_cells(problem, heads, balancers, settings, results)
                rows += run_cells(problem, settings, cells, results, jobs=asked.jobs, progress=show)
            except HeadError as error:
                if len(planned) == 1:
                    raise
                say(f"left out: {name} {embedding}: {error.got}; {error.remedy}")
    return rows
