"""The Keras graph of a network, from pixels to a pooled embedding, on whichever back end Keras runs.

Only this module and the engines import Keras, and only inside functions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from headroom.errors import FeatureError
from headroom.features.backbones import BACKBONES
from headroom.features.network import Network

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])
CAFFE_MEAN_BGR = np.array([103.939, 116.779, 123.68])
POOLING = {"avg": "GlobalAveragePooling2D", "max": "GlobalMaxPooling2D"}


@dataclass(frozen=True)
class Pixels:
    """What turns 0..255 into what a network was trained on: ``scale * x + offset``, of BGR or RGB."""

    scale: float | list[float] = 1.0
    offset: float | list[float] = 0.0
    bgr: bool = False


PREPROCESSING = {
    "none": None,
    "unit": Pixels(1 / 127.5, -1.0),
    "caffe": Pixels(offset=(-CAFFE_MEAN_BGR).tolist(), bgr=True),
    "torch": Pixels((1 / (255 * IMAGENET_STD)).tolist(), (-IMAGENET_MEAN / IMAGENET_STD).tolist()),
}


def build(network: Network) -> Any:
    """Build the Keras model ``uint8 (batch, size, size, 3) -> (batch, dim)`` in the current dtype policy.

    Raises
    ------
    FeatureError
        The weights belong to another architecture, or the file is no Keras model.
    """
    import keras

    core = _own_model(network) if network.model not in BACKBONES else _application(network)
    pixels = keras.Input((network.size, network.size, 3), dtype="uint8", name="pixels")
    x = keras.ops.cast(pixels, "float32")
    rule = PREPROCESSING[network.preprocessing]
    if rule is not None:
        x = keras.layers.Rescaling(rule.scale, rule.offset)(keras.ops.flip(x, axis=-1) if rule.bgr else x)
    x = core(x)
    if len(x.shape) == 4:
        x = getattr(keras.layers, POOLING[network.pooling])()(x)
    return keras.Model(pixels, x, name="embedding")


def _application(network: Network) -> Any:
    """Build a Keras Application and give it its weights."""
    import keras

    record = BACKBONES[network.model]
    builder = getattr(keras.applications, record.builder)
    shape = (network.size, network.size, 3)
    remedy = f"leave --size out (its own is {record.size})"
    with _explained(got=f"{record.name} cannot be built for --size {network.size}", remedy=remedy):
        core = builder(include_top=False, weights=None, input_shape=shape, pooling=network.pooling, **record.options)
    if network.weights.kind == "random":
        _randomise(core, int(network.weights.digest.removeprefix("random-")))
    else:
        remedy = f"give weights of {record.name} saved without its classifier (include_top=False)"
        with _explained(got=f"the weights in {network.weights.path} do not fit {record.name}", remedy=remedy):
            core.load_weights(str(network.weights.path))
        _undo_doubled_deviation(core)
    core.trainable = False
    return core


def _randomise(core: Any, seed: int) -> None:
    """Draw He-normal kernels from NumPy, so that every back end gets the same network."""
    generator = np.random.default_rng(seed)
    for weight in core.weights:
        if weight.name.endswith("kernel"):
            depthwise = len(weight.shape) == 4 and weight.shape[-1] == 1
            fan_in = int(np.prod(weight.shape[:2] if depthwise else weight.shape[:-1]))
            values = generator.standard_normal(weight.shape, dtype=np.float32) * np.sqrt(2 / max(fan_in, 1))
            weight.assign(values)


def _undo_doubled_deviation(core: Any) -> None:
    """Make EfficientNet's input normalisation what its ImageNet weights were trained on.

    Keras's files hold the deviation where the layer expects the variance; ``weights="imagenet"`` mends that with one
    more layer, which a network built for a file lacks. Squaring the stored value is the same function.
    """
    import keras

    for layer in core.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.variance is not None:
            stored = np.ravel(keras.ops.convert_to_numpy(layer.variance))
            if stored.shape == (3,) and np.allclose(stored, IMAGENET_STD, atol=1e-4):
                mean, _, *rest = layer.get_weights()
                layer.set_weights([mean, stored**2, *rest])
                layer.finalize_state()


def _own_model(network: Network) -> Any:
    """Load a user's ``.keras`` model up to what feeds its classifier."""
    import keras

    remedy = "give a .keras file saved by Keras 3 without custom code"
    with _explained(got=f"{network.model} is not a Keras model that can be loaded", remedy=remedy):
        model = keras.saving.load_model(network.model, compile=False)
    last = model.layers[-1]
    if isinstance(last, keras.layers.Dense) and len(model.layers) > 1:
        model = keras.Model(model.inputs, last.input)
    if len(model.inputs) != 1 or tuple(model.inputs[0].shape[-1:]) != (3,) or len(model.outputs[0].shape) not in (2, 4):
        raise FeatureError(
            got=f"{network.model} takes {model.input_shape} and gives {model.output_shape}",
            remedy="a backbone takes one RGB image and gives a vector or a feature map",
        )
    model.trainable = False
    return model


@contextmanager
def _explained(*, got: str, remedy: str) -> Iterator[None]:
    """Make one error, with its first line, of whatever Keras, h5py or zipfile raise at a size or a file."""
    try:
        yield
    except Exception as error:
        text = str(error).strip() or type(error).__name__
        raise FeatureError(got=f"{got}: {text.splitlines()[0].rstrip('.')[:200]}", remedy=remedy) from error
