"""``headroom fit``: embeddings to out-of-fold predictions."""

from typing import Annotated, Any, Literal

import typer

from headroom.pipeline.commands.options import DEFAULT_CACHE, Cache, Jobs, Json, Seed, cores
from headroom.pipeline.console import COULD_NOT, command, progress, say, stop, write_json

BASELINE = "none"


Protocol = Literal["cv", "split", "leaky"]


@command
def fit(
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
    folds: Annotated[int, typer.Option(min=2, max=100, help="Folds of a repeat.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Repeats of the cross-validation.")] = 1,
    protocol: Annotated[
        Protocol,
        typer.Option(help="cv: grouped cross-validation; split: official split; leaky: resampled before the split."),
    ] = "cv",
    reduce: Annotated[str | None, typer.Option(help="pca:N keeps N principal components.")] = None,
    tune: Annotated[bool, typer.Option("--tune", help="Search each head's parameters inside the folds.")] = False,
    cache: Cache = DEFAULT_CACHE,
    jobs: Jobs = 0,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Cross-validate heads with and without class balancing; a cell that is there is not fitted again.

    Without balancing every head is fitted too, to compare with.
    """
    import time

    from headroom.errors import HeadError
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
    asked = [*(balance or ()), *(["smote"] if smote else ())]
    balancers = list(dict.fromkeys([BASELINE, *pick("balancer", asked, BALANCERS)]))
    cached = read_cache(cache)
    for line in cached.unreadable:
        say(f"note: {line}")
    planned = plan_problems(cached, dataset or (), model or ())
    settings = GridSettings(folds, repeats, protocol, seed, reduce, tune)
    augmented = any(BALANCERS[name].views for name in balancers)
    outcomes: list[dict[str, Any]] = []
    with Results(cache / "results.db") as results, progress() as show:
        for name, embedding, files in planned:
            try:
                problem = load_problem(name, embedding, files, views=augmented)
                cells = plan_cells([problem], heads, balancers, settings, results)
                outcomes += run_cells(cells, results, jobs=jobs or cores(), progress=show)
            except HeadError as error:
                if len(planned) == 1:
                    raise
                say(f"left out: {name} {embedding}: {error.got}; {error.remedy}")
    seconds = time.perf_counter() - began
    if json:
        write_json({"cells": outcomes, "seconds": round(seconds, 3)})
    counts = {status: sum(row["status"] == status for row in outcomes) for status in ("fitted", "reused", "failed")}
    for row in outcomes:
        if row["status"] == "failed":
            say(f"failed: {row['dataset']} {row['model']} {row['head']} {row['balance']}: {row['reason']}")
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    (say if json else typer.echo)(f"{len(outcomes)} cells: {summary} in {seconds:.1f} s; see them with: report")
    if counts["failed"] == len(outcomes):  # also where there are none, every problem having been left out
        stop("no cell could be fitted", "see the reasons above", COULD_NOT)
