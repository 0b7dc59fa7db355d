"""Fit heads on one training part: balanced once, with inner folds for what must be learned from unseen images."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import ParameterGrid, PredefinedSplit, cross_val_predict

from headroom.errors import HeadError
from headroom.heads.balancing import BalancerRecord, resample
from headroom.heads.calibration import Calibration, Outputs, fit_calibration
from headroom.heads.cell import GridSettings
from headroom.heads.classifiers import HEADS, WEIGHTINGS, HeadRecord
from headroom.heads.folds import plan_folds
from headroom.heads.models import FittedHead, Single, Stacking, Thresholded, Voting, stacked
from headroom.heads.samples import Samples
from headroom.heads.thresholds import CRITERIA, Criterion, fit_rule

INNER_FOLDS = 3
APART = 1000  # seeds of resampling lie further apart than those of repeats


@dataclass(eq=False)
class Trainer:
    """Fits any head on one training part under one balancer, and does once what heads share.

    Attributes
    ----------
    part : Samples
    balancer : BalancerRecord
    seed : int
    threads : int
        Threads an estimator may use.
    fast : bool
        Whether scikit-learn-intelex's estimators are used where a head names one.
    tune : bool
        Whether each head's small search space is searched on the inner folds.
    criterion : Criterion
        What thresholds and that search make as large as they can.
    costs : ndarray of float64, shape (k,)
        What missing an image of each class costs.
    balance_seed : int
        Changes the seed of resampling, and nothing else.
    seconds : dict of float
        Time that each fitted head took, with its members and inner fits.
    """

    part: Samples
    balancer: BalancerRecord
    seed: int = 0
    threads: int = 1
    fast: bool = False
    tune: bool = False
    criterion: Criterion = CRITERIA["recall_macro"]
    costs: np.ndarray = field(default_factory=lambda: np.ones(0))
    balance_seed: int = 0
    seconds: dict[str, float] = field(default_factory=dict, init=False)
    _heads: dict[str, FittedHead] = field(default_factory=dict, init=False)
    _outputs: dict[str, list[Outputs]] = field(default_factory=dict, init=False)
    _parameters: dict[str, Mapping[str, Any]] = field(default_factory=dict, init=False)

    @cached_property
    def balanced(self) -> tuple[np.ndarray, np.ndarray]:
        """Vectors and labels that heads are fitted on."""
        return resample(self.balancer, self.part, seed=self.seed + APART * self.balance_seed)

    @cached_property
    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Images a class before and after resampling, each of shape (k,)."""
        classes = len(self.part.classes)
        return np.bincount(self.part.labels, minlength=classes), np.bincount(self.balanced[1], minlength=classes)

    @cached_property
    def shift(self) -> np.ndarray:
        """How much more frequent each class is in fitting than it is, shape (k,)."""
        before, after = self.counts
        if self.balancer.weighted:
            after = np.ones(len(before))
        return (after / after.sum()) / np.maximum(before / before.sum(), 1 / before.sum())

    @cached_property
    def inner(self) -> list[tuple["Trainer", Samples]]:
        """Trainers on inner training parts, each with what it has not seen; empty where classes are too scarce."""
        plan = plan_inner_folds(self.part.labels, self.part.groups, seed=self.seed)
        return [(replace(self, part=self.part.take(train), tune=False), self.part.take(held)) for train, held in plan]

    def fit(self, name: str) -> FittedHead:
        """The named head, fitted once, with thresholds where the balancer asks for them.

        Raises
        ------
        HeadError
            Where the head cannot be fitted on this part under this balancer.
        """
        head = self.plain(name)
        if not self.balancer.threshold:
            return head
        start = time.perf_counter()
        scores = self.unseen_scores(name)
        head = Thresholded(head, fit_rule(self.criterion, scores, self.held_labels, self.costs))
        self.seconds[name] += time.perf_counter() - start
        return head

    def plain(self, name: str) -> FittedHead:
        """The named head without thresholds, fitted once."""
        if name not in self._heads:
            record = HEADS[name]
            fitted_before = sum(self.seconds.get(member, 0.0) for member in record.members)
            start = time.perf_counter()
            self._heads[name] = COMBINE[record.combine].fit(self, record)
            self.seconds[name] = fitted_before + time.perf_counter() - start
        return self._heads[name]

    @cached_property
    def held_labels(self) -> np.ndarray:
        """Labels of what the inner folds hold out, fold after fold."""
        labels = np.concatenate([held.labels for _, held in self.inner] or [np.empty(0, dtype=int)])
        scarce = np.setdiff1d(self.part.labels, labels)
        if len(scarce):
            classes = " and ".join(repr(self.part.classes[label]) for label in scarce)
            raise HeadError(
                got=f"inner folds need {INNER_FOLDS} patients or contents a class; {classes} has fewer in training",
                remedy="add images, or use another head or --balance",
            )
        return labels

    def unseen_scores(self, name: str) -> np.ndarray:
        """Inner out-of-fold scores of the named head, in the order of `held_labels`."""
        return COMBINE[HEADS[name].combine].unseen(self, HEADS[name])

    def unseen_outputs(self, record: HeadRecord, folds: int = INNER_FOLDS) -> list[Outputs]:
        """Outputs for what the first inner folds hold out, each fitted once with the parameters of the whole part."""
        kept = self._outputs.setdefault(record.name, [])
        for inner, held in self.inner[len(kept) : folds]:
            estimator = inner.estimator(record, {**record.inner, **self.parameters(record)})
            kept.append(Outputs.of(estimator, held.vectors, record.added))
        return kept[:folds]

    def parameters(self, record: HeadRecord) -> Mapping[str, Any]:
        """What ``--tune`` found best in the record's search space; searched once."""
        if record.name not in self._parameters:
            searched = self.tune and record.tune and self.inner
            try:
                self._parameters[record.name] = _search(self, record) if searched else {}
            except HeadError as error:
                got, remedy = f"--tune, in an inner fold: {error.got}", f"leave --tune, or {error.remedy}"
                raise HeadError(got, remedy) from error
        return self._parameters[record.name]

    def estimator(
        self, record: HeadRecord, parameters: Mapping[str, Any], on: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Any:
        """One estimator fitted on the balanced part, or on other vectors and labels; weighted as the balancer asks."""
        vectors, labels = on or self.balanced
        if self.balancer.weighted and not record.weighting:
            raise HeadError(
                got=f"{record.title} takes no class weights",
                remedy="use --balance threshold or random-over with it, or another head",
            )
        weights = WEIGHTINGS[record.weighting](labels) if self.balancer.weighted else ({}, {})
        fast = self.fast and bool(record.fast)
        build = resolve_name(record.fast if fast else record.build)
        settings = {**record.parameters, **(record.fast_parameters if fast else {}), **weights[0], **parameters}
        if record.seeded:
            settings["random_state"] = self.seed
        estimator = build(**settings)
        if record.threaded and "n_jobs" in estimator.get_params():
            estimator.set_params(n_jobs=self.threads)
        return estimator.fit(vectors, labels, **weights[1])


def _single(trainer: Trainer, record: HeadRecord) -> FittedHead:
    """An estimator and the map that calibrates its outputs; the plain one where nothing can be held out."""
    estimator = trainer.estimator(record, trainer.parameters(record))
    held: list[Outputs] = []
    with suppress(HeadError):  # a class too scarce to resample without what is held out
        held = trainer.unseen_outputs(record, record.calibrate)
    if not held:
        return Single(estimator, Calibration(), np.ones(len(trainer.shift)), record.added)  # nothing undoes the shift
    labels = np.concatenate([images.labels for _, images in trainer.inner[: len(held)]])
    return Single(estimator, fit_calibration(Outputs.joined(held), labels), trainer.shift, record.added)


def _unseen_single(trainer: Trainer, record: HeadRecord) -> np.ndarray:
    head = trainer.plain(record.name)
    assert isinstance(head, Single)
    return head.calibration(Outputs.joined(trainer.unseen_outputs(record)))


def _search(trainer: Trainer, record: HeadRecord) -> dict[str, Any]:
    """The parameters of the record's search space that are best by the criterion on the inner folds."""
    labels = np.concatenate([held.labels for _, held in trainer.inner])

    def goodness(parameters: dict[str, Any]) -> float:
        predicted = [inner.estimator(record, parameters).predict(held.vectors) for inner, held in trainer.inner]
        return trainer.criterion(labels, np.concatenate(predicted).astype(np.int64), trainer.costs)

    return max(ParameterGrid(dict(record.tune)), key=goodness)


def _vote(trainer: Trainer, record: HeadRecord) -> FittedHead:
    return Voting([trainer.plain(member) for member in record.members])


def _unseen_vote(trainer: Trainer, record: HeadRecord) -> np.ndarray:
    return np.mean([trainer.unseen_scores(member) for member in record.members], axis=0)


def _stack(trainer: Trainer, record: HeadRecord) -> FittedHead:
    """Members fitted on the whole part; the last estimator on their inner out-of-fold scores."""
    labels, members = trainer.held_labels, [trainer.plain(member) for member in record.members]
    last = trainer.estimator(record, {}, on=(_unseen_members(trainer, record), labels))
    shift = np.ones(len(trainer.shift)) if trainer.balancer.weighted else trainer.shift  # weights shift the last one
    return Stacking(members, last, shift)


def _unseen_stack(trainer: Trainer, record: HeadRecord) -> np.ndarray:
    """The last estimator fitted without each inner fold in turn."""
    head, vectors, labels = trainer.plain(record.name), _unseen_members(trainer, record), trainer.held_labels
    assert isinstance(head, Stacking)
    folds = PredefinedSplit(np.repeat(range(len(trainer.inner)), [len(held.labels) for _, held in trainer.inner]))
    return cross_val_predict(head.last, vectors, labels, cv=folds, method="predict_proba")


def _unseen_members(trainer: Trainer, record: HeadRecord) -> np.ndarray:
    return stacked([trainer.unseen_scores(member) for member in record.members])


class Combination(NamedTuple):
    """How a head is fitted, and how its inner out-of-fold scores come about."""

    fit: Callable[[Trainer, HeadRecord], FittedHead]
    unseen: Callable[[Trainer, HeadRecord], np.ndarray]


COMBINE = {
    "single": Combination(_single, _unseen_single),
    "vote": Combination(_vote, _unseen_vote),
    "stack": Combination(_stack, _unseen_stack),
}
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
    [[1, 5, 7], [0, 3, 6], [2, 4]]
    """
    free = np.ones(len(labels), dtype=bool)
    while True:
        present = np.unique(labels[free])
        scarce = [label for label in present if len(np.unique(groups[free & (labels == label)])) < INNER_FOLDS]
        if not scarce:
            break
        free &= ~np.isin(groups, groups[free & np.isin(labels, scarce)])
    rows, everything = np.flatnonzero(free), np.arange(len(labels))
    codes = np.searchsorted(present, labels[rows])
    images = Samples(labels=codes, groups=groups[rows], classes=tuple(map(str, present)))
    with suppress(HeadError):
        plan = plan_folds(images, GridSettings(folds=INNER_FOLDS, seed=seed))
        return [(np.setdiff1d(everything, rows[fold.test]), rows[fold.test]) for fold in plan]
    return []


def has_intelex() -> bool:
    """Whether scikit-learn-intelex is installed; only asked, since it must not be imported beside OpenVINO."""
    return find_spec("sklearnex") is not None
