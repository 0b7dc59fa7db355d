"""What a report says, before it has a form: frozen records, filled by `headroom.pipeline.report.model`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headroom.heads.scores.comparing import BASELINE
from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.checks.checks import as_promised
from headroom.pipeline.report.words import Row
from headroom.pipeline.studies import Claim

LEAKY = "leaky"
SAID = ("mark", "sentence")  # of a comparison, beside what ``--json`` promises


@dataclass(frozen=True)
class Plate:
    """A finished figure of a page; ``section`` says where it stands."""

    section: str
    title: str
    description: str
    svg: str
    wide: bool


@dataclass(frozen=True)
class LeftOut:
    """A cell that was not fitted, or not compared, and why."""

    model: str
    head: str
    balance: str
    why: str


@dataclass(frozen=True, eq=False, repr=False)
class Chapter:
    """One data set of a report.

    Attributes
    ----------
    dataset : str
    classes : tuple of str
    images : int
    rows, comparisons : sequence of dict
        In the form that ``report --format json`` promises, best first; a comparison also has its ``sentence`` and
        ``mark``.
    columns, compared_columns : tuple of str
        Settings that tell rows, or comparisons, apart; head and balance always do.
    setting : str
        What all rows have in common, in words.
    metrics : tuple of str
        Those printed that are defined in any row.
    winners : frozenset of (str, str)
        Key and metric of every best value that is better than the runner-up by more than noise.
    verdict : sequence of str
        One sentence or two each; empty where nothing is fitted by an honest protocol.
    facts : mapping of str to str
        What was run.
    claims : sequence of Claim
    left_out : sequence of LeftOut
    counts : mapping of str to list of float
        Training images a class, mean over folds, before balancing and after each resampling balancer.
    best_label : str
        The best row in words.
    by_class : mapping of str to list
        Metrics of the best row by class; only where figures are shown.
    plates : sequence of Plate
        Only where figures are shown.
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
    verdict: Sequence[str]
    facts: Mapping[str, str]
    claims: Sequence[Claim]
    left_out: Sequence[LeftOut]
    counts: Mapping[str, list[float]]
    best_label: str = ""
    by_class: Mapping[str, list[float | None]] = field(default_factory=dict)
    plates: Sequence[Plate] = ()

    @property
    def best(self) -> Row | None:
        """The row of highest macro recall; what leaks is never best."""
        return next(iter(self.honest()), None)

    @property
    def main_metrics(self) -> tuple[str, ...]:
        """Those of `metrics` for which there is room in a narrow table."""
        return tuple(name for name in self.metrics if METRICS[name].main)

    @property
    def main_comparisons(self) -> list[Row]:
        """Those of the main metrics."""
        return [item for item in self.comparisons if METRICS[item["metric"]].main]

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
    """

    chapters: Sequence[Chapter]
    checks: Sequence[dict[str, str]] = ()
    remarks: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """What ``--json`` writes."""
        return {
            "rows": [row for chapter in self.chapters for row in chapter.rows],
            "comparisons": [
                {name: value for name, value in item.items() if name not in SAID}
                for chapter in self.chapters
                for item in chapter.comparisons
            ],
            "checks": as_promised(self.checks),
        }
