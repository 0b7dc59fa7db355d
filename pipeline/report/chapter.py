"""What a report says, before it has a form: frozen records, filled by `headroom.pipeline.report.model`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headroom.heads.cell import Cell, FoldScores
from headroom.heads.scores.comparing import BASELINE
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.scored import Scored
from headroom.pipeline.checks.checks import as_promised
from headroom.pipeline.report.source import USUAL, ReportSettings
from headroom.pipeline.report.verdict import Verdict
from headroom.pipeline.report.words import INTERVALS, Row
from headroom.pipeline.studies import Claim

LEAKY = "leaky"


@dataclass(frozen=True, eq=False, repr=False)
class Chapter:
    """One data set of a report.

    Attributes
    ----------
    dataset : str
    classes : tuple of str
    images : int
    rows, comparisons : sequence of dict
        In the form that ``report --format json`` promises, best first.
    columns, compared_columns : tuple of str
        Settings that tell rows, or comparisons, apart; head and balance always do.
    setting : str
        What all rows have in common, in words.
    metrics : tuple of str
        Those printed that are defined in any row.
    winners : frozenset of (str, str)
        Key and metric of every best value that is better than the runner-up by more than noise.
    verdicts : sequence of Verdict
        One for each honest protocol.
    facts : mapping of str to str
        What was run.
    claims : sequence of Claim
    left_out : sequence of Cell
        Those that were not fitted, or not compared, and for what ``reason``.
    counts : mapping of str to list of float
        Training images a class, mean over folds, before balancing and after each resampling balancer.
    settings : ReportSettings
    lifts : sequence of dict
        Of every balancer the lift of the curve, and the mere move along it, with intervals and p by Holm's method.
    by_class : mapping of str to list
        Metrics of the best row by title, a value and its interval a class; only where figures are shown.
    plates : sequence of dict
        Finished figures with ``section``, ``title``, ``description``, ``svg`` and whether they are ``wide``; only where
        figures are shown.
    """

    dataset: str
    classes: tuple[str, ...]
    images: int
    rows: Sequence[Row]
    comparisons: Sequence[Row]
    columns: tuple[str, ...]
    compared_columns: tuple[str, ...]
    setting: str
    metrics: tuple[str, ...]
    winners: frozenset[tuple[str, str]]
    verdicts: Sequence[Verdict]
    facts: Mapping[str, str]
    claims: Sequence[Claim]
    left_out: Sequence[Cell]
    counts: Mapping[str, list[float]]
    settings: ReportSettings = USUAL
    lifts: Sequence[Row] = ()
    by_class: Mapping[str, Sequence[tuple[float | None, Sequence[float] | None]]] = field(default_factory=dict)
    plates: Sequence[Row] = ()

    @property
    def best(self) -> Row | None:
        """The row that is best by the criterion, of the first protocol; what leaks is never best."""
        return next(iter(self.honest()), None)

    @property
    def main_metrics(self) -> tuple[str, ...]:
        """Those of `metrics` for which there is room in a narrow table."""
        return tuple(name for name in self.metrics if METRICS[name].main or name == self.settings.criterion)

    @property
    def main_comparisons(self) -> list[Row]:
        """Those of the main metrics."""
        return [item for item in self.comparisons if item["metric"] in self.main_metrics]

    @property
    def interval_notes(self) -> list[str]:
        """What the intervals of each protocol are, and leave out."""
        return [INTERVALS[verdict.protocol] for verdict in self.verdicts if verdict.protocol]

    def honest(self, balanced: bool | None = None) -> list[Row]:
        """Rows that do not leak, all, only balanced ones, or only those without balancing."""
        rows = [row for row in self.rows if row["protocol"] != LEAKY]
        return [row for row in rows if balanced is None or (row["balance"] != BASELINE) == balanced]


@dataclass(frozen=True)
class Report:
    """All that a report says.

    Attributes
    ----------
    chapters : sequence of Chapter
    checks : sequence of dict
        From `headroom.pipeline.checks.checks.run_checks`; empty where a form shows none.
    remarks : sequence of str
        What a reader must know before the numbers (random weights, leaky protocol).
    settings : ReportSettings
    """

    chapters: Sequence[Chapter]
    checks: Sequence[dict[str, str]] = ()
    remarks: Sequence[str] = ()
    settings: ReportSettings = USUAL

    def as_dict(self) -> dict[str, Any]:
        """What ``--json`` writes."""
        return {
            "rows": [row for chapter in self.chapters for row in chapter.rows],
            "comparisons": [item for chapter in self.chapters for item in chapter.comparisons],
            "lifts": [item for chapter in self.chapters for item in chapter.lifts],
            "checks": as_promised(self.checks),
        }


@dataclass(frozen=True, eq=False)
class Shown:
    """A row in words, its metrics, and the out-of-fold predictions of all its folds."""

    label: str
    metrics: Mapping[str, float | None]
    folds: Sequence[FoldScores]

    @property
    def repeats(self) -> int:
        """How often every image was predicted."""
        return len({fold.repeat for fold in self.folds})

    @cached_property
    def confusion(self) -> np.ndarray:
        """Cases by true and predicted class, mean over the repeats, shape (k, k)."""
        k = self.folds[0].scores.shape[1]
        cells = np.concatenate([fold.labels * k + fold.predicted for fold in self.folds])
        return np.bincount(cells, minlength=k * k).reshape(k, k) / self.repeats


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """Images and SMOTE's points in two dimensions.

    Attributes
    ----------
    model : str
    pca, tsne : ndarray of float, shape (n, 2)
    labels : ndarray of int64, shape (n,)
    synthetic : ndarray of bool, shape (n,)
        Points that SMOTE made.
    """

    model: str
    pca: np.ndarray
    tsne: np.ndarray
    labels: np.ndarray
    synthetic: np.ndarray


@dataclass(frozen=True, eq=False)
class Details:
    """What figures show beyond the tables; None: there is none.

    Attributes
    ----------
    plain, balanced, best : Shown, optional
        One head without balancing, and with the best balancer for it; the better of them is the best row.
    resampled : tuple of str and Scored, optional
        A balancer that changes the training images, and a cell with it.
    map : EmbeddingMap, optional
    tradeoff : sequence of Cell and Scored
        The best row's head without balancing and with some balancers.
    """

    plain: Shown | None = None
    balanced: Shown | None = None
    best: Shown | None = None
    resampled: tuple[str, Scored] | None = None
    map: EmbeddingMap | None = None
    tradeoff: Sequence[tuple[Cell, Scored]] = ()
