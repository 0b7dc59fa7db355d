"""``headroom demo``: the whole main job on generated images, offline."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import typer

from headroom.errors import FeatureError, HeadroomError
from headroom.pipeline.commands.options import as_words, command
from headroom.pipeline.console import say

DATASET = "synthetic-fundus"
MODEL = "mobilenet"
DOWNLOAD_SECONDS = 30
HEADS = ("svm", "logreg", "random-forest", "knn")
BALANCERS = ("class-weight", "smote")


@command()
def demo(cache: Path, data_dir: Path) -> None:
    """Run the whole main job on a generated data set, offline; ends by naming the report.

    ImageNet weights are used where they are on this machine or come within seconds, else seeded random ones.
    """
    run_step("extract", model=MODEL, weights=_weights(), dataset=DATASET, data_dir=data_dir, cache=cache)
    run_step("fit", head=HEADS, balance=BALANCERS, dataset=DATASET, cache=cache)
    run_step("report", dataset=DATASET, cache=cache)
    run_step("report", dataset=DATASET, format="html", cache=cache)
    typer.echo(f"report: {cache / 'reports' / 'report.html'}")


def run_step(command: str, **options: Any) -> None:
    """Run another command and show it, as a user would in a process of its own."""
    words = [command, *as_words(options)]
    say(f"\n$ headroom {' '.join(words)}")
    code = subprocess.run([sys.executable, "-P", "-m", "headroom", *words], check=False).returncode
    if code:
        raise HeadroomError(got=f"'headroom {command}' ended with exit code {code}", remedy="see its error above")


def _weights() -> str:
    """Return ``imagenet`` where the weights are here or come within seconds, else ``random``."""
    from headroom.features.backbones import BACKBONES
    from headroom.features.weights import download_imagenet, resolve_weights

    backbone = BACKBONES[MODEL]
    if resolve_weights("imagenet", backbone) is None:
        say(f"ImageNet weights of {MODEL} are not on this machine; trying to download them")
        try:
            download_imagenet(backbone, patience=DOWNLOAD_SECONDS)
        except FeatureError as error:
            say(f"{error.got}\nso the demo uses seeded RANDOM weights; its numbers show the plumbing only")
            return "random"
    return "imagenet"
