"""What figures show beyond the tables: predictions, fold counts and embeddings of the rows that stand out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headroom.errors import FeatureError, HeadError
from headroom.features.store import read_embeddings
from headroom.heads.balancing import BALANCERS, resample
from headroom.heads.cell import FoldScores
from headroom.heads.samples import Samples
from headroom.heads.scores.predictions import ECE_BINS, Predictions, pooled
from headroom.heads.scores.scored import Scored
from headroom.pipeline.report.words import QUESTION

CURVE_POINTS = 120
FEWEST_CASES = 10  # of a bin, to be a point of a reliability curve
MOST_FOLDS = 10
IMAGES = 1000
SYNTHETIC = 400
COMPONENTS = 50
PERPLEXITY = 30


@dataclass(frozen=True, eq=False)
class Shown:
    """Out-of-fold predictions of a row's first repeat; k classes.

    Attributes
    ----------
    label : str
        The row in words.
    metrics : mapping of str to float or None
        Of the row.
    confusion : ndarray of int, shape (k, k)
        Cases by true and predicted class.
    reliability : ndarray of float, shape (2, bins)
        Mean confidence and share right of every bin with enough cases.
    roc, precision_recall : ndarray of float, shape (k, CURVE_POINTS), or None
        Sensitivity by 1 - specificity and precision by recall, both at even steps from 0 to 1; None where a score
        is not finite.
    """

    label: str
    metrics: Mapping[str, float | None]
    confusion: np.ndarray
    reliability: np.ndarray
    roc: np.ndarray | None
    precision_recall: np.ndarray | None


@dataclass(frozen=True, eq=False)
class FoldCounts:
    """Training images of every class in each fold before and after a balancer, shape (folds, k)."""

    balance: str
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """Images and SMOTE's points in two dimensions.

    Attributes
    ----------
    model : str
    pca, tsne : ndarray of float, shape (n, 2)
    labels : ndarray of int64, shape (n,)
    synthetic : ndarray of bool, shape (n,)
        Points that SMOTE made.
    """

    model: str
    pca: np.ndarray
    tsne: np.ndarray
    labels: np.ndarray
    synthetic: np.ndarray


@dataclass(frozen=True, eq=False)
class Details:
    """The best row without and with balancing, the better of them, a row that resamples, a map; None: there is none."""

    plain: Shown | None = None
    balanced: Shown | None = None
    best: Shown | None = None
    fold_counts: FoldCounts | None = None
    map: EmbeddingMap | None = None


def shown(label: str, metrics: Mapping[str, float | None], folds: Sequence[FoldScores]) -> Shown:
    """What the predictions of a row show."""
    cases = predictions(folds)
    k = cases.n_classes
    confusion = np.bincount(cases.labels * k + cases.predicted, minlength=k * k).reshape(k, k)
    usable = metrics["auroc_ovr"] is not None
    curves = [_curves(cases.labels == c, cases.scores[:, c]) for c in range(k)] if usable else []
    roc, precision_recall = map(np.array, zip(*curves, strict=True)) if curves else (None, None)
    return Shown(label, metrics, confusion, _reliability(cases), roc, precision_recall)


def predictions(folds: Sequence[FoldScores]) -> Predictions:
    """The out-of-fold predictions of the first repeat."""
    return pooled(folds)[0].predictions


def fold_counts(balance: str, scored: Scored) -> FoldCounts:
    """Training images of the first folds of a cell."""
    return FoldCounts(balance, scored.before[:MOST_FOLDS], scored.after[:MOST_FOLDS])


def embedding_map(path: Path, model: str) -> EmbeddingMap | None:
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
        stored = read_embeddings(path)
    except FeatureError:
        return None
    random = np.random.default_rng(0)
    rows = np.sort(random.permutation(len(stored.ids))[:IMAGES])
    vectors = StandardScaler().fit_transform(stored.vectors[rows])
    images = Samples(
        vectors=vectors,
        labels=stored.labels[rows].astype(np.int64),
        groups=np.arange(len(rows)),
        classes=stored.classes,
    )
    try:
        more, labels = resample(BALANCERS[QUESTION], images)
    except HeadError:
        more, labels = images.vectors, images.labels
    made = len(rows) + random.permutation(len(more) - len(rows))[:SYNTHETIC]
    kept = np.concatenate([np.arange(len(rows)), made])
    components = PCA(min(COMPONENTS, *vectors.shape), random_state=0).fit(vectors)
    points = components.transform(more[kept])
    perplexity = min(PERPLEXITY, (len(kept) - 1) / 3)
    with threadpool_limits(1):  # threads that wait for a busy machine cost minutes
        tsne = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(points)
    return EmbeddingMap(model, points[:, :2], tsne, labels[kept], kept >= len(rows))


def _curves(truth: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Sensitivity by 1 - specificity, and precision by recall, of one class against the rest."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    if not truth.any():
        return np.full((2, CURVE_POINTS), np.nan)
    steps = np.linspace(0, 1, CURVE_POINTS)
    false_positives, sensitivity, _ = roc_curve(truth, score)
    precision, recall, _ = precision_recall_curve(truth, score)
    return np.array([np.interp(steps, false_positives, sensitivity), np.interp(steps, recall[::-1], precision[::-1])])


def _reliability(cases: Predictions) -> np.ndarray:
    """Mean confidence and share right by bin of confidence."""
    confidence = cases.scores.max(axis=1)
    right = cases.scores.argmax(axis=1) == cases.labels
    bins = np.clip(np.ceil(confidence * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    count = np.bincount(bins, minlength=ECE_BINS)
    used = count >= FEWEST_CASES
    return np.array([np.bincount(bins, weights, ECE_BINS)[used] / count[used] for weights in (confidence, right)])
