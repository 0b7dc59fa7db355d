"""A map of an embedding: images and the synthetic points that SMOTE would put between them."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from headroom.errors import FeatureError, HeadError
from headroom.features.store import read_embeddings
from headroom.heads.balancing import BALANCERS, resample
from headroom.heads.part import Part as Images
from headroom.pipeline.report.model import Part, model_names

IMAGES = 1000
SYNTHETIC = 400
COMPONENTS = 50
PERPLEXITY = 30


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """Points in two dimensions.

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


@lru_cache(maxsize=16)
def embedding_map(part: Part) -> EmbeddingMap | None:
    """Lay out a seeded sample of a data set's embeddings, as the best row's model has them.

    The images are scaled as for a head, SMOTE balances them, and both kinds of points are laid out together by
    principal components and by t-SNE (van der Maaten and Hinton 2008) on the first of these.

    Parameters
    ----------
    part : Part

    Returns
    -------
    EmbeddingMap or None
        None where the cache holds no embedding of that model any more. Without synthetic points where a class has
        too few images for SMOTE.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    names = model_names(part.best["model"]) if part.best else []
    about = next((part.embeddings[name] for name in names if name in part.embeddings), None)
    if about is None:
        return None
    try:
        stored = read_embeddings(about["path"])
    except FeatureError:
        return None
    random = np.random.default_rng(0)
    rows = np.sort(random.permutation(len(stored.ids))[:IMAGES])
    vectors = StandardScaler().fit_transform(stored.vectors[rows])
    images = Images(vectors, stored.labels[rows].astype(np.int64), np.arange(len(rows)), stored.classes)
    try:
        more, labels = resample(BALANCERS["smote"], images)
    except HeadError:
        more, labels = images.vectors, images.labels
    made = len(rows) + random.permutation(len(more) - len(rows))[:SYNTHETIC]
    kept = np.concatenate([np.arange(len(rows)), made])
    components = PCA(min(COMPONENTS, *vectors.shape), random_state=0).fit(vectors)
    points = components.transform(more[kept])
    perplexity = min(PERPLEXITY, (len(kept) - 1) / 3)
    with threadpool_limits(1):  # threads that wait for a busy machine cost minutes
        tsne = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(points)
    return EmbeddingMap(about["model"], points[:, :2], tsne, labels[kept], kept >= len(rows))
