"""``headroom fit``: embeddings to out-of-fold predictions."""

import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import typer

import headroom
from headroom.errors import HeadError
from headroom.pipeline.commands.options import command
from headroom.pipeline.console import progress, say, write_json

if TYPE_CHECKING:
    from headroom.heads.cell import GridSettings
    from headroom.heads.samples import Problem

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
    from headroom.heads.grid import earlier, plan_cells, run_cells
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
    names = ("folds", "protocol", "seed", "reduce", "tune", "criterion", "balance_seeds")
    settings = GridSettings(**{name: getattr(asked, name) for name in names}, cost=tuple(asked.cost or ()))
    augmented = any(BALANCERS[name].views for name in balancers)
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    with Results(asked.cache / "results.db") as results, progress() as show:
        stored, again = results.cells(), 0
        for name, embedding, files in planned:
            try:
                problem = load_problem(name, embedding, files, views=augmented)
                chosen, said = _settled(problem, settings, asked.repeats)
                notes += said
                cells = plan_cells(problem, heads, balancers, chosen, results)
                again += len(earlier(cells, stored))
                rows += run_cells(problem, chosen, cells, results, jobs=asked.jobs, progress=show)
            except HeadError as error:
                if len(planned) == 1:
                    raise
                say(f"left out: {name} {embedding}: {error.got}; {error.remedy}")
    if again:
        notes += [f"{again} cells of an earlier version were not reused: folds and calibration are others now"]
    for note in dict.fromkeys(notes):
        say(f"note: {note}")
    return rows


def _settled(problem: "Problem", settings: "GridSettings", asked: int | None) -> tuple["GridSettings", list[str]]:
    """The settings with the repeats that this problem gets, and why where they are fewer than usual or asked."""
    from headroom.heads.folds import MANY_IMAGES, USUAL_REPEATS, distinct, usual_repeats

    images = len(problem.labels)
    repeats = asked or usual_repeats(images, settings.protocol)
    settled = distinct(problem, replace(settings, repeats=repeats))
    why = ""
    if settled.repeats < repeats:
        why = f"only {settled.repeats} of {repeats} repeats divide the patients differently; equal ones count once"
    elif asked is None and images > MANY_IMAGES and settings.protocol != "split":
        why = (
            f"{images:,} images, more than {MANY_IMAGES:,}: 1 repeat, where there are {USUAL_REPEATS} else (--repeats)"
        )
    return settled, [f"{problem.dataset}: {why}"] * bool(why)
