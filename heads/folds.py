"""Who trains and who tests: groups, folds and near-duplicates."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import coo_array, triu
from scipy.sparse.csgraph import connected_components

from headroom.errors import HeadError
from headroom.heads.cell import GridSettings
from headroom.heads.samples import Samples

PROTOCOLS = ("cv", "split", "leaky")
MEBIBYTES = 64  # of distances held at a time
DRAWS = 200  # tried until every class lies on both sides of every fold and no earlier repeat was the same
USUAL_REPEATS = 3
MANY_IMAGES = 10_000  # more are divided once: repeats cost much and add little there


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
        Connected components of "shares an id", numbered from 0 in the order of their first rows.

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


def plan_folds(samples: Samples, settings: GridSettings) -> tuple[Fold, ...]:
    """Divide the rows as the protocol says, each fold with every class on both sides.

    ``cv`` is repeated stratified group k-fold: no group lies on both sides. Groups are dealt to the folds at random,
    stratified by the class that each matters most to and by size; scikit-learn's ``StratifiedGroupKFold`` draws ties
    only, so that repeats of unequal groups are one division again and again. ``split`` takes the official split; an
    image that also lies in the official test part (same content or same patient) is left out of training, so that
    the test part stays whole and comparable with published results, yet is never seen before. ``leaky`` is stratified
    k-fold that ignores groups, only to show what such a study would have claimed.

    Neither the order of rows nor the names of classes matter, only which rows share a label and the order of group
    numbers.

    Parameters
    ----------
    samples : Samples
        ``labels``, ``groups`` and ``classes`` are read, ``split`` by the ``split`` protocol only.
    settings : GridSettings
        ``protocol``, ``folds``, ``repeats`` and ``seed`` are read.

    Returns
    -------
    tuple of Fold
        ``repeats * folds`` of them, fewer where there are fewer different divisions; one for ``split``.

    Raises
    ------
    HeadError
        Where no such division exists or the settings make no sense.

    Examples
    --------
    >>> images = Samples(labels=np.array([0, 1] * 6), groups=np.arange(12) // 2, classes=("healthy", "ill"))
    >>> [fold.test.tolist() for fold in plan_folds(images, GridSettings(folds=3))][0]
    [0, 1, 4, 5]
    """
    if settings.protocol not in PROTOCOLS:
        raise HeadError(got=f"unknown protocol {settings.protocol!r}", remedy=f"choose one of {', '.join(PROTOCOLS)}")
    if settings.protocol == "split":
        return (_official(samples),)
    if settings.folds < 2 or settings.repeats < 1:
        raise HeadError(
            got=f"{settings.folds} folds, {settings.repeats} repeats", remedy="give at least 2 folds and 1 repeat"
        )
    units = samples.groups if settings.protocol == "cv" else np.arange(len(samples.labels))
    _refuse_scarce(samples, units, settings.folds)
    plan: list[Fold] = []
    seen: set[frozenset[bytes]] = set()
    for repeat in range(settings.repeats):
        drawn = _draw(samples, units, settings, repeat, seen)
        if not drawn:
            break
        plan += drawn
    return tuple(plan)


def distinct(samples: Samples, settings: GridSettings) -> GridSettings:
    """The settings with no more repeats than there are different divisions of these images.

    A cell of equal repeats would be one of fewer that claims to know more.

    Raises
    ------
    HeadError
        As `plan_folds` does.
    """
    return replace(settings, repeats=plan_folds(samples, settings)[-1].repeat + 1)


def usual_repeats(images: int, protocol: str) -> int:
    """Repeats where none are asked for: alike for all embeddings of a data set, which stay comparable."""
    return USUAL_REPEATS if images <= MANY_IMAGES and protocol != "split" else 1


def _draw(
    samples: Samples, units: np.ndarray, settings: GridSettings, repeat: int, seen: set[frozenset[bytes]]
) -> list[Fold]:
    """The first of a bounded number of draws that is sound and new; nothing where all sound ones are in ``seen``."""
    random = np.random.default_rng([settings.seed, repeat])
    _, unit, sizes = np.unique(units, return_inverse=True, return_counts=True)
    strata = _strata(samples.labels, unit, len(samples.classes))
    lacking: list[str] = []
    for _ in range(DRAWS):
        fold_of = _deal(strata, sizes, settings.folds, random)[unit]
        sides = [fold_of == number for number in range(settings.folds)]
        plan = [Fold(repeat, number, *map(np.flatnonzero, (~side, side))) for number, side in enumerate(sides)]
        lacking = _missing(samples, plan)
        division = frozenset(side.tobytes() for side in sides)
        if not lacking and division not in seen:
            seen.add(division)
            return plan
    if seen:
        return []
    raise HeadError(
        got=f"in {DRAWS} draws of {settings.folds} folds, class {lacking[0]!r} always missed one side of a fold",
        remedy="use fewer folds, or add images of other patients to that class",
    )


def _strata(labels: np.ndarray, unit: np.ndarray, classes: int) -> np.ndarray:
    """The class of which each unit holds the largest share, the rarest first; shape (units,)."""
    images = np.bincount(unit * classes + labels, minlength=(unit.max() + 1) * classes).reshape(-1, classes)
    total, first = images.sum(axis=0), (images > 0).argmax(axis=0)
    rarest = sorted(range(classes), key=lambda label: (total[label], first[label], images[:, label].tobytes()))
    return (images[:, rarest] / total[rarest]).argmax(axis=1)


def _deal(strata: np.ndarray, sizes: np.ndarray, folds: int, random: np.random.Generator) -> np.ndarray:
    """The fold of each unit: of every few neighbours by size in a stratum, as many as there are folds, one each.

    What is left over in a stratum goes to the folds whose turn it is, so that the numbers of units differ by at most
    one, in every stratum and in all.
    """
    order = np.lexsort((random.random(len(sizes)), -sizes, strata))
    ordered, place = strata[order], np.arange(len(order))
    block = (place - np.searchsorted(ordered, ordered)) // folds
    mixed = np.lexsort((random.random(len(order)), block, ordered))
    dealt = np.empty(len(order), np.int64)
    dealt[order[mixed]] = random.permutation(folds)[place % folds]
    return dealt


def _official(samples: Samples) -> Fold:
    """The official split without the training rows whose group is also tested."""
    groups, split = samples.groups, samples.split
    test = np.flatnonzero(split == "test")
    train = np.flatnonzero((split == "train") & ~np.isin(groups, groups[test]))
    fold = Fold(0, 0, train, test)
    got = ""
    if not len(test) or "train" not in split:
        got = "the data set has no official train and test parts"
    elif not len(train):
        got = "every training image shares a patient or its content with the official test part"
    elif lacking := _missing(samples, [fold]):
        got = f"class {lacking[0]!r} is missing from a part of the official split"
    if got:
        raise HeadError(got, remedy="use --protocol cv")
    return fold


def _refuse_scarce(samples: Samples, units: np.ndarray, folds: int) -> None:
    """Say at once which class cannot be in every fold."""
    if len(np.unique(samples.labels)) < 2:
        raise HeadError(got="all images are of one class", remedy="give images of at least two classes")
    for label, name in enumerate(samples.classes):
        count, independent = np.sum(samples.labels == label), len(np.unique(units[samples.labels == label]))
        if independent < folds:
            images = "1 image" if count == 1 else f"{count} images of {independent} patients or contents"
            fewer = f"use at most {independent} folds, " if independent > 1 else ""
            raise HeadError(
                got=f"class {name!r} has {images}, too few for {folds} folds",
                remedy=f"{fewer}add images of other patients, or leave the class out",
            )


def _missing(samples: Samples, plan: Sequence[Fold]) -> list[str]:
    """Classes that one side of a fold lacks."""
    sides = [rows for fold in plan for rows in (fold.train, fold.test)]
    counts = [np.bincount(samples.labels[rows], minlength=len(samples.classes)) for rows in sides]
    lacking = (np.array(counts) == 0).any(axis=0) & np.isin(range(len(samples.classes)), samples.labels)
    return [samples.classes[label] for label in np.flatnonzero(lacking)]


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
