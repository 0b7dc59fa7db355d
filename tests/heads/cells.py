"""Small made-up problems and cells for the tests of what is computed from them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from headroom.heads.cell import Cell, FoldScores
from headroom.heads.scores.metrics import evaluate, number
from headroom.heads.scores.predictions import Predictions, Sums
from headroom.heads.scores.scored import score_folds

CLASSES = 3


def score(labels, predicted, scores, n_classes, ordinal, names=None, fold=None, groups=None):
    """The metrics of one set of predictions."""
    predictions = Predictions(labels, predicted, scores, n_classes, fold, groups)
    values = evaluate([Sums.once(predictions)], ordinal, names)
    return {name: number(value[0]) for name, value in values.items()}


def scored_of(cells, problem):
    """What is computed of fitted cells of one problem, by key."""
    fitted = [cell for cell in cells if cell.status == "fitted"]
    return {cell.key: score_folds(cell.folds, problem.groups, problem.ordinal) for cell in fitted}


def make_problem(n=180, ordinal=True, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(CLASSES), [n // 2, n // 3, n - n // 2 - n // 3]))
    return SimpleNamespace(labels=labels, groups=rng.integers(n - n // 10, size=n), ordinal=ordinal)


def make_cell(
    problem,
    head="svm",
    balance="none",
    protocol="cv",
    status="fitted",
    skill=0.5,
    folds=5,
    repeats=1,
    seed=0,
    synthetic=0,
    settings=None,
    copies_of=None,
    copies=1,
):
    """A cell whose scores lean to the truth by ``skill``; ``copies_of`` repeats the scores of another one."""
    made = copies_of.folds if copies_of else _folds(problem.labels, skill, folds, repeats, seed, synthetic)
    return Cell(
        key=f"{head}/{balance}/{protocol}/{skill}/{seed}/{status}",
        problem="p",
        dataset="aptos",
        model="mobilenet",
        head=head,
        balance=balance,
        protocol=protocol,
        settings=settings or {"folds": folds, "repeats": repeats, "seed": 0},
        status=status,
        reason="" if status == "fitted" else "a class has too few neighbours",
        folds=tuple(_copied(fold, copies) for fold in made) if status == "fitted" else (),
    )


def _folds(labels, skill, folds, repeats, seed, synthetic):
    counts = np.bincount(labels, minlength=CLASSES)
    rng = np.random.default_rng(seed)
    for repeat in range(repeats):
        fold_of = np.random.default_rng(repeat).permutation(len(labels)) % max(folds, 2)
        for fold in range(folds):
            rows = np.flatnonzero(fold_of == fold)
            rows = np.concatenate([rows, np.full(synthetic // folds, -1)])
            truth = np.where(rows >= 0, labels[rows], CLASSES - 1)
            scores = rng.dirichlet(np.ones(CLASSES), len(rows)) * (1 - skill / 2) + np.eye(CLASSES)[truth] * skill / 2
            scores **= 4  # confident, so that the calibration error is the smaller the more often they are right
            scores /= scores.sum(axis=1, keepdims=True)
            before = counts - np.bincount(truth[rows >= 0], minlength=CLASSES)
            yield FoldScores(
                repeat, fold, rows, truth, scores.argmax(axis=1), scores.astype(np.float32), 0.1, before, before
            )


def _copied(fold, copies):
    rows = np.repeat(fold.rows * copies, copies) + np.tile(np.arange(copies), len(fold.rows))
    arrays = (np.repeat(array, copies, axis=0) for array in (fold.labels, fold.predicted, fold.scores))
    return FoldScores(
        fold.repeat, fold.fold, rows if copies > 1 else fold.rows, *arrays, 0.1, fold.counts_before, fold.counts_after
    )


def whole_cells(results):
    """The cells of a database with their folds."""
    return [replace(cell, folds=results.folds(cell.key)) for cell in results.cells()]
