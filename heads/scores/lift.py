"""Does balancing lift the curve of macro recall against accuracy, or only move the decision along it?

Every head's decision can be moved between the classes at no cost, so a balanced head is compared with the unbalanced
one at equal accuracy, both at their best. What is left is a better ranking of the images: the lift.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headroom.heads.cell import Cell
from headroom.heads.scores.comparing import BASELINE, contrast, plan_comparisons
from headroom.heads.scores.intervals import freedom, resting_on, standard_error
from headroom.heads.scores.metrics import METRICS, number
from headroom.heads.scores.paired import ROPE, ROUNDING, SIGNIFICANT, PairedResult, holm, paired_t
from headroom.heads.scores.scored import Scored
from headroom.heads.scores.tradeoff import AXES, EXPONENTS, REPLICATES

PROTOCOLS = ("cv", "split")
JUDGED = "recall_macro"
POINTS = 21  # accuracies at which two curves are compared
SPREAD = (np.arange(POINTS) + 0.5) / POINTS
FEW_POINTS = 6  # of a curve
RARE = 3  # cases of which none may show a difference, and the true share still be 3 / n (the rule of three)
KINDS = LIFTS, MOVES, HARMS, NO_LIFT, UNCLEAR = ("lifts", "moves", "harms", "no lift", "unclear")
NO_SCORES = "a score is not a finite number"


@dataclass(frozen=True, eq=False)
class Curve:
    """A trade-off curve: of all cases, then of each bootstrap replicate.

    Attributes
    ----------
    accuracy, recall : ndarray of float, shape (1 + b, points)
    """

    accuracy: np.ndarray
    recall: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """Points that no other beats in both, by falling accuracy and rising recall."""
        order = np.lexsort((-self.recall[0], -self.accuracy[0]))
        recall = self.recall[0][order]
        return order[np.flatnonzero(recall > np.concatenate([[-1.0], np.maximum.accumulate(recall)[:-1]]))]

    def shares(self, at: np.ndarray) -> np.ndarray:
        """How often each point's decision is drawn by lot to reach an accuracy at its best, shape (m, points)."""
        best = self.best[::-1]
        known, of = self.accuracy[0][best], np.arange(len(at))
        after = np.searchsorted(known, at).clip(1 if len(best) > 1 else 0, len(best) - 1)
        before = np.maximum(after - 1, 0)
        span = known[after] - known[before]
        share = np.divide(at - known[before], span, out=np.ones(len(at)), where=span > 0).clip(0, 1)
        drawn = np.zeros((len(at), self.accuracy.shape[1]))
        drawn[of, best[before]] = 1 - share
        drawn[of, best[after]] += share
        return drawn


def curve_of(scored: Scored) -> Curve:
    """The curve that was kept of a cell."""
    return Curve(*(scored.tradeoff[name].reshape(-1, len(EXPONENTS)).astype(np.float64) for name in AXES))


def window(one: Curve, other: Curve) -> tuple[float, float]:
    """From the accuracy of the highest recall, the larger of the two, to the highest accuracy that both reach.

    Where one curve lies above the other's highest accuracy even at its highest recall, that accuracy alone.
    """
    low, high = (
        edge(float(curve.accuracy[0][curve.best[place]]) for curve in (one, other))
        for edge, place in ((max, -1), (min, 0))
    )
    return min(low, high), high


def lift_values(balanced: Curve, baseline: Curve) -> np.ndarray:
    """Mean difference of the best macro recall at equal accuracy, and its bootstrap replicates.

    The replicates are linear: they keep the decisions that are best on all cases, and weigh a change of accuracy by the
    slope of the curve. Choosing the best decisions anew in each would count the luck of the choice twice. Where a curve
    has few points, as with the few distinct scores of k-NN, it is they that vary most, and they are chosen anew.

    Parameters
    ----------
    balanced, baseline : Curve
        Of the same replicates.

    Returns
    -------
    ndarray of float, shape (1 + b,)
    """
    if min(len(curve.best) for curve in (balanced, baseline)) < FEW_POINTS:
        return _chosen_anew(balanced, baseline)
    low, high = window(balanced, baseline)
    at = low + (high - low) * SPREAD
    slope = _slope(balanced, baseline)
    heights = []
    for curve in (balanced, baseline):
        drawn = curve.shares(at).mean(axis=0)
        recall, accuracy = curve.recall @ drawn, curve.accuracy @ drawn
        heights.append(recall - slope * (accuracy - accuracy[0]))
    return heights[0] - heights[1]


def _chosen_anew(*curves: Curve) -> np.ndarray:
    """Mean difference of the best macro recall at equal accuracy, with window and decisions of each replicate."""
    found = []
    for rows in zip(*(zip(curve.accuracy, curve.recall, strict=True) for curve in curves), strict=True):
        fronts = [_front(*row) for row in rows]
        high = min(accuracy[-1] for accuracy, _ in fronts)
        low = min(max(accuracy[0] for accuracy, _ in fronts), high)
        heights = [np.interp(low + (high - low) * SPREAD, *front).mean() for front in fronts]
        found.append(heights[0] - heights[1])
    return np.array(found)


def _front(accuracy: np.ndarray, recall: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points that no other beats in both, by rising accuracy."""
    order = np.lexsort((recall, accuracy))
    accuracy, recall = accuracy[order], recall[order]
    above = np.maximum.accumulate(np.append(recall, -1.0)[::-1])[::-1][1:]
    return accuracy[recall > above], recall[recall > above]


def _slope(*curves: Curve) -> float:
    """Recall gained per accuracy lost between the ends of the curves, over all replicates, for one curve is short."""
    gained = lost = 0.0
    for curve in curves:
        rows = np.arange(len(curve.recall))
        ends = curve.accuracy.argmax(axis=1), curve.recall.argmax(axis=1)
        (recall, to_recall), (accuracy, to_accuracy) = (
            [values[rows, end] for end in ends] for values in (curve.recall, curve.accuracy)
        )
        gained, lost = gained + float((to_recall - recall).sum()), lost + float((to_accuracy - accuracy).sum())
    return gained / lost if lost < 0 else 0.0


def matched_values(balanced: Curve, baseline: Curve, at: np.ndarray, axis: str) -> tuple[np.ndarray, np.ndarray]:
    """Difference of the best of one axis where the other is no less than ``at``, and than both reach: (1 + b,) each."""
    sides = [(curve.accuracy, curve.recall)[:: 1 if axis == "accuracy" else -1] for curve in (balanced, baseline)]
    at = np.minimum(at, np.min([known.max(axis=1) for known, _ in sides], axis=0))
    best = [np.where(known >= at[:, None], wanted, -np.inf).max(axis=1) for known, wanted in sides]
    return best[0] - best[1], at


def judged(values: np.ndarray, units: Sequence[float], rope: float = ROPE) -> PairedResult:
    """Test a difference of macro recalls by the standard error of its bootstrap replicates.

    The variance is not widened for other training images, as that of metrics is: in simulation the lift keeps its level
    without (docs/validity.md).

    Parameters
    ----------
    values : ndarray of float, shape (1 + b,)
        The difference, and its replicates; undefined ones (NaN) are left out.
    units : sequence of float
        `Scored.units`.
    rope : float
        Half width of the region of practical equivalence.

    Returns
    -------
    PairedResult
        Only the difference where more than half of the replicates are undefined, or none differs from it.
    """
    df = freedom(resting_on(METRICS[JUDGED], np.array(units)))
    error = standard_error(values[1:], df)
    return paired_t(float(values[0]), error if error > ROUNDING or not values[0] else np.nan, df, rope)


def lifts(cells: Iterable[Cell], scored: Mapping[str, Scored], *, rope: float = ROPE) -> list[dict[str, Any]]:
    """Say of every balanced cell whether it lifts the curve of its baseline, or only moves along it.

    Parameters
    ----------
    cells : iterable of Cell
        One family: Holm's correction is over all of them.
    scored : mapping of str to Scored
        By key.
    rope : float
        A lift no larger than this is practically none.

    Returns
    -------
    list of dict
        ``key``, ``dataset``, ``model``, ``head``, ``balance``, ``against``, ``protocol``; ``lift`` with ``low``,
        ``high``, ``p``, ``p_holm``; ``p_same``, of a lift outside the region of practical equivalence (two one-sided
        tests, Holm); ``gain`` in macro recall as fitted with ``gain_p_holm``, and ``move``, what of it is no lift;
        ``window``, the accuracies that were compared; ``matched`` and ``matched_recall``, the difference in macro
        recall (accuracy) at the baseline's own accuracy (macro recall), or as near to it as both reach, dicts of
        ``at``, ``difference``, ``low``, ``high``; ``kind``, see `kind_of`; ``reason`` why there is no lift, else
        empty. What cannot be said is None. Equal scores have no lift by construction and count in no family.
    """
    pairs = plan_comparisons([cell for cell in cells if cell.protocol in PROTOCOLS], scored).pairs
    rows = [_row(cell, baseline, scored, rope) for cell, baseline in pairs]
    tested = [
        row for row, pair in zip(rows, pairs, strict=True) if len({scored[cell.key].ranking for cell in pair}) > 1
    ]
    for family, name, adjusted in (
        (tested, "p", "p_holm"),
        (tested, "p_same", "p_same"),
        (rows, "gain_p_holm", "gain_p_holm"),
    ):
        for row, p in zip(family, holm([row[name] for row in family]), strict=True):
            row[adjusted] = p
    for row in rows:
        row["kind"] = kind_of(row)
    return rows


def kind_of(row: Mapping[str, Any]) -> str:
    """What a balancer does, one of `KINDS`, by tests corrected for their number at 5 %.

    Moves: its lift is shown to be practically none, and its gain in macro recall as fitted is shown. No lift: the
    first without the second. Lifts, harms: its lift is shown, and which way. Else unclear.
    """
    if row["p_same"] is not None and row["p_same"] < SIGNIFICANT:
        gains = row["gain_p_holm"] is not None and row["gain_p_holm"] < SIGNIFICANT
        return MOVES if gains else NO_LIFT
    if row["p_holm"] is None or row["p_holm"] >= SIGNIFICANT:
        return UNCLEAR
    return LIFTS if row["lift"] > 0 else HARMS


def _row(cell: Cell, baseline: Cell, scored: Mapping[str, Scored], rope: float) -> dict[str, Any]:
    """One comparison, its p values not yet corrected."""
    one, other = scored[cell.key], scored[baseline.key]
    balanced, unbalanced = curve_of(one), curve_of(other)
    usable = bool(np.isfinite(balanced.accuracy).all() and np.isfinite(unbalanced.accuracy).all())
    found = judged(lift_values(balanced, unbalanced), other.units, rope) if usable else PairedResult()
    gain = contrast([cell], [baseline], scored, [JUDGED], rope)[JUDGED]
    move = None if found.difference is None or gain.difference is None else gain.difference - found.difference
    return {
        **{"key": cell.key, **cell.place},
        **{"against": BASELINE, "protocol": cell.protocol, "lift": found.difference},
        **{
            "low": found.low,
            "high": found.high,
            "p": found.p,
            "p_holm": found.p,
            "p_same": _p_same(found, one, other, rope),
        },
        **{
            "gain": gain.difference,
            "gain_p_holm": gain.p,
            "move": move,
        },
        "window": list(window(balanced, unbalanced)) if usable else None,
        "matched": _matched(balanced, unbalanced, other, "accuracy") if usable else None,
        "matched_recall": _matched(balanced, unbalanced, other, "recall_macro") if usable else None,
        "kind": UNCLEAR,
        "reason": "" if usable else NO_SCORES,
    }


def _p_same(found: PairedResult, one: Scored, other: Scored, rope: float) -> float | None:
    """The larger p of two one-sided tests; nothing is said that a few cases of the rarest class would undo."""
    if found.difference is None:
        return None
    if one.ranking == other.ranking:
        return 0.0
    rarest = one.tested.sum(axis=0)[one.tested.any(axis=0)] * one.n / one.tested.sum()
    if found.p_above is None or found.p_below is None or RARE / (len(rarest) * rarest.min()) > rope:
        return None
    return max(found.p_above, found.p_below)


def _matched(balanced: Curve, baseline: Curve, fitted: Scored, axis: str) -> dict[str, float | None]:
    """The difference where the baseline is as fitted."""
    own = np.concatenate([[fitted.metrics[axis]], fitted.drawn[axis][:REPLICATES]])
    at = own.astype(np.float32).astype(np.float64)  # rounded as the curves were
    values, at = matched_values(balanced, baseline, at, axis)
    found = judged(values, fitted.units)
    return {"at": number(at[0]), "difference": found.difference, "low": found.low, "high": found.high}
