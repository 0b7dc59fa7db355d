"""Images per second of each backbone on the device that Keras sees, beside the measured peak and the decoder.

    KERAS_BACKEND=jax python benchmarks/gpu.py --model resnet50 --model xception
    KERAS_BACKEND=torch python benchmarks/gpu.py            # all backbones of the papers

Needs Keras with TensorFlow, JAX or PyTorch. Random weights; batches in memory; images of 1,024 px are generated for
the decoder.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import machine, versions, write_csv
from PIL import Image

from headroom.features.backbones import BACKBONES
from headroom.features.build import build
from headroom.features.decode import Frame, Stream
from headroom.features.engines.keras import KerasEngine, gpus
from headroom.features.network import Network, Weights

PAPERS = ("mobilenet", "xception", "inceptionv3", "resnet50", "densenet201", "vgg16", "efficientnetb0")
SECONDS = 5.0


def main() -> None:
    """Measure every backbone and write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=list(BACKBONES))
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--precision", action="append", choices=("float32", "bfloat16", "float16"))
    asked = parser.parse_args()
    import keras

    rows = []
    for precision in asked.precision or ("float32", "float16", "bfloat16"):
        peak = peak_flops(precision)
        for name in asked.model or PAPERS:
            rate, flops = engine_rate(name, precision, asked.batch)
            decoded = decode_rate(BACKBONES[name].size, asked.batch)
            rows.append(
                {
                    "model": name,
                    "precision": precision,
                    "batch": asked.batch,
                    "images_per_second": round(rate, 1),
                    "gflop_per_image": round(flops / 1e9, 2),
                    "tflop_per_second": round(rate * flops / 1e12, 2),
                    "measured_peak_tflop_per_second": round(peak / 1e12, 2),
                    "share_of_peak": round(rate * flops / peak, 3),
                    "decoded_images_per_second": round(decoded, 1),
                    "limit": "decode" if decoded < rate else "compute",
                    "backend": keras.backend.backend(),
                    "devices": " ".join(gpus()) or "cpu",
                    "machine": machine(),
                    "versions": versions("keras", "tensorflow", "jax", "torch", "pillow"),
                }
            )
            print(rows[-1])
    print("wrote", write_csv("gpu", rows))


def peak_flops(precision: str) -> float:
    """Return the floating-point operations a second of a large matrix product."""
    import keras

    side = 8192 if gpus() else 1024
    a = keras.ops.cast(np.random.default_rng(0).standard_normal((side, side), np.float32), precision)
    step = keras.ops.matmul(a, a)
    keras.ops.convert_to_numpy(step[:1, :1])
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        for _ in range(10):
            step = keras.ops.matmul(a, step)
        keras.ops.convert_to_numpy(keras.ops.cast(step[:1, :1], "float32"))
        count += 10
    return 2 * side**3 * count / (time.perf_counter() - began)


def engine_rate(name: str, precision: str, batch: int) -> tuple[float, float]:
    """Return images a second through headroom's Keras engine, and operations an image."""
    record = BACKBONES[name]
    network = Network(name, record.size, record.preprocessing, "avg", Weights("random", None, "random-0"))
    engine = KerasEngine(network, precision)
    pixels = np.random.default_rng(0).integers(0, 256, (batch, record.size, record.size, 3), np.uint8)
    for _ in range(3):
        engine.start(pixels)()
    began, images, pending = time.perf_counter(), 0, engine.start(pixels)
    while time.perf_counter() - began < SECONDS:
        following = engine.start(pixels)
        pending()
        pending, images = following, images + batch
    pending()
    return (images + batch) / (time.perf_counter() - began), operations(build(network))


def operations(model: object) -> float:
    """Count the multiplications and additions of a network's convolutions and dense layers for one image."""
    import keras

    total = 0.0
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.SeparableConv2D):
            places = float(np.prod(layer.output.shape[1:3]))
            total += 2 * places * (np.prod(layer.depthwise_kernel.shape) + np.prod(layer.pointwise_kernel.shape))
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            total += 2 * float(np.prod(layer.output.shape[1:3])) * float(np.prod(layer.kernel.shape))
        elif isinstance(layer, keras.layers.Dense):
            total += 2 * float(np.prod(layer.kernel.shape))
    return total


def decode_rate(size: int, batch: int, images: int = 256) -> float:
    """Return images a second that the decoding threads deliver from JPEGs of 1,024 px."""
    threads = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        path = Path(folder, "image.jpg")
        Image.fromarray(noise).resize((1024, 1024), Image.Resampling.BICUBIC).save(path, quality=90)
        began = time.perf_counter()
        with Stream([[path] * images], [Frame(size)], batch, threads) as decoded:
            for each in decoded:
                decoded.reuse(each)
        return images / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
