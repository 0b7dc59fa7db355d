"""From embedding files in the cache to the problems of stage two."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from headroom.errors import FeatureError, UsageError
from headroom.features.store import read_vectors
from headroom.heads.folds import union_groups
from headroom.heads.samples import Problem
from headroom.pipeline.cache import Cached, EmbeddingFile, Image
from headroom.pipeline.names import pick, unknown

FUSION = "+"


def plan_problems(
    cached: Cached, datasets: Iterable[str], models: Iterable[str]
) -> list[tuple[str, str, tuple[EmbeddingFile, ...]]]:
    """Say which problems are asked for: data set, model, and the files that make it.

    Parameters
    ----------
    cached : Cached
    datasets : iterable of str
        Names or wildcards; none: all.
    models : iterable of str
        Names or wildcards; ``a+b`` joins the vectors of two models; ``a@fingerprint`` picks one of several files.

    Returns
    -------
    list of (str, str, tuple of EmbeddingFile)

    Raises
    ------
    UsageError
        Nothing is stored, or a name fits nothing.
    """
    if not cached.files:
        raise UsageError(got="the cache holds no embeddings", remedy="run extract first, or name another --cache")
    problems = []
    for dataset in pick("data set", list(datasets) or ["all"], dict.fromkeys(item.dataset for item in cached.files)):
        newest = cached.newest(dataset)
        here = {f"{item.model}@{item.fingerprint[:8]}": item for item in cached.files if item.dataset == dataset}
        here |= newest
        for asked in list(models) or ["all"]:
            is_exact = FUSION in asked or "@" in asked
            for name in [asked] if is_exact else pick("stored model", [asked], newest):
                parts = name.split(FUSION)
                for missing in [part for part in parts if part not in here]:
                    raise unknown(kind="stored model", name=missing, rows=list(here))
                problems.append((dataset, name, tuple(here[part] for part in parts)))
    return list(dict.fromkeys(problems))


def load_problem(
    dataset: str, model: str, files: Sequence[EmbeddingFile], *, vectors: bool = True, views: bool = False
) -> Problem:
    """Read the embeddings of a problem and find its groups.

    Rows of one group share a patient or have identical content. Where several models are joined, images that one of
    them lacks are left out.

    Parameters
    ----------
    dataset, model : str
    files : sequence of EmbeddingFile
    vectors : bool
        Whether the vectors are wanted; else they have no columns.
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
    first, *others = [file.rows for file in files]
    images = [image for image in first if all(image in index for index in others)]
    if not images:
        raise FeatureError(
            got=f"the embeddings of {model} have no image in common",
            remedy="run extract for all of them on the same images",
        )
    found = files[0].header.take([first[image] for image in images])
    hashes = found.content_hash.astype(str)
    digest = hashlib.sha256("|".join((dataset, model, *(file.fingerprint for file in files))).encode())
    texts = [np.char.encode(text, "utf-8") for text in (found.ids, found.groups, hashes, found.split)]
    for column in (found.labels.astype(np.int64), *texts):
        digest.update(np.ascontiguousarray(column).tobytes())
    digest.update(repr((found.classes, found.ordinal)).encode())
    return Problem(
        dataset=dataset,
        model=model,
        vectors=_joined(files, images) if vectors else np.empty((len(found), 0), np.float32),
        labels=found.labels,
        classes=found.classes,
        ids=found.ids,
        groups=_groups(found.groups, hashes),
        split=found.split,
        ordinal=found.ordinal,
        fingerprint=digest.hexdigest(),
        views=_views(files, images) if views else None,
    )


def _groups(patients: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Groups numbered by content: names of files, classes and patients, which order the rows, do not matter."""
    order = np.argsort(hashes, kind="stable")
    groups = np.empty(len(order), np.int64)
    groups[order] = union_groups(patients[order], hashes[order])
    return groups


def _joined(files: Sequence[EmbeddingFile], images: list[Image]) -> np.ndarray:
    """Vectors of these images, those of several files side by side; float32, shape (n, d)."""
    parts = []
    for file in files:
        vectors = read_vectors(file.path, 0, len(file.rows))
        parts.append(vectors if images == list(file.rows) else vectors[[file.rows[image] for image in images]])
    return parts[0] if len(parts) == 1 else np.hstack(parts)  # no copy of what may be large


def _views(files: Sequence[EmbeddingFile], images: list[Image]) -> np.ndarray | None:
    """The views that every file has of all these images; float32, shape (n, v, d), or None."""
    places = [{view.about["view"]: view for view in file.views} for file in files]
    common = [[place[name] for place in places] for name in sorted(set.intersection(*map(set, places)))]
    joined = [_joined(parts, images) for parts in common if all(part.rows.keys() >= set(images) for part in parts)]
    return np.stack(joined, axis=1) if joined else None
