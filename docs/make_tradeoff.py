"""Draw docs/tradeoff.png, accuracy against macro recall of some heads with each balancer, from a cache of results.

python docs/make_tradeoff.py --cache cache --dataset aptos --head svm --head random-forest --head knn
"""

import argparse
from pathlib import Path

from headroom.heads.results import Results
from headroom.heads.scores.scored import scored_cells
from headroom.pipeline.report.curves import draw_tradeoff
from headroom.pipeline.report.style import drawing

PICTURE = Path(__file__).with_name("tradeoff.png")
PANEL = (2.7, 3.0)  # inches


def main() -> None:
    """Draw one panel a head."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--dataset", default="aptos")
    parser.add_argument("--head", action="append", required=True, dest="heads")
    parser.add_argument("--balance", action="append", dest="balancers", help="all that were fitted by default")
    parser.add_argument("--output", type=Path, default=PICTURE)
    options = parser.parse_args()
    with Results(options.cache / "results.db") as results, drawing() as figure:
        cells = [
            cell
            for cell in results.cells()
            if (cell.dataset, cell.protocol, cell.status) == (options.dataset, "cv", "fitted")
            and cell.head in options.heads
            and cell.balance in ["none", *(options.balancers or [cell.balance])]
        ]
        scored = scored_cells(
            results, cells, {name: results.problem(name) for name in {cell.problem for cell in cells}}
        )
        figure.set_size_inches(PANEL[0] * len(options.heads), PANEL[1])
        panels = figure.subplots(1, len(options.heads), sharex=True, sharey=True, squeeze=False)[0]
        for axes, head in zip(panels, options.heads, strict=True):
            draw_tradeoff(axes, [(cell, scored[cell.key]) for cell in cells if cell.head == head])
            axes.get_legend().remove()
            axes.set_title(head, fontsize=9, loc="left")
            axes.label_outer()
        shown = [pair for panel in panels for pair in zip(*panel.get_legend_handles_labels(), strict=True)]
        named = {label: handle for handle, label in shown}
        figure.legend(list(named.values()), list(named), loc="outside upper left", ncols=5)
        figure.savefig(options.output, dpi=150, facecolor="white")


if __name__ == "__main__":
    main()
