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

from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.report.chapter import LEAKY, Chapter, Plate
from headroom.pipeline.report.details import CURVE_POINTS, Details, Shown
from headroom.pipeline.report.drawing import COLOURS, INK, MIDDLE, as_svg, drawing, save
from headroom.pipeline.report.words import JUDGED, NAMES, QUESTION, Row, balancer, capital, digits

Draw = Callable[[Axes, Chapter, Details], str]

BLUE, RED = COLOURS[0], COLOURS[1]
WIDE = 5.0  # inches from which a figure takes the whole width of a page
MOST_LINES = 36
MOST_CLASSES = 12
LONGEST_NAME = 22
LONGEST_PAIR = 34
LONGEST_LABEL = 50


@dataclass(frozen=True)
class FigureRecord:
    """One figure.

    Attributes
    ----------
    name : str
    section : str
        Where it stands in the page.
    title : str
    draw : callable
        Draws it into axes and returns what it shows in words; empty where a data set has nothing to show.
    size : tuple of float
        Inches; ``draw`` may change the height.
    """

    name: str
    section: str
    title: str
    draw: Draw
    size: tuple[float, float] = (3.5, 3.2)


def draw_plates(chapter: Chapter, details: Details, name: str) -> list[Plate]:
    """Draw the figures of one data set as SVG for a page; ``name`` keeps their ids apart from other sets'."""
    return [
        Plate(
            record.section,
            record.title,
            description,
            as_svg(figure, f"{name}-{record.name}", record.title, description),
            wide=bool(figure.get_figwidth() > WIDE),
        )
        for record, figure, description in _drawn(chapter, details)
    ]


def save_figures(chapter: Chapter, details: Details, folder: Path) -> list[Path]:
    """Write every figure of one data set as SVG, PDF and PNG into a folder, made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", chapter.dataset).strip("._")
    return [
        path for record, figure, _ in _drawn(chapter, details) for path in save(figure, folder, f"{name}-{record.name}")
    ]


def _drawn(chapter: Chapter, details: Details) -> Iterator[tuple[FigureRecord, Figure, str]]:
    """Figures that have something to show, each still in its style."""
    for record in FIGURES:
        with drawing(*record.size) as figure:
            description = record.draw(figure.add_subplot(), chapter, details)
            if description:
                yield record, figure, description


def _forest(axes: Axes, chapter: Chapter, _: Details, metric: str) -> str:
    """Differences from no balancing with their intervals."""
    found = _honest(chapter, metric)
    items = _selected(sorted(found, key=lambda item: item["difference"]))
    if not items:
        return ""
    _figure(axes).set_figheight(0.9 + 0.19 * len(items))
    for place, item in enumerate(items):
        colour = (BLUE if item["difference"] > 0 else RED) if item["mark"] == "*" else MIDDLE
        if item["low"] is not None:
            axes.plot([item["low"], item["high"]], [place, place], color=colour)
        axes.plot(
            item["difference"], place, "o", color=colour, markersize=5, fillstyle="none" if colour == MIDDLE else "full"
        )
    axes.axvline(0, color=INK, linewidth=0.8)
    names = [_pair(chapter, item) for item in items]
    axes.set_yticks(range(len(items)), names, fontsize=7)
    axes.set_ylim(-0.7, len(items) - 0.3)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"change of {METRICS[metric].title}")
    sure = [item for item in items if item["mark"] == "*"]
    up = sum(item["difference"] > 0 for item in sure)
    left_out = f" {len(found) - len(items)} more are in the table." if len(items) < len(found) else ""
    return (
        f"{len(items)} differences with 95 % intervals, from {digits(items[0]['difference'], sign='+')} ({names[0]}) "
        f"to {digits(items[-1]['difference'], sign='+')} ({names[-1]}); "
        f"{up} significantly up, {len(sure) - up} significantly down (filled), by Holm's p.{left_out}"
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
    """Difference in macro recall of every head and balancer."""
    gains: dict[tuple[str, str], list[Row]] = {}
    for item in _honest(chapter, JUDGED):
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
        weight = "bold" if any(item["mark"] == "*" for item in gains[head, balance]) else "normal"
        axes.text(x, y, f"{100 * gain:+.1f}", ha="center", va="center", fontsize=7.5, fontweight=weight)
    _as_table(axes, balancers, heads)
    best = max(mean, key=lambda pair: mean[pair])
    return (
        f"Change of macro recall in percentage points for {len(heads)} heads and {len(balancers)} balancers; the "
        f"largest is {100 * mean[best]:+.1f} ({best[0]}, {best[1]}). Bold: significant by Holm's p."
    )


def _class_recall(axes: Axes, chapter: Chapter, details: Details) -> str:
    """Recall of every class, best row with and without balancing."""
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
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("recall (sensitivity)")
    _legend(axes)
    return "Recall by class. " + ". ".join(said)


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
            axes.text(x, y, f"{counts[y, x]:,}", ha="center", va="center", fontsize=8)
    _as_table(axes, classes, classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(_short(shown.label, LONGEST_LABEL), fontsize=9, loc="left")
    return f"Confusion matrix of {shown.label}; share found: " + _listed(classes, list(np.diagonal(shares)))


def _roc(axes: Axes, chapter: Chapter, details: Details) -> str:
    axes.plot([0, 1], [0, 1], color=MIDDLE, linewidth=0.8, linestyle=":")
    return _curves(axes, chapter, details, ("roc", "ROC", "auroc_ovr"), ("1 - specificity", "sensitivity"))


def _precision_recall(axes: Axes, chapter: Chapter, details: Details) -> str:
    names = ("precision_recall", "Precision-recall", "auprc_macro")
    return _curves(axes, chapter, details, names, ("recall", "precision"))


def _curves(
    axes: Axes, chapter: Chapter, details: Details, names: tuple[str, str, str], axis_names: tuple[str, str]
) -> str:
    """A curve of the best row for each of the commonest classes, one against the rest."""
    attribute, title, metric = names
    curves: np.ndarray | None = getattr(details.best, attribute, None)
    if details.best is None or curves is None:
        return ""
    common = np.argsort(-details.best.confusion.sum(axis=1), kind="stable")[: len(COLOURS)]
    for place, k in enumerate(np.sort(common)):
        axes.plot(np.linspace(0, 1, CURVE_POINTS), curves[k], color=COLOURS[place], label=_class_names(chapter)[k])
    axes.set_xlabel(axis_names[0])
    axes.set_ylabel(axis_names[1])
    _legend(axes, ncols=4, handlelength=1.2, columnspacing=1)
    value = digits(details.best.metrics[metric])
    return f"{title} curves by class of {details.best.label}; {METRICS[metric].title} {value}."


def _reliability(axes: Axes, chapter: Chapter, details: Details) -> str:
    """Share of right predictions against their confidence."""
    axes.plot([0, 1], [0, 1], color=MIDDLE, linewidth=0.8, linestyle=":")
    said = []
    for shown, style in _both(details):
        axes.plot(*shown.reliability, markersize=4, **style)
        said.append(f"{shown.label}: calibration error {digits(shown.metrics['ece'])}")
    if not said:
        return ""
    axes.set_xlabel("confidence")
    axes.set_ylabel("share right")
    _legend(axes)
    return "Confidence against the share of right predictions; on the dotted line they agree. " + "; ".join(said)


def _fold_counts(axes: Axes, chapter: Chapter, details: Details) -> str:
    """Training images of every class before and after balancing, a bar a fold."""
    counts, classes = details.fold_counts, _class_names(chapter)
    if counts is None:
        return ""
    folds = len(counts.before)
    width = 0.8 / (2 * folds)
    for side, heights, colour, start in (("before", counts.before, MIDDLE, -0.4), ("after", counts.after, BLUE, 0.0)):
        places = np.arange(len(classes)) + start + width * (np.arange(folds)[:, None] + 0.5)
        axes.bar(places.ravel(), heights.ravel(), width * 0.85, color=colour, label=f"{side} balancing")
    axes.set_xticks(range(len(classes)), classes, rotation=0 if sum(map(len, classes)) < 34 else 30)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("training images")
    _legend(axes, ncols=2)
    changes = zip(classes, counts.before.mean(axis=0), counts.after.mean(axis=0), strict=True)
    said = "; ".join(f"{name} {before:,.0f} to {after:,.0f}" for name, before, after in changes)
    return f"Training images a class in each of {folds} folds, with {balancer(counts.balance)}; means: {said}."


def _map(axes: Axes, chapter: Chapter, details: Details, layout: str) -> str:
    """Embeddings in two dimensions, synthetic points as crosses."""
    found = details.map
    if found is None:
        return ""
    points: np.ndarray = getattr(found, layout)
    for k, name in enumerate(_class_names(chapter)[: len(COLOURS)]):
        for synthetic, marker, size in ((False, "o", 7), (True, "x", 11)):
            x, y = points[(found.labels == k) & (found.synthetic == synthetic)].round(2).T
            said = None if synthetic else name
            axes.scatter(x, y, size, COLOURS[k], marker=marker, alpha=0.8, linewidths=0.6, label=said)
    if found.synthetic.any():
        axes.scatter([], [], color=MIDDLE, marker="x", s=11, linewidths=0.8, label="SMOTE's")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    _legend(axes, ncols=4, handletextpad=0.1, columnspacing=1)
    method = {"pca": "Two principal components", "tsne": "t-SNE"}[layout]
    return (
        f"{method} of {(~found.synthetic).sum():,} images embedded by {found.model}, coloured by class, with "
        f"{found.synthetic.sum():,} synthetic points of SMOTE as crosses."
    )


def _cost(axes: Axes, chapter: Chapter, _: Details) -> str:
    """Seconds of a cell against its gain in macro recall."""
    seconds = {_identity(row): row["seconds"] for row in chapter.rows}
    items = [item for item in chapter.comparisons if item["metric"] == JUDGED and seconds.get(_identity(item))]
    if not items:
        return ""
    for place, name in enumerate(heads := list(dict.fromkeys(row["head"] for row in chapter.rows))):
        own = [item for item in items if item["head"] == name]
        xs, ys = [seconds[_identity(item)] for item in own], [item["difference"] for item in own]
        axes.scatter(xs, ys, s=22, color=COLOURS[place % 8], marker="oD^s"[place // 8 % 4], label=name)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("seconds of the cell, all folds")
    axes.set_ylabel("gain in macro recall")
    _legend(axes, ncols=3, handletextpad=0.1, columnspacing=1)
    dearest = max(items, key=lambda item: seconds[_identity(item)])
    return (
        f"Seconds against gain in macro recall of {len(items)} balanced cells with {len(heads)} heads; the dearest is "
        f"{_pair(chapter, dearest)}: {seconds[_identity(dearest)]:,.1f} s for "
        f"{digits(dearest['difference'], sign='+')}."
    )


FIGURES: tuple[FigureRecord, ...] = (
    FigureRecord("forest-recall", "compared", capital(METRICS[JUDGED].title), partial(_forest, metric=JUDGED)),
    FigureRecord("forest-accuracy", "compared", "Accuracy", partial(_forest, metric="accuracy")),
    FigureRecord("gains", "compared", "Change of macro recall, percentage points", _gains),
    FigureRecord("class-recall", "classes", "Recall by class", _class_recall),
    FigureRecord("confusion-plain", "classes", "Confusion, no balancing", partial(_confusion, side="plain")),
    FigureRecord("confusion-balanced", "classes", "Confusion, balanced", partial(_confusion, side="balanced")),
    FigureRecord("roc", "curves", "ROC, one class against the rest", _roc),
    FigureRecord("precision-recall", "curves", "Precision and recall", _precision_recall),
    FigureRecord("reliability", "curves", "Reliability", _reliability),
    FigureRecord("fold-counts", "data", "Training images by fold", _fold_counts),
    FigureRecord("map-pca", "data", "Embedding map, principal components", partial(_map, layout="pca"), (3.5, 3.8)),
    FigureRecord("map-tsne", "data", "Embedding map, t-SNE", partial(_map, layout="tsne"), (3.5, 3.8)),
    FigureRecord("cost", "cost", "Seconds against gain", _cost),
)
"""Every figure in the order of the page."""


def _honest(chapter: Chapter, metric: str) -> list[Row]:
    """Comparisons of a metric that do not leak."""
    return [item for item in chapter.comparisons if item["metric"] == metric and item["protocol"] != LEAKY]


def _both(details: Details) -> list[tuple[Shown, dict[str, Any]]]:
    """The best row without and with balancing, each with its style; none where one is missing."""
    if details.plain is None or details.balanced is None:
        return []
    sides = ((details.plain, MIDDLE, "o"), (details.balanced, BLUE, "D"))
    return [
        (shown, {"color": colour, "marker": marker, "label": _short(shown.label, LONGEST_LABEL)})
        for shown, colour, marker in sides
    ]


def _identity(row: Row) -> tuple:
    """What a row and a comparison of the same cell have in common."""
    return tuple(row[name] for name in NAMES)


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


def _as_table(axes: Axes, columns: list[str], lines: list[str]) -> None:
    """Labels around a table of coloured cells."""
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    slanted = sum(map(len, columns)) > 5 * len(columns)
    axes.set_xticks(range(len(columns)), columns, rotation=40 if slanted else 0, ha="right" if slanted else "center")
    axes.set_yticks(range(len(lines)), lines)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
