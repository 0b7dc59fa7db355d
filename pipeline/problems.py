"""From embedding files in the cache to the problems of stage two."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headroom.errors import FeatureError, UsageError
from headroom.features.store import Embeddings, read_about, read_embeddings
from headroom.heads.folds import union_groups
from headroom.heads.samples import Problem
from headroom.pipeline.names import pick, unknown

FUSION = "+"


@dataclass(frozen=True)
class Stored:
    """An embedding file in the cache, with those of its augmented views."""

    dataset: str
    model: str
    fingerprint: str
    path: Path
    views: tuple[tuple[str, Path], ...] = ()


def stored_embeddings(cache: Path) -> tuple[list[Stored], list[str]]:
    """List the embedding files of a cache, the newest of each data set and model first.

    Parameters
    ----------
    cache : Path

    Returns
    -------
    stored : list of Stored
        Ordered by data set and model.
    unreadable : list of str
        A line for each file that is damaged.
    """
    files = sorted((cache / "embeddings").glob("*/*.h5"), key=lambda path: -path.stat().st_mtime_ns)
    settings, unreadable = [], []
    for path in files:
        try:
            settings.append((path, read_about(path)))
        except FeatureError as error:
            unreadable.append(f"{error.got}: {error.remedy}")
    views: dict[tuple[str, str], dict[str, Path]] = {}
    for path, about in settings:
        if about["view"]:
            views.setdefault((about["dataset"], about["view_of"]), {})[about["view"]] = path
    found = [
        Stored(
            about["dataset"],
            about["model"],
            about["fingerprint"],
            path,
            tuple(views.get((about["dataset"], about["fingerprint"]), {}).items()),
        )
        for path, about in settings
        if not about["view"]
    ]
    return sorted(found, key=lambda item: (item.dataset, item.model)), unreadable


def plan_problems(
    stored: list[Stored], datasets: Iterable[str], models: Iterable[str]
) -> list[tuple[str, str, tuple[Stored, ...]]]:
    """Say which problems are asked for: data set, model, and the files that make it.

    Parameters
    ----------
    stored : list of Stored
    datasets : iterable of str
        Names or wildcards; none: all.
    models : iterable of str
        Names or wildcards; ``a+b`` joins the vectors of two models; ``a@fingerprint`` picks one of several files.

    Returns
    -------
    list of (str, str, tuple of Stored)

    Raises
    ------
    UsageError
        Nothing is stored, or a name fits nothing.
    """
    if not stored:
        raise UsageError(got="the cache holds no embeddings", remedy="run extract first, or name another --cache")
    known_sets = list(dict.fromkeys(item.dataset for item in stored))
    wanted_sets = pick("data set", list(datasets) or ["all"], known_sets)
    wanted_models = list(models) or ["all"]
    problems = []
    for dataset in wanted_sets:
        here: dict[str, Stored] = {}
        exact: dict[str, Stored] = {}
        for item in stored:
            if item.dataset == dataset:
                here.setdefault(item.model, item)
                exact[f"{item.model}@{item.fingerprint[:8]}"] = item
        for asked in wanted_models:
            if FUSION in asked:
                parts = tuple(_one(part, here, exact) for part in asked.split(FUSION))
                problems.append((dataset, asked, parts))
            elif "@" in asked:
                problems.append((dataset, asked, (_one(asked, here, exact),)))
            else:
                problems += [(dataset, model, (here[model],)) for model in pick("stored model", [asked], here)]
    return list(dict.fromkeys(problems))


def load_problem(dataset: str, model: str, files: tuple[Stored, ...], *, views: bool = False) -> Problem:
    """Read the embeddings of a problem and find its groups.

    Rows of one group share a patient or have identical content. Where several models are joined, images that one of
    them lacks are left out.

    Parameters
    ----------
    dataset, model : str
    files : tuple of Stored
    views : bool
        Whether the augmented views are wanted too.

    Returns
    -------
    Problem

    Raises
    ------
    FeatureError
        A file is damaged, or the files have no image in common.
    """
    parts = [read_embeddings(file.path) for file in files]
    first = parts[0]
    if len(parts) == 1:
        vectors, rows = first.vectors, np.arange(len(first.ids))
    else:
        vectors, rows = _fused(parts, model)
    labels, ids, groups = first.labels[rows], first.ids[rows], first.groups[rows]
    hashes, split = first.content_hash[rows], first.split[rows]
    digest = hashlib.sha256("|".join((dataset, model, *(part.fingerprint for part in parts))).encode())
    for column in (labels.astype(np.int64), *(np.char.encode(text, "utf-8") for text in (ids, groups, hashes, split))):
        digest.update(np.ascontiguousarray(column).tobytes())
    digest.update(repr((first.classes, bool(first.about["ordinal"]))).encode())
    return Problem(
        dataset=dataset,
        model=model,
        vectors=vectors,
        labels=labels,
        classes=first.classes,
        ids=ids,
        groups=union_groups(groups, hashes),
        split=split,
        ordinal=bool(first.about["ordinal"]),
        fingerprint=digest.hexdigest(),
        views=_views(files, ids, hashes) if views else None,
    )


def _one(name: str, here: dict[str, Stored], exact: dict[str, Stored]) -> Stored:
    """Return the one stored file that a name stands for."""
    found = here.get(name) or exact.get(name)
    if found is None:
        raise unknown(kind="stored model", name=name, rows=[*here, *exact])
    return found


def _views(files: tuple[Stored, ...], ids: np.ndarray, hashes: np.ndarray) -> np.ndarray | None:
    """Read the views that every file has; float32, shape (n, v, d), or None."""
    joined = []
    places = [dict(file.views) for file in files]
    for view in sorted(set.intersection(*map(set, places))):
        parts = [read_embeddings(place[view]) for place in places]
        indexes = [
            {key: row for row, key in enumerate(zip(part.ids, part.content_hash, strict=True))} for part in parts
        ]
        keys = list(zip(ids, hashes, strict=True))
        if all(key in index for index in indexes for key in keys):
            rows = [[index[key] for key in keys] for index in indexes]
            joined.append(np.hstack([part.vectors[row] for part, row in zip(parts, rows, strict=True)]))
    return np.stack(joined, axis=1) if joined else None


def _fused(parts: list[Embeddings], model: str) -> tuple[np.ndarray, np.ndarray]:
    """Join the vectors of the images that all parts have; return them and their rows in the first part."""
    where = [{key: row for row, key in enumerate(zip(part.ids, part.content_hash, strict=True))} for part in parts]
    common = [key for key in where[0] if all(key in rows for rows in where[1:])]
    if not common:
        raise FeatureError(
            got=f"the embeddings of {model} have no image in common",
            remedy="run extract for all of them on the same images",
        )
    rows = [np.array([index[key] for key in common]) for index in where]
    return np.hstack([part.vectors[row] for part, row in zip(parts, rows, strict=True)]), rows[0]
