"""The figures of a report: one record each, drawn for one data set."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter
from sklearn.metrics import precision_recall_curve, roc_curve

from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.predictions import ECE_BINS
from headroom.pipeline.report.chapter import LEAKY, Chapter, Details, Shown
from headroom.pipeline.report.curves import draw_tradeoff
from headroom.pipeline.report.style import BLUE, COLOURS, INK, MIDDLE, RED, WIDE, as_svg, drawing
from headroom.pipeline.report.words import QUESTION, Row, bounds, capital, digits, mark

FILES: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
MOST_LINES = 36
MOST_CLASSES = 12
MOST_FOLDS = 10
LONGEST_NAME = 22
LONGEST_PAIR = 34
LONGEST_LABEL = 50
CURVE_POINTS = 120
FEWEST_CASES = 10  # of a bin, to be a point of a reliability curve


@dataclass(frozen=True)
class FigureRecord:
    """One figure.

    Attributes
    ----------
    name : str
    section : str
        Where it stands in the page.
    title : str
        ``{criterion}`` stands for the metric that judges.
    draw : callable
        Draws it into axes, may change the figure's size, and returns what it shows in words; empty where a data set
        has nothing to show.
    """

    name: str
    section: str
    title: str
    draw: Callable[[Axes, Chapter, Details], str]

    def title_in(self, chapter: Chapter) -> str:
        """The title for one data set."""
        return capital(self.title.format(criterion=METRICS[chapter.settings.criterion].title))


def draw_plates(chapter: Chapter, details: Details, name: str) -> list[Row]:
    """Draw the figures of one data set as SVG for a page; ``name`` keeps their ids apart from other sets'."""
    return [
        {
            "section": record.section,
            "title": record.title_in(chapter),
            "description": description,
            "svg": as_svg(figure, f"{name}-{record.name}", record.title_in(chapter), description),
            "wide": bool(figure.get_figwidth() > WIDE),
        }
        for record, figure, description in _drawn(chapter, details)
    ]


def save_figures(chapter: Chapter, details: Details, folder: Path) -> list[Path]:
    """Write every figure of one data set as SVG, PDF and PNG (300 dpi, white ground) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", chapter.dataset).strip("._")
    saved = []
    for record, figure, _ in _drawn(chapter, details):
        for kind, undated in FILES.items():
            saved.append(folder / f"{name}-{record.name}.{kind}")
            figure.savefig(saved[-1], dpi=300, facecolor="white", metadata=undated)
    return saved


def _drawn(chapter: Chapter, details: Details) -> Iterator[tuple[FigureRecord, Figure, str]]:
    """Figures that have something to show, each still in its style."""
    for record in FIGURES:
        with drawing() as figure:
            description = record.draw(figure.add_subplot(), chapter, details)
            if description:
                yield record, figure, description


def _forest(axes: Axes, chapter: Chapter, _: Details, metric: str = "") -> str:
    """Differences from no balancing with their intervals, by default in the criterion."""
    if metric == chapter.settings.criterion:
        return ""
    metric = metric or chapter.settings.criterion
    found = _honest(chapter, metric)
    items = _selected(sorted(found, key=lambda item: item["difference"]))
    if not items:
        return ""
    _figure(axes).set_figheight(0.9 + 0.19 * len(items))
    names = [_pair(chapter, item) for item in items]
    changes = [item["difference"] for item in items]
    sure = [mark(item) == "*" for item in items]
    for place, item in enumerate(items):
        colour = (BLUE if changes[place] > 0 else RED) if sure[place] else MIDDLE
        if item["p_holm"] is not None:
            axes.plot(np.array(bounds(item), float), [place, place], color=colour)
        fill = "full" if sure[place] else "none"
        axes.plot(changes[place], place, "o", color=colour, markersize=5, fillstyle=fill)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(items)), names, fontsize=7)
    axes.grid(axis="y", visible=False)
    axes.set(ylim=(-0.7, len(items) - 0.3), xlabel=f"change of {METRICS[metric].title}")
    up = sum(change > 0 for change, is_sure in zip(changes, sure, strict=True) if is_sure)
    left_out = f" {len(found) - len(items)} more are in the table." if len(items) < len(found) else ""
    return (
        f"{len(items)} differences of {METRICS[metric].title} with 95 % intervals, all together, from "
        f"{digits(changes[0], sign='+')} ({names[0]}) to {digits(changes[-1], sign='+')} ({names[-1]}); "
        f"{up} significantly up, {sum(sure) - up} significantly down (filled), by Holm's p.{left_out}"
    )


def _selected(items: list[Row]) -> list[Row]:
    """All where they fit, else every head's SMOTE and its best balancer, the largest differences first."""
    if len(items) <= MOST_LINES:
        return items
    best = {(item["model"], item["head"]): item for item in items}
    kept = [item for item in items if item["balance"] == QUESTION or best[item["model"], item["head"]] is item]
    largest = sorted(kept, key=lambda item: -abs(item["difference"]))[:MOST_LINES]
    return [item for item in kept if item in largest]


def _gains(axes: Axes, chapter: Chapter, _: Details) -> str:
    """Difference in the criterion of every head and balancer."""
    gains: dict[tuple[str, str], list[Row]] = {}
    judged = METRICS[chapter.settings.criterion].title
    for item in _honest(chapter, chapter.settings.criterion):
        gains.setdefault((item["head"], item["balance"]), []).append(item)
    heads, balancers = (sorted({pair[place] for pair in gains}) for place in (0, 1))
    if len(heads) < 2 or len(balancers) < 2:
        return ""
    mean = {pair: float(np.mean([item["difference"] for item in found])) for pair, found in gains.items()}
    balancers.sort(key=lambda name: -float(np.mean([gain for pair, gain in mean.items() if pair[1] == name])))
    largest = max(map(abs, mean.values())) or 1.0
    _figure(axes).set_size_inches(max(3.5, 1.3 + 0.45 * len(balancers)), 1.2 + 0.27 * len(heads))
    for (head, balance), gain in mean.items():
        x, y = balancers.index(balance), heads.index(head)
        shade = to_rgba(BLUE if gain > 0 else RED, 0.6 * abs(gain) / largest)
        axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, color=shade))
        weight = "bold" if any(mark(item) == "*" for item in gains[head, balance]) else "normal"
        axes.text(x, y, f"{100 * gain:+.1f}", ha="center", va="center", fontsize=7.5, fontweight=weight)
    _as_table(axes, balancers, heads)
    best = max(mean, key=lambda pair: mean[pair])
    return (
        f"Change of {judged} in percentage points for {len(heads)} heads and {len(balancers)} balancers; the "
        f"largest is {100 * mean[best]:+.1f} ({best[0]}, {best[1]}). Bold: significant by Holm's p."
    )


def _class_recall(axes: Axes, chapter: Chapter, details: Details) -> str:
    """Recall of every class, the best row's head with and without balancing."""
    classes = _class_names(chapter)
    _figure(axes).set_figheight(1.1 + 0.32 * len(classes))
    said = []
    for shown, style in _both(details):
        cases = shown.confusion.sum(axis=1)
        recalls = [hits / all_ if all_ else None for hits, all_ in zip(shown.confusion.diagonal(), cases, strict=True)]
        places = np.flatnonzero(cases)
        axes.plot([recalls[at] or 0.0 for at in places], places, linestyle="none", markersize=6, **style)
        said.append(f"{shown.label}: " + _listed(classes, recalls))
    if not said:
        return ""
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlim=(0, 1.02), ylim=(len(classes) - 0.5, -0.5), xlabel="recall (sensitivity)")
    _legend(axes)
    return f"Recall by class{_over(details)}. " + ". ".join(said)


def _confusion(axes: Axes, chapter: Chapter, details: Details, side: str) -> str:
    """Counts by true and predicted class, shaded by their share of the true class."""
    shown = getattr(details, side)
    if shown is None:
        return ""
    counts, classes, k = shown.confusion, _class_names(chapter), len(chapter.classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    _figure(axes).set_size_inches(max(3.5, 1.3 + 0.4 * k), max(2.8, 1.2 + 0.36 * k))
    for (y, x), share in np.ndenumerate(shares):
        axes.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, color=to_rgba(BLUE, 0.62 * share)))
        if k <= MOST_CLASSES:
            axes.text(x, y, f"{counts[y, x]:,.{int(shown.repeats > 1)}f}", ha="center", va="center", fontsize=8)
    _as_table(axes, classes, classes)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(_short(shown.label, LONGEST_LABEL), fontsize=9, loc="left")
    return f"Confusion matrix of {shown.label}{_over(details)}; share found: " + _listed(
        classes, list(np.diagonal(shares))
    )


def _curves(axes: Axes, chapter: Chapter, details: Details, metric: str) -> str:
    """The curve whose area a metric is, of the best row, for each of the commonest classes against the rest."""
    best, of_roc = details.best, metric == "auroc_ovr"
    if best is None or best.metrics["auroc_ovr"] is None:
        return ""
    if of_roc:
        _diagonal(axes)
    steps = np.linspace(0, 1, CURVE_POINTS)
    common = np.argsort(-best.confusion.sum(axis=1), kind="stable")[: len(COLOURS)]
    for colour, k in zip(COLOURS, np.sort(common), strict=False):
        heights = [
            _heights(steps, truth, fold.scores[:, k], of_roc)
            for fold in best.folds
            if (truth := fold.labels == k).any() and not truth.all()
        ]
        axes.plot(steps, np.mean(heights or [steps * np.nan], axis=0), color=colour, label=_class_names(chapter)[k])
    title, x, y = ("ROC", "1 - specificity", "sensitivity") if of_roc else ("Precision-recall", "recall", "precision")
    axes.set(xlabel=x, ylabel=y)
    _legend(axes, ncols=4, handlelength=1.2, columnspacing=1)
    return (
        f"{title} curves by class of {best.label}, mean height over {len(best.folds)} folds; {METRICS[metric].title} "
        f"{digits(best.metrics[metric])}."
    )


def _heights(steps: np.ndarray, truth: np.ndarray, scores: np.ndarray, of_roc: bool) -> np.ndarray:
    """The heights of the ROC curve, or of precision over recall, of one fold."""
    if of_roc:
        return np.interp(steps, *roc_curve(truth, scores)[:2])
    precision, recall, _ = precision_recall_curve(truth, scores)
    return np.interp(steps, recall[::-1], precision[::-1])


def _reliability(axes: Axes, chapter: Chapter, details: Details) -> str:
    """Share of right predictions against their confidence."""
    _diagonal(axes)
    said = []
    for shown, style in _both(details):
        scores, labels = (
            np.concatenate([getattr(fold, name) for fold in shown.folds]) for name in ("scores", "labels")
        )
        confidence, right = scores.max(axis=1), scores.argmax(axis=1) == labels
        bins = np.clip(np.ceil(confidence * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
        count = np.bincount(bins, minlength=ECE_BINS)
        used = count >= FEWEST_CASES * shown.repeats
        means = [np.bincount(bins, values, ECE_BINS)[used] / count[used] for values in (confidence, right)]
        axes.plot(*means, markersize=4, **style)
        said.append(f"{shown.label}: calibration error {digits(shown.metrics['ece'])}")
    if not said:
        return ""
    axes.set(xlabel="confidence", ylabel="share right")
    _legend(axes)
    return (
        "Confidence against the share of right predictions; on the dotted line they agree. All predictions"
        f"{_over(details)}. " + "; ".join(said)
    )


def _fold_counts(axes: Axes, chapter: Chapter, details: Details) -> str:
    """Training images of every class before and after balancing, a bar a fold."""
    if details.resampled is None:
        return ""
    balancer, scored = details.resampled
    before, after, classes = scored.before[:MOST_FOLDS], scored.after[:MOST_FOLDS], _class_names(chapter)
    folds = len(before)
    width = 0.8 / (2 * folds)
    for side, heights, colour, start in (("before", before, MIDDLE, -0.4), ("after", after, BLUE, 0.0)):
        places = np.arange(len(classes)) + start + width * (np.arange(folds)[:, None] + 0.5)
        axes.bar(places.ravel(), heights.ravel(), width * 0.85, color=colour, label=f"{side} balancing")
    axes.set_xticks(range(len(classes)), classes, rotation=0 if sum(map(len, classes)) < 34 else 30)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("training images")
    _legend(axes, ncols=2)
    means = zip(classes, before.mean(axis=0), after.mean(axis=0), strict=True)
    said = "; ".join(f"{name} {earlier:,.0f} to {later:,.0f}" for name, earlier, later in means)
    return f"Training images a class in each of {folds} folds, with {balancer}; means: {said}."


def _map(axes: Axes, chapter: Chapter, details: Details, layout: str) -> str:
    """Embeddings in two dimensions, synthetic points as crosses."""
    found = details.map
    if found is None:
        return ""
    _figure(axes).set_figheight(3.8)
    points: np.ndarray = getattr(found, layout)
    for k, name in enumerate(_class_names(chapter)[: len(COLOURS)]):
        for synthetic, marker, size in ((False, "o", 7), (True, "x", 11)):
            x, y = points[(found.labels == k) & (found.synthetic == synthetic)].round(2).T
            said = None if synthetic else name
            axes.scatter(x, y, size, COLOURS[k], marker=marker, alpha=0.8, linewidths=0.6, label=said)
    if found.synthetic.any():
        axes.scatter([], [], color=MIDDLE, marker="x", s=11, linewidths=0.8, label="SMOTE's")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    _legend(axes, ncols=4, handletextpad=0.1, columnspacing=1)
    method = {"pca": "Two principal components", "tsne": "t-SNE"}[layout]
    return (
        f"{method} of {(~found.synthetic).sum():,} images embedded by {found.model}, coloured by class, with "
        f"{found.synthetic.sum():,} synthetic points of SMOTE as crosses."
    )


def _cost(axes: Axes, chapter: Chapter, _: Details) -> str:
    """Seconds of a cell against its gain in the criterion."""
    criterion = chapter.settings.criterion
    seconds = {row["key"]: row["seconds"] for row in chapter.rows}
    items = [item for item in chapter.comparisons if item["metric"] == criterion and seconds.get(item["key"])]
    if not items:
        return ""
    for place, name in enumerate(heads := list(dict.fromkeys(row["head"] for row in chapter.rows))):
        own = [item for item in items if item["head"] == name]
        xs, ys = [seconds[item["key"]] for item in own], [item["difference"] for item in own]
        axes.scatter(xs, ys, s=22, color=COLOURS[place % 8], marker="oD^s"[place // 8 % 4], label=name)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set(xscale="log", xlabel="seconds of the cell, all folds", ylabel=f"gain in {METRICS[criterion].title}")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    _legend(axes, ncols=3, handletextpad=0.1, columnspacing=1)
    dearest = max(items, key=lambda item: seconds[item["key"]])
    return (
        f"Seconds against gain in {METRICS[criterion].title} of {len(items)} balanced cells with {len(heads)} heads; "
        f"the dearest is {_pair(chapter, dearest)}: {seconds[dearest['key']]:,.1f} s for "
        f"{digits(dearest['difference'], sign='+')}."
    )


def _tradeoff(axes: Axes, _: Chapter, details: Details) -> str:
    """The curves of the best row's head with and without balancers."""
    return draw_tradeoff(axes, details.tradeoff) if len(details.tradeoff) > 1 else ""


FIGURES: tuple[FigureRecord, ...] = (
    FigureRecord("forest-recall", "compared", "{criterion}", _forest),
    FigureRecord("forest-accuracy", "compared", "Accuracy", partial(_forest, metric="accuracy")),
    FigureRecord("gains", "compared", "Change of {criterion}, percentage points", _gains),
    FigureRecord("tradeoff", "lift", "Lift or move", _tradeoff),
    FigureRecord("class-recall", "classes", "Recall by class", _class_recall),
    FigureRecord("confusion-plain", "classes", "Confusion, no balancing", partial(_confusion, side="plain")),
    FigureRecord("confusion-balanced", "classes", "Confusion, balanced", partial(_confusion, side="balanced")),
    FigureRecord("roc", "curves", "ROC, one class against the rest", partial(_curves, metric="auroc_ovr")),
    FigureRecord("precision-recall", "curves", "Precision and recall", partial(_curves, metric="auprc_macro")),
    FigureRecord("reliability", "curves", "Reliability", _reliability),
    FigureRecord("fold-counts", "data", "Training images by fold", _fold_counts),
    FigureRecord("map-pca", "data", "Embedding map, principal components", partial(_map, layout="pca")),
    FigureRecord("map-tsne", "data", "Embedding map, t-SNE", partial(_map, layout="tsne")),
    FigureRecord("cost", "cost", "Seconds against gain", _cost),
)
"""Every figure in the order of the page."""


def _honest(chapter: Chapter, metric: str) -> list[Row]:
    """Comparisons of a metric that do not leak."""
    return [item for item in chapter.comparisons if item["metric"] == metric and item["protocol"] != LEAKY]


def _over(details: Details) -> str:
    """Over how many repeats a mean is taken."""
    repeats = max(shown.repeats for shown in (details.plain, details.balanced) if shown)
    return f", mean of {repeats} repeats" * (repeats > 1)


def _both(details: Details) -> list[tuple[Shown, dict[str, Any]]]:
    """The best row's head without and with balancing, each with its style; none where one is missing."""
    if details.plain is None or details.balanced is None:
        return []
    sides = ((details.plain, MIDDLE, "o"), (details.balanced, BLUE, "D"))
    return [
        (shown, {"color": colour, "marker": marker, "label": _short(shown.label, LONGEST_LABEL)})
        for shown, colour, marker in sides
    ]


def _pair(chapter: Chapter, item: Row) -> str:
    """Head and balancer, with the model where there are several."""
    model = f" ({item['model']})" if "model" in chapter.columns else ""
    return _short(f"{item['head']}, {item['balance']}{model}", LONGEST_PAIR)


def _class_names(chapter: Chapter) -> list[str]:
    return [_short(name) for name in chapter.classes]


def _short(text: str, length: int = LONGEST_NAME) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _listed(names: list[str], values: list[float | None]) -> str:
    return ", ".join(f"{name} {digits(value, 2)}" for name, value in zip(names, values, strict=True))


def _figure(axes: Axes) -> Figure:
    """The whole figure that axes are alone in."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def _legend(axes: Axes, **options: Any) -> None:
    """A legend above the axes."""
    _figure(axes).legend(loc="outside upper left", **options)


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=MIDDLE, linewidth=0.8, linestyle=":")


def _as_table(axes: Axes, columns: list[str], lines: list[str]) -> None:
    """Labels around a table of coloured cells."""
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(lines) - 0.5, -0.5))
    slanted = sum(map(len, columns)) > 5 * len(columns)
    axes.set_xticks(range(len(columns)), columns, rotation=40 if slanted else 0, ha="right" if slanted else "center")
    axes.set_yticks(range(len(lines)), lines)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
