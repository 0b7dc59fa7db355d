"""What is to run: a network with its weights, and the recipe that stands for all that determines a vector."""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from headroom.errors import FeatureError
from headroom.features.backbones import BACKBONES, Backbone
from headroom.features.decode import Frame
from headroom.features.weights import Weights, download_imagenet, file_digest, resolve_weights

FORMAT_VERSION = 1
RESIZE = "bilinear"


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
