"""Time the whole grid, every head with every balancer, against another checkout on the same embeddings.

A file of embeddings is cut down to a seeded, stratified part of its images; both codes fit all cells of it into empty
caches, in turns; the order changes from round to round. Seconds are those of the whole command.

    python benchmarks/fit_grid.py --cache cache --dataset aptos --model mobilenet-0.75 --against ../headroom-0.1
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import machine, versions, write_csv
from sklearn.model_selection import train_test_split

from headroom.features.store import read_header, read_vectors, write_embeddings

HERE = Path(__file__).resolve().parents[1]


def main() -> None:
    """Cut, fit in turns, print the ratio and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--dataset", default="aptos")
    parser.add_argument("--model", default="mobilenet-0.75")
    parser.add_argument("--against", type=Path, required=True, help="folder with another checkout")
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=2, help="each checkout fits the grid once a round")
    parser.add_argument("--head", action="append", help="all by default")
    parser.add_argument("--balance", action="append", help="all by default")
    options = parser.parse_args()
    (whole,) = (options.cache / "embeddings" / options.dataset).glob(f"{options.model}-*.h5")
    codes = {"this": HERE, "against": options.against.resolve()}
    seconds: dict[str, list[float]] = {name: [] for name in codes}
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder, "embeddings", options.dataset, whole.name)
        part.parent.mkdir(parents=True)
        _cut(whole, part, options.images)
        for number in range(options.rounds):
            for name in list(codes)[:: 1 if number % 2 == 0 else -1]:
                seconds[name].append(_fit(codes[name], part, options))
                print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
    ours, others = (statistics.median(seconds[name]) for name in codes)
    row = {
        "images": options.images,
        "heads": " ".join(options.head or ["all"]),
        "balancers": " ".join(options.balance or ["all"]),
        "rounds": options.rounds,
        **{"seconds": round(ours, 1), "seconds_against": round(others, 1), "ratio": round(ours / others, 2)},
        **{"machine": machine(), "versions": versions("scikit-learn", "imbalanced-learn", "xgboost")},
    }
    print(f"{row['ratio']} x the other's time; wrote {write_csv('fit_grid', [row])}")


def _cut(whole: Path, part: Path, images: int) -> None:
    """Keep some images of a file of embeddings, the classes in their shares."""
    header = read_header(whole)
    rows = np.arange(len(header))
    if images < len(rows):
        rows = np.sort(train_test_split(rows, train_size=images, stratify=header.labels, random_state=0)[0])
    write_embeddings(part, header.take(rows), [read_vectors(whole, 0, len(header))[rows]])


def _fit(code: Path, part: Path, options: argparse.Namespace) -> float:
    """Seconds to fit the grid into an empty cache."""
    module = "headroom" if (code / "headroom").is_dir() else "pipeline"
    with tempfile.TemporaryDirectory() as cache:
        shutil.copytree(part.parents[1], Path(cache, "embeddings"))
        command = [sys.executable, "-P", "-m", module, "fit", "--cache", cache, "--dataset", options.dataset]
        command += [word for head in options.head or ["all"] for word in ("--head", head)]
        command += [word for balance in options.balance or ["all"] for word in ("--balance", balance)]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "--repeats", "1"],
            env=os.environ | {"PYTHONPATH": str(code)},
            cwd=cache,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            sys.exit(done.stderr)
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
