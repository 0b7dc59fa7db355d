"""A results database of fabricated cells, with scores drawn at random, to time and to test what reads it."""

from collections.abc import Iterable, Mapping
from itertools import product

import numpy as np

from headroom.heads.cell import Cell, FoldScores, GridSettings
from headroom.heads.folds import plan_folds
from headroom.heads.results import Results
from headroom.heads.samples import Problem


def fabricate(
    results: Results,
    dataset: str,
    classes: Mapping[str, int],
    heads: Iterable[str],
    balancers: Iterable[str],
    *,
    model: str = "mobilenet",
    protocol: str = "cv",
    repeats: int = 1,
    seed: int = 0,
    ordinal: bool = False,
    skills: Mapping[tuple[str, str], float] | None = None,
) -> Problem:
    """Save a problem and a cell for every head and balancer.

    ``classes`` maps names to counts; ``skills`` says how much the scores of a (head, balancer) lean to the truth, from
    0 (chance) to 1, where it is not drawn at random.
    """
    labels = np.repeat(np.arange(len(classes)), list(classes.values()))
    size = len(labels)
    problem = Problem(
        dataset=dataset,
        model=model,
        vectors=np.zeros((size, 1), np.float32),
        labels=labels,
        classes=tuple(classes),
        ids=np.array([f"images/{row}.png" for row in range(size)]),
        groups=np.arange(size),
        split=np.full(size, ""),
        ordinal=ordinal,
        fingerprint=f"{dataset}/{model}",
    )
    results.save_problem(problem)
    settings = {"folds": 5, "repeats": repeats, "protocol": protocol, "seed": seed, "reduce": None, "tune": False}
    plan = plan_folds(problem, GridSettings(repeats=repeats, seed=seed))
    for number, (head, balance) in enumerate(product(heads, balancers)):
        random = np.random.default_rng(number + 1000 * seed)
        skill = (skills or {}).get((head, balance), random.uniform(0.15, 0.4))
        folds = []
        for fold in plan:
            truth = labels[fold.test]
            scores = random.dirichlet(np.ones(len(classes)), len(truth)) * (1 - skill)
            scores[np.arange(len(truth)), truth] += skill
            before = np.bincount(labels[fold.train], minlength=len(classes))
            after = before if balance == "none" else np.full_like(before, before.max())
            predicted = scores.argmax(axis=1)
            folds.append(FoldScores(fold.repeat, fold.fold, fold.test, truth, predicted, scores, 0.1, before, after))
        key = f"{dataset}/{model}/{protocol}/{head}/{balance}/{repeats}/{seed}"
        names = (dataset, model, head, balance, protocol)
        seconds = float(random.lognormal(1))
        results.save(Cell(key, problem.fingerprint, *names, settings, "fitted", "", seconds, tuple(folds)))
    return problem
