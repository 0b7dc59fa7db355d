"""What a report is made from: what is asked, and the cells of a cache with all that is known of them."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from headroom.errors import UsageError
from headroom.heads.cell import Cell, FoldScores, GridSettings, format_of
from headroom.heads.results import Results
from headroom.heads.samples import Problem
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.paired import ROPE
from headroom.heads.scores.scored import Scored, scored_cells
from headroom.heads.scores.seeds import further_seeds
from headroom.pipeline.cache import Cached, EmbeddingFile, read_cache
from headroom.pipeline.names import pick
from headroom.pipeline.problems import FUSION
from headroom.pipeline.report.words import NAMES, Row

GRID = tuple(name for name in NAMES if name not in ("model", "head", "balance"))
CRITERIA = tuple(
    name for name in ("recall_macro", "kappa_quadratic", "accuracy", "f1_macro", "cost") if name in METRICS
)


@dataclass(frozen=True)
class ReportSettings:
    """What is asked of a report.

    Attributes
    ----------
    datasets, models : tuple of str
        Names or wildcards of what is shown; none: all. They change no p value: its family is all of a data set.
    criterion : str
        The metric that ranks and judges, one of `CRITERIA`.
    rope : float
        A difference no larger than this is practically none.
    positive : str, optional
        With two classes, the one whose recall is the sensitivity; by default the rarer.
    """

    datasets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    criterion: str = "recall_macro"
    rope: float = ROPE
    positive: str | None = None


USUAL = ReportSettings()


@dataclass(frozen=True, eq=False, repr=False)
class Source:
    """What one chapter is computed from.

    Attributes
    ----------
    cache : Path
    dataset : str
    cells : dict of str to Cell
        Fitted and failed ones by key, oldest first; of those that differ in their seed only, one.
    problems : dict of str to Problem
        By fingerprint, without vectors; those of all data sets, as are the next two.
    scored : dict of str to Scored
        Of the fitted cells by key.
    cached : Cached
        All embedding files.
    embeddings : dict of str to EmbeddingFile
        The newest of each model that the cells use.
    shown : collection of str
        Keys of the cells that are asked for.
    again : dict of str to list of Cell
        By key, the fitted cells that repeat a cell with another seed.
    settings : ReportSettings
    earlier : int
        Cells of an earlier version, which are not shown beside newer ones.
    """

    cache: Path
    dataset: str
    cells: Mapping[str, Cell]
    problems: Mapping[str, Problem]
    scored: Mapping[str, Scored]
    cached: Cached
    embeddings: Mapping[str, EmbeddingFile]
    shown: Collection[str]
    again: Mapping[str, Sequence[Cell]] = field(default_factory=dict)
    settings: ReportSettings = USUAL
    earlier: int = 0

    @property
    def shown_cells(self) -> list[Cell]:
        """Those that are asked for, failed ones too."""
        return [cell for cell in self.cells.values() if cell.key in self.shown]

    @property
    def fitted(self) -> list[Cell]:
        """Those that are asked for and did not fail."""
        return [cell for cell in self.shown_cells if cell.status == "fitted"]

    def folds(self, key: str) -> tuple[FoldScores, ...]:
        """The out-of-fold predictions of a cell."""
        with Results(self.cache / "results.db") as results:
            return results.folds(key)

    def has_random(self, model: str) -> bool:
        """Whether a model, or one of those it joins, has random weights."""
        return any(
            item.dataset == self.dataset and item.model in model_names(model) and item.about["weights"] == "random"
            for item in self.cached.files
        )

    def setting(self, cell: Cell) -> Row:
        """The settings of a cell as they stand in a row."""
        return grid(cell) | {"random_weights": self.has_random(cell.model)}


def read_sources(cache: Path, settings: ReportSettings = USUAL) -> tuple[list[Source], tuple[str, ...]]:
    """Read the results database and the settings of the embeddings; nothing is computed but what is kept of a cell.

    Parameters
    ----------
    cache : Path
    settings : ReportSettings

    Returns
    -------
    sources : list of Source
        One a data set.
    notes : tuple of str
        A line for each embedding file that cannot be read.

    Raises
    ------
    UsageError
        The database holds no cell, a name fits none, or the criterion or the positive class does not fit a data set.
    """
    cells, problems, scored = read_cells(cache, settings.datasets, positive=settings.positive)
    if not cells:
        raise UsageError(
            got="there are no results in this cache", remedy="run extract and fit first, or name another --cache"
        )
    with Results(cache / "results.db") as results:
        earlier = Counter(cell.dataset for cell in outdated(results.cells()))
    shown = {cell.key for cell in chosen(cells, (), settings.models)}
    cached = read_cache(cache)
    sources = []
    for dataset in sorted({cell.dataset for cell in cells if cell.key in shown}):
        here, again = by_seed([cell for cell in cells if cell.dataset == dataset])
        wanted = {name for cell in here.values() if cell.key in shown for name in model_names(cell.model)}
        files = {name: item for name, item in cached.newest(dataset).items() if name in wanted}
        known = (here, problems, scored, cached, files, shown, again, settings)
        sources.append(Source(cache, dataset, *known, earlier[dataset]))
    _check_settings(settings, [problems[cell.problem] for cell in cells if cell.key in shown])
    return sources, cached.unreadable


def read_cells(
    cache: Path, datasets: Iterable[str] = (), models: Iterable[str] = (), positive: str | None = None
) -> tuple[list[Cell], dict[str, Problem], dict[str, Scored]]:
    """The newest cells of a cache, their problems, and what is computed of them; nothing where there are no cells."""
    database = cache / "results.db"
    if not database.is_file():
        return [], {}, {}
    with Results(database) as results:
        cells = chosen(current(results.cells()), datasets, models)
        problems = {name: results.problem(name) for name in {cell.problem for cell in cells}}
        return cells, problems, scored_cells(results, [*cells, *further_seeds(cells)], problems, positive or "")


def current(cells: Iterable[Cell]) -> list[Cell]:
    """The newest cells, from oldest to newest, where images, labels or software changed between runs.

    What was divided or calibrated differently is no rival: of a data set only cells of the newest format are taken.
    """
    cells = list(cells)
    earlier = {cell.key for cell in outdated(cells)}
    cells = [cell for cell in cells if cell.key not in earlier]
    newest = {(cell.dataset, cell.model): cell.problem for cell in cells}
    kept = {
        (cell.dataset, cell.model, cell.head, cell.balance, *grid(cell).values()): cell
        for cell in cells
        if cell.problem == newest[cell.dataset, cell.model]
    }
    return list(kept.values())


def outdated(cells: Iterable[Cell]) -> list[Cell]:
    """Cells of an earlier format than the newest of their data set."""
    cells = sorted(cells, key=format_of)
    formats = {cell.dataset: format_of(cell) for cell in cells}
    return [cell for cell in cells if format_of(cell) < formats[cell.dataset]]


def by_seed(cells: Sequence[Cell]) -> tuple[dict[str, Cell], dict[str, list[Cell]]]:
    """One cell for those that differ in their seed only, and the fitted others by its key.

    Another seed repeats a method, it is no rival of it. The seed that most cells of a run share is kept, else the
    smallest, so that the cells kept are on the same folds.
    """
    together = Counter((_run(cell), cell.settings.get("seed")) for cell in cells if cell.status == "fitted")

    def rank(cell: Cell) -> tuple[bool, int, int]:
        seed = cell.settings.get("seed")
        return cell.status != "fitted", -together[_run(cell), seed], seed or 0

    methods: dict[tuple, list[Cell]] = {}
    for cell in sorted(cells, key=rank):
        methods.setdefault((*_run(cell), cell.head, cell.balance), []).append(cell)
    again = {first.key: [cell for cell in others if cell.status == "fitted"] for first, *others in methods.values()}
    return {cell.key: cell for cell in cells if cell.key in again}, again


def model_names(model: str) -> list[str]:
    """Names of the embeddings that a problem is made of.

    >>> model_names("mobilenet@76faed04+vgg16")
    ['mobilenet', 'vgg16']
    """
    return [name.partition("@")[0] for name in model.split(FUSION)]


def chosen(cells: list[Cell], datasets: Iterable[str], models: Iterable[str]) -> list[Cell]:
    """Keep the cells of the data sets and models that are asked for."""
    if not cells:
        return []
    wanted_sets = pick("data set", list(datasets) or ["all"], dict.fromkeys(cell.dataset for cell in cells))
    wanted_models = pick("model", list(models) or ["all"], dict.fromkeys(cell.model for cell in cells))
    kept = [cell for cell in cells if cell.dataset in wanted_sets and cell.model in wanted_models]
    if not kept:
        raise UsageError(
            got=f"no results for {', '.join(wanted_sets)} with {', '.join(wanted_models)}",
            remedy="name a data set and a model that were fitted together",
        )
    return kept


def grid(cell: Cell) -> Row:
    """The settings that tell cells apart, a newer one than the cell by its default; the usual criterion is None."""
    settings = asdict(GridSettings()) | cell.settings
    if settings["criterion"] == GridSettings.criterion:  # or nothing was decided by it
        settings["criterion"] = None
    elif settings["cost"]:
        settings["criterion"] = " ".join((settings["criterion"], *settings["cost"]))
    return {name: settings.get(name) for name in GRID}


def _run(cell: Cell) -> tuple:
    """All that tells cells apart but head, balancer and seed."""
    return cell.dataset, cell.model, *(value for name, value in grid(cell).items() if name != "seed")


def _check_settings(settings: ReportSettings, problems: Iterable[Problem]) -> None:
    """Refuse a criterion or a positive class that a data set does not have."""
    problems = list(problems)
    for problem in problems:
        if METRICS[settings.criterion].ordinal_only and not problem.ordinal:
            raise UsageError(
                got=f"--criterion {settings.criterion} needs ordered classes, and those of {problem.dataset} are not",
                remedy="take another criterion, name other data sets, or run extract with --ordinal",
            )
    pairs = [problem.classes for problem in problems if len(problem.classes) == 2]
    if settings.positive is not None and not any(settings.positive in pair for pair in pairs):
        known = sorted({name for pair in pairs for name in pair})
        raise UsageError(
            got=f"--positive {settings.positive!r} is no class of a data set with two classes",
            remedy=f"name one of {', '.join(known)}" if known else "leave it out: no data set has two classes",
        )
