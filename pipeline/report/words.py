"""Numbers and sentences as they are written in every form of the report."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from headroom.heads.balancing import BALANCERS
from headroom.heads.scores import lift
from headroom.heads.scores.comparing import BASELINE
from headroom.heads.scores.metrics import METRICS
from headroom.heads.scores.paired import SIGNIFICANT

Row = dict[str, Any]

QUESTION = "smote"
NAMES = ("protocol", "model", "head", "balance", "folds", "repeats", "seed", "reduce", "tune", "criterion")
OUTCOMES = RAISED, LOWERED, SAME, UNCLEAR = ("raised", "lowered", "practically unchanged", "no change shown")

KINDS_OF_LIFT = {
    lift.LIFTS: "lifts {what} of {heads}",
    lift.HARMS: "lowers {what} of {heads}",
    lift.MOVES: "only moves the decision and leaves {what} of {heads} practically as it is",
    lift.NO_LIFT: "leaves {what} of {heads} practically as it is",
    lift.UNCLEAR: "is not shown to lift {what} of {heads}, where a change as fitted may be a mere move",
}

NOTHING = ["Nothing here can be reported: no cell was fitted by an honest protocol."]
RANDOM_REMARK = "RANDOM weights in {}: its numbers show that the pipeline runs, not what the network can"
INTERVALS = {
    "cv": "Intervals of values are 95 %, one at a time, for other test images like these; what other training "
    "images would have changed is not in them. Those of differences allow for it and hold all together in 95 "
    "%; those of lift do neither. In simulation tests at 5 % err in 0 to 5 of 100 cases, of heads as unstable "
    "as the nearest neighbour in up to 9; over repeats intervals of AUROC hold in 90 to 95 of 100.",
    "split": "Of protocol split: all numbers are of these fitted heads. Intervals (95 %; of values and of lift one at "
    "a time, of other differences all together) and p are for other test images like these; what fitting "
    "again, or other training images, would change is in none of them. In simulation with some 100 tested "
    "images differences miss their interval in up to 8 of 100 cases.",
}
EARLIER_REMARK = "{:,} cells of {} by an earlier version are not shown beside newer ones: fit them again"
LEAKY_REMARK = "DO NOT REPORT: rows of protocol leaky resample before the split; they show what that would have claimed"


def digits(value: float | None, places: int = 3, sign: str = "") -> str:
    """A number with a fixed number of decimals, or a dash.

    >>> digits(0.12345), digits(0.12345, 2, "+"), digits(None)
    ('0.123', '+0.12', '-')
    """
    return "-" if value is None else f"{value:{sign}.{places}f}"


def interval(bounds: Any, sign: str = "", places: int = 3) -> str:
    """A 95 % interval in brackets, or nothing.

    >>> interval([0.1, 0.25], "+"), interval(None)
    ('[+0.100, +0.250]', '')
    """
    if bounds is None or bounds[0] is None:
        return ""
    return f"[{digits(bounds[0], places, sign)}, {digits(bounds[1], places, sign)}]"


def measured(row: Row, metric: str) -> str:
    """A metric of a row with its interval."""
    return f"{digits(row['metrics'][metric])} {interval(row['intervals'].get(metric))}".rstrip()


def difference(item: Row) -> str:
    """A comparison's difference with its interval."""
    return f"{digits(item['difference'], sign='+')} {interval(bounds(item), '+')}".rstrip()


def bounds(item: Row) -> tuple[float | None, float | None]:
    """The interval of a comparison that holds together with its family's (Bonferroni; Holm's p is a little sharper)."""
    return item["low_simultaneous"], item["high_simultaneous"]


def turned(ends: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    """The interval of a difference the other way round."""
    low, high = ends
    return None if high is None else -high, None if low is None else -low


def outlook(item: Row) -> str:
    """The three posterior probabilities of a comparison."""
    return " / ".join(digits(item[name], 2) for name in ("p_better", "p_equivalent", "p_worse"))


def capital(text: str) -> str:
    """A text with a capital letter in front."""
    return text[:1].upper() + text[1:]


def model_name(name: str, random_weights: bool) -> str:
    """A model's name as it is shown; random weights are said wherever it stands."""
    return name + " (random weights)" * random_weights


def setting(row: Row, name: str) -> str:
    """A setting of a row as it is shown."""
    if row[name] is None:
        return "-"
    return model_name(row["model"], row["random_weights"]) if name == "model" else str(row[name])


def settings(row: Row, names: Iterable[str]) -> str:
    """Settings of a row in words, those of ``names`` only.

    >>> settings({"protocol": "cv", "folds": 5, "repeats": 2, "reduce": "pca:5"}, ("folds", "repeats", "reduce"))
    '5 folds x 2, reduced to pca:5'
    """
    wanted = {name: row[name] for name in names if row.get(name) is not None}
    said = [setting(row, name) for name in ("model", "protocol") if name in wanted]
    if row["protocol"] != "split":
        folds = [f"{wanted['folds']} folds"] if "folds" in wanted else []
        said.append(" ".join(folds + [f"x {row['repeats']}"] * (wanted.get("repeats", 1) > 1)))
    said += [f"reduced to {wanted.get('reduce')}"] * ("reduce" in wanted) + ["tuned"] * bool(wanted.get("tune"))
    said += [f"{name} {wanted[name]}" for name in ("criterion", "seed") if name in wanted]
    return ", ".join(filter(None, said))


def positive(row: Row) -> str:
    """Of which of two classes sensitivity is; nothing with more."""
    return f", positive: {row['positive']}" if row["positive"] else ""


def run(row: Row, names: Collection[str]) -> str:
    """Settings of a row in as few letters as can be, those of ``names`` only.

    >>> run({"protocol": "cv", "folds": 5, "repeats": 2, "seed": 0, "reduce": "pca:5", "tune": True}, NAMES[:-1])
    'cv 5x2 pca:5 tuned seed 0'
    """
    wanted = {name: row[name] for name in ("protocol", "reduce") if name in names and row[name]}
    by_folds = row["protocol"] != "split" and not {"folds", "repeats"}.isdisjoint(names)
    folds = f"{row['folds']}x{row['repeats']}" if by_folds else ""
    tuned = "tuned" if "tune" in names and row["tune"] else ""
    criterion = row["criterion"] if "criterion" in names else ""
    seed = f"seed {row['seed']}" if "seed" in names else ""
    return " ".join(filter(None, (wanted.get("protocol"), folds, wanted.get("reduce"), tuned, criterion, seed)))


def balancer(name: str) -> str:
    """A balancer's title; the name where it is none of ours."""
    return BALANCERS[name].title if name in BALANCERS else name


def label(row: Row, differing: Sequence[str]) -> str:
    """Name a row by what tells it apart from the others."""
    names = [name for name in differing if name not in ("head", "balance") and row[name] is not None]
    context = ", ".join(
        setting(row, name) if name in ("model", "protocol") else f"{name} {row[name]}" for name in names
    )
    balance = "without balancing" if row["balance"] == BASELINE else f"with {balancer(row['balance'])}"
    return f"{row['head']} {balance}" + (f" ({context})" if context else "")


def outcome(item: Row) -> str:
    """What a balancer does to a metric, one of `OUTCOMES`.

    Practically unchanged: Holm's p of the test of equivalence below 5 %. Raised or lowered: that of the difference.
    """
    if item["p_same_holm"] is not None and item["p_same_holm"] < SIGNIFICANT:
        return SAME
    if item["p_holm"] is None or item["p_holm"] >= SIGNIFICANT:
        return UNCLEAR
    return RAISED if item["difference"] > 0 else LOWERED


def mark(item: Row) -> str:
    """``*`` for a significant difference, ``=`` for one that is practically none, else nothing.

    >>> mark({"difference": 0.1, "p_holm": 0.01, "p_same_holm": 0.8})
    '*'
    """
    return {SAME: "=", UNCLEAR: ""}.get(outcome(item), "*")


def sentence(comparison: Mapping[str, Any]) -> str:
    """Say, without a full stop, what a balancer does to a metric, and how sure that is.

    >>> comparison = {
    ...     "head": "svm", "balance": "smote", "metric": "recall_macro", "difference": 0.045,
    ...     "low_simultaneous": 0.031, "high_simultaneous": 0.059, "p_holm": 0.003, "p_same_holm": 0.99,
    ... }
    >>> sentence(comparison)
    'SMOTE raises macro recall of svm by 0.045 [0.031, 0.059]; p = 0.003 (Holm)'
    >>> same = {"difference": 0.001, "low_simultaneous": -0.004, "high_simultaneous": 0.006, "p_same_holm": 0.01}
    >>> sentence(comparison | same)
    'SMOTE leaves macro recall of svm practically unchanged: +0.001 [-0.004, 0.006]; p = 0.010 (equivalence, Holm)'
    """
    metric, found = METRICS[comparison["metric"]], outcome(dict(comparison))
    title = balancer(comparison["balance"])
    s = "" if title.endswith("s") and not title.endswith("ss") else "s"
    heads = f"these fitted {comparison['head']} heads" if comparison.get("protocol") == "split" else comparison["head"]
    subject, of = capital(title), f"{metric.title} of {heads}"
    change, p_holm, ends = comparison["difference"], comparison["p_holm"], bounds(dict(comparison))
    if p_holm is None:
        return f"{subject} change{s} {of} by {change:+.3f}; the images allow no test"
    p = f"{p_value(p_holm)} (Holm)"
    if found == SAME:
        p = f"{p_value(comparison['p_same_holm'])} (equivalence, Holm)"
        return f"{subject} leave{s} {of} practically unchanged: {change:+.3f} {interval(ends)}; {p}"
    if found == UNCLEAR:
        return f"{subject} cannot be shown to change {of}: {change:+.3f} {interval(ends)}; {p}"
    verb = "raise" if found == RAISED else "lower"
    if found == LOWERED:
        ends = turned(ends)
    value = "" if metric.higher_is_better else ", for the worse" if change > 0 else ", for the better"
    return f"{subject} {verb}{s} {of} by {abs(change):.3f} {interval(ends)}{value}; {p}"


def p_value(p: float) -> str:
    """A probability, not smaller than can be told.

    >>> p_value(0.0004), p_value(0.02)
    ('p < 0.001', 'p = 0.020')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def lead(item: Row, family: str) -> str:
    """Say how far one row is ahead of another, and how sure that is; ``family`` is what p is corrected for."""
    if item["p_holm"] is None:
        return "the two cannot be tested against each other"
    sure = "the lead is" if item["p_holm"] < SIGNIFICANT else "the lead may be noise:"
    return f"{sure} {difference(item)}, {p_value(item['p_holm'])} (Holm, {family})"


def worth(comparisons: Sequence[Row], criterion: str) -> list[str]:
    """Say for which heads SMOTE helps or harms, and how small a difference could have been found."""
    lines = []
    for metric in dict.fromkeys((criterion, "accuracy")):
        items = [item for item in comparisons if item["balance"] == QUESTION and item["metric"] == metric]
        groups: dict[str, list[str]] = {found: [] for found in OUTCOMES}
        for item in items:
            groups[outcome(item)].append(item["head"])
        said = [f"{found} for {_counted(heads)}" for found, heads in groups.items() if heads]
        fitted = ", of these fitted heads" * any(item["protocol"] == "split" for item in items)
        found = sorted(item["detectable_holm"] for item in items if item["detectable_holm"] is not None)
        if found:
            least = " to ".join(dict.fromkeys(map(digits, (found[0], found[-1]))))
            said.append(f"found in 80 % of cases would be a true change of {least}")
        lines += [f"{capital(METRICS[metric].title)} with {balancer(QUESTION)}{fitted}: {'; '.join(said)}."] * bool(
            said
        )
    return lines


def lifts(items: Sequence[Row]) -> list[str]:
    """Say for which heads SMOTE lifts the curve, and by how much, for which it only moves along it or harms."""
    heads: dict[str, list[str]] = {kind: [] for kind in KINDS_OF_LIFT}
    for item in items:
        if item["balance"] == QUESTION:
            shown = item["kind"] in (lift.LIFTS, lift.HARMS)
            value = f" ({digits(item['lift'], sign='+')}, as fitted {digits(item['gain'], sign='+')})"
            heads[item["kind"]].append(item["head"] + value * shown)
    named = [(found, _counted(heads[kind])) for kind, found in KINDS_OF_LIFT.items() if heads[kind]]
    whats = [METRICS[lift.JUDGED].title, *["that"] * len(named)]
    said = "; ".join(found.format(what=what, heads=of) for (found, of), what in zip(named, whats, strict=False))
    return [f"At equal accuracy {balancer(QUESTION)} {said}."] if said else []


def _counted(names: list[str]) -> str:
    """Names, each with how often it occurs where more than once."""
    counts = {name: names.count(name) for name in names}
    return ", ".join(name if count == 1 else f"{name} (x{count})" for name, count in counts.items())
