"""What stage two knows of images: one table of annotated vectors, sliced in one place."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True, eq=False, kw_only=True)
class Samples:
    """Images as rows.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        Index into ``classes``; in grade order where ``ordinal``.
    groups : ndarray of int64, shape (n,)
        Rows of one group (same patient or identical content) never lie on both sides of a fold.
    classes : tuple of str, length k
    ordinal : bool
        Whether the classes are ordered grades.
    vectors : ndarray of float32, shape (n, d)
        One embedding a row; this and the next two are empty where they are not needed.
    ids : ndarray of str, shape (n,)
        Where each row comes from (the image's path inside its data set).
    split : ndarray of str, shape (n,)
        ``"train"`` or ``"test"`` where the data set has an official split, else ``""``.
    views : ndarray of float32, shape (n, v, d), or None
        Embeddings of ``v`` augmented views of each image (``extract --views``).
    """

    labels: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]
    ordinal: bool = False
    vectors: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    ids: np.ndarray = field(default_factory=lambda: np.empty(0, str))
    split: np.ndarray = field(default_factory=lambda: np.empty(0, str))
    views: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Self:
        """The images of these row numbers."""
        columns = {name: getattr(self, name) for name in ("labels", "groups", "vectors", "ids", "split", "views")}
        there = {name: column for name, column in columns.items() if column is not None and len(column)}
        return replace(self, **{name: column[rows] for name, column in there.items()})

    def transform(self, chain: "Pipeline") -> Self:
        """The same images with vectors and views scaled and reduced by a fitted chain."""
        views = self.views
        if views is not None:
            flat = chain.transform(views.reshape(-1, views.shape[-1]))
            views = flat.reshape(*views.shape[:2], -1)
        return replace(self, vectors=chain.transform(self.vectors), views=views)


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem(Samples):
    """One classification problem.

    Attributes
    ----------
    dataset, model : str
        Names under which results are stored and shown; ``model`` may be a fusion such as ``"mobilenet+resnet50"``.
    fingerprint : str
        Digest of everything in it; equal fingerprints mean equal problems.
    """

    dataset: str
    model: str
    fingerprint: str
