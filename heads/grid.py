"""The grid: which cells must be fitted, and fitting them with nothing lost."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np

from headroom.errors import HeadError, nearest
from headroom.heads.balancing import BALANCERS
from headroom.heads.cell import Cell, FoldScores, GridSettings, plan_reduction
from headroom.heads.classifiers import HEADS
from headroom.heads.crossval import Failure, Task
from headroom.heads.folds import Fold, folds_of
from headroom.heads.keys import cell_key, describe
from headroom.heads.results import Results
from headroom.heads.samples import Problem
from headroom.heads.training import has_intelex
from headroom.heads.workers import available_cores, run_tasks

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class PlannedCell:
    """One cell and what is to be done about it.

    Attributes
    ----------
    problem : Problem
    head, balance : str
    settings : GridSettings
    key : str
        Digest of everything that determines the cell.
    action : {"fit", "reuse"}
    failed : str
        Reason and remedy of a reused cell that cannot be fitted, else empty.
    """

    problem: Problem
    head: str
    balance: str
    settings: GridSettings
    key: str
    action: Literal["fit", "reuse"]
    failed: str = ""


def plan_cells(
    problems: Iterable[Problem],
    heads: Sequence[str],
    balancers: Sequence[str],
    settings: GridSettings,
    results: Results,
) -> list[PlannedCell]:
    """Decide which cells of the grid must be fitted and which are there.

    Parameters
    ----------
    problems : iterable of Problem
    heads, balancers : sequence of str
        Names from ``HEADS`` and ``BALANCERS``; a name given twice counts once.
    settings : GridSettings
    results : Results

    Returns
    -------
    list of PlannedCell
        Problem by problem, balancer by balancer, head by head.

    Raises
    ------
    HeadError
        Where a name or a setting is not understood.
    """
    plan_reduction(settings.reduce)
    for kind, names, table in (("head", heads, HEADS), ("balancer", balancers, BALANCERS)):
        for name in set(names) - set(table):
            raise HeadError(got=f"unknown {kind} {name!r}", remedy=nearest(name, table))
    return [
        _plan_cell(problem, head, balance, settings, results)
        for problem in problems
        for balance in dict.fromkeys(balancers)
        for head in dict.fromkeys(heads)
    ]


def _plan_cell(problem: Problem, head: str, balance: str, settings: GridSettings, results: Results) -> PlannedCell:
    key = cell_key(problem, head, balance, settings)
    outcome = results.outcome(key)
    if outcome is None:
        return PlannedCell(problem, head, balance, settings, key, "fit")
    return PlannedCell(problem, head, balance, settings, key, "reuse", failed=outcome[1])


def run_cells(
    planned: Sequence[PlannedCell],
    results: Results,
    *,
    jobs: int | None = None,
    progress: Progress = lambda done, total, text: None,
) -> Iterator[dict[str, Any]]:
    """Fit what is planned to be fitted; a cell is saved in one transaction as soon as its folds are there.

    Parameters
    ----------
    planned : sequence of PlannedCell
    results : Results
    jobs : int, optional
        Worker processes; all cores by default.
    progress : callable
        Called with folds done, folds in all, and a line on what was done last.

    Yields
    ------
    dict
        ``dataset``, ``model``, ``head``, ``balance``, ``status`` (``"fitted"``, ``"reused"`` or ``"failed"``),
        ``reason`` and ``seconds``: reused cells first, then each as it is finished.

    Raises
    ------
    HeadError
        Before anything is fitted where a problem cannot be divided into folds or its vectors are no numbers; later
        only where the workers or the database cannot go on. Finished cells are kept.
    """
    for cell in planned:
        if cell.action == "reuse":
            yield _report(cell, "failed" if cell.failed else "reused", cell.failed, 0.0)
    wanted = [cell for cell in planned if cell.action == "fit"]
    if not wanted:
        return
    jobs = jobs or available_cores()
    one_each = {cell.problem.fingerprint: cell for cell in wanted}
    plans = {fingerprint: _folds_of(cell) for fingerprint, cell in one_each.items()}
    with tempfile.TemporaryDirectory(prefix="headroom-") as folder:
        cells_of = _plan_tasks(wanted, plans, max(1, available_cores() // jobs), Path(folder))
        total, done = sum(len(task.heads) for task in cells_of), 0
        gathered: dict[str, list[FoldScores | Failure]] = {cell.key: [] for cell in wanted}
        progress(done, total, "starting workers")
        for task, outcomes in run_tasks(list(cells_of), jobs=jobs):
            done += len(task.heads)
            for cell in cells_of[task]:
                gathered[cell.key].append(outcomes[cell.head])
                if len(gathered[cell.key]) == len(plans[cell.problem.fingerprint]):
                    yield _finish(cell, gathered.pop(cell.key), results)
            progress(done, total, f"{cell.problem.dataset} {cell.problem.model} {task.balance}")


def _folds_of(cell: PlannedCell) -> tuple[Fold, ...]:
    """The folds of the cell's problem, after a look at whether it can be fitted at all."""
    problem = cell.problem
    broken = np.count_nonzero(~np.isfinite(problem.vectors).all(axis=1))
    if broken:
        raise HeadError(
            got=f"{broken} embeddings of {problem.dataset} by {problem.model} hold values that are no numbers",
            remedy="run extract again; if they come back, use another --precision or model",
        )
    return folds_of(problem, cell.settings)


def _plan_tasks(
    wanted: Sequence[PlannedCell], plans: Mapping[str, Sequence[Fold]], threads: int, folder: Path
) -> dict[Task, list[PlannedCell]]:
    """One task a fold, balancer and family of heads, neighbours on the same fold, the slowest family first."""
    for fingerprint, problem in {cell.problem.fingerprint: cell.problem for cell in wanted}.items():
        problem.write(folder / fingerprint)
    tasks, fast = {}, has_intelex()
    for (fingerprint, balance), together in groupby(wanted, lambda cell: (cell.problem.fingerprint, cell.balance)):
        cells = {cell.head: cell for cell in together}
        settings = next(iter(cells.values())).settings
        for fold in plans[fingerprint]:
            for heads in plan_families(list(cells)):
                task = Task(folder / fingerprint, fold, balance, settings, heads, threads, fast)
                tasks[task] = [cells[head] for head in heads]
    return tasks


def plan_families(heads: Sequence[str]) -> list[tuple[str, ...]]:
    """Divide heads into families that are fitted in one place because some are members of others.

    Returns
    -------
    list of tuple of str
        The slowest family first, so that none is left over at the end for one worker alone.

    Examples
    --------
    >>> plan_families(["knn", "svm", "voting", "logreg", "xgboost"])
    [('xgboost',), ('svm', 'voting', 'logreg'), ('knn',)]
    """
    shared = {member for head in heads for member in (head, *HEADS[head].members) if HEADS[head].members}
    together = tuple(head for head in heads if head in shared)
    families = [*filter(None, [together]), *((head,) for head in heads if head not in shared)]
    return sorted(families, key=lambda family: -sum(HEADS[head].cost for head in family))


def _finish(planned: PlannedCell, gathered: list[FoldScores | Failure], results: Results) -> dict[str, Any]:
    """Save a cell whose folds are all there; a failure that may pass is reported but not kept."""
    failures = [outcome for outcome in gathered if isinstance(outcome, Failure)]
    folds = [outcome for outcome in gathered if isinstance(outcome, FoldScores)]
    reason = failures[0].reason if failures else ""
    status = "failed" if failures else "fitted"
    seconds = sum(fold.seconds for fold in folds)
    if all(failure.lasting for failure in failures):
        problem = planned.problem
        results.save_problem(problem)
        results.save(
            Cell(
                key=planned.key,
                problem=problem.fingerprint,
                dataset=problem.dataset,
                model=problem.model,
                head=planned.head,
                balance=planned.balance,
                protocol=planned.settings.protocol,
                settings=describe(planned.head, planned.balance, planned.settings),
                status=status,
                reason=reason,
                seconds=seconds,
                folds=() if failures else tuple(sorted(folds, key=lambda fold: (fold.repeat, fold.fold))),
            )
        )
    return _report(planned, status, reason, seconds)


def _report(cell: PlannedCell, status: str, reason: str, seconds: float) -> dict[str, Any]:
    """One row of what ``fit`` says."""
    return {
        "dataset": cell.problem.dataset,
        "model": cell.problem.model,
        "head": cell.head,
        "balance": cell.balance,
        "status": status,
        "reason": reason,
        "seconds": round(seconds, 3),
    }
