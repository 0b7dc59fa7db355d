"""Commands that run other commands: ``headroom demo`` and ``headroom replicate``."""

import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from headroom.errors import FeatureError, HeadroomError
from headroom.pipeline.commands.options import as_words, command
from headroom.pipeline.console import say, show

if TYPE_CHECKING:
    from headroom.pipeline.studies import Claim

DATASET = "synthetic-fundus"
MODEL = "mobilenet"
DOWNLOAD_SECONDS = 30
HEADS = ("svm", "logreg", "random-forest", "knn")
BALANCERS = ("class-weight", "smote")
PROMISED = ("dataset", "comparison", "metric", "claimed", "measured", "low", "high", "p", "leaky")


@command()
def demo(cache: Path, data_dir: Path) -> None:
    """Run the whole main job on a generated data set, offline; ends by naming the report.

    ImageNet weights are used where they are on this machine or come within seconds, else seeded random ones.
    """
    _run("extract", model=MODEL, weights=_weights(), dataset=DATASET, data_dir=data_dir, cache=cache)
    _run("fit", head=HEADS, balance=BALANCERS, dataset=DATASET, cache=cache)
    _run("report", dataset=DATASET, cache=cache)
    _run("report", dataset=DATASET, format="html", cache=cache)
    typer.echo(f"report: {cache / 'reports' / 'report.html'}")


@command()
def replicate(
    *,
    study: str,
    model: list[str] | None = None,
    dataset: list[str] | None = None,
    weights: str = "imagenet",
    folds: int = 5,
    repeats: int = 1,
    data_dir: Path,
    cache: Path,
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
    from headroom.pipeline.report.source import read_cells
    from headroom.pipeline.studies import STUDIES, replicated

    asked = STUDIES[pick("study", [study], STUDIES)[0]]
    asked = replace(asked, models=tuple(model or asked.models), datasets=tuple(dataset or asked.datasets))
    extracted = []
    for name, backbone in product(asked.datasets, asked.models):
        try:
            _run("extract", model=backbone, weights=weights, dataset=name, data_dir=data_dir, cache=cache)
            extracted.append((name, backbone))
        except HeadroomError:
            say(f"left out: {backbone} on {name}")
    if not extracted:
        raise HeadroomError(got="no model could be extracted on any data set", remedy="see the reasons above")
    heads = (asked.transfer, *asked.classical)
    settings = {"folds": folds, "repeats": repeats, "seed": seed}
    for (name, backbone), protocol in product(extracted, ("cv", "leaky")):
        problem = {"dataset": name, "model": backbone, "cache": cache}
        _run("fit", head=heads, balance=asked.balance, **settings, protocol=protocol, **problem)
    wanted = {**settings, "reduce": None, "tune": False}
    cells, _, scored = read_cells(cache, [name for name, _ in extracted], [backbone for _, backbone in extracted])
    cells = [
        cell for cell in cells if (cell.dataset, cell.model) in extracted and wanted.items() <= cell.settings.items()
    ]
    rows = replicated(asked, cells, scored)
    answer = {
        "study": asked.name,
        "models": asked.models,
        "rows": [{name: getattr(row, name) for name in PROMISED} for row in rows],
    }
    title = f"\n{asked.title}: claimed and measured here"
    warning = "'leaky' is what resampling before the split would have claimed: DO NOT REPORT it"
    show(json, answer, [title, *map(_lines, rows), warning])


def _run(command: str, **options: Any) -> None:
    """Run another command and show it, as a user would in a process of its own."""
    words = [command, *as_words(options)]
    say(f"\n$ headroom {' '.join(words)}")
    code = subprocess.run([sys.executable, "-P", "-m", "headroom", *words], check=False).returncode
    if code:
        raise HeadroomError(got=f"'headroom {command}' ended with exit code {code}", remedy="see its error above")


def _weights() -> str:
    """Return ``imagenet`` where the weights are here or come within seconds, else ``random``."""
    from headroom.features.backbones import BACKBONES
    from headroom.features.network import download_imagenet, resolve_weights

    backbone = BACKBONES[MODEL]
    if resolve_weights("imagenet", backbone) is None:
        say(f"ImageNet weights of {MODEL} are not on this machine; trying to download them")
        try:
            download_imagenet(backbone, patience=DOWNLOAD_SECONDS)
        except FeatureError as error:
            say(f"{error.got}\nso the demo uses seeded RANDOM weights; its numbers show the plumbing only")
            return "random"
    return "imagenet"


def _lines(row: "Claim") -> str:
    """Say one row in two lines of at most 80 columns."""
    sign = "" if row.p is None else "+"  # the best system is a value, all others are differences
    leaky = "-" if row.leaky is None else f"{row.leaky:{sign}.4f}"
    interval = "" if row.low is None else f" [{row.low:{sign}.4f}, {row.high:{sign}.4f}]"
    numbers = f"claimed {row.claimed:{sign}.4f}, measured {row.measured:{sign}.4f}{interval}, leaky {leaky}"
    return f"{row.dataset}: {row.comparison}\n  {row.metric}: {numbers}"
