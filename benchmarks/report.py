"""Time the report of a full grid: 12 heads x 15 balancers on two sets of the size of APTOS and Brain Tumor MRI.

The scores are drawn at random, so the page shows nothing true; its size and the time to make it are those of a real
one, but for the embedding maps and the checks on files, for which there are no embeddings. Each round takes a fresh
copy of the same results, and makes every form twice: the first report computes what later ones find kept. Seconds are
those of the whole process. With ``--against`` another checkout takes turns with this one, round by round.

    python benchmarks/report.py --rounds 3 --against ../headroom-0.1
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

from fabricated import fabricate
from machine import machine, versions, write_csv

from headroom.heads.balancing import BALANCERS
from headroom.heads.classifiers import HEADS
from headroom.heads.results import Results

HERE = Path(__file__).resolve().parents[1]
SETS = {
    "aptos": {"0": 1805, "1": 370, "2": 999, "3": 193, "4": 295},
    "brain-tumor": {"glioma": 1620, "meningioma": 1645, "notumor": 1997, "pituitary": 1757},
}
FORMS = ("html", "terminal")


def main() -> None:
    """Fabricate the grid, run the command round by round, print and keep the seconds."""
    options = _options()
    heads = list(HEADS)[:12]
    codes = {"this": HERE} | ({"against": options.against.resolve()} if options.against else {})
    seconds: dict[tuple[str, str, str], list[float]] = {}
    megabytes: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        grid = Path(folder) / "results.db"
        with Results(grid) as results:
            for dataset, classes in SETS.items():
                fabricate(results, dataset, classes, heads, BALANCERS, ordinal=dataset == "aptos")
        for number in range(options.rounds):
            for form in FORMS:
                for code in list(codes)[:: 1 if number % 2 == 0 else -1]:
                    cache = Path(folder) / "cache"
                    cache.mkdir()
                    shutil.copy(grid, cache)
                    for turn in ("first", "second"):
                        spent, size = _report(codes[code], cache, form)
                        seconds.setdefault((form, turn, code), []).append(spent)
                        megabytes[form] = size
                        print(f"round {number + 1}: {form}, {turn}, {code}: {spent:.1f} s", flush=True)
                    shutil.rmtree(cache)
    rows = [
        {
            "format": form,
            "report": turn,
            "cells": len(SETS) * len(heads) * len(BALANCERS),
            "rounds": options.rounds,
            **_compared(seconds, form, turn),
            "megabytes": megabytes[form],
            "machine": machine(),
            "versions": versions("numpy", "scikit-learn", "matplotlib"),
        }
        for form in FORMS
        for turn in ("first", "second")
    ]
    for row in rows:
        ratio = f", {row['ratio']} x faster than the other checkout" if row["ratio"] else ""
        print(f"{row['format']}, {row['report']}: {row['cells']} cells in {row['seconds']} s{ratio}")
    print(f"wrote {write_csv('report', rows)}")


def _report(code: Path, cache: Path, form: str) -> tuple[float, float]:
    """Seconds of one command, and megabytes of what it wrote."""
    place = cache / f"report.{form}"
    module = "headroom" if (code / "headroom").is_dir() else "pipeline"
    command = [sys.executable, "-P", "-m", module, "report", "--format", form]
    began = time.perf_counter()
    subprocess.run(
        [*command, "--cache", str(cache), "--output", str(place)],
        env=os.environ | {"PYTHONPATH": str(code)},
        cwd=cache,
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - began, round(place.stat().st_size / 1e6, 2)


def _compared(seconds: dict[tuple[str, str, str], list[float]], form: str, turn: str) -> dict[str, object]:
    """Median seconds of both checkouts, and the median of the ratios round by round."""
    ours, others = seconds[form, turn, "this"], seconds.get((form, turn, "against"), [])
    ratios = [other / own for own, other in zip(ours, others, strict=False)]
    return {
        "seconds": round(statistics.median(ours), 1),
        "seconds_against": round(statistics.median(others), 1) if others else "",
        "ratio": round(statistics.median(ratios), 1) if ratios else "",
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1, help="each checkout makes every form twice a round")
    parser.add_argument("--against", type=Path, help="folder with another checkout, of version 0.1 for example")
    return parser.parse_args()


if __name__ == "__main__":
    main()
