"""Where a network's weights come from, and the digest that stands for them."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headroom.errors import FeatureError
from headroom.features.backbones import Backbone

SUFFIXES = (".h5", ".keras")
PATIENCE_SECONDS = 1800
SILENCE_SECONDS = 20
_DOWNLOAD = """
import json, socket, sys
builder, options, silence = json.loads(sys.argv[1])
socket.setdefaulttimeout(silence)
import keras
getattr(keras.applications, builder)(include_top=False, weights="imagenet", **options)
"""


@dataclass(frozen=True)
class Weights:
    """Weights of one network: their file (None for random ones) and its SHA-256, or ``random-<seed>``."""

    kind: Literal["imagenet", "file", "random"]
    path: Path | None
    digest: str

    @property
    def seed(self) -> int:
        """Seed of random weights."""
        return int(self.digest.removeprefix("random-"))


def keras_models_folder() -> Path:
    """Return the folder where Keras keeps the weights that it downloads."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def resolve_weights(source: str, backbone: Backbone, *, seed: int = 0) -> Weights | None:
    """Find the weights that ``--weights`` names: ``imagenet`` (None where they are not here yet), ``random`` or a file.

    Raises
    ------
    FeatureError
        The file is missing or of another kind.
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


def download_imagenet(backbone: Backbone, patience: float = PATIENCE_SECONDS) -> Weights:
    """Let Keras download and verify the ImageNet weights of a backbone, for at most ``patience`` seconds.

    Raises
    ------
    FeatureError
        The download failed; the remedy names the file and where to put it.
    """
    task = json.dumps([backbone.builder, backbone.options, min(SILENCE_SECONDS, patience)])
    try:
        done = run_keras("-c", _DOWNLOAD, task, timeout=patience)
    except subprocess.TimeoutExpired as error:
        raise _missing(backbone, f"not finished within {patience:.0f} s") from error
    weights = resolve_weights("imagenet", backbone) if done.returncode == 0 else None
    if weights is None:
        raise _missing(backbone, last_line(done, "no file came").rpartition("-- ")[2][:160])  # after the address
    return weights


def _missing(backbone: Backbone, cause: str) -> FeatureError:
    """Return the error for ImageNet weights that cannot be downloaded."""
    return FeatureError(
        got=f"ImageNet weights of {backbone.name} are not on this machine and could not be downloaded ({cause})",
        remedy=f"put {backbone.weights_file} into {keras_models_folder()}, or name a file with --weights FILE, "
        "or try the plumbing with --weights random",
    )


def run_keras(*words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run Python with Keras on its OpenVINO back end, in a process of its own that sees no module of the user's."""
    environment = {**os.environ, "KERAS_BACKEND": "openvino", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-P", *words]
    return subprocess.run(command, env=environment, capture_output=True, check=False, **options)


def last_line(done: subprocess.CompletedProcess[bytes], otherwise: str) -> str:
    """Return what a process said last before it failed."""
    return (done.stderr.decode(errors="replace").strip().splitlines() or [otherwise])[-1]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
