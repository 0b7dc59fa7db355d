"""The balancers: one record each, and the resampling of a training part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

import numpy as np

from headroom.errors import HeadError
from headroom.heads.samples import Samples


@dataclass(frozen=True)
class BalancerRecord:
    """One way to treat class imbalance.

    Attributes
    ----------
    name, title : str
    sampler : str
        Import path ``module:class`` of what resamples the training part; empty where it stays as it is.
    parameters : mapping
        Fixed parameters of the sampler; all others are the library's defaults.
    note : str
        One line a user reads in the list of balancers.
    seeded : bool
        Whether the sampler takes ``random_state``.
    least : int
        Training images that every class to be enlarged must have.
    weighted : bool
        Whether the head gets balanced class weights.
    threshold : bool
        Whether the head's decision is moved by thresholds fitted on inner out-of-fold scores.
    views : bool
        Whether embeddings of augmented views are added to the training part.
    synthetic : bool
        Whether it makes points between neighbours.
    """

    name: str
    title: str
    sampler: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    seeded: bool = True
    least: int = 1
    weighted: bool = False
    threshold: bool = False
    views: bool = False
    synthetic: bool = False

    @property
    def random(self) -> bool:
        """Whether another seed makes another training part."""
        return self.seeded and bool(self.sampler or self.views)


# fmt: off
_RECORDS = (
    BalancerRecord("none", "none", note="the training part as it is: the baseline of every comparison"),
    BalancerRecord("class-weight", "class weights", weighted=True,
                   note="errors on a class weigh as much as the class is rare; no image is added or removed"),
    BalancerRecord("threshold", "thresholds", threshold=True,
                   note="no image is added or removed: offsets a class, or cut points where classes are grades"),
    BalancerRecord("augment", "augmented views", views=True,
                   note="embeddings of flipped, rotated and zoomed minority images (extract --views N)"),
    BalancerRecord("random-under", "random under-sampling", "imblearn.under_sampling:RandomUnderSampler",
                   note="as many images a class as the rarest has"),
    BalancerRecord("random-over", "random over-sampling", "imblearn.over_sampling:RandomOverSampler",
                   note="copies of minority images"),
    BalancerRecord("smote", "SMOTE", "imblearn.over_sampling:SMOTE", least=6, synthetic=True,
                   note="synthetic points between minority images and their 5 nearest of the same class"),
    BalancerRecord("borderline-smote", "Borderline-SMOTE", "imblearn.over_sampling:BorderlineSMOTE", least=6,
                   synthetic=True,
                   note="SMOTE from minority images near the border only"),
    BalancerRecord("svm-smote", "SVM-SMOTE", "imblearn.over_sampling:SVMSMOTE", least=6, synthetic=True,
                   note="SMOTE from the support vectors of minority classes"),
    BalancerRecord("kmeans-smote", "k-means SMOTE", "imblearn.over_sampling:KMeansSMOTE",
                   {"cluster_balance_threshold": 0.0}, least=6, synthetic=True,
                   note="SMOTE inside k-means clusters, more where minority images lie sparse"),
    BalancerRecord("adasyn", "ADASYN", "imblearn.over_sampling:ADASYN", least=6, synthetic=True,
                   note="more synthetic points where a minority image lies among others"),
    BalancerRecord("smote-tomek", "SMOTE + Tomek links", "imblearn.combine:SMOTETomek", least=6, synthetic=True,
                   note="SMOTE, then mutual nearest neighbours of different classes are removed"),
    BalancerRecord("smote-enn", "SMOTE + edited nearest neighbours", "imblearn.combine:SMOTEENN", least=6,
                   synthetic=True,
                   note="SMOTE, then points that disagree with their 3 nearest are removed"),
    BalancerRecord("tomek-links", "Tomek links", "imblearn.under_sampling:TomekLinks", seeded=False,
                   note="majority images whose nearest neighbour is of another class, and mutually so, are removed"),
    BalancerRecord("near-miss", "NearMiss-1", "imblearn.under_sampling:NearMiss", seeded=False, least=3,
                   note="of larger classes only the images nearest to the rarest class are kept"),
)
# fmt: on

BALANCERS: dict[str, BalancerRecord] = {record.name: record for record in _RECORDS}
"""Every balancer by name."""


def resample(record: BalancerRecord, part: Samples, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Resample a training part.

    Parameters
    ----------
    record : BalancerRecord
    part : Samples
    seed : int

    Returns
    -------
    vectors : ndarray of float32, shape (m, d)
    labels : ndarray of int64, shape (m,)

    Raises
    ------
    HeadError
        Where a class is too small for the sampler, or the sampler finds no way.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    >>> part = Samples(
    ...     labels=labels, groups=np.arange(8), classes=("healthy", "ill"), vectors=np.eye(8, dtype=np.float32)
    ... )
    >>> _, balanced = resample(BALANCERS["random-over"], part)
    >>> np.bincount(balanced)
    array([6, 6])
    """
    vectors, labels, classes = part.vectors, part.labels, part.classes
    if record.views:
        return _add_views(part, seed)
    if not record.sampler:
        return vectors, labels
    counts = np.bincount(labels, minlength=len(classes))
    for name, count in zip(classes, counts, strict=True):
        if count < min(record.least, counts.max()):
            raise HeadError(
                got=f"class {name!r} has {count} training images, {record.title} needs {record.least}",
                remedy="add images, use --balance random-over or class-weight, or leave the class out",
            )
    seeds = {"random_state": seed} if record.seeded else {}
    sampler = resolve_name(record.sampler)(**record.parameters, **seeds)
    try:
        more_vectors, more_labels = sampler.fit_resample(vectors, labels)
    except (ValueError, RuntimeError) as error:
        raise HeadError(
            got=f"{record.title} could not resample: {str(error).strip().splitlines()[0]}",
            remedy="use another --balance for this data set",
        ) from error
    for label in np.setdiff1d(labels, more_labels):
        raise HeadError(
            got=f"{record.title} removed every training image of class {classes[label]!r}",
            remedy="use another --balance for this data set",
        )
    return more_vectors.astype(np.float32, copy=False), more_labels.astype(np.int64, copy=False)


def _add_views(part: Samples, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Views of minority images up to equal class counts; each view is taken once before any is taken twice."""
    if part.views is None:
        raise HeadError(got="there are no augmented views of these images", remedy="run extract --views N first")
    random = np.random.default_rng(seed)
    counts = np.bincount(part.labels, minlength=len(part.classes))
    vectors, labels = [part.vectors], [part.labels]
    for label in np.flatnonzero(counts):
        views = part.views[part.labels == label].reshape(-1, part.vectors.shape[1])
        missing = counts.max() - counts[label]
        rounds = -(-missing // len(views))
        order = random.permuted(np.tile(np.arange(len(views)), (rounds, 1)), axis=1).ravel()
        vectors.append(views[order[:missing]])
        labels.append(np.full(missing, label))
    return np.concatenate(vectors), np.concatenate(labels)
