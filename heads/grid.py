"""The grid: which cells must be fitted, and fitting them with nothing lost.

A cell is kept under the digest of all that determined it: equal keys mean that fitting again would give the same.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from operator import attrgetter
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from headroom.errors import HeadError, nearest
from headroom.heads.balancing import BALANCERS
from headroom.heads.cell import Cell, FoldScores, GridSettings, format_of, package_of, plan_reduction
from headroom.heads.classifiers import HEADS, HeadRecord
from headroom.heads.crossval import Failure, Task
from headroom.heads.folds import Fold, plan_folds
from headroom.heads.results import Results
from headroom.heads.samples import Problem
from headroom.heads.thresholds import plan_criterion
from headroom.heads.training import has_intelex
from headroom.heads.workers import run_tasks

FORMAT = 3  # raised whenever the same settings would lead to other scores
_DETERMINES_NOTHING = ("name", "title", "note", "cost", "library", "identity", "synthetic")

Progress = Callable[[int, int, str], None]


def plan_cells(
    problem: Problem, heads: Sequence[str], balancers: Sequence[str], settings: GridSettings, results: Results
) -> list[Cell]:
    """Decide which cells of the grid must be fitted and which are there.

    Parameters
    ----------
    problem : Problem
    heads, balancers : sequence of str
        Names from ``HEADS`` and ``BALANCERS``; a name given twice counts once.
    settings : GridSettings
    results : Results

    Returns
    -------
    list of Cell
        Balancer by balancer, head by head; ``"planned"``, ``"reused"``, or ``"failed"`` where it is known to fail.

    Raises
    ------
    HeadError
        Where a name or a setting is not understood.
    """
    plan_reduction(settings.reduce)
    plan_criterion(settings.criterion, settings.cost, problem.classes, ordinal=problem.ordinal)
    for kind, names, table in (("head", heads, HEADS), ("balancer", balancers, BALANCERS)):
        for name in set(names) - set(table):
            raise HeadError(got=f"unknown {kind} {name!r}", remedy=nearest(name, table))
    return [
        _plan_cell(problem, head, balance, settings, results)
        for balance in dict.fromkeys(balancers)
        for head in dict.fromkeys(heads)
    ]


def _plan_cell(problem: Problem, head: str, balance: str, settings: GridSettings, results: Results) -> Cell:
    described = describe(head, balance, settings)
    determined_by = {"problem": problem.fingerprint, **described}
    if BALANCERS[balance].views and problem.views is not None:
        determined_by["views"] = hashlib.sha256(np.ascontiguousarray(problem.views).data).hexdigest()
    key = hashlib.sha256(json.dumps(determined_by, sort_keys=True).encode()).hexdigest()
    status, reason = results.outcome(key) or ("planned", "")
    return Cell(
        key=key,
        problem=problem.fingerprint,
        dataset=problem.dataset,
        model=problem.model,
        head=head,
        balance=balance,
        protocol=settings.protocol,
        settings=described,
        status="reused" if status == "fitted" else status,
        reason=reason,
    )


def describe(head: str, balance: str, settings: GridSettings) -> dict[str, Any]:
    """Settings, parameters and library versions of a cell, ready for JSON."""
    records = [HEADS[name] for name in (head, *HEADS[head].members)]
    balancer = {name: value for name, value in asdict(BALANCERS[balance]).items() if name not in _DETERMINES_NOTHING}
    libraries = {"sklearn": "", package_of(balancer["sampler"]): ""}
    for record in records:
        libraries |= {package_of(record.fast): "", package_of(record.identity or record.build): record.library}
    unread = () if settings.tune or BALANCERS[balance].threshold else ("criterion", "cost")
    return {
        **{name: value for name, value in asdict(settings).items() if name not in unread},
        "format": FORMAT,
        "balance_seeds": _balance_seeds(balance, settings),
        "heads": {record.name: _parameters(record, settings) for record in records},
        "balancer": balancer,
        "versions": {package: _version(package, library) for package, library in sorted(libraries.items()) if package},
    }


def _balance_seeds(balance: str, settings: GridSettings) -> int:
    """Seeds of resampling; one where a balancer has nothing random."""
    return settings.balance_seeds if BALANCERS[balance].random else 1


def _parameters(record: HeadRecord, settings: GridSettings) -> dict[str, Any]:
    """What of a head's record determines its scores."""
    unread = _DETERMINES_NOTHING if settings.tune else (*_DETERMINES_NOTHING, "tune")
    known = {name: value for name, value in asdict(record).items() if name not in unread}
    return known | {"build": record.identity or record.build}


@cache
def _version(package: str, library: str) -> str:
    """Version of a library, or of the one that an import package belongs to."""
    libraries = [library] if library else _distributions().get(package, [package])
    try:
        return version(libraries[0])
    except PackageNotFoundError:
        return "not installed"


_distributions = cache(packages_distributions)  # reads the metadata of all that is installed


def earlier(planned: Sequence[Cell], stored: Iterable[Cell]) -> list[Cell]:
    """Cells to be fitted although an earlier format has them, with any number of repeats."""

    def alike(cell: Cell) -> tuple:
        chosen = (cell.settings[name] for name in ("folds", "protocol", "seed", "reduce", "tune"))
        return (cell.problem, cell.head, cell.balance, *chosen)

    there = {alike(cell) for cell in stored if format_of(cell) < FORMAT}
    return [cell for cell in planned if cell.status == "planned" and alike(cell) in there]


def run_cells(
    problem: Problem,
    settings: GridSettings,
    planned: Sequence[Cell],
    results: Results,
    *,
    jobs: int = 0,
    progress: Progress = lambda done, total, text: None,
) -> Iterator[dict[str, Any]]:
    """Fit what is planned to be fitted; a cell is saved in one transaction as soon as its folds are there.

    Parameters
    ----------
    problem : Problem
    settings : GridSettings
    planned : sequence of Cell
        What `plan_cells` made of them.
    results : Results
    jobs : int
        Worker processes; 0: all cores.
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
        Before anything is fitted where the problem cannot be divided into folds or its vectors are no numbers; later
        only where the workers or the database cannot go on. Finished cells are kept.
    """
    yield from (_row(cell) for cell in planned if cell.status != "planned")
    wanted = [cell for cell in planned if cell.status == "planned"]
    if not wanted:
        return
    broken = np.count_nonzero(~np.isfinite(problem.vectors).all(axis=1))
    if broken:
        raise HeadError(
            got=f"{broken} embeddings of {problem.dataset} by {problem.model} hold values that are no numbers",
            remedy="run extract again; if they come back, use another --precision or model",
        )
    folds, cores = plan_folds(problem, settings), joblib.cpu_count()
    threads = max(1, cores // (jobs or cores))
    cells = {(cell.balance, cell.head): cell for cell in wanted}
    gathered: dict[str, list[FoldScores | Failure]] = {cell.key: [] for cell in wanted}
    needed = {cell.key: len(folds) * cell.settings["balance_seeds"] for cell in wanted}
    total, done = sum(needed.values()), 0
    with tempfile.TemporaryDirectory(prefix="headroom-") as folder:
        samples = Path(folder, "samples")
        joblib.dump(problem, samples)
        results.save_problem(problem)
        progress(done, total, "starting workers")
        for task, outcomes in run_tasks(_plan_tasks(samples, wanted, folds, settings, threads), jobs=jobs or cores):
            done += len(outcomes)
            for head, outcome in outcomes.items():
                cell = cells[task.balance, head]
                gathered[cell.key].append(outcome)
                if len(gathered[cell.key]) == needed[cell.key]:
                    yield _row(_finish(cell, gathered.pop(cell.key), results))
            progress(done, total, f"{problem.dataset} {problem.model} {task.balance}")


def _plan_tasks(
    samples: Path, wanted: Sequence[Cell], folds: Sequence[Fold], settings: GridSettings, threads: int
) -> list[Task]:
    """One task a fold, balancer and family of heads, neighbours on the same fold, the slowest family first."""
    heads_of = {cell.balance: [other.head for other in wanted if other.balance == cell.balance] for cell in wanted}
    fast = has_intelex()
    return [
        Task(samples, fold, balance, settings, family, threads, fast, balance_seed)
        for balance, heads in heads_of.items()
        for fold in folds
        for balance_seed in range(_balance_seeds(balance, settings))
        for family in plan_families(heads)
    ]


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


def _finish(planned: Cell, gathered: Sequence[FoldScores | Failure], results: Results) -> Cell:
    """Save a cell whose folds are all there; a failure that may pass is reported but not kept."""
    failures = [outcome for outcome in gathered if isinstance(outcome, Failure)]
    folds = [outcome for outcome in gathered if isinstance(outcome, FoldScores)]
    cell = replace(
        planned,
        status="failed" if failures else "fitted",
        seconds=sum(fold.seconds for fold in folds if not fold.balance_seed),
    )
    if failures:
        cell = replace(cell, reason=failures[0].reason)
    else:
        cell = replace(cell, folds=tuple(sorted(folds, key=attrgetter("balance_seed", "repeat", "fold"))))
    if all(failure.lasting for failure in failures):
        results.save(cell)
    return cell


def _row(cell: Cell) -> dict[str, Any]:
    """What ``fit`` says of a cell."""
    about = {"status": cell.status, "reason": cell.reason, "seconds": round(cell.seconds, 3)}
    return {**cell.place, **about, "repeats": cell.settings["repeats"]}
