"""Stage one against the plain Keras script: whole processes, same images, in turn.

    python benchmarks/stage_one.py FOLDER --model resnet50 --images 1000 --rounds 3
    python benchmarks/stage_one.py FOLDER --model mobilenet-0.75 --weights FILE

Every round starts each contender as a process of its own with nothing cached; figures are ratios within a round.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from machine import machine, versions, write_csv

from headroom.features.backbones import BACKBONES
from headroom.features.scan import IMAGE_SUFFIXES

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    "MobileNet": "mobilenet",
    "Xception": "xception",
    "InceptionV3": "inception_v3",
    "ResNet50": "resnet",
    "DenseNet": "densenet",
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "EfficientNetB": "efficientnet",
}


def main() -> None:
    """Run the rounds, print the ratios and write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", required=True, choices=list(BACKBONES))
    parser.add_argument("--weights", default="random")
    parser.add_argument("--images", type=int, default=10**9)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--output", default="stage_one")
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        count = _link(asked.folder, Path(place, "set"), asked.images)
        for model in asked.model:
            rows += _compare(model, Path(place, "set"), count, asked)
    print("wrote", write_csv(asked.output, rows))


def _link(folder: Path, target: Path, limit: int) -> int:
    """Link images into two class folders, as both contenders can read them; return how many."""
    images = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)[:limit]
    for index, path in enumerate(images):
        place = target / f"class{index % 2}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{index:06d}{path.suffix}").symlink_to(path.resolve())
    return len(images)


def _compare(model: str, folder: Path, images: int, asked: argparse.Namespace) -> list[dict[str, object]]:
    """Time all contenders in turn for one model."""
    seconds: dict[str, list[float]] = {}
    for _ in range(asked.rounds):
        for name, (command, environment) in _contenders(model, folder, asked).items():
            with tempfile.TemporaryDirectory() as cache:
                began = time.perf_counter()
                subprocess.run(
                    [part.replace("{cache}", cache) for part in command],
                    env={**os.environ, **environment, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
                    check=True,
                    capture_output=True,
                )
                seconds.setdefault(name, []).append(time.perf_counter() - began)
            print(f"{model} {name}: {seconds[name][-1]:.1f} s", flush=True)
    rows = []
    for name, times in seconds.items():
        ratios = [other / own for other, own in zip(seconds["plain Keras"], times, strict=True)]
        print(
            f"{model} {name}: {images / statistics.median(times):.1f} images/s, {statistics.median(ratios):.2f} x plain"
        )
        rows.append(
            {
                "model": model,
                "contender": name,
                "images": images,
                "rounds": asked.rounds,
                "seconds_median": round(statistics.median(times), 2),
                "images_per_second": round(images / statistics.median(times), 1),
                "times_plain_keras_median": round(statistics.median(ratios), 2),
                "times_plain_keras_min": round(min(ratios), 2),
                "times_plain_keras_max": round(max(ratios), 2),
                "machine": machine(),
                "versions": versions("tensorflow", "keras", "openvino", "torch", "pillow"),
            }
        )
    return rows


def _contenders(model: str, folder: Path, asked: argparse.Namespace) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Return command and environment of each contender."""
    record = BACKBONES[model]
    module = next(module for builder, module in MODULES.items() if record.builder.startswith(builder))
    weights = "" if asked.weights == "random" else asked.weights
    alpha = [str(value) for value in record.options.values()]
    script = [sys.executable, str(ROOT / "benchmarks/plain_keras.py"), str(folder), record.builder, str(record.size)]
    plain = [*script, module, weights, *alpha]
    own = [sys.executable, "-m", "headroom", "extract", "--model", model, "--weights", asked.weights]
    own += ["--dataset", str(folder), "--cache", "{cache}", "--precision", asked.precision]
    contenders = {"plain Keras": (plain, {"KERAS_BACKEND": "tensorflow"}), "headroom": (own, {})}
    if find_spec("torch"):
        contenders["plain Keras on PyTorch"] = (plain, {"KERAS_BACKEND": "torch"})
    return contenders


if __name__ == "__main__":
    main()
