"""What a report says, before it has a form: one part a data set, with rows, comparisons and what was run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from headroom.errors import UsageError
from headroom.heads.cell import Cell
from headroom.heads.results import ProblemInfo, Results
from headroom.heads.scores.comparing import BASELINE, comparisons, plan_comparisons
from headroom.heads.scores.leaderboard import leaderboard
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.paired import holm
from headroom.pipeline.cache import Cached, EmbeddingFile, read_cache
from headroom.pipeline.checks.checks import as_promised
from headroom.pipeline.names import pick
from headroom.pipeline.problems import FUSION

GRID = ("protocol", "folds", "repeats", "seed", "reduce", "tune")
RANDOM = " (random weights)"
NAMES = ("protocol", "model", "head", "balance", *GRID[1:])
LEAKY = "leaky"
JUDGED = "recall_macro"

Row = dict[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Part:
    """One data set of a report.

    Attributes
    ----------
    dataset : str
    rows, comparisons : list of dict
        In the form that ``report --format json`` promises, best first; each also has the settings of `GRID`, a row
        the ``key`` and ``seconds`` of its cell.
    cells : dict of str to Cell
        The fitted ones by key.
    failed : list of Cell
    problems : dict of str to ProblemInfo
        By fingerprint.
    embeddings : dict of str to dict
        The settings of the embedding file of each model that is still in the cache, and its ``path``.
    """

    dataset: str
    rows: list[Row]
    comparisons: list[Row]
    cells: Mapping[str, Cell]
    failed: list[Cell]
    problems: Mapping[str, ProblemInfo]
    embeddings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def problem(self) -> ProblemInfo:
        """Labels and classes of the best row, or of any problem where nothing is fitted."""
        return self.problems[self.cells[self.best["key"]].problem] if self.best else next(iter(self.problems.values()))

    @property
    def best(self) -> Row | None:
        """The row of highest macro recall; what leaks is never best."""
        return next(iter(self.honest()), None)

    @property
    def all_cells(self) -> list[Cell]:
        """Fitted and failed ones."""
        return [*self.cells.values(), *self.failed]

    @property
    def left_out(self) -> list[tuple[Cell, str]]:
        """Cells that were not fitted, and honest balanced ones that cannot be compared, with the reason."""
        refused = plan_comparisons(cell for cell in self.cells.values() if cell.protocol != LEAKY).refused
        return [(cell, cell.reason) for cell in self.failed] + [
            (cell, f"not compared, for {reason}") for cell, reason in refused
        ]

    def honest(self, balanced: bool | None = None) -> list[Row]:
        """Rows that do not leak, all, only balanced ones, or only those without balancing."""
        rows = [row for row in self.rows if row["protocol"] != LEAKY]
        return [row for row in rows if balanced is None or (row["balance"] != BASELINE) == balanced]

    def differing(self, rows: list[Row]) -> list[str]:
        """Names of settings that tell rows apart; head and balance always do."""
        return [name for name in NAMES if name in ("head", "balance") or len({str(row[name]) for row in rows}) > 1]

    def common(self, rows: list[Row]) -> str:
        """Say once what all rows have in common."""
        same = {name: rows[0][name] for name in NAMES if name not in self.differing(rows)}
        words = [str(same[name]) for name in ("model", "protocol") if name in same]
        if "folds" in same and same.get("protocol") != "split":
            words.append(f"{same['folds']} folds" + (f" x {same['repeats']}" if same.get("repeats", 1) > 1 else ""))
        words += [f"reduced to {same.get('reduce')}"] * bool(same.get("reduce")) + ["tuned"] * bool(same.get("tune"))
        return ", ".join(words)


@dataclass(frozen=True)
class Report:
    """All that a report says.

    Attributes
    ----------
    parts : list of Part
    checks : list of dict
        From `headroom.pipeline.checks.checks.run_checks`.
    remarks : list of str
        What a reader must know before the numbers (random weights, leaky protocol).
    """

    parts: list[Part]
    checks: list[dict[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return what ``--json`` writes."""
        return {
            "rows": [_plain(row) for part in self.parts for row in part.rows],
            "comparisons": [_plain(item) for part in self.parts for item in part.comparisons],
            "checks": as_promised(self.checks),
        }


def collect(
    cache: Path, datasets: Iterable[str] = (), models: Iterable[str] = (), cached: Cached | None = None
) -> list[Part]:
    """Compute everything that a report shows from the results database; nothing is fitted.

    Parameters
    ----------
    cache : Path
    datasets, models : iterable of str
        Names or wildcards; none: all.
    cached : Cached, optional
        What `read_cache` returned, where it was read already.

    Returns
    -------
    list of Part
        One a data set.

    Raises
    ------
    UsageError
        The database holds no cell, or a name fits none.
    """
    cells, problems = read_cells(cache)
    stored = (cached or read_cache(cache)).files
    cells = _marked(_chosen(cells, datasets, models), stored)
    compared = _compared(cells, problems)
    return [
        Part(
            dataset=dataset,
            rows=_rows([cell for cell in cells if cell.dataset == dataset], problems),
            comparisons=sorted((item for item in compared if item["dataset"] == dataset), key=_best_first),
            cells={cell.key: cell for cell in cells if cell.dataset == dataset and cell.status == "fitted"},
            failed=[cell for cell in cells if cell.dataset == dataset and cell.status == "failed"],
            problems={cell.problem: problems[cell.problem] for cell in cells if cell.dataset == dataset},
            embeddings=_embeddings(stored, [cell for cell in cells if cell.dataset == dataset]),
        )
        for dataset in sorted({cell.dataset for cell in cells})
    ]


def read_cells(cache: Path) -> tuple[list[Cell], dict[str, ProblemInfo]]:
    """Read the newest cells of a cache and their problems; none where there is no database yet."""
    database = cache / "results.db"
    if not database.is_file():
        return [], {}
    with Results(database) as results:
        cells = current(results.cells())
        return cells, {name: results.problem_info(name) for name in {cell.problem for cell in cells}}


def current(cells: Iterable[Cell]) -> list[Cell]:
    """Keep the newest cells where images, labels or software changed between runs.

    Parameters
    ----------
    cells : iterable of Cell
        Oldest first.

    Returns
    -------
    list of Cell
    """
    cells = list(cells)
    newest = {(cell.dataset, cell.model): cell.problem for cell in cells}
    kept = {
        (cell.dataset, cell.model, cell.head, cell.balance, *_settings(cell).values()): cell
        for cell in cells
        if cell.problem == newest[cell.dataset, cell.model]
    }
    return list(kept.values())


def remarks(parts: Iterable[Part]) -> list[str]:
    """Return what a reader must know before the numbers."""
    parts = list(parts)
    random = {name for part in parts for name, about in part.embeddings.items() if about["weights"] == "random"}
    leaky = any(row["protocol"] == LEAKY for part in parts for row in part.rows)
    return [
        f"RANDOM weights in {model}: its numbers show that the pipeline runs, not what the network can"
        for model in sorted(random)
    ] + [
        "DO NOT REPORT: rows of protocol leaky resample before the split; they show what that would have claimed"
    ] * leaky


def _settings(cell: Cell) -> dict[str, Any]:
    return {name: cell.settings.get(name) for name in GRID}


def _rows(cells: list[Cell], problems: Mapping[str, ProblemInfo]) -> list[Row]:
    """The leaderboard, each row with its cell's key, settings and seconds; cells of one problem after each other."""
    ordered = sorted(cells, key=lambda cell: (cell.protocol == LEAKY, cell.problem))
    rows = [
        row | {"key": cell.key, "seconds": cell.seconds} | _settings(cell)
        for cell in ordered
        for row in leaderboard([cell], problems)
    ]
    return sorted(rows, key=lambda row: (row["protocol"] == LEAKY, -(row["metrics"][JUDGED] or 0.0)))


def _compared(cells: list[Cell], problems: Mapping[str, ProblemInfo]) -> list[Row]:
    """Compare within equal settings; Holm's correction is over all comparisons of one metric on one data set."""

    def of(cell: Cell) -> str:
        return str(_settings(cell))

    found = [
        item | _settings(group[0])
        for group in (list(group) for _, group in groupby(sorted(cells, key=of), key=of))
        for item in comparisons(group, problems)
    ]
    families: dict[tuple[str, str], list[Row]] = {}
    for item in found:
        families.setdefault((item["dataset"], item["metric"]), []).append(item)
    for family in families.values():
        for item, p_holm in zip(family, holm([item["p"] for item in family]), strict=True):
            item["p_holm"] = p_holm
    return found


def _best_first(item: Row) -> tuple:
    """By metric, macro recall in front; the largest gain first."""
    return item["metric"] != JUDGED, list(METRICS).index(item["metric"]), -item["difference"]


def _marked(cells: list[Cell], stored: Iterable[EmbeddingFile]) -> list[Cell]:
    """Say in the model's name, and so in every table, where its weights are random."""
    random = {(item.dataset, item.model) for item in stored if item.about["weights"] == "random"}
    return [
        replace(cell, model=cell.model + RANDOM)
        if any((cell.dataset, name) in random for name in model_names(cell.model))
        else cell
        for cell in cells
    ]


def _plain(row: Row) -> Row:
    """The row with the model's bare name, for programs; whether its weights are random is a key of its own."""
    return row | {"model": row["model"].removesuffix(RANDOM), "random_weights": row["model"].endswith(RANDOM)}


def model_names(model: str) -> list[str]:
    """Names of the embeddings that a shown model is made of.

    Examples
    --------
    >>> model_names("mobilenet@76faed04+vgg16 (random weights)")
    ['mobilenet', 'vgg16']
    """
    return [name.partition("@")[0] for name in model.removesuffix(RANDOM).split(FUSION)]


def _embeddings(stored: Iterable[EmbeddingFile], cells: list[Cell]) -> dict[str, dict[str, Any]]:
    """Settings of the newest embedding file of every model that the cells use, those joined by ``+`` too."""
    dataset = cells[0].dataset
    wanted = {name for cell in cells for name in model_names(cell.model)}
    newest = {item.model: item for item in reversed(list(stored)) if item.dataset == dataset and item.model in wanted}
    return {model: {**item.about, "path": item.path} for model, item in sorted(newest.items())}


def _chosen(cells: list[Cell], datasets: Iterable[str], models: Iterable[str]) -> list[Cell]:
    """Keep the cells of the data sets and models that are asked for."""
    if not cells:
        raise UsageError(
            got="there are no results in this cache", remedy="run extract and fit first, or name another --cache"
        )
    wanted_sets = pick("data set", list(datasets) or ["all"], dict.fromkeys(cell.dataset for cell in cells))
    wanted_models = pick("model", list(models) or ["all"], dict.fromkeys(cell.model for cell in cells))
    chosen = [cell for cell in cells if cell.dataset in wanted_sets and cell.model in wanted_models]
    if not chosen:
        raise UsageError(
            got=f"no results for {', '.join(wanted_sets)} with {', '.join(wanted_models)}",
            remedy="name a data set and a model that were fitted together",
        )
    return chosen
