"""From the words of a command line to the networks that have to run."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headroom.errors import FeatureError
from headroom.features.backbones import BACKBONES, Backbone
from headroom.features.build import Network
from headroom.features.download import download_imagenet
from headroom.features.recipe import Recipe
from headroom.features.views import Frame
from headroom.features.weights import Weights, file_digest, resolve_weights


@dataclass(frozen=True)
class NetworkOptions:
    """What a user may set of a network; None: its own.

    Attributes
    ----------
    weights : sequence of str
        One for all models, or one for each.
    size : int or None
    preprocessing : str or None
        For a user's own ``.keras`` file only; else it belongs to the backbone.
    pooling : {"avg", "max"}
    seed : int
        Of random weights.
    """

    weights: Sequence[str] = ("imagenet",)
    size: int | None = None
    preprocessing: str | None = None
    pooling: str = "avg"
    seed: int = 0


def plan_networks(models: Sequence[str], options: NetworkOptions) -> list[Network]:
    """Say which networks have to run, each with its weights found (or downloaded by Keras).

    Parameters
    ----------
    models : sequence of str
        Names in BACKBONES, or paths of ``.keras`` files.
    options : NetworkOptions

    Returns
    -------
    list of Network

    Raises
    ------
    FeatureError
        Weights are missing, or the options contradict each other.

    Examples
    --------
    >>> [network] = plan_networks(["resnet50"], NetworkOptions(weights=["random"]))
    >>> network.size, network.preprocessing
    (224, 'caffe')
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


def recipe_of(network: Network, precision: str, frame: Frame) -> Recipe:
    """Return what determines the vectors of a network at one precision for one frame."""
    return Recipe(
        network.label,
        network.weights.digest,
        network.size,
        network.preprocessing,
        network.pooling,
        precision,
        view=frame.words,
    )


def _application(backbone: Backbone, source: str, options: NetworkOptions) -> Network:
    """Plan a Keras Application."""
    if options.preprocessing is not None:
        raise FeatureError(
            got=f"--preprocessing {options.preprocessing} for {backbone.name}, which has its own",
            remedy="leave it out: it is for your own .keras files",
        )
    weights = resolve_weights(source, backbone, seed=options.seed) or download_imagenet(backbone)
    size = options.size or backbone.size
    return Network(backbone.name, size, backbone.preprocessing, options.pooling, weights)


def _own(path: Path, options: NetworkOptions) -> Network:
    """Plan a user's own ``.keras`` file, whose weights are inside."""
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
