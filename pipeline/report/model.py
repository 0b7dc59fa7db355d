"""Everything that a report shows, computed once: results and embeddings of a cache to a `Report`."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from headroom.errors import FeatureError, HeadError
from headroom.heads.balancing import BALANCERS, resample
from headroom.heads.cell import Cell
from headroom.heads.folds import PROTOCOLS
from headroom.heads.samples import Problem
from headroom.heads.scores.comparing import ABOUT, comparisons, corrected, plan_comparisons
from headroom.heads.scores.leaderboard import leaderboard
from headroom.heads.scores.lift import lifts
from headroom.heads.scores.metrics import METRICS, PER_CLASS
from headroom.heads.scores.seeds import balance_seed_sd
from headroom.pipeline.cache import EmbeddingFile, kept
from headroom.pipeline.problems import load_problem
from headroom.pipeline.report import words
from headroom.pipeline.report.chapter import LEAKY, Chapter, Details, EmbeddingMap, Report, Shown
from headroom.pipeline.report.source import Source, grid, model_names
from headroom.pipeline.report.verdict import Standing, Verdict, best_first, by_name
from headroom.pipeline.report.words import NAMES, QUESTION, Row
from headroom.pipeline.studies import claims

CHECKS_SHOWN, FIGURES_SHOWN = "checks", "figures"
MAPPED, MAPPED_SYNTHETIC = 1000, 400  # points of a map
COMPONENTS, PERPLEXITY = 50, 30


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
    return Report(chapters, found, _remarks(sources, chapters), sources[0].settings)


def write_figures(sources: Sequence[Source], report: Report, folder: Path) -> list[Path]:
    """Write every figure of a report as SVG, PDF and PNG into a folder."""
    from headroom.pipeline.report.figures import save_figures

    return [
        path
        for source, chapter in zip(sources, report.chapters, strict=True)
        for path in save_figures(chapter, compute_details(source, chapter), folder)
    ]


def compute_details(source: Source, chapter: Chapter) -> Details:
    """What figures show beyond the tables."""
    sides = _sides(chapter)
    plain, balanced = (
        Shown(words.label(row, chapter.columns), row["metrics"], source.folds(row["key"])) if row else None
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
        tradeoff=[(source.cells[key], source.scored[key]) for key in _tradeoff_keys(chapter, sides)],
    )


def _tradeoff_keys(chapter: Chapter, sides: Sequence[Row | None]) -> list[str]:
    """The best row's head without balancing, with its best balancer, and with those that everyone asks about."""
    keys = [row["key"] for row in sides if row]
    asked = ("threshold", "class-weight", QUESTION)
    others = [item["key"] for item in chapter.comparisons if item["baseline_key"] in keys and item["balance"] in asked]
    return list(dict.fromkeys([*keys, *others]))


def _sides(chapter: Chapter) -> tuple[Row | None, Row | None]:
    """The best row's head without balancing, and with the balancer that is best for it."""
    best, rows = chapter.best, {row["key"]: row for row in chapter.rows}
    if best is None:
        return None, None
    pairs = {item["key"]: item["baseline_key"] for item in chapter.comparisons}
    if best["balance"] != words.BASELINE:
        return rows.get(pairs.get(best["key"], "")), best
    return best, next((row for key, row in rows.items() if pairs.get(key) == best["key"]), None)


def _chapter(source: Source) -> Chapter:
    """All but figures."""
    all_rows, all_compared = _rows(source), _compared(source)
    standings = [
        Standing(
            source,
            list(rows),
            [item for item in all_compared if item["protocol"] == protocol],
            _lifts(source, protocol),
        )
        for protocol, rows in groupby(all_rows, key=lambda row: row["protocol"])
        if protocol != LEAKY
    ]
    honest = [standing for standing in standings if standing.shown]
    rows, compared = ([row for row in each if row["key"] in source.shown] for each in (all_rows, all_compared))
    columns = _differing(rows)
    common = [name for name in NAMES if name not in columns and name not in ("seed", "criterion")]
    best = honest[0].shown[0] if honest else None
    problem = source.problems[(source.cells[best["key"]] if best else source.shown_cells[0]).problem]
    printed = [name for name, metric in METRICS.items() if metric.printed or name == source.settings.criterion]
    metrics = [name for name in printed if any(row["metrics"][name] is not None for row in rows)]
    return Chapter(
        dataset=source.dataset,
        classes=problem.classes,
        images=len(problem.labels),
        rows=rows,
        comparisons=compared,
        lifts=[item for standing in honest for item in standing.lifts if item["key"] in source.shown],
        columns=columns,
        compared_columns=_differing(compared),
        setting=words.settings(rows[0], common) + words.positive(rows[0]) if rows else "",
        metrics=tuple(name for name in metrics if len(problem.classes) > 2 or METRICS[name].binary != "hidden"),
        winners=frozenset(
            (row["key"], name) for standing in honest for name in metrics if (row := standing.winner(name))
        ),
        verdicts=[standing.verdict(columns) for standing in honest] or [Verdict("", words.NOTHING)],
        facts=_facts(source, problem, rows),
        claims=claims([cell for cell in source.fitted if best and grid(cell).items() <= best.items()], source.scored),
        left_out=_left_out(source),
        counts=_counts(source, [row for standing in honest for row in standing.shown]),
        settings=source.settings,
    )


def _rows(source: Source) -> list[Row]:
    """The leaderboard of all cells, protocol by protocol, each row with what its cell is known by."""
    criterion = source.settings.criterion
    rows = [
        row | _described(source, cell) | source.setting(cell)
        for cell in source.cells.values()
        for row in leaderboard([cell], source.scored)
    ]
    undefined = sorted((row for row in rows if row["metrics"][criterion] is None), key=by_name)
    return sorted([*best_first(rows, criterion), *undefined], key=lambda row: PROTOCOLS.index(row["protocol"]))


def _described(source: Source, cell: Cell) -> Row:
    """Of a cell its key, seconds, what its numbers are about, and how they vary with seeds."""
    criterion = source.settings.criterion
    others = {str(other.settings["seed"]): source.scored[other.key] for other in source.again.get(cell.key, ())}
    return {
        "key": cell.key,
        "seconds": cell.seconds,
        "about": ABOUT[cell.protocol],
        "balance_seed_sd": balance_seed_sd(cell, source.scored),
        "other_seeds": {seed: scored.metrics[criterion] for seed, scored in others.items()},
    }


def _compared(source: Source) -> list[Row]:
    """Every balancer against none, of all cells, best first; Holm's correction is over one metric of one protocol."""
    found = [
        item | {"key": pair[0].key, "baseline_key": pair[1].key} | source.setting(pair[0])
        for pair in plan_comparisons(source.cells.values(), source.scored).pairs
        for item in comparisons(pair, source.scored, rope=source.settings.rope)
    ]
    order = [source.settings.criterion, *(name for name in METRICS if name != source.settings.criterion)]

    def family(item: Row) -> tuple[int, int]:
        return order.index(item["metric"]), PROTOCOLS.index(item["protocol"])

    found.sort(key=lambda item: (*family(item), -item["difference"], by_name(item)))
    return [item for _, items in groupby(found, key=family) for item in corrected(list(items))]


def _lifts(source: Source, protocol: str) -> list[Row]:
    """Of every balancer by one protocol the lift, the largest first; Holm's correction is over all of them."""
    cells = [cell for cell in source.cells.values() if cell.protocol == protocol]
    found = [
        item | source.setting(source.cells[item["key"]])
        for item in lifts(cells, source.scored, rope=source.settings.rope)
    ]
    return sorted(found, key=lambda item: (item["lift"] is None, -(item["lift"] or 0), by_name(item)))


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
        "Other seeds": _other_seeds(rows, source.settings.criterion),
        "Seeds of resampling": _balance_seeds(rows, source.settings.criterion),
        "Cells": f"{len(rows):,} fitted, {len(source.shown_cells) - len(rows):,} failed",
        "Versions": ", ".join(f"{name} {text}" for name, text in sorted(versions.items())),
    }


def _other_seeds(rows: Iterable[Row], criterion: str) -> str:
    """How far rows that are fitted with other seeds too are from those that are shown."""
    pairs = [(row["metrics"][criterion], value) for row in rows for value in row["other_seeds"].values()]
    if not pairs:
        return ""
    seeds = sorted({int(seed) for row in rows for seed in row["other_seeds"]})
    largest = max(abs((one or 0.0) - (other or 0.0)) for one, other in pairs)
    return (
        f"{', '.join(map(str, seeds))}: {len(pairs):,} cells, not ranked, for they repeat rows that are; "
        f"{METRICS[criterion].title} differs by up to {words.digits(largest)}"
    )


def _balance_seeds(rows: Iterable[Row], criterion: str) -> str:
    """How much rows vary through the seed of resampling alone."""
    found = {words.label(row, ()): row["balance_seed_sd"][criterion] for row in rows if row["balance_seed_sd"]}
    said = "; ".join(f"{label} {words.digits(sd)}" for label, sd in found.items())
    return f"standard deviation of {METRICS[criterion].title} through them alone: {said}" if found else ""


def _model(name: str, about: Mapping[str, Any]) -> str:
    weights = f"{about['weights']} weights" + (f" {about['weights_digest'][:8]}" if "weights_digest" in about else "")
    return f"{name}: {weights}, {about['dim']}-d, {about['size']} px, {about['engine']} {about['precision']}"


def _left_out(source: Source) -> list[Cell]:
    """Cells that were not fitted, and honest balanced ones that cannot be compared."""
    failed = [cell for cell in source.shown_cells if cell.status == "failed"]
    cells = [cell for cell in source.fitted if cell.protocol != LEAKY]
    refused = plan_comparisons(cells, source.scored).refused
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


def _remarks(sources: Sequence[Source], chapters: Iterable[Chapter]) -> list[str]:
    """What a reader must know before the numbers."""
    random = {name for source in sources for name in source.embeddings if source.has_random(name)}
    leaky = any(row["protocol"] == LEAKY for chapter in chapters for row in chapter.rows)
    earlier = [words.EARLIER_REMARK.format(source.earlier, source.dataset) for source in sources if source.earlier]
    return [words.RANDOM_REMARK.format(model) for model in sorted(random)] + [words.LEAKY_REMARK] * leaky + earlier


def _with_figures(source: Source, chapter: Chapter) -> Chapter:
    """Add metrics by class and finished figures; these are kept in the cache until anything that they show changes."""
    if chapter.best is None:
        return chapter
    by_class = {
        PER_CLASS[name].title: values
        for name, values in source.scored[chapter.best["key"]].by_class.items()
        if any(value is not None for value, _ in values)
    }
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
    numbers = (
        source.dataset,
        chapter.classes,
        chapter.rows,
        chapter.comparisons,
        chapter.lifts,
        chapter.counts,
        asdict(chapter.settings),
    )
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
