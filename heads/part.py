"""One side of a fold, or the whole of it."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.pipeline import Pipeline


@dataclass(frozen=True, eq=False)
class Part:
    """Some images of a problem.

    Attributes
    ----------
    vectors : ndarray of float32, shape (n, d)
    labels, groups : ndarray of int64, shape (n,)
    classes : tuple of str
    ordinal : bool
    views : ndarray of float32, shape (n, v, d), optional
        Embeddings of augmented views of each image.
    """

    vectors: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]
    ordinal: bool = False
    views: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> "Part":
        """The images of these row numbers."""
        views = None if self.views is None else self.views[rows]
        return replace(
            self, vectors=self.vectors[rows], labels=self.labels[rows], groups=self.groups[rows], views=views
        )

    def transform(self, chain: Pipeline) -> "Part":
        """The same images with vectors and views scaled and reduced by a fitted chain."""
        views = self.views
        if views is not None:
            flat = chain.transform(views.reshape(-1, views.shape[-1]))
            views = flat.reshape(*views.shape[:2], -1)
        return replace(self, vectors=chain.transform(self.vectors), views=views)
