"""What is to run: a network with its weights, and the recipe that stands for all that determines a vector."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from headroom.errors import FeatureError
from headroom.features.backbones import BACKBONES, Backbone
from headroom.features.decode import Frame

FORMAT_VERSION = 1
RESIZE = "bilinear"
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


@dataclass(frozen=True)
class Network:
    """What has to be built: a network with preprocessing and pooling inside.

    Attributes
    ----------
    model : str
        Name in BACKBONES, or the path of a user's own ``.keras`` file.
    size : int
        Side of the square input in pixels.
    preprocessing : {"none", "unit", "caffe", "torch"}
    pooling : {"avg", "max"}
    weights : Weights

    Examples
    --------
    >>> [network] = find_networks(["resnet50"], NetworkOptions(weights=["random"]))
    >>> network.size, network.preprocessing, network.weights.digest
    (224, 'caffe', 'random-0')
    """

    model: str
    size: int
    preprocessing: str
    pooling: str
    weights: Weights

    @property
    def label(self) -> str:
        """Name under which its vectors are kept."""
        return self.model if self.model in BACKBONES else Path(self.model).stem


@dataclass(frozen=True)
class NetworkOptions:
    """What a user may set of networks; None: their own. ``weights``: once for all models or once each."""

    weights: Sequence[str] = ("imagenet",)
    size: int | None = None
    preprocessing: str | None = None  # of a user's own .keras file; else it belongs to the backbone
    pooling: str = "avg"
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """How pixels become vectors; equal recipes and equal images give equal vectors.

    Examples
    --------
    >>> from dataclasses import replace
    >>> recipe = Recipe("mobilenet", "random-0", 224, "unit", "avg", "float32")
    >>> recipe.fingerprint == replace(recipe, precision="bfloat16").fingerprint
    False
    """

    model: str
    weights: str  # their digest
    size: int
    preprocessing: str
    pooling: str
    precision: str
    resize: str = RESIZE
    view: str = ""  # empty for the image itself
    version: int = FORMAT_VERSION

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings that are not empty, as hexadecimal text."""
        settings = {name: value for name, value in asdict(self).items() if value != ""}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    @property
    def file_name(self) -> str:
        """Name of the embedding file."""
        return f"{self.model}-{self.fingerprint[:8]}.h5"


def recipe_of(network: Network, precision: str, frame: Frame) -> Recipe:
    """Return the recipe of a network at one precision for one frame."""
    weights, pixels = network.weights.digest, network.preprocessing
    return Recipe(network.label, weights, network.size, pixels, network.pooling, precision, view=frame.words)


def find_networks(models: Sequence[str], options: NetworkOptions) -> list[Network]:
    """Find the networks of these names in BACKBONES or ``.keras`` files; missing ImageNet weights are downloaded.

    Raises
    ------
    FeatureError
        Weights are missing, or the options contradict each other.
    """
    models = list(dict.fromkeys(models))
    sources = list(options.weights) * (len(models) if len(options.weights) == 1 else 1)
    if len(sources) != len(models):
        raise FeatureError(
            got=f"{len(models)} models and {len(sources)} times --weights",
            remedy="give --weights once for all models, or once for each in the same order",
        )
    if options.size is not None and not 16 <= options.size <= 4096:
        raise FeatureError(got=f"--size {options.size}", remedy="give a side in pixels from 16 to 4096")
    return [
        _application(BACKBONES[model], source, options) if model in BACKBONES else _own(Path(model), options)
        for model, source in zip(models, sources, strict=True)
    ]


def _application(backbone: Backbone, source: str, options: NetworkOptions) -> Network:
    """Find a Keras Application."""
    if options.preprocessing is not None:
        raise FeatureError(
            got=f"--preprocessing {options.preprocessing} for {backbone.name}, which has its own",
            remedy="leave it out: it is for your own .keras files",
        )
    weights = resolve_weights(source, backbone, seed=options.seed) or download_imagenet(backbone)
    size = options.size or backbone.size
    return Network(backbone.name, size, backbone.preprocessing, options.pooling, weights)


def _own(path: Path, options: NetworkOptions) -> Network:
    """Find a user's own ``.keras`` file, whose weights are inside."""
    if not path.is_file():
        raise FeatureError(got=f"there is no model file {path}", remedy="check the path")
    weights = Weights("file", path.resolve(), file_digest(path))
    size = options.size or _input_side(path)
    return Network(str(path.resolve()), size, options.preprocessing or "none", options.pooling, weights)


def _input_side(path: Path) -> int:
    """Read the side of the input from a ``.keras`` file without loading it."""
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        layers = config.get("config", {}).get("layers") or [{}]
        shape = layers[0].get("config", {}).get("batch_shape")
        shape = list(shape or config.get("build_config", {}).get("input_shape") or [])
    except (OSError, LookupError, TypeError, AttributeError, ValueError, zipfile.BadZipFile) as error:
        raise FeatureError(
            got=f"{path} is no .keras file", remedy="give a file saved by Keras 3 with model.save('name.keras')"
        ) from error
    if len(shape) != 4 or not isinstance(shape[1], int) or shape[1] != shape[2]:
        raise FeatureError(
            got=f"{path} does not say which image size it takes (its input is {shape})", remedy="say it with --size"
        )
    return shape[1]


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
