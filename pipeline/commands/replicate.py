"""``headroom replicate``: a published study, claimed against measured here."""

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from headroom.errors import HeadroomError
from headroom.pipeline.commands.demo import run_step
from headroom.pipeline.commands.options import command
from headroom.pipeline.console import say, write_json

if TYPE_CHECKING:
    from headroom.pipeline.studies import Claim

PROMISED = ("dataset", "comparison", "metric", "claimed", "measured", "low", "high", "p", "leaky")


@command()
def replicate(
    study: str,
    data_dir: Path,
    cache: Path,
    model: list[str] | None = None,
    dataset: list[str] | None = None,
    weights: str = "imagenet",
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Repeat a published study on the same kind of models and data, and set its claims beside what comes out here.

    Models whose weights cannot be had and data sets that are not here are left out with a line.

    Parameters
    ----------
    study : str, positional
        Study to repeat, for example smote-paper.
    model : list of str, default: the study's own
        Other backbones.
    dataset : list of str, default: the study's own
        Other data sets.
    weights : str
        imagenet, random, or a Keras weights file.
    """
    from dataclasses import replace

    from headroom.pipeline.names import pick
    from headroom.pipeline.report.model import read_cells
    from headroom.pipeline.studies import STUDIES, replicated

    asked = STUDIES[pick("study", [study], STUDIES)[0]]
    asked = replace(asked, models=tuple(model or asked.models), datasets=tuple(dataset or asked.datasets))
    extracted = []
    for name, backbone in product(asked.datasets, asked.models):
        try:
            run_step("extract", model=backbone, weights=weights, dataset=name, data_dir=data_dir, cache=cache)
            extracted.append((name, backbone))
        except HeadroomError:
            say(f"left out: {backbone} on {name}")
    if not extracted:
        raise HeadroomError(got="no model could be extracted on any data set", remedy="see the reasons above")
    heads = (asked.transfer, *asked.classical)
    settings = {"folds": folds, "repeats": repeats, "seed": seed}
    for (name, backbone), protocol in product(extracted, ("cv", "leaky")):
        problem = {"dataset": name, "model": backbone, "cache": cache}
        run_step("fit", head=heads, balance=asked.balance, **settings, protocol=protocol, **problem)
    wanted = {**settings, "reduce": None, "tune": False}
    cells, _, scored = read_cells(cache, *zip(*extracted, strict=True))
    cells = [
        cell for cell in cells if (cell.dataset, cell.model) in extracted and wanted.items() <= cell.settings.items()
    ]
    rows = replicated(asked, cells, scored)
    if json:
        promised = [{name: getattr(row, name) for name in PROMISED} for row in rows]
        write_json({"study": asked.name, "models": list(asked.models), "rows": promised})
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
