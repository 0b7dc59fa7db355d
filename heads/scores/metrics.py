"""The table of metrics, and their values for one set of predictions.

A class that no case has is left out of every mean over classes; what is undefined all the same (a specificity where
all cases are of one class, a score metric where a score is not finite) is None, never NaN.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from headroom.heads.scores.predictions import Predictions, Tally

CONFUSION: Literal["confusion"] = "confusion"
SCORES: Literal["scores"] = "scores"

PerClass = Callable[[Tally], np.ndarray]


@dataclass(frozen=True)
class MetricRecord:
    """One metric.

    Attributes
    ----------
    title : str
        As written in a sentence.
    higher_is_better : bool
    needs : str
        ``"confusion"`` (true and predicted classes) or ``"scores"`` (class probabilities).
    definition : str
        One line.
    compute : callable
        Maps a `Tally` of b replicates to an array of shape (b,), NaN where undefined.
    ordinal_only : bool
        Whether it is defined for ordered classes only.
    inflates : bool
        Whether drawing cases twice raises it on average, so that its bootstrap has to be shifted back.
    """

    title: str
    higher_is_better: bool
    needs: Literal["confusion", "scores"]
    definition: str
    compute: Callable[[Tally], np.ndarray]
    ordinal_only: bool = False
    inflates: bool = False


def _ratio(numerator: np.ndarray, denominator: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    """Quotient, with a fixed value where the denominator is zero."""
    quotient = np.full(np.broadcast(numerator, denominator).shape, otherwise)
    return np.divide(numerator, denominator, out=quotient, where=denominator != 0)


def _counts(tally: Tally) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hits, true and predicted cases by class, shape (b, k), and all cases, shape (b, 1)."""
    confusion = tally.confusion
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    true, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    return hits, true, predicted, true.sum(axis=1, keepdims=True)


def _macro(per_class: PerClass) -> Callable[[Tally], np.ndarray]:
    """The mean of a metric by class, over the classes that occur among the labels."""

    def mean(tally: Tally) -> np.ndarray:
        present = tally.confusion.sum(axis=2) > 0
        return _ratio(np.where(present, per_class(tally), 0).sum(axis=1), present.sum(axis=1))

    return mean


def _recalls(tally: Tally) -> np.ndarray:
    hits, true, _, _ = _counts(tally)
    return _ratio(hits, true)


def _specificities(tally: Tally) -> np.ndarray:
    hits, true, predicted, total = _counts(tally)
    return _ratio(total - true - predicted + hits, total - true)


def _precisions(tally: Tally) -> np.ndarray:
    hits, true, predicted, _ = _counts(tally)
    return np.where(true > 0, _ratio(hits, predicted, otherwise=0.0), np.nan)


def _f1s(tally: Tally) -> np.ndarray:
    hits, true, predicted, _ = _counts(tally)
    return np.where(true > 0, _ratio(2 * hits, true + predicted), np.nan)


def _aurocs(tally: Tally) -> np.ndarray:
    return tally.ranking[0]


def _average_precisions(tally: Tally) -> np.ndarray:
    return tally.ranking[1]


def _accuracy(tally: Tally) -> np.ndarray:
    hits, _, _, total = _counts(tally)
    return _ratio(hits.sum(axis=1), total[:, 0])


def _mcc(tally: Tally) -> np.ndarray:
    hits, true, predicted, total = _counts(tally)
    squared = total[:, 0] ** 2
    covariance = hits.sum(axis=1) * total[:, 0] - (true * predicted).sum(axis=1)
    variances = (squared - (true**2).sum(axis=1)) * (squared - (predicted**2).sum(axis=1))
    return _ratio(covariance, np.sqrt(variances), otherwise=0.0)


def _kappa(tally: Tally) -> np.ndarray:
    _, true, predicted, total = _counts(tally)
    grades = np.arange(true.shape[1])
    distance = (grades[:, None] - grades) ** 2
    observed = (tally.confusion * distance).sum(axis=(1, 2))
    expected = np.einsum("bi,ij,bj->b", true, distance.astype(float), predicted)
    return 1 - _ratio(observed * total[:, 0], expected)


def _log_loss(tally: Tally) -> np.ndarray:
    return tally.penalties[0]


def _brier(tally: Tally) -> np.ndarray:
    return tally.penalties[1]


def _ece(tally: Tally) -> np.ndarray:
    return np.abs(tally.penalties[2:]).sum(axis=0)


METRICS: dict[str, MetricRecord] = {
    "accuracy": MetricRecord("accuracy", True, CONFUSION, "Share of cases whose predicted class is right.", _accuracy),
    "balanced_accuracy": MetricRecord(
        "balanced accuracy", True, CONFUSION, "Another name of macro recall.", _macro(_recalls)
    ),
    "recall_macro": MetricRecord(
        "macro recall", True, CONFUSION, "Mean over classes of TP / (TP + FN), the sensitivity.", _macro(_recalls)
    ),
    "specificity_macro": MetricRecord(
        "macro specificity", True, CONFUSION, "Mean over classes of one-vs-rest TN / (TN + FP).", _macro(_specificities)
    ),
    "precision_macro": MetricRecord(
        "macro precision", True, CONFUSION, "Mean over classes of TP / (TP + FP); 0 without any.", _macro(_precisions)
    ),
    "f1_macro": MetricRecord(
        "macro F1", True, CONFUSION, "Mean over classes of 2 TP / (2 TP + FP + FN).", _macro(_f1s)
    ),
    "mcc": MetricRecord(
        "Matthews correlation", True, CONFUSION, "Multi-class MCC (Gorodkin 2004); 0 if all is one class.", _mcc
    ),
    "kappa_quadratic": MetricRecord(
        "quadratic weighted kappa", True, CONFUSION, "Cohen's kappa weighted by squared grade distance.", _kappa, True
    ),
    "auroc_ovr": MetricRecord(
        "one-vs-rest AUROC", True, SCORES, "Mean over classes of the area under the ROC curve.", _macro(_aurocs)
    ),
    "auprc_macro": MetricRecord(
        "macro average precision", True, SCORES, "Mean over classes of average precision.", _macro(_average_precisions)
    ),
    "log_loss": MetricRecord(
        "log loss", False, SCORES, "Mean of -log p(true class), p clipped at the scores' machine epsilon.", _log_loss
    ),
    "brier": MetricRecord(
        "Brier score", False, SCORES, "Mean squared distance from the one-hot label, 0 to 2 (Brier 1950).", _brier
    ),
    "ece": MetricRecord(
        "expected calibration error",
        False,
        SCORES,
        "Top label, 15 equal-width bins (Guo et al. 2017).",
        _ece,
        inflates=True,
    ),
}

PER_CLASS: dict[str, tuple[str, PerClass]] = {
    "recall": (CONFUSION, _recalls),
    "specificity": (CONFUSION, _specificities),
    "precision": (CONFUSION, _precisions),
    "auroc": (SCORES, _aurocs),
}


def evaluate(repeats: Sequence[Tally], ordinal: bool, names: Iterable[str] = tuple(METRICS)) -> dict[str, np.ndarray]:
    """Compute metrics for every replicate of a tally, averaged over the repeats of a cross-validation.

    Parameters
    ----------
    repeats : sequence of Tally
        The predictions of each repeat, under as many sets of case weights (b).
    ordinal : bool
        Whether the classes are ordered.
    names : iterable of str
        Keys of `METRICS`.

    Returns
    -------
    dict of str to ndarray, shape (b,)
        NaN where a metric is undefined in a repeat.

    Examples
    --------
    >>> import numpy as np
    >>> predictions = Predictions(np.array([0, 1, 1]), np.array([0, 1, 0]), np.eye(2)[[0, 1, 0]], 2)
    >>> weights = np.array([[1.0, 2.0], [1.0, 1.0], [1.0, 0.0]])
    >>> evaluate([Tally(predictions, weights)], False, ["accuracy"])["accuracy"].round(3)
    array([0.667, 1.   ])
    """
    return {name: np.mean([_value(METRICS[name], tally, ordinal) for tally in repeats], axis=0) for name in names}


def _value(record: MetricRecord, tally: Tally, ordinal: bool) -> np.ndarray:
    """The metric where it applies, else NaN."""
    applies = (ordinal or not record.ordinal_only) and (tally.predictions.scores_usable or record.needs == CONFUSION)
    return record.compute(tally) if applies else np.full(tally.weights.shape[1], np.nan)


def score(
    labels: np.ndarray,
    predicted: np.ndarray,
    scores: np.ndarray,
    n_classes: int,
    ordinal: bool,
    names: Iterable[str] = tuple(METRICS),
) -> dict[str, float | None]:
    """Compute the metrics of one set of predictions.

    Parameters
    ----------
    labels, predicted : ndarray of int, shape (n,)
        True and predicted class of each case, in 0 to `n_classes` - 1.
    scores : ndarray of float, shape (n, n_classes)
        Class probabilities, each row summing to 1. They need not agree with `predicted`.
    n_classes : int
    ordinal : bool
        Whether the classes are ordered; quadratic weighted kappa is None where they are not.
    names : iterable of str
        Keys of `METRICS`.

    Returns
    -------
    dict of str to float or None
        None where a metric is undefined. Classes that no case has are left out of the means over classes.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([0, 0, 1, 2])
    >>> predicted = np.array([0, 0, 1, 1])
    >>> score(labels, predicted, np.eye(3)[predicted], 3, ordinal=True, names=["accuracy", "recall_macro"])
    {'accuracy': 0.75, 'recall_macro': 0.6666666666666666}
    """
    values = evaluate([Tally.once(Predictions(labels, predicted, scores, n_classes))], ordinal, names)
    return {name: number(value[0]) for name, value in values.items()}


def per_class(
    labels: np.ndarray, predicted: np.ndarray, scores: np.ndarray, n_classes: int
) -> dict[str, list[float | None]]:
    """Compute one-vs-rest recall, specificity, precision and AUROC of every class.

    Parameters
    ----------
    labels, predicted, scores, n_classes
        As for `score`.

    Returns
    -------
    dict of str to list
        ``recall``, ``specificity``, ``precision`` and ``auroc``; one entry a class, None where it is undefined:
        recall, precision and AUROC of a class that no case has, specificity and AUROC of one that all cases have.
        The precision of a class that is never predicted is 0.

    Examples
    --------
    >>> import numpy as np
    >>> per_class(np.array([0, 0, 1]), np.array([0, 1, 1]), np.eye(3)[[0, 1, 1]], 3)["recall"]
    [0.5, 1.0, None]
    """
    tally = Tally.once(Predictions(labels, predicted, scores, n_classes))
    usable = tally.predictions.scores_usable
    return {
        name: [number(value) for value in compute(tally)[0]] if usable or needs == CONFUSION else [None] * n_classes
        for name, (needs, compute) in PER_CLASS.items()
    }


def number(value: float) -> float | None:
    """Turn a computed value into a plain float, and what is undefined into None.

    Parameters
    ----------
    value : float

    Returns
    -------
    float or None

    Examples
    --------
    >>> number(float("nan")) is None
    True
    """
    return float(value) if np.isfinite(value) else None
