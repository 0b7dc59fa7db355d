"""Who trains and who tests: groups, folds and near-duplicates."""

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import coo_array, triu
from scipy.sparse.csgraph import connected_components

from headroom.errors import HeadError
from headroom.heads.cell import GridSettings
from headroom.heads.samples import Samples

PROTOCOLS = ("cv", "split", "leaky")
MEBIBYTES = 64  # of distances held at a time
DRAWS = 50  # seeds tried until every class lies on both sides of every fold


@dataclass(frozen=True)
class Fold:
    """One division of the rows; within one plan equal by its numbers.

    Attributes
    ----------
    repeat, fold : int
    train, test : ndarray of int64
        Rows of the problem, ascending.
    """

    repeat: int
    fold: int
    train: np.ndarray = field(compare=False)
    test: np.ndarray = field(compare=False)


def union_groups(*columns: np.ndarray) -> np.ndarray:
    """Groups of rows that share an id in any column, directly or through others.

    Parameters
    ----------
    *columns : array-like of str, shape (n,)
        For example patient ids and content hashes; an empty string is no id.

    Returns
    -------
    ndarray of int64, shape (n,)
        Connected components of "shares an id", numbered from 0.

    Examples
    --------
    >>> patients = ["p1", "p1", "p2", ""]
    >>> contents = ["a", "b", "b", "c"]
    >>> union_groups(patients, contents)
    array([0, 0, 0, 1])
    """
    rows, ids, known = [], [], 0
    for column in columns:
        names, codes = np.unique(np.asarray(column, dtype=str), return_inverse=True)
        has_id = np.flatnonzero(names[codes] != "")
        rows.append(has_id)
        ids.append(codes[has_id] + known)
        known += len(names)
    size = len(columns[0])
    row, column = np.concatenate(rows), np.concatenate(ids) + size
    links = coo_array((np.ones(len(row), dtype=np.int8), (row, column)), shape=(size + known, size + known))
    return connected_components(links, directed=False)[1][:size].astype(np.int64)


def plan_folds(
    labels: np.ndarray,
    groups: np.ndarray,
    split: np.ndarray,
    *,
    classes: tuple[str, ...] = (),
    protocol: str = "cv",
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
) -> tuple[Fold, ...]:
    """Divide the rows as the protocol says, each fold with every class on both sides.

    ``cv`` is repeated stratified group k-fold: no group lies on both sides. ``split`` takes the official split; an
    image that also lies in the official test part (same content or same patient) is left out of training, so that
    the test part stays whole and comparable with published results, yet is never seen before. ``leaky`` is stratified
    k-fold that ignores groups, only to show what such a study would have claimed.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    groups : ndarray of int64, shape (n,)
    split : ndarray of str, shape (n,)
        ``"train"``, ``"test"`` or ``""``; read by the ``split`` protocol only.
    classes : tuple of str, optional
        Names for messages.
    protocol : {"cv", "split", "leaky"}
    folds, repeats, seed : int

    Returns
    -------
    tuple of Fold
        ``repeats * folds`` of them; one for ``split``.

    Raises
    ------
    HeadError
        Where no such division exists or the settings make no sense.

    Examples
    --------
    >>> labels = np.array([0, 1] * 6)
    >>> patients = np.arange(12) // 2
    >>> plan = plan_folds(labels, patients, np.full(12, ""), folds=3)
    >>> [fold.test.tolist() for fold in plan][0]
    [2, 3, 10, 11]
    """
    if protocol not in PROTOCOLS:
        raise HeadError(got=f"unknown protocol {protocol!r}", remedy=f"choose one of {', '.join(PROTOCOLS)}")
    if protocol == "split":
        return (_official(labels, groups, split, classes),)
    if folds < 2 or repeats < 1:
        raise HeadError(got=f"{folds} folds, {repeats} repeats", remedy="give at least 2 folds and 1 repeat")
    units = groups if protocol == "cv" else np.arange(len(labels))
    _refuse_scarce(labels, units, folds, classes)
    return tuple(
        fold for repeat in range(repeats) for fold in _draw(labels, units, protocol, folds, repeat, seed, classes)
    )


def folds_of(samples: Samples, settings: GridSettings) -> tuple[Fold, ...]:
    """The folds of a problem; see `plan_folds`."""
    return plan_folds(
        samples.labels,
        samples.groups,
        samples.split,
        classes=samples.classes,
        protocol=settings.protocol,
        folds=settings.folds,
        repeats=settings.repeats,
        seed=settings.seed,
    )


def _draw(
    labels: np.ndarray, units: np.ndarray, protocol: str, folds: int, repeat: int, seed: int, classes: tuple[str, ...]
) -> list[Fold]:
    """The first of a bounded number of seeded draws that has every class on both sides of every fold."""
    by_group = protocol == "cv"
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    splitter = StratifiedGroupKFold if by_group else StratifiedKFold
    for draw in np.random.SeedSequence([seed, repeat]).generate_state(DRAWS):
        parts = splitter(folds, shuffle=True, random_state=int(draw)).split(labels, labels, units if by_group else None)
        plan = [Fold(repeat, number, train, test) for number, (train, test) in enumerate(parts)]
        if all(_missing(labels, fold) is None for fold in plan):
            return plan
    lacking = next(missing for fold in plan if (missing := _missing(labels, fold)) is not None)
    raise HeadError(
        got=f"in {DRAWS} draws of {folds} folds, class {_name(lacking, classes)} always missed one side of a fold",
        remedy="use fewer folds, or add images of other patients to that class",
    )


def _official(labels: np.ndarray, groups: np.ndarray, split: np.ndarray, classes: tuple[str, ...]) -> Fold:
    """The official split without the training rows whose group is also tested."""
    test = np.flatnonzero(split == "test")
    train = np.flatnonzero((split == "train") & ~np.isin(groups, groups[test]))
    if not len(train) or not len(test):
        got = "the data set has no official train and test parts"
        if len(test) and "train" in split:
            got = "every training image shares a patient or its content with the official test part"
        raise HeadError(got, "use --protocol cv")
    fold = Fold(0, 0, train, test)
    lacking = _missing(labels, fold)
    if lacking is not None:
        raise HeadError(
            got=f"class {_name(lacking, classes)} is missing from a part of the official split",
            remedy="use --protocol cv",
        )
    return fold


def _refuse_scarce(labels: np.ndarray, units: np.ndarray, folds: int, classes: tuple[str, ...]) -> None:
    """Say at once which class cannot be in every fold."""
    counts = np.bincount(labels, minlength=len(classes))
    if np.count_nonzero(counts) < 2:
        raise HeadError(got="all images are of one class", remedy="give images of at least two classes")
    for label, count in enumerate(counts):
        independent = len(np.unique(units[labels == label]))
        if independent < folds and (count or classes):
            images = "1 image" if count == 1 else f"{count} images of {independent} patients or contents"
            got = f"class {_name(label, classes)} has {images}, too few for {folds} folds"
            fewer = f"use at most {independent} folds, " if independent > 1 else ""
            raise HeadError(got, f"{fewer}add images of other patients, or leave the class out")


def _missing(labels: np.ndarray, fold: Fold) -> int | None:
    """A class that one side of the fold lacks."""
    present = np.unique(labels)
    for side in (fold.train, fold.test):
        lacking = np.setdiff1d(present, labels[side])
        if len(lacking):
            return int(lacking[0])
    return None


def _name(label: int, classes: tuple[str, ...]) -> str:
    return repr(classes[label]) if classes else str(label)


def near_duplicates(vectors: np.ndarray, threshold: float = 0.99) -> np.ndarray:
    """Pairs of rows whose embeddings point almost the same way.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
    threshold : float
        Smallest cosine that counts.

    Returns
    -------
    ndarray of int64, shape (pairs, 2)
        Row numbers ``i < j``, ascending.

    Examples
    --------
    >>> near_duplicates(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.01]]))
    array([[0, 2]])
    """
    if not len(vectors):
        return np.empty((0, 2), np.int64)
    from sklearn import config_context
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(radius=1 - threshold, metric="cosine", algorithm="brute").fit(vectors)
    with config_context(working_memory=MEBIBYTES):
        near = triu(search.radius_neighbors_graph(vectors), k=1, format="csr")
    near.sort_indices()
    return np.column_stack(near.nonzero()).astype(np.int64)
