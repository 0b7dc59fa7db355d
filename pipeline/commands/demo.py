"""``headroom demo``: the whole main job on generated images, offline."""

import typer

from headroom.pipeline.commands.options import DEFAULT_CACHE, DEFAULT_DATA, Cache, DataDir
from headroom.pipeline.console import command, say

DATASET = "synthetic-fundus"
MODEL = "mobilenet"
DOWNLOAD_SECONDS = 30
HEADS = ("svm", "logreg", "random-forest", "knn")
BALANCERS = ("class-weight", "smote")


@command
def demo(cache: Cache = DEFAULT_CACHE, data_dir: DataDir = DEFAULT_DATA) -> None:
    """Run the whole main job on a generated data set, offline; ends by naming the report.

    ImageNet weights are used where they are on this machine or come within seconds, else seeded random ones.
    """
    from headroom.pipeline.commands.steps import repeat, run_step

    weights = _weights()
    places = ["--cache", str(cache)]
    steps = [
        ["extract", "--model", MODEL, "--weights", weights, "--dataset", DATASET, "--data-dir", str(data_dir), *places],
        ["fit", *repeat("--head", HEADS), *repeat("--balance", BALANCERS), "--dataset", DATASET, *places],
        ["report", "--dataset", DATASET, *places],
        ["report", "--dataset", DATASET, "--format", "html", *places],
    ]
    for step in steps:
        run_step(step)
    typer.echo(f"report: {cache / 'reports' / 'report.html'}")


def _weights() -> str:
    """Return ``imagenet`` where the weights are here or come within seconds, else ``random``."""
    from headroom.errors import FeatureError
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
