"""``headroom replicate``: a published study, claimed against measured here."""

from typing import TYPE_CHECKING, Annotated

import typer

from headroom.pipeline.commands.options import DEFAULT_CACHE, DEFAULT_DATA, Cache, DataDir, Folds, Json, Repeats, Seed
from headroom.pipeline.console import COULD_NOT, command, say, stop, write_json

if TYPE_CHECKING:
    from headroom.pipeline.studies import Claim

PROTOCOLS = ("cv", "leaky")
PROMISED = ("dataset", "comparison", "metric", "claimed", "measured", "low", "high", "p", "leaky")


@command
def replicate(
    study: Annotated[str, typer.Argument(help="Study to repeat, for example smote-paper.")],
    model: Annotated[list[str] | None, typer.Option(help="Other backbones.", show_default="the study's own")] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="Other data sets.", show_default="the study's own")] = None,
    weights: Annotated[str, typer.Option(help="imagenet, random, or a Keras weights file.")] = "imagenet",
    folds: Folds = 5,
    repeats: Repeats = 1,
    data_dir: DataDir = DEFAULT_DATA,
    cache: Cache = DEFAULT_CACHE,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Repeat a published study on the same kind of models and data, and set its claims beside what comes out here.

    Models whose weights cannot be had and data sets that are not here are left out with a line.
    """
    from dataclasses import replace

    from headroom.heads.results import Results
    from headroom.heads.scores.scored import scored_cells
    from headroom.pipeline.commands.steps import repeat, run_step
    from headroom.pipeline.names import pick
    from headroom.pipeline.report.model import current
    from headroom.pipeline.studies import STUDIES, replicated

    asked = STUDIES[pick("study", [study], STUDIES)[0]]
    asked = replace(asked, models=tuple(model or asked.models), datasets=tuple(dataset or asked.datasets))
    extracted = []
    for name in asked.datasets:
        for backbone in asked.models:
            step = ["extract", "--model", backbone, "--weights", weights, "--dataset", name]
            if run_step([*step, "--data-dir", str(data_dir), "--cache", str(cache)], needed=False):
                extracted.append((name, backbone))
            else:
                say(f"left out: {backbone} on {name}")
    if not extracted:
        stop("no model could be extracted on any data set", "see the reasons above", COULD_NOT)
    heads = repeat("--head", (asked.transfer, *asked.classical))
    for name, backbone in extracted:
        for protocol in PROTOCOLS:
            settings = ["--folds", str(folds), "--repeats", str(repeats), "--seed", str(seed), "--protocol", protocol]
            problem = ["--dataset", name, "--model", backbone, "--cache", str(cache)]
            run_step(["fit", *heads, "--balance", asked.balance, *settings, *problem])
    with Results(cache / "results.db") as results:
        wanted = {"folds": folds, "repeats": repeats, "seed": seed, "reduce": None, "tune": False}
        cells = [
            cell
            for cell in current(results.cells())
            if (cell.dataset, cell.model) in extracted and all(cell.settings[key] == wanted[key] for key in wanted)
        ]
        problems = {cell.problem: results.problem(cell.problem) for cell in cells}
        scored = scored_cells(results, cells, problems)
    rows = replicated(asked, cells, scored)
    if json:
        write_json(
            {
                "study": asked.name,
                "models": list(asked.models),
                "rows": [{name: getattr(row, name) for name in PROMISED} for row in rows],
            }
        )
        return
    typer.echo(f"\n{asked.title}: claimed and measured here")
    for row in rows:
        typer.echo(_line(row))
    typer.echo("'leaky' is what resampling before the split would have claimed: DO NOT REPORT it")


def _line(row: "Claim") -> str:
    """Say one row in two lines of at most 80 columns."""
    sign = "" if row.p is None else "+"  # the best system is a value, all others are differences
    leaky = "-" if row.leaky is None else f"{row.leaky:{sign}.4f}"
    interval = "" if row.low is None else f" [{row.low:{sign}.4f}, {row.high:{sign}.4f}]"
    numbers = f"claimed {row.claimed:{sign}.4f}, measured {row.measured:{sign}.4f}{interval}, leaky {leaky}"
    return f"{row.dataset}: {row.comparison}\n  {row.metric}: {numbers}"
