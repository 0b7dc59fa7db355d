"""The table of metrics, and their values for one set of predictions.

A class that no case has is left out of every mean over classes; what is undefined all the same (a specificity where
all cases are of one class, a score metric where a score is not finite) is None, never NaN.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from headroom.heads.scores.predictions import Sums

CONFUSION: Literal["confusion"] = "confusion"
SCORES: Literal["scores"] = "scores"

Measure = Callable[[Sums], np.ndarray]


@dataclass(frozen=True)
class MetricRecord:
    """One metric.

    Attributes
    ----------
    title, short : str
        As written in a sentence, and over a column.
    higher_is_better : bool
    needs : str
        ``"confusion"`` (true and predicted classes) or ``"scores"`` (class probabilities).
    compute : callable
        Maps `Sums` of b replicates to an array of shape (b,), or (b, k) in `PER_CLASS`; NaN where undefined.
    definition : str
        One line.
    ordinal_only : bool
        Whether it is defined for ordered classes only.
    within_folds : bool
        Whether it compares scores of different cases, so that each fold has to be measured alone: folds have models and
        calibration maps of their own. It is averaged over the folds in which it is defined.
    binary : str
        ``"only"`` where it is defined for two classes only, ``"hidden"`` where it says nothing new of two.
    mean_of : str
        What it is the mean of over the classes, a key of `PER_CLASS`; empty where cases weigh alike.
    of_class : int, optional
        The class that it is of, where cases of others do not count.
    low, high : float
        Bounds of its values.
    main, printed, compared : bool
        Whether the narrow tables show it, whether the wide ones do, whether balancing is tested on it.
    """

    title: str
    short: str
    higher_is_better: bool
    needs: Literal["confusion", "scores"]
    compute: Measure
    definition: str
    ordinal_only: bool = False
    within_folds: bool = False
    binary: Literal["", "only", "hidden"] = ""
    mean_of: str = ""
    of_class: int | None = None
    low: float = 0.0
    high: float = 1.0
    main: bool = False
    printed: bool = False
    compared: bool = False


def _ratio(numerator: np.ndarray, denominator: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    """Quotient, with a fixed value where the denominator is zero."""
    quotient = np.full(np.broadcast(numerator, denominator).shape, otherwise)
    return np.divide(numerator, denominator, out=quotient, where=denominator != 0)


def _counts(sums: Sums) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hits, true and predicted cases by class, shape (b, k), and all cases, shape (b, 1)."""
    confusion = sums.confusion
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    true, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    return hits, true, predicted, true.sum(axis=1, keepdims=True)


def _macro(by_class: Measure) -> Measure:
    """The mean of a metric by class, over the classes that occur among the labels."""

    def mean(sums: Sums) -> np.ndarray:
        present = sums.confusion.sum(axis=2) > 0
        return _ratio(np.where(present, by_class(sums), 0).sum(axis=1), present.sum(axis=1))

    return mean


def _recalls(sums: Sums) -> np.ndarray:
    hits, true, _, _ = _counts(sums)
    return _ratio(hits, true)


def _specificities(sums: Sums) -> np.ndarray:
    hits, true, predicted, total = _counts(sums)
    return _ratio(total - true - predicted + hits, total - true)


def _precisions(sums: Sums) -> np.ndarray:
    hits, true, predicted, _ = _counts(sums)
    return np.where(true > 0, _ratio(hits, predicted, otherwise=0.0), np.nan)


def _f1s(sums: Sums) -> np.ndarray:
    hits, true, predicted, _ = _counts(sums)
    return np.where(true > 0, _ratio(2 * hits, true + predicted), np.nan)


def _class_recall(c: int) -> Measure:
    """Recall of one class."""
    return lambda sums: _recalls(sums)[:, c]


def _ranked(place: int) -> Measure:
    """What is computed along the ranking, by class."""
    return lambda sums: sums.ranking[place]


def _calibrated(place: int) -> Measure:
    """What is computed by recalibration, by class."""
    return lambda sums: sums.calibration[place]


def _accuracy(sums: Sums) -> np.ndarray:
    hits, _, _, total = _counts(sums)
    return _ratio(hits.sum(axis=1), total[:, 0])


def _mcc(sums: Sums) -> np.ndarray:
    hits, true, predicted, total = _counts(sums)
    squared = total[:, 0] ** 2
    covariance = hits.sum(axis=1) * total[:, 0] - (true * predicted).sum(axis=1)
    variances = (squared - (true**2).sum(axis=1)) * (squared - (predicted**2).sum(axis=1))
    return _ratio(covariance, np.sqrt(variances), otherwise=0.0)


def _kappa(sums: Sums) -> np.ndarray:
    _, true, predicted, total = _counts(sums)
    grades = np.arange(true.shape[1])
    distance = (grades[:, None] - grades) ** 2
    observed = (sums.confusion * distance).sum(axis=(1, 2))
    expected = np.einsum("bi,ij,bj->b", true, distance.astype(float), predicted)
    return 1 - _ratio(observed * total[:, 0], expected)


def _log_loss(sums: Sums) -> np.ndarray:
    return sums.penalties[0]


def _brier(sums: Sums) -> np.ndarray:
    return sums.penalties[1]


def _ece(sums: Sums) -> np.ndarray:
    return np.sqrt(np.maximum(sums.squared_gap, 0))


# fmt: off
METRICS: dict[str, MetricRecord] = {
    "accuracy": MetricRecord("accuracy", "acc", True, CONFUSION, _accuracy, main=True, printed=True, compared=True,
        definition="Share of cases whose predicted class is right."),
    "balanced_accuracy": MetricRecord("balanced accuracy", "bal. acc", True, CONFUSION, _macro(_recalls),
        mean_of="recall", definition="Another name of macro recall."),
    "recall_macro": MetricRecord("macro recall", "recall", True, CONFUSION, _macro(_recalls), main=True, printed=True,
        compared=True, mean_of="recall", definition="Mean over classes of TP / (TP + FN), the sensitivity."),
    "specificity_macro": MetricRecord("macro specificity", "spec", True, CONFUSION, _macro(_specificities), main=True,
        printed=True, compared=True, mean_of="specificity", binary="hidden",
        definition="Mean over classes of one-vs-rest TN / (TN + FP)."),
    "sensitivity": MetricRecord("sensitivity", "sens", True, CONFUSION, _class_recall(1), main=True, printed=True,
        compared=True, of_class=1, binary="only",
        definition="TP / (TP + FN) of the positive of two classes."),
    "specificity": MetricRecord("specificity", "spec", True, CONFUSION, _class_recall(0), main=True, printed=True,
        compared=True, of_class=0, binary="only",
        definition="TN / (TN + FP) of the positive of two classes."),
    "precision_macro": MetricRecord("macro precision", "precision", True, CONFUSION, _macro(_precisions),
        mean_of="precision", definition="Mean over classes of TP / (TP + FP); 0 without any."),
    "f1_macro": MetricRecord("macro F1", "F1", True, CONFUSION, _macro(_f1s), printed=True, compared=True,
        mean_of="f1",
        definition="Mean over classes of 2 TP / (2 TP + FP + FN)."),
    "mcc": MetricRecord("Matthews correlation", "MCC", True, CONFUSION, _mcc,
        low=-1.0, definition="Multi-class MCC (Gorodkin 2004); 0 if all is one class."),
    "kappa_quadratic": MetricRecord("quadratic weighted kappa", "kappa", True, CONFUSION, _kappa, ordinal_only=True,
        main=True, printed=True, compared=True, low=-1.0,
        definition="Cohen's kappa weighted by squared grade distance."),
    "auroc_ovr": MetricRecord("one-vs-rest AUROC", "AUROC", True, SCORES, _macro(_ranked(0)), within_folds=True,
        printed=True, compared=True, mean_of="auroc",
        definition="Mean over classes of the area under the ROC curve, by fold."),
    "auprc_macro": MetricRecord("macro average precision", "AP", True, SCORES, _macro(_ranked(1)), within_folds=True,
        mean_of="average_precision", definition="Mean over classes of average precision, by fold."),
    "log_loss": MetricRecord("log loss", "log loss", False, SCORES, _log_loss,
        high=np.inf, definition="Mean of -log p(true class), p clipped at the scores' machine epsilon."),
    "brier": MetricRecord("Brier score (0 to 2)", "Brier", False, SCORES, _brier,
        high=2.0, definition="Mean squared distance from the one-hot label, 0 to 2 (Brier 1950)."),
    "ece": MetricRecord("debiased calibration error", "ECE", False, SCORES, _ece, printed=True,
        high=np.inf,
        definition="Root mean squared gap, top label, 15 equal-width bins, less its bias (Kumar et al. 2019)."),
}

PER_CLASS: dict[str, MetricRecord] = {
    "recall": MetricRecord("recall", "recall", True, CONFUSION, _recalls, "TP / (TP + FN), the sensitivity."),
    "specificity": MetricRecord("specificity", "spec", True, CONFUSION, _specificities, "TN / (TN + FP)."),
    "precision": MetricRecord("precision", "precision", True, CONFUSION, _precisions, "TP / (TP + FP); 0 without any."),
    "f1": MetricRecord("F1", "F1", True, CONFUSION, _f1s, "2 TP / (2 TP + FP + FN)."),
    "auroc": MetricRecord("AUROC", "AUROC", True, SCORES, _ranked(0), within_folds=True,
        definition="Area under the ROC curve, by fold."),
    "average_precision": MetricRecord("average precision", "AP", True, SCORES, _ranked(1), within_folds=True,
        definition="Area under the precision-recall curve in steps, by fold."),
    "sensitivity_at_90": MetricRecord("sensitivity at 90 % specificity", "sens at 90", True, SCORES, _ranked(2),
        within_folds=True, binary="only", definition="Height of the ROC curve there, by fold."),
    "sensitivity_at_95": MetricRecord("sensitivity at 95 % specificity", "sens at 95", True, SCORES, _ranked(3),
        within_folds=True, binary="only", definition="Height of the ROC curve there, by fold."),
    "calibration_intercept": MetricRecord("calibration intercept", "cal. a", True, SCORES, _calibrated(0), low=-np.inf,
        high=np.inf,
        definition="0 where the class is as frequent as its probabilities say, below where they are too high."),
    "calibration_slope": MetricRecord("calibration slope", "cal. b", True, SCORES, _calibrated(1), low=-np.inf,
        high=np.inf,
        definition="1 where probabilities are as spread as they should be, below where they are too extreme."),
    "calibration_loss": MetricRecord("calibration loss", "cal. loss", False, SCORES, _calibrated(2),
        high=np.inf, definition="What logistic recalibration would save of the class's log loss."),
}
# fmt: on


def evaluate(
    repeats: Sequence[Sums],
    ordinal: bool,
    names: Iterable[str] | None = None,
    table: Mapping[str, MetricRecord] = METRICS,
) -> dict[str, np.ndarray]:
    """Compute metrics for every replicate of a set of sums, averaged over the repeats of a cross-validation.

    Parameters
    ----------
    repeats : sequence of Sums
        The predictions of each repeat, under as many sets of case weights (b).
    ordinal : bool
        Whether the classes are ordered.
    names : iterable of str, optional
        Keys of the table; all by default.
    table : mapping of str to MetricRecord
        `METRICS` or `PER_CLASS`.

    Returns
    -------
    dict of str to ndarray, shape (b,), or (b, k) for `PER_CLASS`
        NaN where a metric is undefined in a repeat: a metric of a class that no case has, a specificity or AUROC where
        all have it, anything of scores that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from headroom.heads.scores.predictions import Predictions
    >>> predictions = Predictions(np.array([0, 1, 1]), np.array([0, 1, 0]), np.eye(2)[[0, 1, 0]], 2)
    >>> weights = np.array([[1.0, 2.0], [1.0, 1.0], [1.0, 0.0]])
    >>> evaluate([Sums(predictions, weights)], False, ["accuracy"])["accuracy"].round(3)
    array([0.667, 1.   ])
    """
    shape = repeats[0].weights.shape[1:] + (() if table is METRICS else (repeats[0].predictions.n_classes,))
    return {
        name: np.mean([_value(table[name], sums, ordinal, shape) for sums in repeats], axis=0)
        for name in names or table
    }


def _value(record: MetricRecord, sums: Sums, ordinal: bool, shape: tuple[int, ...]) -> np.ndarray:
    """The metric where it applies, else NaN."""
    applies = (
        (ordinal or not record.ordinal_only)
        and (record.binary != "only" or sums.predictions.n_classes == 2)
        and (sums.predictions.scores_usable or record.needs == CONFUSION)
    )
    if not applies:
        return np.full(shape, np.nan)
    if not record.within_folds:
        return record.compute(sums)
    by_fold = np.array([record.compute(fold) for fold in sums.folds])
    defined = np.isfinite(by_fold)
    return _ratio(np.where(defined, by_fold, 0).sum(axis=0), defined.sum(axis=0))


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
