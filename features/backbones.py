"""The frozen CNNs of ``backbones.toml``: one record a row, preprocessing inside."""

import tomllib
from dataclasses import dataclass, field
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Backbone:
    """One Keras Application as a feature extractor.

    Attributes
    ----------
    name : str
        What ``--model`` takes.
    builder : str
        Function of ``keras.applications`` that builds it.
    size : int
        Side of the square input in pixels.
    preprocessing : {"none", "unit", "caffe", "torch"}
        What turns pixels 0..255 into what the network was trained on: ``none`` (it rescales inside), ``unit``
        (-1..1), ``caffe`` (BGR less the ImageNet mean), ``torch`` (0..1, ImageNet mean and deviation).
    dim : int
        Length of the pooled embedding.
    parameters : int
        Weights without the ImageNet classifier.
    weights_file : str
        Name of Keras's own ImageNet file without the classifier.
    options : dict
        Further arguments of the builder.
    """

    name: str
    builder: str
    size: int
    preprocessing: str
    dim: int
    parameters: int
    weights_file: str
    options: dict[str, Any] = field(default_factory=dict)


_ROWS = tomllib.loads(resources.files(__package__).joinpath("backbones.toml").read_text(encoding="utf-8"))
BACKBONES: dict[str, Backbone] = {name: Backbone(name, **row) for name, row in _ROWS.items()}
