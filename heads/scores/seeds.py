"""How much the metrics of a cell vary through the seed of resampling alone."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from headroom.heads.cell import Cell, reseeded
from headroom.heads.scores.metrics import METRICS, number
from headroom.heads.scores.scored import Scored


def further_seeds(cells: Iterable[Cell]) -> list[Cell]:
    """Each cell once more for every further seed of resampling that it was fitted with, to be scored like the first."""
    return [
        replace(cell, key=reseeded(cell.key, balance_seed))
        for cell in cells
        for balance_seed in range(1, cell.settings.get("balance_seeds", 1))
    ]


def balance_seed_sd(cell: Cell, scored: Mapping[str, Scored]) -> dict[str, float | None] | None:
    """Standard deviation of each metric over the seeds of resampling, all else equal.

    Parameters
    ----------
    cell : Cell
    scored : mapping of str to Scored
        By key, of what `further_seeds` gives too.

    Returns
    -------
    dict of str to float or None
        None where a metric is undefined; None as a whole where there is one seed.
    """
    seeds = [scored[each.key].metrics for each in (cell, *further_seeds([cell]))]
    if len(seeds) < 2:
        return None
    values = {name: np.array([each[name] for each in seeds], float) for name in METRICS}
    return {name: number(found.std(ddof=1)) for name, found in values.items()}
