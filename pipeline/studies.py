"""Published studies: what was compared, what was claimed, and what the same comparison gives here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headroom.errors import HeadError
from headroom.heads.cell import Cell
from headroom.heads.scores.contrast import contrast
from headroom.heads.scores.leaderboard import leaderboard
from headroom.heads.scores.pooled import ProblemInfo


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


def measured(study: Study, cells: list[Cell], problems: Mapping[str, ProblemInfo]) -> list[dict[str, Any]]:
    """Set the claims of a study beside what its comparisons give here.

    Parameters
    ----------
    study : Study
    cells : list of Cell
        Those of other studies are passed over.
    problems : mapping of str to ProblemInfo

    Returns
    -------
    list of dict
        ``dataset``, ``comparison``, ``metric``, ``claimed``, ``measured``, ``low``, ``high``, ``p`` and ``leaky``: the
        same difference where resampling comes before the split, which nobody should report.
    """
    rows = []
    for dataset in study.datasets:
        here = [cell for cell in cells if cell.dataset == dataset and cell.status == "fitted"]
        honest, leaky = ([cell for cell in here if cell.protocol == protocol] for protocol in ("cv", "leaky"))
        for words, balance, head in (
            (f"{study.balance} against none, same heads", "none", study.classical),
            (
                f"classical heads with {study.balance} against the {study.transfer} head without",
                "none",
                (study.transfer,),
            ),
        ):
            rows += _contrasted(study, dataset, words, (balance, head), honest, leaky, problems)
        rows += _best(study, dataset, honest, leaky, problems)
    return rows


def _contrasted(
    study: Study,
    dataset: str,
    words: str,
    baseline: tuple[str, tuple[str, ...]],
    honest: list[Cell],
    leaky: list[Cell],
    problems: Mapping[str, ProblemInfo],
) -> list[dict[str, Any]]:
    """Return a row for each claimed gain."""
    group = _pick(honest, study.balance, study.classical)
    against = _pick(honest, *baseline)
    try:
        results = contrast(group, against, problems, list(study.gains))
    except HeadError:
        return []
    careless = [_means(_pick(leaky, *part), problems) for part in ((study.balance, study.classical), baseline)]
    return [
        {
            "dataset": dataset,
            "comparison": words,
            "metric": metric,
            "claimed": claimed,
            "measured": results[metric].difference,
            "low": results[metric].low,
            "high": results[metric].high,
            "p": results[metric].p,
            "leaky": careless[0][metric] - careless[1][metric] if all(careless) else None,
        }
        for metric, claimed in study.gains.items()
    ]


def _best(
    study: Study, dataset: str, honest: list[Cell], leaky: list[Cell], problems: Mapping[str, ProblemInfo]
) -> list[dict[str, Any]]:
    """Return a row for the best system that the study claims."""
    of, head, claimed = study.best
    found = [max(_rows(cells, head, problems), key=_accuracy, default=None) for cells in (honest, leaky)]
    if dataset != of or found[0] is None:
        return []
    low, high = found[0]["intervals"]["accuracy"]
    return [
        {
            "dataset": dataset,
            "comparison": f"best {head}: {found[0]['model']}, {found[0]['balance']}",
            "metric": "accuracy",
            "claimed": claimed,
            "measured": _accuracy(found[0]),
            "low": low,
            "high": high,
            "p": None,
            "leaky": None if found[1] is None else _accuracy(found[1]),
        }
    ]


def _pick(cells: list[Cell], balance: str, heads: tuple[str, ...]) -> list[Cell]:
    """Return the cells with one balancer and any of these heads."""
    return [cell for cell in cells if cell.balance == balance and cell.head in heads]


def _means(cells: list[Cell], problems: Mapping[str, ProblemInfo]) -> dict[str, float]:
    """Return each metric's mean over cells; empty without any."""
    rows = leaderboard(cells, problems)
    names = rows[0]["metrics"] if rows else {}
    return {name: sum(row["metrics"][name] or 0.0 for row in rows) / len(rows) for name in names}


def _rows(cells: list[Cell], head: str, problems: Mapping[str, ProblemInfo]) -> list[dict[str, Any]]:
    """Return the leaderboard of one head."""
    return leaderboard([cell for cell in cells if cell.head == head], problems)


def _accuracy(row: dict[str, Any]) -> float:
    return row["metrics"]["accuracy"]
