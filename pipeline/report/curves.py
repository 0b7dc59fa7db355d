"""The trade-off of one head: what each balancer reaches when the decision moves, and where it was as fitted."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from headroom.heads.cell import Cell
from headroom.heads.scores.comparing import BASELINE
from headroom.heads.scores.lift import curve_of
from headroom.heads.scores.scored import Scored
from headroom.heads.scores.tradeoff import AXES
from headroom.pipeline.report.style import COLOURS, INK
from headroom.pipeline.report.words import QUESTION, balancer, digits

STYLES = {
    BASELINE: (INK, "o"),
    "threshold": (COLOURS[0], "D"),
    "class-weight": (COLOURS[1], "^"),
    QUESTION: (COLOURS[2], "s"),
}
OTHER = (COLOURS[3], "v")


def draw_tradeoff(axes: Axes, cells: Sequence[tuple[Cell, Scored]]) -> str:
    """Draw macro recall against accuracy for cells of one head, as fitted as points, and say it in words.

    A balancer that leaves the scores as they are, as thresholds do, has its point on the curve of the others.
    """
    drawn: set[str] = set()
    said = []
    for cell, found in sorted(cells, key=lambda each: each[0].balance != BASELINE):
        colour, marker = STYLES.get(cell.balance, OTHER)
        accuracy, recall = (found.metrics[name] for name in AXES)
        name = balancer(cell.balance) if cell.balance != BASELINE else "no balancing"
        if found.ranking not in drawn:
            curve = curve_of(found)
            axes.plot(curve.accuracy[0][curve.best], curve.recall[0][curve.best], color=colour, linewidth=1.3)
        drawn.add(found.ranking)
        axes.plot(accuracy or 0.0, recall or 0.0, linestyle="none", marker=marker, color=colour, label=name)
        said.append(f"{name} {digits(accuracy)} / {digits(recall)}")
    axes.set(xlabel="accuracy", ylabel="macro recall")
    axes.legend()
    return (
        "Macro recall against accuracy as the decision moves between the classes, from kept scores; a point is the "
        f"head as fitted (accuracy / macro recall): {'; '.join(said)}."
    )
