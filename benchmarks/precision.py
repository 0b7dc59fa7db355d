"""Reduced precision of stage one: how far are the vectors, and does it change any metric?

    python benchmarks/precision.py --data-dir data --dataset aptos \\
        --model mobilenet-0.75 --weights FILE --model mobilenet-0.25 --weights FILE

The engine computes every image at both precisions, past its own probe; the heads see the same folds.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from machine import machine, versions, write_csv

from headroom.features.datasets import DATASETS, load_dataset
from headroom.features.decode import Frame, Stream
from headroom.features.engines import ENGINES, PROBE_LIMIT
from headroom.features.engines.openvino import reduced_precisions
from headroom.features.network import NetworkOptions, find_networks
from headroom.features.scan import ImageSet
from headroom.heads.cell import GridSettings
from headroom.heads.folds import union_groups
from headroom.heads.grid import plan_cells, run_cells
from headroom.heads.results import Results
from headroom.heads.samples import Problem
from headroom.heads.scores.leaderboard import leaderboard
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.scored import scored_cells

PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    """Embed, compare, fit, and write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--dataset", choices=list(DATASETS), default="aptos")
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--weights", action="append", required=True)
    parser.add_argument("--head", action="append", default=None)
    asked = parser.parse_args()
    images = load_dataset(DATASETS[asked.dataset], asked.data_dir / asked.dataset)
    rows = []
    for model, weights in zip(asked.model, asked.weights, strict=True):
        rows += _compare(images, model, weights, asked.head or ["svm", "logreg"])
    print("wrote", write_csv("precision", rows))


def _compare(images: ImageSet, model: str, weights: str, heads: list[str]) -> list[dict[str, object]]:
    """Return one row a head: error of the vectors, and each metric at both precisions."""
    with tempfile.TemporaryDirectory() as place:
        vectors, hashes = {}, np.empty(0)
        for precision in PRECISIONS:
            vectors[precision], hashes = _embed(images, model, weights, precision, Path(place))
        errors = _relative_errors(vectors["bfloat16"], vectors["float32"])
        scores = {name: _fit(images, model, vectors[name], hashes, heads, Path(place)) for name in PRECISIONS}
    print(f"{model}: error median {np.median(errors):.4f}, worst {errors.max():.4f}, limit {PROBE_LIMIT}")
    about = {
        "dataset": images.name,
        "model": model,
        "images": len(images.ids),
        "error_median": round(float(np.median(errors)), 5),
        "error_p99": round(float(np.quantile(errors, 0.99)), 5),
        "error_worst": round(float(errors.max()), 5),
        "within_probe_limit": bool(errors.max() <= PROBE_LIMIT),
    }
    where = {
        "native": " ".join(reduced_precisions()) or "none",
        "machine": machine(),
        "versions": versions("openvino", "keras"),
    }
    return [
        about
        | {"head": head}
        | {
            f"{metric}_{name}": round(scores[name][head][metric], 4)
            for metric, record in METRICS.items()
            if record.compared and record.binary != "only"
            for name in PRECISIONS
        }
        | where
        for head in heads
    ]


def _embed(images: ImageSet, model: str, weights: str, precision: str, place: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors at one precision, float32 (n, d), and the content hashes."""
    [network] = find_networks([model], NetworkOptions([weights]))
    record, frame = ENGINES["openvino"], Frame(network.size)
    engine = record.load(network, precision, place)
    paths = [images.root / name for name in images.ids]
    vectors, hashes = [], []
    with Stream([paths], [frame], record.batch, threads=2) as decoded:
        for batch in decoded:
            vectors.append(engine.start(batch.pixels[frame])()[: len(batch.hashes)])
            hashes += batch.hashes
    return np.concatenate(vectors), np.array(hashes)


def _relative_errors(values: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Return the relative distance of each row from its exact row."""
    return np.linalg.norm(values - exact, axis=1) / np.linalg.norm(exact, axis=1)


def _fit(
    images: ImageSet, model: str, vectors: np.ndarray, hashes: np.ndarray, heads: list[str], place: Path
) -> dict[str, dict[str, float]]:
    """Return the metrics of each head by 5-fold cross-validation."""
    problem = Problem(
        dataset=images.name,
        model=model,
        vectors=vectors,
        labels=images.labels,
        classes=images.classes,
        ids=images.ids,
        groups=union_groups(images.groups, hashes),
        split=images.split,
        ordinal=images.ordinal,
        fingerprint=str(abs(hash(vectors.tobytes()))),
    )
    with Results(place / f"{problem.fingerprint}.db") as results:
        planned = plan_cells(problem, heads, ["none"], GridSettings(), results)
        for outcome in run_cells(problem, GridSettings(), planned, results):
            print(" ", outcome["head"], outcome["status"], outcome["seconds"])
        cells = results.cells()
        board = leaderboard(cells, scored_cells(results, cells, {problem.fingerprint: problem}))
    return {row["head"]: row["metrics"] for row in board}


if __name__ == "__main__":
    main()
