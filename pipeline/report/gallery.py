"""All figures of a report, drawn one after the other."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from headroom.pipeline.report.drawing import as_svg, drawing, save
from headroom.pipeline.report.figures import FIGURES, FigureRecord
from headroom.pipeline.report.model import Part

WIDE = 5.0  # inches from which a figure takes the whole width of a page


@dataclass(frozen=True)
class Plate:
    """A figure in a page."""

    record: FigureRecord
    description: str
    svg: str
    wide: bool


def plates(part: Part, number: int) -> list[Plate]:
    """Draw the figures of one data set as SVG for a page; ``number`` keeps their names apart from other sets'."""
    return [
        Plate(
            record,
            description,
            as_svg(figure, f"p{number}-{record.name}", record.title, description),
            wide=figure.get_figwidth() > WIDE,
        )
        for record, figure, description in _drawn(part)
    ]


def save_figures(parts: Iterable[Part], folder: Path) -> list[Path]:
    """Write every figure as SVG, PDF and PNG.

    Parameters
    ----------
    parts : iterable of Part
    folder : Path
        Made where it is missing.

    Returns
    -------
    list of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = (f"{re.sub(r'[^A-Za-z0-9.-]+', '_', part.dataset).strip('._')}-{{}}" for part in parts)
    return [
        path
        for part, name in zip(parts, names, strict=True)
        for record, figure, _ in _drawn(part)
        for path in save(figure, folder, name.format(record.name))
    ]


def _drawn(part: Part) -> Iterator[tuple[FigureRecord, Figure, str]]:
    """Figures that have something to show, each still in its style."""
    for record in FIGURES:
        with drawing(*record.size) as figure:
            description = record.draw(figure.add_subplot(), part)
            if description:
                yield record, figure, description
