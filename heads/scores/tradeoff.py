"""What a cell's kept scores can reach: accuracy and macro recall, as its decision moves between the classes."""

from collections.abc import Sequence

import numpy as np

from headroom.heads.cell import FoldScores
from headroom.heads.scores.predictions import Pooled

EXPONENTS = np.linspace(-1.2, 2, 41)  # of the class frequencies that probabilities are divided by
REPLICATES = 400  # of the bootstrap that are kept of a curve
AXES = ("accuracy", "recall_macro")


def tradeoff(
    folds: Sequence[FoldScores], repeats: Sequence[Pooled], weights: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Compute what a decision that is moved between the classes reaches; nothing is fitted.

    The decision is argmax p / prior^a for every a of `EXPONENTS`, with the class frequencies of each fold's training
    part before balancing: a = 0 takes the likeliest class, a = 1 the one of highest expected macro recall (Menon et al.
    2021, "Long-tail learning via logit adjustment"). With two classes that are not equally frequent this is the ROC
    curve.

    Parameters
    ----------
    folds : sequence of FoldScores
    repeats : sequence of Pooled
        The same folds by repeat.
    weights : sequence of ndarray, shape (n, b)
        Bootstrap weights of the cases of each repeat; the first `REPLICATES` are used.

    Returns
    -------
    dict of str to ndarray of float32, shape ((1 + b) * len(EXPONENTS),)
        Accuracy and macro recall at each a, averaged over the repeats: of all cases, then of each replicate. NaN where
        a score is not finite.
    """
    priors = {(fold.repeat, fold.fold): fold.counts_before / fold.counts_before.sum() for fold in folds}
    numbers = sorted({fold.repeat for fold in folds})
    curves = [
        _moved(repeat, np.array([priors[number, fold] for fold in repeat.fold]), drawn)
        for number, repeat, drawn in zip(numbers, repeats, weights, strict=True)
    ]
    return {name: values.astype(np.float32).ravel() for name, values in zip(AXES, np.mean(curves, axis=0), strict=True)}


def _moved(repeat: Pooled, priors: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Accuracy and macro recall of one repeat, shape (2, 1 + b, exponents)."""
    scores, labels = repeat.predictions.scores.astype(np.float64), repeat.predictions.labels
    weights = np.column_stack([np.ones(len(labels)), drawn[:, :REPLICATES]]).astype(np.float32)
    if not repeat.predictions.scores_usable:
        return np.full((2, weights.shape[1], len(EXPONENTS)), np.nan)
    right = np.stack([(scores / priors**a).argmax(axis=1) == labels for a in EXPONENTS], axis=1).astype(np.float32)
    present = np.unique(labels)
    hits = np.stack([weights[labels == label].T @ right[labels == label] for label in present]).astype(np.float64)
    cases = np.stack([weights[labels == label].sum(axis=0, dtype=np.float64) for label in present])[:, :, None]
    recalls = hits / np.maximum(cases, 1)
    return np.stack([hits.sum(axis=0) / cases.sum(axis=0), recalls.sum(axis=0) / (cases > 0).sum(axis=0)])
