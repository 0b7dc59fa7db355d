"""Time the report of a full grid: 12 heads x 15 balancers on two sets of the size of APTOS and Brain Tumor MRI.

The scores are drawn at random, so the page shows nothing true; its size and the time to make it are those of a real
one, but for the embedding maps and the checks on files, for which there are no embeddings.

    python benchmarks/report.py
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fabricated import fabricate
from machine import machine, versions, write_csv

from headroom.heads.balancing import BALANCERS
from headroom.heads.classifiers import HEADS
from headroom.heads.results import Results

SETS = {
    "aptos": {"0": 1805, "1": 370, "2": 999, "3": 193, "4": 295},
    "brain-tumor": {"glioma": 1620, "meningioma": 1645, "notumor": 1997, "pituitary": 1757},
}
FORMATS = ("html", "terminal")


def main() -> None:
    """Fabricate the grid, run the command once a format, print and keep the seconds."""
    heads = list(HEADS)[:12]
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        with Results(Path(folder) / "results.db") as results:
            for dataset, classes in SETS.items():
                fabricate(results, dataset, classes, heads, BALANCERS, ordinal=dataset == "aptos")
        for form in FORMATS:
            place = Path(folder) / f"report.{form}"
            began = time.perf_counter()
            command = ["report", "--format", form, "--cache", folder, "--output", str(place)]
            subprocess.run([sys.executable, "-m", "headroom", *command], check=True, stderr=subprocess.DEVNULL)
            rows.append(
                {
                    "format": form,
                    "cells": len(SETS) * len(heads) * len(BALANCERS),
                    "seconds": round(time.perf_counter() - began, 1),
                    "megabytes": round(place.stat().st_size / 1e6, 2),
                    "machine": machine(),
                    "versions": versions("numpy", "scikit-learn", "matplotlib"),
                }
            )
            print(f"{form}: {rows[-1]['cells']} cells in {rows[-1]['seconds']} s, {rows[-1]['megabytes']} MB")
    print(f"wrote {write_csv('report', rows)}")


if __name__ == "__main__":
    main()
