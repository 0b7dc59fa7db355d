"""Where a network's weights come from, and the digest that stands for them."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headroom.errors import FeatureError
from headroom.features.backbones import Backbone

SUFFIXES = (".h5", ".keras")


@dataclass(frozen=True)
class Weights:
    """Weights of one network.

    Attributes
    ----------
    kind : {"imagenet", "file", "random"}
    path : Path or None
        The file; None for random weights.
    digest : str
        SHA-256 of the file, or ``"random-<seed>"``.
    """

    kind: Literal["imagenet", "file", "random"]
    path: Path | None
    digest: str

    @property
    def seed(self) -> int:
        """Seed of random weights."""
        return int(self.digest.removeprefix("random-"))


def keras_models_folder() -> Path:
    """Return the folder where Keras keeps the weights it downloads."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def resolve_weights(source: str, backbone: Backbone, *, seed: int = 0) -> Weights | None:
    """Find the weights that ``--weights`` names.

    Parameters
    ----------
    source : str
        ``"imagenet"``, ``"random"`` or the path of a Keras weights file (``.h5``, ``.weights.h5``, ``.keras``).
    backbone : Backbone
    seed : int
        Seed of random weights.

    Returns
    -------
    Weights or None
        None where ``imagenet`` is not on this machine yet.

    Raises
    ------
    FeatureError
        The file is missing or of another kind.

    Examples
    --------
    >>> from headroom.features.backbones import BACKBONES
    >>> resolve_weights("random", BACKBONES["mobilenet"], seed=3).digest
    'random-3'
    """
    if source == "random":
        return Weights("random", None, f"random-{seed}")
    if source == "imagenet":
        path = keras_models_folder() / backbone.weights_file
        return Weights("imagenet", path, file_digest(path)) if path.is_file() else None
    path = Path(source).expanduser()
    if path.suffix not in SUFFIXES:
        raise FeatureError(
            got=f"--weights {source}: neither 'imagenet', 'random' nor a Keras weights file",
            remedy="name a .h5, .weights.h5 or .keras file",
        )
    if not path.is_file():
        raise FeatureError(got=f"--weights {source}: there is no such file", remedy="check the path")
    return Weights("file", path.resolve(), file_digest(path))


def missing_imagenet(backbone: Backbone, cause: str) -> FeatureError:
    """Return the error for ImageNet weights that cannot be downloaded."""
    got = f"ImageNet weights of {backbone.name} are not on this machine and could not be downloaded ({cause})"
    remedy = (
        f"put {backbone.weights_file} into {keras_models_folder()}, or name a file with --weights FILE, "
        "or try the plumbing with --weights random"
    )
    return FeatureError(got, remedy)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
