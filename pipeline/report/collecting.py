"""What a report says, before it has a form: rows, comparisons, checks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heads.cell import Cell
from heads.comparing import comparisons
from heads.leaderboard import leaderboard
from heads.results import Results
from pipeline.console import UsageError
from pipeline.naming import pick

GRID = ("protocol", "folds", "repeats", "seed", "reduce", "tune")


@dataclass(frozen=True)
class Report:
    """All numbers of a report.

    Attributes
    ----------
    rows, comparisons, checks : list of dict
        In the form that ``report --format json`` promises.
    failed : list of Cell
        Cells that could not be fitted, with their reasons.
    remarks : list of str
        What a reader must know before the numbers (random weights, leaky protocol).
    """

    rows: list[dict[str, Any]]
    comparisons: list[dict[str, Any]]
    checks: list[dict[str, Any]] = field(default_factory=list)
    failed: list[Cell] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return what ``--json`` writes."""
        return {"rows": self.rows, "comparisons": self.comparisons, "checks": self.checks}


def collect(cache: Path, datasets: Iterable[str], models: Iterable[str], jobs: int) -> Report:
    """Compute everything that a report shows from the results database; nothing is fitted.

    Parameters
    ----------
    cache : Path
    datasets, models : iterable of str
        Names or wildcards; none: all.
    jobs : int

    Returns
    -------
    Report

    Raises
    ------
    UsageError
        The database holds no cell, or a name fits none.
    """
    database = cache / "results.db"
    if not database.is_file():
        got = f"there are no results in {cache}"
        raise UsageError(got, "run extract and fit first, or name another --cache")
    with Results(database) as results:
        cells = current(results.cells())
        cells = _chosen(cells, datasets, models)
        info = {fingerprint: results.problem_info(fingerprint) for fingerprint in {cell.problem for cell in cells}}
    return Report(
        rows=leaderboard(cells, info),
        comparisons=comparisons(cells, info),
        failed=[cell for cell in cells if cell.status == "failed"],
        remarks=_remarks(cells),
    )


def current(cells: Iterable[Cell]) -> list[Cell]:
    """Keep the newest cells where images, labels or software changed between runs.

    Parameters
    ----------
    cells : iterable of Cell
        Oldest first.

    Returns
    -------
    list of Cell
    """
    cells = list(cells)
    newest = {(cell.dataset, cell.model): cell.problem for cell in cells}
    kept = {
        (cell.dataset, cell.model, cell.head, cell.balance, *(cell.settings[name] for name in GRID)): cell
        for cell in cells
        if cell.problem == newest[cell.dataset, cell.model]
    }
    return list(kept.values())


def _chosen(cells: list[Cell], datasets: Iterable[str], models: Iterable[str]) -> list[Cell]:
    """Keep the cells of the data sets and models that are asked for."""
    if not cells:
        got = "the results database holds no cell"
        raise UsageError(got, "run fit first")
    wanted_sets = pick("data set", list(datasets) or ["all"], dict.fromkeys(cell.dataset for cell in cells))
    wanted_models = pick("model", list(models) or ["all"], dict.fromkeys(cell.model for cell in cells))
    return [cell for cell in cells if cell.dataset in wanted_sets and cell.model in wanted_models]


def _remarks(cells: list[Cell]) -> list[str]:
    """Return what a reader must know before the numbers."""
    leaky = any(cell.protocol == "leaky" for cell in cells)
    return [
        "DO NOT REPORT: rows of protocol leaky resample before the split; they show what that would have claimed"
    ] * leaky
