"""The figures of a report: one record each, drawn for one data set."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter

from headroom.heads.scores.metrics import METRICS, per_class
from headroom.heads.scores.pooled import pooled
from headroom.heads.scores.predictions import ECE_BINS, Predictions
from headroom.pipeline.report.drawing import COLOURS, INK, MIDDLE
from headroom.pipeline.report.map import embedding_map
from headroom.pipeline.report.model import JUDGED, LEAKY, Part, Row
from headroom.pipeline.report.numbers import digits, mark, title
from headroom.pipeline.report.verdict import QUESTION, balancer, label

Draw = Callable[[Axes, Part], str]

BLUE, RED = COLOURS[0], COLOURS[1]
MOST_LINES = 36
MOST_CLASSES = 12
CURVE_POINTS = 120
LONGEST_NAME = 22
LONGEST_PAIR = 34


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


def _forest(axes: Axes, part: Part, metric: str) -> str:
    """Differences from no balancing with their intervals."""
    found = [item for item in part.comparisons if item["metric"] == metric and item["protocol"] != LEAKY]
    items = _selected(sorted(found, key=lambda item: item["difference"]))
    if not items:
        return ""
    _figure(axes).set_figheight(0.9 + 0.19 * len(items))
    for place, item in enumerate(items):
        colour = (BLUE if item["difference"] > 0 else RED) if mark(item) == "*" else MIDDLE
        if item["low"] is not None:
            axes.plot([item["low"], item["high"]], [place, place], color=colour)
        axes.plot(
            item["difference"], place, "o", color=colour, markersize=5, fillstyle="none" if colour == MIDDLE else "full"
        )
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(items)), [_pair(part, item) for item in items], fontsize=7)
    axes.set_ylim(-0.7, len(items) - 0.3)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"change of {METRICS[metric].title}")
    sure = [item for item in items if mark(item) == "*"]
    up = sum(item["difference"] > 0 for item in sure)
    left_out = f" {len(found) - len(items)} more are in the table." if len(items) < len(found) else ""
    return (
        f"{len(items)} differences with 95 % intervals, from {digits(items[0]['difference'], sign='+')} "
        f"({_pair(part, items[0])}) to {digits(items[-1]['difference'], sign='+')} ({_pair(part, items[-1])}); "
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


def _gains(axes: Axes, part: Part) -> str:
    """Difference in macro recall of every head and balancer."""
    items = [item for item in part.comparisons if item["metric"] == JUDGED and item["protocol"] != LEAKY]
    gains: dict[tuple[str, str], list[Row]] = {}
    for item in items:
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
        sure = any(mark(item) == "*" for item in gains[head, balance])
        weight = "bold" if sure else "normal"
        axes.text(x, y, f"{100 * gain:+.1f}", ha="center", va="center", fontsize=7.5, fontweight=weight)
    _as_table(axes, balancers, heads)
    best = max(mean, key=lambda pair: mean[pair])
    return (
        f"Change of macro recall in percentage points for {len(heads)} heads and {len(balancers)} balancers; the "
        f"largest is {100 * mean[best]:+.1f} ({best[0]}, {best[1]}). Bold: significant by Holm's p."
    )


def _class_recall(axes: Axes, part: Part) -> str:
    """Recall of every class, best row with and without balancing."""
    pair = _best_pair(part)
    if pair is None:
        return ""
    classes = [_short(name) for name in part.problem.classes]
    _figure(axes).set_figheight(1.1 + 0.32 * len(classes))
    said = []
    for row, (colour, marker) in zip(pair, ((MIDDLE, "o"), (BLUE, "D")), strict=True):
        recalls = class_metrics(part, row)["recall"]
        places = [place for place, value in enumerate(recalls) if value is not None]
        axes.plot(
            [recalls[at] or 0.0 for at in places], places, marker, color=colour, label=label(part, row), markersize=6
        )
        said.append(f"{label(part, row)}: " + _listed(classes, recalls))
    axes.set_yticks(range(len(classes)), classes)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("recall (sensitivity)")
    axes.figure.legend(loc="outside upper left")
    return "Recall by class. " + ". ".join(said)


def _confusion(axes: Axes, part: Part, balanced: bool) -> str:
    """Counts by true and predicted class, shaded by their share of the true class."""
    row = next(iter(part.honest(balanced)), None)
    if row is None:
        return ""
    cases = _predictions(part, row)
    k = cases.n_classes
    counts = np.bincount(cases.labels * k + cases.predicted, minlength=k * k).reshape(k, k)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = [_short(name) for name in part.problem.classes]
    _figure(axes).set_size_inches(max(3.5, 1.3 + 0.4 * k), max(2.8, 1.2 + 0.36 * k))
    for (y, x), share in np.ndenumerate(shares):
        axes.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, color=to_rgba(BLUE, 0.62 * share)))
        if k <= MOST_CLASSES:
            axes.text(x, y, f"{counts[y, x]:,}", ha="center", va="center", fontsize=8)
    _as_table(axes, classes, classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(label(part, row), fontsize=9, loc="left")
    return f"Confusion matrix of {label(part, row)}; share found: " + _listed(classes, list(np.diagonal(shares)))


def _curves(axes: Axes, part: Part, ranked: bool) -> str:
    """ROC (``ranked``) or precision-recall curves of every class, one against the rest."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    row = part.best
    if row is None or row["metrics"]["auroc_ovr"] is None:
        return ""
    cases, grid = _predictions(part, row), np.linspace(0, 1, CURVE_POINTS)
    common = np.argsort(-np.bincount(cases.labels, minlength=cases.n_classes), kind="stable")[: len(COLOURS)]
    for place, k in enumerate(np.sort(common)):
        truth, score = cases.labels == k, cases.scores[:, k]
        if ranked:
            low, high, _ = roc_curve(truth, score)
            grid_values = np.interp(grid, low, high)
        else:
            high, low, _ = precision_recall_curve(truth, score)
            grid_values = np.interp(grid, low[::-1], high[::-1])
        axes.plot(grid, grid_values, color=COLOURS[place], label=_short(part.problem.classes[k]))
    if ranked:
        axes.plot([0, 1], [0, 1], color=MIDDLE, linewidth=0.8, linestyle=":")
    axes.set_xlabel("1 - specificity" if ranked else "recall")
    axes.set_ylabel("sensitivity" if ranked else "precision")
    axes.figure.legend(loc="outside upper left", ncols=4, handlelength=1.2, columnspacing=1)
    name, metric = ("ROC", "auroc_ovr") if ranked else ("Precision-recall", "auprc_macro")
    return f"{name} curves by class of {label(part, row)}; {METRICS[metric].title} {digits(row['metrics'][metric])}."


def _reliability(axes: Axes, part: Part) -> str:
    """Share of right predictions against their confidence."""
    pair = _best_pair(part)
    if pair is None:
        return ""
    axes.plot([0, 1], [0, 1], color=MIDDLE, linewidth=0.8, linestyle=":")
    said = []
    for row, (colour, marker) in zip(pair, ((MIDDLE, "o"), (BLUE, "D")), strict=True):
        cases = _predictions(part, row)
        confidence = cases.scores.max(axis=1)
        right = cases.scores.argmax(axis=1) == cases.labels
        bins = np.clip(np.ceil(confidence * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
        count = np.bincount(bins, minlength=ECE_BINS)
        used = count >= 10
        means = (np.bincount(bins, weights, ECE_BINS)[used] / count[used] for weights in (confidence, right))
        axes.plot(*means, marker=marker, markersize=4, color=colour, label=label(part, row))
        said.append(f"{label(part, row)}: calibration error {digits(row['metrics']['ece'])}")
    axes.set_xlabel("confidence")
    axes.set_ylabel("share right")
    axes.figure.legend(loc="outside upper left")
    return "Confidence against the share of right predictions; on the dotted line they agree. " + "; ".join(said)


def _fold_counts(axes: Axes, part: Part) -> str:
    """Training images of every class before and after balancing, a bar a fold."""
    rows = [row for row in part.honest(balanced=True) if _resampled(part, row)]
    row = next((row for row in rows if row["balance"] == QUESTION), next(iter(rows), None))
    if row is None:
        return ""
    folds = part.cells[row["key"]].folds[:10]
    classes = [_short(name) for name in part.problem.classes]
    width = 0.8 / (2 * len(folds))
    sides = (("before", MIDDLE, -0.4), ("after", BLUE, 0.0))
    for side, colour, start in sides:
        for at, fold in enumerate(folds):
            places = np.arange(len(classes)) + start + width * (at + 0.5)
            heights = getattr(fold, f"counts_{side}")
            axes.bar(places, heights, width * 0.85, color=colour, label=f"{side} balancing" if not at else None)
    axes.set_xticks(range(len(classes)), classes, rotation=0 if sum(map(len, classes)) < 34 else 30)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("training images")
    axes.figure.legend(loc="outside upper left", ncols=2)
    means = {side: np.mean([getattr(fold, f"counts_{side}") for fold in folds], axis=0) for side, _, _ in sides}
    changes = zip(classes, means["before"], means["after"], strict=True)
    said = "; ".join(f"{name} {before:,.0f} to {after:,.0f}" for name, before, after in changes)
    return f"Training images a class in each of {len(folds)} folds, with {balancer(row['balance'])}; means: {said}."


def _map(axes: Axes, part: Part, layout: str) -> str:
    """Embeddings in two dimensions, synthetic points as crosses."""
    found = embedding_map(part)
    if found is None:
        return ""
    points: np.ndarray = getattr(found, layout)
    classes = part.problem.classes
    for k in range(min(len(classes), len(COLOURS))):
        for synthetic, marker, size in ((False, "o", 7), (True, "x", 11)):
            chosen = (found.labels == k) & (found.synthetic == synthetic)
            name = None if synthetic else _short(classes[k])
            x, y = points[chosen].round(2).T
            axes.scatter(x, y, size, COLOURS[k], marker=marker, alpha=0.8, linewidths=0.6, label=name)
    if found.synthetic.any():
        axes.scatter([], [], color=MIDDLE, marker="x", s=11, linewidths=0.8, label="SMOTE's")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.figure.legend(loc="outside upper left", ncols=4, handletextpad=0.1, columnspacing=1)
    method = {"pca": "Two principal components", "tsne": "t-SNE"}[layout]
    return (
        f"{method} of {(~found.synthetic).sum():,} images embedded by {found.model}, coloured by class, with "
        f"{found.synthetic.sum():,} synthetic points of SMOTE as crosses."
    )


def _cost(axes: Axes, part: Part) -> str:
    """Seconds of a cell against its gain in macro recall."""
    seconds = {_identity(row): row["seconds"] for row in part.rows}
    items = [item for item in part.comparisons if item["metric"] == JUDGED and seconds.get(_identity(item))]
    if not items:
        return ""
    for place, name in enumerate(heads := list(dict.fromkeys(row["head"] for row in part.rows))):
        own = [item for item in items if item["head"] == name]
        xs, ys = [seconds[_identity(item)] for item in own], [item["difference"] for item in own]
        axes.scatter(xs, ys, s=22, color=COLOURS[place % 8], marker="oD^s"[place // 8 % 4], label=name)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("seconds of the cell, all folds")
    axes.set_ylabel("gain in macro recall")
    axes.figure.legend(loc="outside upper left", ncols=3, handletextpad=0.1, columnspacing=1)
    dearest = max(items, key=lambda item: seconds[_identity(item)])
    return (
        f"Seconds against gain in macro recall of {len(items)} balanced cells with {len(heads)} heads; the dearest is "
        f"{_pair(part, dearest)}: {seconds[_identity(dearest)]:,.1f} s for {digits(dearest['difference'], sign='+')}."
    )


FIGURES: tuple[FigureRecord, ...] = (
    FigureRecord("forest-recall", "compared", title(JUDGED), partial(_forest, metric=JUDGED)),
    FigureRecord("forest-accuracy", "compared", "Accuracy", partial(_forest, metric="accuracy")),
    FigureRecord("gains", "compared", "Change of macro recall, percentage points", _gains),
    FigureRecord("class-recall", "classes", "Recall by class", _class_recall),
    FigureRecord("confusion-plain", "classes", "Confusion, no balancing", partial(_confusion, balanced=False)),
    FigureRecord("confusion-balanced", "classes", "Confusion, balanced", partial(_confusion, balanced=True)),
    FigureRecord("roc", "curves", "ROC, one class against the rest", partial(_curves, ranked=True)),
    FigureRecord("precision-recall", "curves", "Precision and recall", partial(_curves, ranked=False)),
    FigureRecord("reliability", "curves", "Reliability", _reliability),
    FigureRecord("fold-counts", "data", "Training images by fold", _fold_counts),
    FigureRecord("map-pca", "data", "Embedding map, principal components", partial(_map, layout="pca"), (3.5, 3.8)),
    FigureRecord("map-tsne", "data", "Embedding map, t-SNE", partial(_map, layout="tsne"), (3.5, 3.8)),
    FigureRecord("cost", "cost", "Seconds against gain", _cost),
)
"""Every figure in the order of the page."""


def class_metrics(part: Part, row: Row) -> dict[str, list[float | None]]:
    """Return recall, specificity, precision and AUROC of every class of a row's first repeat."""
    cases = _predictions(part, row)
    return per_class(cases.labels, cases.predicted, cases.scores, cases.n_classes)


def _predictions(part: Part, row: Row) -> Predictions:
    """The out-of-fold predictions of a row's first repeat."""
    return pooled(part.cells[row["key"]])[0][1]


def _best_pair(part: Part) -> tuple[Row, Row] | None:
    """The best row without and with balancing."""
    plain, balanced = (next(iter(part.honest(side)), None) for side in (False, True))
    return (plain, balanced) if plain and balanced else None


def _resampled(part: Part, row: Row) -> bool:
    return any((fold.counts_before != fold.counts_after).any() for fold in part.cells[row["key"]].folds)


def _identity(row: Row) -> tuple:
    """What a row and a comparison of the same cell have in common."""
    names = ("model", "head", "balance", "protocol", "folds", "repeats", "seed", "reduce", "tune")
    return tuple(row[name] for name in names)


def _pair(part: Part, item: dict[str, Any]) -> str:
    """Head and balancer, with the model where there are several."""
    model = f"{item['model']} " if len({row["model"] for row in part.rows}) > 1 else ""
    return _short(f"{model}{item['head']}, {item['balance']}", LONGEST_PAIR)


def _short(text: str, length: int = LONGEST_NAME) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _listed(names: list[str], values: list[float | None]) -> str:
    return ", ".join(f"{name} {digits(value, 2)}" for name, value in zip(names, values, strict=True))


def _figure(axes: Axes) -> Figure:
    """The whole figure that axes are alone in."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


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
