"""How near stage one comes to what its parts could do alone.

    python benchmarks/limits.py engine FOLDER --model resnet50     # against batches in memory
    python benchmarks/limits.py decode FOLDER --model mobilenet-0.25   # against the decoder alone
    python benchmarks/limits.py models FOLDER --model a --model b  # one pass against one decode + the forwards
    python benchmarks/limits.py memory                             # 10,000 against 100,000 images

Parts and whole take turns in one process; the whole is extraction with its network already exported.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from joblib import cpu_count
from machine import machine, versions, write_csv
from PIL import Image

from headroom.features.compute import Computing
from headroom.features.decode import Frame, Stream
from headroom.features.engines import choose_engine
from headroom.features.extract import extract
from headroom.features.network import NetworkOptions, find_networks
from headroom.features.scan import IMAGE_SUFFIXES, ImageSet

ROUNDS = 3
MEMORY_IMAGES = (10_000, 100_000)


def main() -> None:
    """Measure what is asked for and write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*MEASUREMENTS, "memory", "peak"])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--weights", default="random")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--images", type=int, default=1000)
    asked = parser.parse_args()
    if asked.what == "peak":
        print(_peak(asked.folder))
        return
    rows = _memory() if asked.what == "memory" else MEASUREMENTS[asked.what](asked)
    for row in rows:
        row.update(machine=machine(), versions=versions("keras", "openvino", "pillow"))
        print(row)
    print("wrote", write_csv(f"limits_{asked.what}", rows))


def _images(folder: Path, count: int) -> ImageSet:
    """Return ``count`` images of a folder, repeated where there are fewer."""
    root = folder.resolve()
    found = sorted(
        path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES
    )
    ids = np.array([found[index % len(found)] for index in range(count)])
    blank = np.full(count, "")
    return ImageSet("benchmark", root, ("a", "b"), ids, np.arange(count) % 2, blank, blank)


def _seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _parts(asked: argparse.Namespace) -> tuple[dict[str, Callable[[], object]], ImageSet]:
    """Return decoding alone, each forward pass alone on batches in memory, and the whole."""
    record, images = choose_engine("auto"), _images(asked.folder, asked.images)
    networks = find_networks(asked.model, NetworkOptions([asked.weights]))
    engines = Path(tempfile.mkdtemp())
    how = Computing(record, asked.precision, cpu_count(), engines)
    with tempfile.TemporaryDirectory() as cache:
        precisions = [outcome.plan.decision.precision for outcome in extract(images, networks, how, Path(cache))]
    paths = [images.root / name for name in images.ids]
    frames = sorted({Frame(network.size) for network in networks})
    with Stream([paths[: record.batch]], frames, record.batch, cpu_count()) as decoded:
        batch = next(iter(decoded)).pixels
    loaded = [record.load(network, name, engines) for network, name in zip(networks, precisions, strict=True)]

    def decode() -> None:
        with Stream([paths], frames, record.batch, cpu_count()) as decoded:
            for batch in decoded:
                decoded.reuse(batch)

    def forward() -> None:
        for network, engine in zip(networks, loaded, strict=True):
            waiting = []
            for _ in range(0, len(paths), record.batch):
                waiting.append(engine.start(batch[Frame(network.size)]))
                if len(waiting) > 1:
                    waiting.pop(0)()
            for wait in waiting:
                wait()

    def whole() -> None:
        with tempfile.TemporaryDirectory() as cache:
            extract(images, networks, how, Path(cache))

    return {"decode": decode, "forward": forward, "whole": whole}, images


def _measure(asked: argparse.Namespace) -> list[dict[str, object]]:
    """Time the parts and the whole in turn."""
    parts, images = _parts(asked)
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS):
        for name, part in parts.items():
            times[name].append(_seconds(part))
    decode, forward, whole = (statistics.median(times[name]) for name in parts)
    return [
        {
            "models": " ".join(asked.model),
            "images": len(images.ids),
            "decode_seconds": round(decode, 2),
            "forward_seconds": round(forward, 2),
            "whole_seconds": round(whole, 2),
            "share_of_engine": round(
                statistics.median(f / w for f, w in zip(times["forward"], times["whole"], strict=True)), 3
            ),
            "share_of_decoder": round(
                statistics.median(d / w for d, w in zip(times["decode"], times["whole"], strict=True)), 3
            ),
            "whole_over_sum_of_parts": round(whole / (decode + forward), 3),
        }
    ]


MEASUREMENTS = {"engine": _measure, "decode": _measure, "models": _measure}


def _memory() -> list[dict[str, object]]:
    """Measure the peak memory of extraction at both sizes, each in a process of its own."""
    rows = []
    for count in MEMORY_IMAGES:
        with tempfile.TemporaryDirectory() as place:
            for index in range(count):
                folder = Path(place, f"class{index % 2}")
                folder.mkdir(exist_ok=True)
                Image.new("RGB", (8, 8), (index % 256, index // 256 % 256, index // 65536)).save(
                    folder / f"{index}.png"
                )
            command = [sys.executable, __file__, "peak", place]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append({"images": count, "peak_mib": float(done.stdout.split()[-1])})
    rows[1]["ratio"] = round(rows[1]["peak_mib"] / rows[0]["peak_mib"], 3)
    rows[0]["ratio"] = 1.0
    return rows


def _peak(folder: Path) -> float:
    """Extract a folder and return the peak memory of this process in MiB."""
    from headroom.features.scan import scan_folders

    networks = find_networks(["mobilenet-0.25"], NetworkOptions(["random"]))
    with tempfile.TemporaryDirectory() as cache:
        how = Computing(choose_engine("auto"), "float32", cpu_count(), Path(cache))
        extract(scan_folders(folder, "memory"), networks, how, Path(cache))
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    main()
