"""Published studies: what was compared, what was claimed, and what the same comparison gives here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headroom.errors import HeadError
from headroom.heads.cell import Cell
from headroom.heads.scores.comparing import BASELINE, contrast, plan_comparisons
from headroom.heads.scores.scored import Scored

Scores = Mapping[str, Scored]


@dataclass(frozen=True)
class Study:
    """A published study as one command repeats it.

    Attributes
    ----------
    name, title : str
    models, datasets : tuple of str
    transfer : str
        Head that stands for plain transfer learning.
    classical : tuple of str
        Heads that were put in its place.
    balance : str
    gains : dict of str to float
        Claimed gain of each metric, as a fraction.
    best : tuple of (str, str, float)
        Data set, head and accuracy of the best system claimed.
    """

    name: str
    title: str
    models: tuple[str, ...]
    datasets: tuple[str, ...]
    transfer: str
    classical: tuple[str, ...]
    balance: str
    gains: dict[str, float]
    best: tuple[str, str, float]


STUDIES = {
    "smote-paper": Study(
        "smote-paper",
        "Enhancing Transfer Learning for Medical Image Classification with SMOTE",
        ("mobilenet", "xception", "inceptionv3", "resnet50", "densenet201"),
        ("aptos", "brain-tumor"),
        "dense",
        ("svm", "random-forest", "knn", "logreg", "voting"),
        "smote",
        {"accuracy": 0.0197, "recall_macro": 0.0543, "specificity_macro": 0.0072},
        ("aptos", "voting", 0.9214),
    )
}


@dataclass(frozen=True)
class Claim:
    """One number of a study beside the same number here.

    Attributes
    ----------
    study : Study
    dataset, comparison, metric : str
        ``comparison`` says in words what is set against what.
    claimed, measured : float
    low, high, p : float or None
        Interval and test of what is measured.
    cells : int
        How many were averaged.
    leaky : float or None
        The same where resampling comes before the split, which nobody should report.
    """

    study: Study
    dataset: str
    comparison: str
    metric: str
    claimed: float
    measured: float
    low: float | None
    high: float | None
    p: float | None
    cells: int
    leaky: float | None = None

    @property
    def inside(self) -> bool | None:
        """Whether the claim lies inside the interval measured; None without one."""
        return None if self.low is None or self.high is None else self.low <= self.claimed <= self.high


def gains(
    study: Study,
    comparison: str,
    group: Sequence[Cell],
    against: Sequence[Cell],
    scored: Scores,
    leaky: Sequence[Sequence[Cell]] = ((), ()),
) -> list[Claim]:
    """Every claimed gain beside the mean of one group of cells less that of another; empty where they share no folds.

    ``leaky`` holds the same two groups of the leaky protocol.
    """
    try:
        results = contrast(group, against, scored, list(study.gains))
    except HeadError:
        return []

    def mean(cells: Sequence[Cell], metric: str) -> float:
        return float(np.mean([scored[cell.key].metrics[metric] or 0.0 for cell in cells]))

    return [
        Claim(
            *(study, group[0].dataset, comparison, metric, claimed),
            *(result.difference, result.low, result.high, result.p, len(group)),
            leaky=mean(leaky[0], metric) - mean(leaky[1], metric) if all(leaky) else None,
        )
        for metric, claimed in study.gains.items()
        if (result := results[metric]).difference is not None
    ]


def claims(cells: Sequence[Cell], scored: Scores) -> list[Claim]:
    """Every published gain of a balancer beside that over no balancing here, averaged over heads and models.

    ``cells`` are of one data set and one setting; pairs of the same head and model are compared.
    """
    found = []
    for study in STUDIES.values():
        pairs = [pair for pair in plan_comparisons(cells, scored).pairs if pair[0].balance == study.balance]
        found += gains(study, study.balance, [cell for cell, _ in pairs], [base for _, base in pairs], scored)
    return found


def replicated(study: Study, cells: Sequence[Cell], scored: Scores) -> list[Claim]:
    """Everything that a study claims, by its own comparisons; cells of other studies are passed over."""
    rows = []
    for dataset in study.datasets:
        here = [cell for cell in cells if cell.dataset == dataset and cell.status == "fitted"]
        sides = [[cell for cell in here if cell.protocol == protocol] for protocol in ("cv", "leaky")]
        balanced = [_pick(cells, study.balance, study.classical) for cells in sides]
        for words, heads, shared in (
            (f"{study.balance} against none, same heads", study.classical, ("model", "head")),
            (
                f"classical heads with {study.balance} against the {study.transfer} head without",
                (study.transfer,),
                ("model",),
            ),
        ):
            plain = [_pick(cells, BASELINE, heads) for cells in sides]
            honest, leaky = (_matched(*pair, shared) for pair in zip(balanced, plain, strict=True))
            rows += gains(study, words, *honest, scored, leaky)
        rows += _best(study, dataset, sides, scored)
    return rows


def _best(study: Study, dataset: str, sides: Sequence[Sequence[Cell]], scored: Scores) -> list[Claim]:
    """The best system that the study claims."""
    of, head, claimed = study.best

    def accuracy(cell: Cell) -> float:
        return scored[cell.key].metrics["accuracy"] or 0.0

    systems = ([cell for cell in cells if cell.head == head] for cells in sides)
    best, careless = (max(cells, key=accuracy, default=None) for cells in systems)
    if dataset != of or best is None:
        return []
    words = f"best {head}: {best.model}, {best.balance}"
    low, high = scored[best.key].intervals["accuracy"] or (None, None)
    wrong = None if careless is None else accuracy(careless)
    return [Claim(study, dataset, words, "accuracy", claimed, accuracy(best), low, high, None, 1, wrong)]


def _matched(group: list[Cell], against: list[Cell], shared: Sequence[str]) -> tuple[list[Cell], list[Cell]]:
    """Those of each group that have a counterpart in the other: a mean over other models is no baseline."""

    def place(cell: Cell) -> tuple[str, ...]:
        return tuple(getattr(cell, name) for name in shared)

    both = set(map(place, group)) & set(map(place, against))
    found = [[cell for cell in cells if place(cell) in both] for cells in (group, against)]
    return found[0], found[1]


def _pick(cells: Sequence[Cell], balance: str, heads: Sequence[str]) -> list[Cell]:
    """The cells with one balancer and any of these heads."""
    return [cell for cell in cells if cell.balance == balance and cell.head in heads]
