"""Which row wins, by how much, and whether that is noise: one verdict a protocol."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from headroom.errors import HeadError
from headroom.heads.scores.comparing import contrast, corrected
from headroom.heads.scores.leaderboard import judge_choice
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.paired import SIGNIFICANT, PairedResult
from headroom.pipeline.report import words
from headroom.pipeline.report.source import GRID, Source
from headroom.pipeline.report.words import Row


@dataclass(frozen=True)
class Verdict:
    """What is said of one protocol, in sentences."""

    protocol: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Standing:
    """The rows of one protocol and their comparisons with no balancing.

    Attributes
    ----------
    source : Source
    rows, compared, lifts : sequence of dict
        All of the data set, those that are not shown too: p values are corrected for all of them.
    """

    source: Source
    rows: Sequence[Row]
    compared: Sequence[Row]
    lifts: Sequence[Row] = ()

    @property
    def shown(self) -> list[Row]:
        """The rows that are asked for, best first."""
        return [row for row in self.rows if row["key"] in self.source.shown]

    def verdict(self, columns: Sequence[str]) -> Verdict:
        """Say which combination wins, by how much, and whether that is noise."""
        settings, shown = self.source.settings, self.shown
        judged, best, protocol = METRICS[settings.criterion].title, shown[0], shown[0]["protocol"]
        beside = "accuracy" if settings.criterion != "accuracy" else "recall_macro"
        values = f"{judged} {words.measured(best, settings.criterion)}, "
        values += f"{METRICS[beside].title} {words.measured(best, beside)}"
        lines = [f"Best: {words.label(best, columns)}, {values}."]
        cells = [self.source.cells[row["key"]] for row in shown]
        if choice := judge_choice(cells[0], cells, self.source.scored, settings.criterion):
            again = f"Chosen among {choice.among:,}, and again in {choice.share:.0%} of resampled test sets"
            value = f"{words.digits(choice.value)} {words.interval(choice.interval)}".rstrip()
            lines.append(f"{again}; corrected for the choice: {judged} {value}.")
        leads = self.leads(best, settings.criterion)
        for row in shown[1:2]:
            value = words.digits(row["metrics"][settings.criterion])
            lines.append(f"Next: {words.label(row, columns)}, {value}; {words.lead(*leads[row['key']])}.")
        plain = next((row for row in shown if row["balance"] == words.BASELINE), best)
        if plain is not best:
            value = words.measured(plain, settings.criterion)
            lines.append(
                f"Best of the unbalanced: {words.label(plain, columns)}, {value}; {words.lead(*leads[plain['key']])}."
            )
        if seeds := best["other_seeds"]:
            values = ", ".join(words.digits(value) for value in seeds.values())
            lines.append(f"Fitted again with seed {', '.join(seeds)}, the best has {judged} {values}.")
        compared, lifts = (
            [item for item in items if item["key"] in self.source.shown] for items in (self.compared, self.lifts)
        )
        return Verdict(protocol, lines + words.worth(compared, settings.criterion) + words.lifts(lifts))

    def winner(self, metric: str) -> Row | None:
        """The row that is better than the runner-up by more than noise, if any is."""
        ranked = best_first(self.shown, metric)
        if len(ranked) < 2:
            return None
        lead, _ = self.leads(ranked[0], metric)[ranked[1]["key"]]
        sign = 1 if METRICS[metric].higher_is_better else -1
        ahead = lead["p_holm"] is not None and lead["p_holm"] < SIGNIFICANT and sign * lead["difference"] > 0
        return ranked[0] if ahead else None

    def leads(self, best: Row, metric: str) -> dict[str, tuple[Row, str]]:
        """Test a row against every other one; by key, the difference with a corrected p, and of which family that is.

        A pair that stands among the comparisons with no balancing has their p; else it is one of the comparisons with
        the best (Hsu 1984, "Constrained simultaneous confidence intervals for multiple comparisons with the best"),
        corrected by Holm's method.
        """
        others = [row for row in self.rows if row is not best and row["metrics"][metric] is not None]
        results = [vars(_tested(self.source, best, row, metric)) | {"p_same": None} for row in others]
        rivals = f"{sum(result['p'] is not None for result in results)} rivals"
        found = {row["key"]: (result, rivals) for row, result in zip(others, corrected(results), strict=True)}
        family = [item for item in self.compared if item["metric"] == metric]
        for item in family:
            pair = item["key"], item["baseline_key"]
            for (key, other), lead in ((pair, item), (pair[::-1], _turned(item))):
                if key == best["key"]:
                    found[other] = lead, f"{len(family)} comparisons"
        return found


def best_first(rows: Iterable[Row], metric: str) -> list[Row]:
    """Rows in which a metric is defined, the best first, equal ones by name."""
    sign = -1 if METRICS[metric].higher_is_better else 1
    defined = [row for row in rows if row["metrics"][metric] is not None]
    return sorted(defined, key=lambda row: (sign * row["metrics"][metric], by_name(row)))


def by_name(row: Row) -> tuple[str, ...]:
    """In which order equal rows stand."""
    return tuple(str(row[name]) for name in ("head", "balance", "model", *GRID))


def _tested(source: Source, row: Row, other: Row, metric: str) -> PairedResult:
    """Test two rows on the same folds of the same images; of others nothing is said."""
    one, two = (source.cells[each["key"]] for each in (row, other))
    if not np.array_equal(source.problems[one.problem].ids, source.problems[two.problem].ids):
        return PairedResult()
    try:
        return contrast([one], [two], source.scored, [metric], source.settings.rope)[metric]
    except HeadError:
        return PairedResult()


def _turned(item: Row) -> Row:
    """A comparison as a lead of the cell without balancing."""
    low, high = words.turned(words.bounds(item))
    return item | {"difference": -item["difference"], "low_simultaneous": low, "high_simultaneous": high}
