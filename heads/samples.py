"""What stage two needs to know of an image set."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Problem:
    """One classification problem: vectors with their labels and groups.

    Attributes
    ----------
    dataset, model : str
        Names under which results are stored and shown; ``model`` may be a fusion such as ``"mobilenet+resnet50"``.
    vectors : ndarray of float32, shape (n, d)
        One embedding a row.
    labels : ndarray of int64, shape (n,)
        Index into ``classes``; in grade order where ``ordinal``.
    classes : tuple of str, length k
    ids : ndarray of str, shape (n,)
        Where each row comes from (the image's path inside its data set).
    groups : ndarray of int64, shape (n,)
        Rows of one group (same patient or identical content) never lie on both sides of a fold.
    split : ndarray of str, shape (n,)
        ``"train"`` or ``"test"`` where the data set has an official split, else ``""``.
    ordinal : bool
        Whether the classes are ordered grades.
    fingerprint : str
        Digest of everything above; equal fingerprints mean equal problems.
    views : ndarray of float32, shape (n, v, d), optional
        Embeddings of ``v`` augmented views of each image (``extract --views``).
    """

    dataset: str
    model: str
    vectors: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    ids: np.ndarray
    groups: np.ndarray
    split: np.ndarray
    ordinal: bool
    fingerprint: str
    views: np.ndarray | None = None
