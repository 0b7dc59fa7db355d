"""Fit heads on one training part: balanced once, with inner folds for what must be learned from unseen images."""

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Any

import numpy as np

from heads.balancing import BalancerRecord, resample
from heads.calibration import fit_calibration, margins
from heads.classifiers import HEADS, WEIGHTINGS, HeadRecord
from heads.combining import Model, Single, Voting
from heads.errors import HeadError
from heads.folds import plan_folds
from heads.part import Part

INNER_FOLDS = 4


class Trainer:
    """Fits any head on one training part under one balancer, and does once what heads share.

    Parameters
    ----------
    part : Part
    balancer : BalancerRecord
    seed : int
    threads : int
        Threads an estimator may use.
    fast : bool
        Whether scikit-learn-intelex's estimators are used where a head names one.
    tune : bool
        Whether each head's small search space is searched on the inner folds.

    Attributes
    ----------
    seconds : dict of float
        Time that each fitted head took, with its members and inner fits.
    """

    def __init__(
        self,
        part: Part,
        balancer: BalancerRecord,
        *,
        seed: int = 0,
        threads: int = 1,
        fast: bool = False,
        tune: bool = False,
    ) -> None:
        self.part = part
        self.balancer = balancer
        self.seed = seed
        self.threads = threads
        self.fast = fast and has_intelex()
        self.tune = tune
        self.seconds: dict[str, float] = {}
        self._models: dict[str, Model] = {}

    @cached_property
    def balanced(self) -> tuple[np.ndarray, np.ndarray]:
        """Vectors and labels that heads are fitted on."""
        return resample(self.balancer, self.part, seed=self.seed)

    @cached_property
    def inner(self) -> list[tuple["Trainer", np.ndarray]]:
        """Trainers on inner training parts, each with the rows it has not seen; empty where classes are too scarce."""
        trainers = []
        for train, held in plan_inner_folds(self.part.labels, self.part.groups, seed=self.seed):
            trainer = Trainer(
                self.part.take(train), self.balancer, seed=self.seed, threads=self.threads, fast=self.fast
            )
            trainers.append((trainer, held))
        return trainers

    def fit(self, name: str) -> Model:
        """The named head, fitted once.

        Raises
        ------
        HeadError
            Where the head cannot be fitted on this part under this balancer.
        """
        if name not in self._models:
            record = HEADS[name]
            fitted_before = sum(self.seconds.get(member, 0.0) for member in record.members)
            start = time.perf_counter()
            self._models[name] = COMBINE[record.combine](self, record)
            self.seconds[name] = fitted_before + time.perf_counter() - start
        return self._models[name]

    def estimator(self, record: HeadRecord, parameters: Mapping[str, Any]) -> Any:
        """One estimator fitted on the balanced part."""
        vectors, labels = self.balanced
        weight_parameters, weight_arguments = self._weights(record, labels)
        build = resolve_name(record.fast if record.fast and self.fast else record.build)
        fast_parameters = record.fast_parameters if record.fast and self.fast else {}
        settings = {**record.parameters, **fast_parameters, **weight_parameters, **parameters}
        if record.seeded:
            settings["random_state"] = self.seed
        estimator = build(**settings)
        if "n_jobs" in estimator.get_params():
            estimator.set_params(n_jobs=self.threads)
        return estimator.fit(vectors, labels, **weight_arguments)

    def _weights(self, record: HeadRecord, labels: np.ndarray) -> tuple[dict, dict]:
        """Parameters and fit arguments for balanced class weights, where the balancer asks for them."""
        if not self.balancer.weighted:
            return {}, {}
        if not record.weighting:
            got = f"{record.title} takes no class weights"
            raise HeadError(got, "use --balance threshold or random-over with it, or another head")
        return WEIGHTINGS[record.weighting](labels)


def _single(trainer: Trainer, record: HeadRecord) -> Model:
    """An estimator, calibrated on one inner hold-out where its outputs are no probabilities."""
    classes = len(trainer.part.classes)
    estimator = trainer.estimator(record, {})
    if not record.calibrate or not trainer.inner:
        return Single(estimator, 1.0, np.zeros(classes))
    inner, held = trainer.inner[0]
    unseen = trainer.part.take(held)
    outputs = margins(inner.estimator(record, {}), unseen.vectors)
    return Single(estimator, *fit_calibration(outputs, unseen.labels))


def _vote(trainer: Trainer, record: HeadRecord) -> Model:
    return Voting([trainer.fit(member) for member in record.members])


COMBINE: dict[str, Callable[[Trainer, HeadRecord], Model]] = {"single": _single, "vote": _vote}
"""How a head is made, by ``HeadRecord.combine``."""


def plan_inner_folds(labels: np.ndarray, groups: np.ndarray, *, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Inner folds that never lose a class from their training side.

    Images of a class with fewer groups than inner folds, and all images of their groups, always train and are never
    held out.

    Parameters
    ----------
    labels, groups : ndarray of int64, shape (n,)
    seed : int

    Returns
    -------
    list of (train, held) arrays of row numbers
        Empty where fewer than two classes have enough groups.

    Examples
    --------
    >>> labels, groups = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2]), np.arange(9)
    >>> [held.tolist() for train, held in plan_inner_folds(labels, groups, seed=0)]
    [[0, 4], [3, 5], [1, 6], [2, 7]]
    """
    free = np.ones(len(labels), dtype=bool)
    while True:
        present = np.unique(labels[free])
        scarce = [label for label in present if len(np.unique(groups[free & (labels == label)])) < INNER_FOLDS]
        if not scarce:
            break
        free &= ~np.isin(groups, groups[free & np.isin(labels, scarce)])
    if len(present) < 2:
        return []
    rows = np.flatnonzero(free)
    try:
        plan = plan_folds(labels[rows], groups[rows], np.full(len(rows), ""), folds=INNER_FOLDS, seed=seed)
    except HeadError:
        return []
    everything = np.arange(len(labels))
    return [(np.setdiff1d(everything, rows[fold.test]), rows[fold.test]) for fold in plan]


def has_intelex() -> bool:
    """Whether scikit-learn-intelex is installed; only asked, since it must not be imported beside OpenVINO."""
    return find_spec("sklearnex") is not None
