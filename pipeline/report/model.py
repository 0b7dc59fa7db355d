"""Everything that a report shows, computed once: results and embeddings of a cache to a `Report`."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from headroom.errors import FeatureError, HeadError, UsageError
from headroom.heads.balancing import BALANCERS, resample
from headroom.heads.cell import Cell, format_of
from headroom.heads.results import Results
from headroom.heads.samples import Problem
from headroom.heads.scores.comparing import PairedResult, comparisons, contrast, holm, plan_comparisons
from headroom.heads.scores.leaderboard import judge_choice, leaderboard
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.predictions import Predictions, pooled
from headroom.heads.scores.reseeding import balance_seed_sd, further_seeds
from headroom.heads.scores.scored import Scored, scored_cells
from headroom.pipeline.cache import Cached, EmbeddingFile, kept, read_cache
from headroom.pipeline.names import pick
from headroom.pipeline.problems import FUSION, load_problem
from headroom.pipeline.report import words
from headroom.pipeline.report.chapter import LEAKY, Chapter, Details, EmbeddingMap, Report, Shown
from headroom.pipeline.report.words import JUDGED, NAMES, QUESTION, SIGNIFICANT, Row
from headroom.pipeline.studies import claims

CHECKS_SHOWN, FIGURES_SHOWN = "checks", "figures"
MAPPED, MAPPED_SYNTHETIC = 1000, 400  # points of a map
COMPONENTS, PERPLEXITY = 50, 30
GRID = tuple(name for name in NAMES if name not in ("model", "head", "balance"))


@dataclass(frozen=True, eq=False, repr=False)
class Source:
    """What one chapter is computed from.

    Attributes
    ----------
    cache : Path
    dataset : str
    cells : dict of str to Cell
        Fitted and failed ones by key, oldest first.
    problems : dict of str to Problem
        By fingerprint, without vectors; those of all data sets, as are the next two.
    scored : dict of str to Scored
        Of the fitted cells by key.
    cached : Cached
        All embedding files.
    embeddings : dict of str to EmbeddingFile
        The newest of each model that the cells use.
    """

    cache: Path
    dataset: str
    cells: Mapping[str, Cell]
    problems: Mapping[str, Problem]
    scored: Mapping[str, Scored]
    cached: Cached
    embeddings: Mapping[str, EmbeddingFile]

    @property
    def fitted(self) -> list[Cell]:
        """Cells that did not fail."""
        return [cell for cell in self.cells.values() if cell.status == "fitted"]

    def predictions(self, key: str) -> Predictions:
        """The out-of-fold predictions of the first repeat of a cell."""
        with Results(self.cache / "results.db") as results:
            return pooled(results.folds(key))[0].predictions

    def has_random(self, model: str) -> bool:
        """Whether a model, or one of those it joins, has random weights."""
        return any(
            item.dataset == self.dataset and item.model in model_names(model) and item.about["weights"] == "random"
            for item in self.cached.files
        )


def read_sources(
    cache: Path, datasets: Iterable[str] = (), models: Iterable[str] = ()
) -> tuple[list[Source], tuple[str, ...]]:
    """Read the results database and the settings of the embeddings; nothing is computed.

    Parameters
    ----------
    cache : Path
    datasets, models : iterable of str
        Names or wildcards; none: all.

    Returns
    -------
    sources : list of Source
        One a data set.
    notes : tuple of str
        A line for each embedding file that cannot be read.

    Raises
    ------
    UsageError
        The database holds no cell, or a name fits none.
    """
    cells, problems, scored = read_cells(cache, datasets, models)
    if not cells:
        raise UsageError(
            got="there are no results in this cache", remedy="run extract and fit first, or name another --cache"
        )
    cached = read_cache(cache)
    sources = []
    for dataset in sorted({cell.dataset for cell in cells}):
        here = {cell.key: cell for cell in cells if cell.dataset == dataset}
        wanted = {name for cell in here.values() for name in model_names(cell.model)}
        files = {name: item for name, item in cached.newest(dataset).items() if name in wanted}
        sources.append(Source(cache, dataset, here, problems, scored, cached, files))
    return sources, cached.unreadable


def compute(
    sources: Sequence[Source],
    shows: Collection[str] = (CHECKS_SHOWN, FIGURES_SHOWN),
    data_dir: Path = Path("data"),
    ignored: Iterable[str] = (),
) -> Report:
    """Compute a report; what is costly and not shown is left out.

    Parameters
    ----------
    sources : sequence of Source
    shows : collection of str
        Of ``"checks"`` and ``"figures"``.
    data_dir : Path
        Where the checks look for images that are no longer where they were.
    ignored : iterable of str
        Codes of checks that are muted.
    """
    chapters = [_chapter(source) for source in sources]
    if FIGURES_SHOWN in shows:
        chapters = [_with_figures(*pair) for pair in zip(sources, chapters, strict=True)]
    found = _checked(sources, data_dir, ignored) if CHECKS_SHOWN in shows else []
    return Report(chapters, found, _remarks(sources, chapters))


def write_figures(sources: Sequence[Source], report: Report, folder: Path) -> list[Path]:
    """Write every figure of a report as SVG, PDF and PNG into a folder."""
    from headroom.pipeline.report.figures import save_figures

    return [
        path
        for source, chapter in zip(sources, report.chapters, strict=True)
        for path in save_figures(chapter, compute_details(source, chapter), folder)
    ]


def read_cells(
    cache: Path, datasets: Iterable[str] = (), models: Iterable[str] = ()
) -> tuple[list[Cell], dict[str, Problem], dict[str, Scored]]:
    """The newest cells of a cache, their problems, and what is computed of them; nothing where there are no cells."""
    database = cache / "results.db"
    if not database.is_file():
        return [], {}, {}
    with Results(database) as results:
        cells = _chosen(current(results.cells()), datasets, models)
        problems = {name: results.problem(name) for name in {cell.problem for cell in cells}}
        return cells, problems, scored_cells(results, [*cells, *further_seeds(cells)], problems)


def current(cells: Iterable[Cell]) -> list[Cell]:
    """The newest cells, from oldest to newest, where images, labels or software changed between runs.

    What was divided or calibrated differently is no rival: of a data set only cells of the newest format are taken.
    """
    cells = sorted(cells, key=format_of)
    formats = {cell.dataset: format_of(cell) for cell in cells}
    newest = {(cell.dataset, cell.model): cell.problem for cell in cells}
    kept = {
        (cell.dataset, cell.model, cell.head, cell.balance, *_grid(cell).values()): cell
        for cell in cells
        if cell.problem == newest[cell.dataset, cell.model] and format_of(cell) == formats[cell.dataset]
    }
    return list(kept.values())


def model_names(model: str) -> list[str]:
    """Names of the embeddings that a problem is made of.

    >>> model_names("mobilenet@76faed04+vgg16")
    ['mobilenet', 'vgg16']
    """
    return [name.partition("@")[0] for name in model.split(FUSION)]


def compute_details(source: Source, chapter: Chapter) -> Details:
    """What figures show beyond the tables."""

    sides = [next(iter(chapter.honest(side)), None) for side in (False, True)]
    plain, balanced = (
        Shown(words.label(row, chapter.columns), row["metrics"], source.predictions(row["key"])) if row else None
        for row in sides
    )
    resampling = [row for row in chapter.honest(balanced=True) if words.balancer(row["balance"]) in chapter.counts]
    row = min(resampling, key=lambda row: row["balance"] != QUESTION, default=None)
    mapped = _mapped(source, chapter)
    return Details(
        plain,
        balanced,
        best=plain if sides[0] is chapter.best else balanced,
        resampled=(words.balancer(row["balance"]), source.scored[row["key"]]) if row else None,
        map=_embedding_map(mapped) if mapped else None,
    )


def _chosen(cells: list[Cell], datasets: Iterable[str], models: Iterable[str]) -> list[Cell]:
    """Keep the cells of the data sets and models that are asked for."""
    if not cells:
        return []
    wanted_sets = pick("data set", list(datasets) or ["all"], dict.fromkeys(cell.dataset for cell in cells))
    wanted_models = pick("model", list(models) or ["all"], dict.fromkeys(cell.model for cell in cells))
    chosen = [cell for cell in cells if cell.dataset in wanted_sets and cell.model in wanted_models]
    if not chosen:
        raise UsageError(
            got=f"no results for {', '.join(wanted_sets)} with {', '.join(wanted_models)}",
            remedy="name a data set and a model that were fitted together",
        )
    return chosen


def _chapter(source: Source) -> Chapter:
    """All but figures."""
    rows = _rows(source)
    compared = _compared(source)
    honest = [row for row in rows if row["protocol"] != LEAKY]
    columns = _differing(rows)
    common = [name for name in NAMES if name not in columns and name != "seed"]
    setting = words.settings(rows[0], common) if rows else ""
    best = next(iter(honest), None)
    printed = [name for name, metric in METRICS.items() if metric.printed]
    problem = source.problems[(source.cells[best["key"]] if best else next(iter(source.cells.values()))).problem]
    return Chapter(
        dataset=source.dataset,
        classes=problem.classes,
        images=len(problem.labels),
        rows=rows,
        comparisons=compared,
        columns=columns,
        compared_columns=_differing(compared),
        setting=setting,
        metrics=tuple(name for name in printed if any(row["metrics"][name] is not None for row in rows)),
        winners=frozenset((row["key"], name) for name in printed if (row := _winner(source, honest, name))),
        verdict=_verdict(source, honest, columns) + words.worth(compared) if honest else words.NOTHING,
        facts=_facts(source, problem, rows),
        claims=claims([cell for cell in source.fitted if best and _grid(cell).items() <= best.items()], source.scored),
        left_out=_left_out(source),
        counts=_counts(source, honest),
    )


def _rows(source: Source) -> list[Row]:
    """The leaderboard, each row with its cell's key, seconds and settings; what leaks last."""
    rows = [
        row
        | {"key": cell.key, "seconds": cell.seconds, "balance_seed_sd": balance_seed_sd(cell, source.scored)}
        | _settings(source, cell)
        for cell in sorted(source.fitted, key=lambda cell: cell.problem)
        for row in leaderboard([cell], source.scored)
    ]
    return sorted(rows, key=lambda row: (row["protocol"] == LEAKY, -(row["metrics"][JUDGED] or 0.0)))


def _compared(source: Source) -> list[Row]:
    """Every balancer against none, best first; Holm's correction is over all of one metric."""
    cells = sorted(source.cells.values(), key=lambda cell: str(_grid(cell)))
    found = [
        item | _settings(source, pair[0])
        for pair in plan_comparisons(cells, source.scored).pairs
        for item in comparisons(pair, source.scored)
    ]
    order = [JUDGED, *(name for name in METRICS if name != JUDGED)]
    corrected = []
    for metric in order:
        family = [item for item in found if item["metric"] == metric]
        ranks = holm([item["p"] for item in family])
        corrected += [item | {"p_holm": p_holm} for item, p_holm in zip(family, ranks, strict=True)]
    return sorted(corrected, key=lambda item: (order.index(item["metric"]), -item["difference"]))


def _verdict(source: Source, honest: list[Row], columns: Sequence[str]) -> list[str]:
    """Say which combination wins, by how much, and whether that is noise."""
    best, judged = honest[0], METRICS[JUDGED].title
    values = f"{judged} {words.measured(best, JUDGED)}, accuracy {words.measured(best, 'accuracy')}"
    lines = [f"Best: {words.label(best, columns)}, {values}."]
    rivals = [source.cells[row["key"]] for row in honest]
    if choice := judge_choice(rivals[0], rivals, source.scored, JUDGED):
        again = f"Chosen among {choice.among:,}, and again in {choice.share:.0%} of resampled test sets"
        lines.append(f"{again}; corrected for the choice: {judged} {words.digits(choice.value)}.")
    for row in honest[1:2]:
        lead = words.lead(_tested(source, best, row, JUDGED))
        lines.append(f"Next: {words.label(row, columns)}, {words.digits(row['metrics'][JUDGED])}; {lead}.")
    plain = next((row for row in honest if row["balance"] == words.BASELINE), best)
    if plain is not best:
        lead = words.lead(_tested(source, best, plain, JUDGED))
        lines.append(f"Best without balancing: {plain['head']}, {words.measured(plain, JUDGED)}; {lead}.")
    return lines


def _tested(source: Source, row: Row, other: Row, metric: str) -> PairedResult | None:
    """Test two rows on the same folds; None where they do not share them."""
    one, two = (source.cells[each["key"]] for each in (row, other))
    try:
        return contrast([one], [two], source.scored, [metric])[metric]
    except HeadError:
        return None


def _winner(source: Source, honest: list[Row], metric: str) -> Row | None:
    """The honest row that is better than the runner-up by more than noise, if any is."""
    sign = 1 if METRICS[metric].higher_is_better else -1
    defined = [row for row in honest if row["metrics"][metric] is not None]
    ranked = sorted(defined, key=lambda row: -sign * row["metrics"][metric])
    result = _tested(source, ranked[0], ranked[1], metric) if len(ranked) > 1 else None
    ahead = result and result.p is not None and result.p < SIGNIFICANT and sign * (result.difference or 0) > 0
    return ranked[0] if ahead else None


def _facts(source: Source, problem: Problem, rows: list[Row]) -> dict[str, str]:
    """Say what was run."""
    counts = np.bincount(problem.labels, minlength=len(problem.classes))
    classes = ", ".join(f"{name} {count:,}" for name, count in zip(problem.classes, counts, strict=True))
    models = [_model(name, item.about) for name, item in source.embeddings.items()]
    versions = {name: text for cell in source.fitted for name, text in cell.settings.get("versions", {}).items()}
    return {
        "Images": f"{len(problem.labels):,} in {len(np.unique(problem.groups)):,} independent groups "
        "(same patient or identical content)",
        "Classes": classes + (" (ordered grades)" if problem.ordinal else ""),
        "Models": "; ".join(models) or ", ".join(sorted({words.setting(row, "model") for row in rows})),
        "Runs": "; ".join(sorted({words.settings(row, NAMES) for row in rows})),
        "Cells": f"{len(rows):,} fitted, {len(source.cells) - len(rows):,} failed",
        "Versions": ", ".join(f"{name} {text}" for name, text in sorted(versions.items())),
    }


def _model(name: str, about: Mapping[str, Any]) -> str:
    weights = f"{about['weights']} weights" + (f" {about['weights_digest'][:8]}" if "weights_digest" in about else "")
    return f"{name}: {weights}, {about['dim']}-d, {about['size']} px, {about['engine']} {about['precision']}"


def _left_out(source: Source) -> list[Cell]:
    """Cells that were not fitted, and honest balanced ones that cannot be compared."""
    failed = [cell for cell in source.cells.values() if cell.status == "failed"]
    refused = plan_comparisons([cell for cell in source.fitted if cell.protocol != LEAKY], source.scored).refused
    return [
        replace(cell, model=words.model_name(cell.model, source.has_random(cell.model)))
        for cell in (*failed, *(replace(cell, reason=f"not compared, for {reason}") for cell, reason in refused))
    ]


def _counts(source: Source, honest: list[Row]) -> dict[str, list[float]]:
    """Mean training images a class, before and after; balancers that change nothing are left out."""
    found: dict[str, list[float]] = {}
    for row in honest:
        if row["balance"] != words.BASELINE:
            scored = source.scored[row["key"]]
            before, after = scored.before.mean(axis=0), scored.after.mean(axis=0)
            found.setdefault("before", before.tolist())
            if (before != after).any():
                found.setdefault(words.balancer(row["balance"]), after.tolist())
    return found if len(found) > 1 else {}


def _checked(sources: Sequence[Source], data_dir: Path, ignored: Iterable[str]) -> list[dict[str, str]]:
    """What the checks find."""
    from headroom.pipeline.checks.checks import findings

    cells = [cell for source in sources for cell in source.cells.values()]
    names, first = [source.dataset for source in sources], sources[0]
    return findings(first.cached, cells, first.problems, first.scored, names, data_dir, ignored)


def _remarks(sources: Iterable[Source], chapters: Iterable[Chapter]) -> list[str]:
    """What a reader must know before the numbers."""
    random = {name for source in sources for name in source.embeddings if source.has_random(name)}
    leaky = any(row["protocol"] == LEAKY for chapter in chapters for row in chapter.rows)
    return [words.RANDOM_REMARK.format(model) for model in sorted(random)] + [words.LEAKY_REMARK] * leaky


def _with_figures(source: Source, chapter: Chapter) -> Chapter:
    """Add metrics by class and finished figures; these are kept in the cache until anything that they show changes."""
    if chapter.best is None:
        return chapter
    found = source.scored[chapter.best["key"]].by_class
    by_class = {name: [value for value, _ in values] for name, values in found.items()}
    shown = _digest(source, chapter)

    def draw() -> list[Row]:
        from headroom.pipeline.report.figures import draw_plates

        return draw_plates(chapter, compute_details(source, chapter), f"f{shown[:8]}")

    name = hashlib.sha256(source.dataset.encode()).hexdigest()[:16]
    plates = kept(source.cache / "reports" / "figures" / f"{name}.json", source.dataset, shown, draw)
    return replace(chapter, by_class=by_class, plates=plates)


def _digest(source: Source, chapter: Chapter) -> str:
    """All that determines the figures of a chapter: its numbers, the embeddings of the map, and the drawing code."""
    mapped = _mapped(source, chapter)
    stamp = mapped and (mapped.path.name, mapped.path.stat().st_mtime_ns)
    here = Path(__file__).parent
    code = [file.read_text() for file in (*sorted(here.glob("*.py")), here / "templates" / "figures.mplstyle")]
    numbers = (source.dataset, chapter.classes, chapter.rows, chapter.comparisons, chapter.counts)
    return hashlib.sha256(json.dumps([numbers, stamp, code, version("matplotlib")]).encode()).hexdigest()


def _mapped(source: Source, chapter: Chapter) -> EmbeddingFile | None:
    """The embedding that is mapped, the best row's."""
    names = model_names(chapter.best["model"]) if chapter.best else []
    return next((source.embeddings[name] for name in names if name in source.embeddings), None)


def _embedding_map(item: EmbeddingFile) -> EmbeddingMap | None:
    """Lay out a seeded sample of a file's embeddings; None where it cannot be read.

    The images are scaled as for a head, SMOTE balances them, and both kinds of points are laid out together by
    principal components and by t-SNE (van der Maaten and Hinton 2008) on the first of these. There are no synthetic
    points where a class has too few images for SMOTE.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    try:
        stored = load_problem(item.dataset, item.model, [item])
    except FeatureError:
        return None
    random = np.random.default_rng(0)
    images = stored.take(np.sort(random.permutation(len(stored.ids))[:MAPPED]))
    images = replace(images, vectors=StandardScaler().fit_transform(images.vectors))
    count = len(images.ids)
    try:
        points, labels = resample(BALANCERS[QUESTION], images)
    except HeadError:
        points, labels = images.vectors, images.labels
    made = count + random.permutation(len(points) - count)[:MAPPED_SYNTHETIC]
    kept_rows = np.concatenate([np.arange(count), made])
    components = PCA(min(COMPONENTS, *images.vectors.shape), random_state=0).fit(images.vectors)
    points = components.transform(points[kept_rows])
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    with threadpool_limits(1):  # threads that wait for a busy machine cost minutes
        tsne = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(points)
    return EmbeddingMap(item.model, points[:, :2], tsne, labels[kept_rows], kept_rows >= count)


def _differing(rows: Sequence[Row]) -> tuple[str, ...]:
    """Names of settings that tell rows apart; head and balance always do."""
    return tuple(name for name in NAMES if name in ("head", "balance") or len({str(row[name]) for row in rows}) > 1)


def _settings(source: Source, cell: Cell) -> Row:
    return _grid(cell) | {"random_weights": source.has_random(cell.model)}


def _grid(cell: Cell) -> Row:
    return {name: cell.settings.get(name) for name in GRID}
