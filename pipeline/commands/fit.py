"""``headroom fit``: embeddings to out-of-fold predictions."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer

from headroom.errors import HeadError
from headroom.pipeline.commands.options import DEFAULT_CACHE, Cache, Folds, Jobs, Json, Repeats, Seed, with_options_of
from headroom.pipeline.console import command, progress, say, write_json

BASELINE = "none"

Protocol = Literal["cv", "split", "leaky"]


def fit_grid(
    head: Annotated[list[str], typer.Option(help="Classical head, wildcard or all; repeat for several.")],
    balance: Annotated[
        list[str] | None,
        typer.Option(help="Class balancing, wildcard or all; repeat for several.", show_default="none"),
    ] = None,
    smote: Annotated[bool, typer.Option("--smote", help="Short for --balance smote.")] = False,
    model: Annotated[
        list[str] | None, typer.Option(help="Stored embeddings; a+b joins two.", show_default="all stored")
    ] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="Stored data set.", show_default="all stored")] = None,
    folds: Folds = 5,
    repeats: Repeats = 1,
    protocol: Annotated[
        Protocol,
        typer.Option(help="cv: grouped cross-validation; split: official split; leaky: resampled before the split."),
    ] = "cv",
    reduce: Annotated[str | None, typer.Option(help="pca:N keeps N principal components.")] = None,
    tune: Annotated[bool, typer.Option("--tune", help="Search each head's parameters inside the folds.")] = False,
    cache: Cache = DEFAULT_CACHE,
    jobs: Jobs = 0,
    seed: Seed = 0,
    *,
    progress: Callable[[int, int, str], None],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Fit what is missing; return what ``fit --json`` promises."""
    from headroom.heads.balancing import BALANCERS
    from headroom.heads.cell import GridSettings
    from headroom.heads.classifiers import HEADS
    from headroom.heads.grid import plan_cells, run_cells
    from headroom.heads.results import Results
    from headroom.pipeline.cache import read_cache
    from headroom.pipeline.names import pick
    from headroom.pipeline.problems import load_problem, plan_problems

    began = time.perf_counter()
    heads = pick("head", head, HEADS)
    asked = [*(balance or ()), *["smote"] * smote]
    balancers = list(dict.fromkeys([BASELINE, *pick("balancer", asked, BALANCERS)]))
    cached = read_cache(cache)
    for line in cached.unreadable:
        say(f"note: {line}")
    planned = plan_problems(cached, dataset or (), model or ())
    settings = GridSettings(folds, repeats, protocol, seed, reduce, tune)
    augmented = any(BALANCERS[name].views for name in balancers)
    outcomes: list[dict[str, Any]] = []
    with Results(cache / "results.db") as results:
        for name, embedding, files in planned:
            try:
                problem = load_problem(name, embedding, files, views=augmented)
                cells = plan_cells(problem, heads, balancers, settings, results)
                outcomes += run_cells(problem, settings, cells, results, jobs=jobs, progress=progress)
            except HeadError as error:
                if len(planned) == 1:
                    raise
                say(f"left out: {name} {embedding}: {error.got}; {error.remedy}")
    for row in outcomes:
        if row["status"] == "failed":
            say(f"failed: {row['dataset']} {row['model']} {row['head']} {row['balance']}: {row['reason']}")
    return {"cells": outcomes, "seconds": round(time.perf_counter() - began, 3)}


def refuse_failed(answer: dict[str, Any]) -> None:
    """Raise where no cell was fitted, also where there is none, every problem having been left out."""
    if all(row["status"] == "failed" for row in answer["cells"]):
        raise HeadError(got="no cell could be fitted", remedy="see the reason given for each")


@command
@with_options_of(fit_grid)
def fit(json: Json = False, **options: Any) -> None:
    """Cross-validate heads with and without class balancing; a cell that is there is not fitted again.

    Without balancing every head is fitted too, to compare with.
    """
    with progress() as show:
        answer = fit_grid(**options, progress=show, say=say)
    if json:
        write_json(answer)
    counts = Counter(row["status"] for row in answer["cells"])
    summary = ", ".join(f"{counts[status]} {status}" for status in ("fitted", "reused", "failed"))
    line = f"{counts.total()} cells: {summary} in {answer['seconds']:.1f} s; see them with: report"
    (say if json else typer.echo)(line)
    refuse_failed(answer)
