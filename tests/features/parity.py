"""Both engines against Keras's own ``predict``: ``python -m tests.features.parity vgg16 xception:96 ...``.

The reference knows nothing of headroom: the builder of ``keras.applications`` on TensorFlow with its documented
``preprocess_input``, its own random weights and normalisation statistics, saved as a weights file that the engines then
load. One JSON object a backbone: dim, parameters, and the largest relative distance of a vector for each engine.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

IMAGES = 8


def pictures(size: int) -> np.ndarray:
    """Draw images that differ in colour and in coarse structure, so that their embeddings differ."""
    draw = np.random.default_rng(0)
    coarse = draw.integers(0, 256, (IMAGES, 8, 8, 3)).repeat(size // 8 + 1, axis=1).repeat(size // 8 + 1, axis=2)
    noise = draw.integers(-30, 31, (IMAGES, size, size, 3))
    return np.clip(coarse[:, :size, :size] + noise, 0, 255).astype(np.uint8)


def preprocessing_of(builder: str) -> Any:
    """Return the ``preprocess_input`` that Keras documents for a builder."""
    import keras

    modules = {name: module for name, module in vars(keras.applications).items() if isinstance(module, ModuleType)}
    holding = [module for module in modules.values() if hasattr(module, builder)]
    named = [name for name in modules if builder.lower().startswith(name.replace("_", ""))]
    return (holding or [modules[max(named, key=len)]])[0].preprocess_input


def reference(record: Any, size: int, weights: Path, pixels: np.ndarray) -> np.ndarray:
    """Build a Keras Application with random weights, save them, and embed with ``predict``."""
    import keras

    keras.utils.set_random_seed(1)
    builder = getattr(keras.applications, record.builder)
    shape = (size, size, 3)
    model = builder(include_top=False, weights=None, input_shape=shape, pooling="avg", **record.options)
    draw = np.random.default_rng(2)
    for weight in model.weights:
        weight.assign(drawn(weight, draw))
    ready = preprocessing_of(record.builder)(pixels.astype(np.float32))
    normalisations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in normalisations:
        layer.momentum = 0.0
    model(ready, training=True)  # statistics of these images, so that no layer drowns what they differ in
    model.save_weights(weights)
    return model.predict(ready, verbose=0), model.count_params()


def drawn(weight: Any, draw: np.random.Generator) -> np.ndarray:
    """Draw values that let an image's signal through the whole network, where Keras's own would drown it."""
    kind, shape = weight.path.rsplit("/", 1)[-1], weight.shape
    if kind.endswith("kernel"):
        depthwise = len(shape) == 4 and (kind.startswith("depthwise") or shape[-1] == 1)
        fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
        return draw.normal(0, np.sqrt(2 / fan_in), shape)
    if kind == "gamma":
        return draw.uniform(0.8, 1.2, shape)
    if kind == "beta":  # far enough from zero that rounding errors do not grow from layer to layer as in a chaotic net
        return draw.normal(1.5, 0.1, shape)
    if kind == "bias":
        return draw.normal(0, 0.02, shape)
    return np.array(weight)


def compare(name: str, size: int, folder: Path) -> dict[str, Any]:
    """Measure one backbone."""
    import keras

    from headroom.features.backbones import BACKBONES
    from headroom.features.engines import ENGINES, relative_error
    from headroom.features.network import Network, Weights, file_digest

    record = BACKBONES[name]
    pixels = pictures(size)
    weights = folder / f"{name}.weights.h5"
    exact, parameters = reference(record, size, weights, pixels)
    network = Network(name, size, record.preprocessing, "avg", Weights("file", weights, file_digest(weights)))
    row: dict[str, Any] = {"model": name, "size": size, "dim": exact.shape[1], "parameters": parameters}
    row["spread"] = float(
        np.linalg.norm(exact - exact.mean(axis=0), axis=1).mean() / np.linalg.norm(exact, axis=1).mean()
    )
    for engine in ENGINES.values():
        loaded = engine.__class__(engine.name, engine.module, IMAGES).load(network, "float32", folder / "engines")
        row[engine.name] = relative_error(np.array(loaded.start(pixels)()), exact)
        del loaded
    keras.backend.clear_session()
    return row


def main() -> None:
    """Measure the backbones that the command line names."""
    from headroom.features.backbones import BACKBONES

    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
    for argument in sys.argv[1:]:
        name, _, size = argument.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            try:
                row = compare(name, int(size or BACKBONES[name].size), Path(folder))
            except Exception as error:
                row = {"model": name, "error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
