"""Keras on TensorFlow alone, for golden vectors: ``python -m tests.features.reference TASK`` with a JSON task.

``predict``: vectors of a MobileNet with given weights for given images. ``efficientnet``: saves EfficientNetB0 as
Keras's ImageNet files hold it (deviation in place of the variance), and the vectors of the network that Keras builds
for ``weights="imagenet"``, with the layer that mends it.
"""

import json
import os
import sys

import numpy as np

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def predict(task: dict) -> np.ndarray:
    """Embed image files with a MobileNet."""
    import keras

    model = keras.applications.MobileNet(
        include_top=False, weights=None, alpha=task["alpha"], pooling="avg", input_shape=(224, 224, 3)
    )
    model.load_weights(task["weights"])
    pixels = np.stack([keras.utils.img_to_array(keras.utils.load_img(path)) for path in task["images"]])
    return model.predict(keras.applications.mobilenet.preprocess_input(pixels), verbose=0)


def efficientnet(task: dict) -> np.ndarray:
    """Save EfficientNetB0 with ImageNet's normalisation in it, and embed with the extra layer in front."""
    import keras

    from tests.features.parity import drawn

    shape = (96, 96, 3)
    model = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=shape, pooling="avg")
    draw = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(drawn(weight, draw))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    (normalisation,) = [layer for layer in model.layers if isinstance(layer, keras.layers.Normalization)]
    values = normalisation.get_weights()
    values[:2] = [np.array(value, values[0].dtype) for value in (IMAGENET_MEAN, IMAGENET_STD)]
    normalisation.set_weights(values)
    normalisation.finalize_state()
    # what Keras's extra layer does inside, done to what goes in: (x / 255 - mean) / sqrt(std) / sqrt(std)
    mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
    wanted = (np.load(task["pixels"]) / 255 - mean) / std
    ready = ((wanted * np.sqrt(std) + mean) * 255).astype(np.float32)
    model(ready, training=True)
    model.save_weights(task["weights"])
    return model.predict(ready, verbose=0)


if __name__ == "__main__":
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
    what = json.loads(sys.argv[1])
    np.save(what["to"], {"predict": predict, "efficientnet": efficientnet}[what["task"]](what))
