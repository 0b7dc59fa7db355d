"""What the checks look at: small facts of one data set, gathered from the cache and from the image files.

What is dear to learn is kept beside the embeddings, in ``facts.json``, under a key of all that determined it.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from headroom.errors import FeatureError
from headroom.features.store import Header
from headroom.heads.cell import Cell
from headroom.heads.folds import near_duplicates
from headroom.heads.samples import Problem
from headroom.heads.scores.scored import Scored
from headroom.pipeline.cache import Cached, EmbeddingFile, kept
from headroom.pipeline.problems import load_problem

VERSION = 1  # of the facts that are kept: raised wherever one would be another
FILE_PROPERTIES = ("width", "height", "mode", "format", "bytes")
MOST_VECTORS = 20_000  # compared with each other for near-duplicates
MOST_FILES = 5_000  # opened for their properties
TREE_FOLDS = 5
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what Pillow makes of a damaged file


@dataclass(frozen=True)
class ModelFacts:
    """One embedding of a data set.

    Attributes
    ----------
    model : str
    dim, not_finite, dead : int
        Columns; those with a value that is no number; those that never change.
    near : int
        Pairs of images of different groups whose vectors point almost the same way.
    pair : sequence of str
        Ids of the first pair.
    """

    model: str
    dim: int
    not_finite: int = 0
    dead: int = 0
    near: int = 0
    pair: Sequence[str] = ()


@dataclass(frozen=True)
class FileFacts:
    """How well a small tree guesses the class from file properties alone, and which of them tells most."""

    accuracy: float
    majority: float
    telling: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """One data set.

    Attributes
    ----------
    problem : Problem
        Its vectors are not looked at.
    header : Header, optional
        Of an embedding file; rows as in ``problem``. None where there is no file any more.
    changed : tuple of str
        Images that are gone or differ from when they were embedded; empty where the whole folder is out of reach.
    files : FileFacts, optional
        None where the files are out of reach, or too few to tell.
    models : tuple of ModelFacts
    outdated : tuple of str
        Models of which cells were fitted on an earlier state.
    cells : tuple of Cell
    scored : mapping of str to Scored
        Of every fitted cell, by its key.
    """

    problem: Problem
    header: Header | None = None
    changed: tuple[str, ...] = ()
    files: FileFacts | None = None
    models: tuple[ModelFacts, ...] = ()
    outdated: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    scored: Mapping[str, Scored] = field(default_factory=dict)


def gather(
    dataset: str,
    cached: Cached,
    cells: Iterable[Cell],
    problems: Mapping[str, Problem],
    scored: Mapping[str, Scored],
    data_dir: Path,
) -> Evidence | None:
    """Gather the facts of one data set; None where neither an embedding nor a cell of it can be read."""
    cells = tuple(cell for cell in cells if cell.dataset == dataset)
    scored = {cell.key: scored[cell.key] for cell in cells if cell.key in scored}
    fitted = {(cell.model, cell.problem) for cell in cells}
    first: tuple[Problem, EmbeddingFile] | None = None
    models: list[ModelFacts] = []
    outdated: list[str] = []
    for item in cached.newest(dataset).values():
        with suppress(FeatureError):  # a damaged file: what it holds cannot be judged
            problem = load_problem(dataset, item.model, [item], vectors=False)
            models.append(ModelFacts(**_kept(item, item.model, problem.fingerprint, partial(_model_facts, item))))
            outdated += {model for model, of in fitted if model == item.model and of != problem.fingerprint}
            first = first or (problem, item)
    if first is None:
        return Evidence(problems[cells[0].problem], cells=cells, scored=scored) if cells else None
    problem, item = first
    root = image_folder(dataset, cached, data_dir)
    changed, files = _look(item, root) if root else ((), None)
    return Evidence(problem, item.header, changed, files, tuple(models), tuple(outdated), cells, scored)


def image_folder(dataset: str, cached: Cached, data_dir: Path) -> Path | None:
    """Where the images of a data set are: where they were embedded, or in the data folder; None: out of reach."""
    roots = [Path(item.about["root"]) for item in cached.newest(dataset).values()]
    return next((place for place in (*roots, data_dir / dataset) if roots and place.is_dir()), None)


def file_facts(properties: np.ndarray, labels: np.ndarray) -> FileFacts | None:
    """Let a small tree guess the label from the file, not the picture (Kapoor and Narayanan 2023 on such leaks).

    Parameters
    ----------
    properties : ndarray of object, shape (m, 5)
        `FILE_PROPERTIES` of each file.
    labels : ndarray of int64, shape (m,)

    Returns
    -------
    FileFacts or None
        None where there are too few files to tell.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    counts = np.bincount(labels, minlength=1)
    if np.count_nonzero(counts) < 2 or counts[counts > 0].min() < TREE_FOLDS:
        return None
    columns = np.column_stack([_as_numbers(column) for column in properties.T])
    tree = DecisionTreeClassifier(max_depth=4, min_samples_leaf=max(5, len(labels) // 200), random_state=0)
    folds = StratifiedKFold(TREE_FOLDS, shuffle=True, random_state=0)
    accuracy = float((cross_val_predict(tree, columns, labels, cv=folds) == labels).mean())
    telling = FILE_PROPERTIES[int(tree.fit(columns, labels).feature_importances_.argmax())]
    return FileFacts(accuracy, float(counts.max() / len(labels)), telling)


def _kept(item: EmbeddingFile, name: str, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return kept(item.path.with_name("facts.json"), name, f"{VERSION} {key}", compute)


def _model_facts(item: EmbeddingFile) -> dict[str, Any]:
    problem = load_problem(item.dataset, item.model, [item])
    vectors, groups = problem.vectors, problem.groups
    rows = np.sort(np.random.default_rng(0).permutation(len(vectors))[:MOST_VECTORS])
    finite = np.isfinite(vectors)
    telling = item.about.get("weights") != "random"  # a random network finds everything alike
    pairs = rows[near_duplicates(np.where(finite[rows], vectors[rows], 0) if telling else vectors[:0])]
    pairs = pairs[groups[pairs[:, 0]] != groups[pairs[:, 1]]]
    return {
        "model": item.model,
        "dim": vectors.shape[1],
        "not_finite": int((~finite).any(axis=0).sum()),
        "dead": int((vectors.max(axis=0, initial=-np.inf) == vectors.min(axis=0, initial=np.inf)).sum()),
        "near": len(pairs),
        "pair": problem.ids[pairs[:1].ravel()].tolist(),
    }


def _look(item: EmbeddingFile, root: Path) -> tuple[tuple[str, ...], FileFacts | None]:
    """Images whose file is gone, or of another size or time than when it was read; and what the files tell."""
    header = item.header
    stamps = [_stamp(root / name) for name in header.ids]
    state = json.dumps([str(root.resolve()), header.ids.tolist(), header.labels.tolist(), stamps])
    key = hashlib.sha256(state.encode()).hexdigest()
    told = _kept(item, "image files", key, partial(_opened, header, root))
    changed = tuple(
        name for name, then, now in zip(header.ids, header.stamps.tolist(), stamps, strict=True) if then != now
    )
    return changed, FileFacts(**told) if told else None


def _stamp(path: Path) -> list[int] | None:
    """Bytes and modification time of a file; None where there is none."""
    with suppress(OSError):
        about = path.stat()
        return [about.st_size, about.st_mtime_ns]
    return None


def _opened(header: Header, root: Path) -> dict[str, Any]:
    """What a seeded sample of the files tells; those that Pillow cannot open are left out."""
    found: dict[int, tuple] = {}
    for row in np.sort(np.random.default_rng(0).permutation(len(header.ids))[:MOST_FILES]):
        path = root / header.ids[row]
        with suppress(*UNREADABLE), warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            found[row] = (image.width, image.height, image.mode, image.format, path.stat().st_size)
    properties = np.array(list(found.values()), dtype=object).reshape(-1, len(FILE_PROPERTIES))
    told = file_facts(properties, header.labels[np.array(list(found), dtype=np.int64)])
    return asdict(told) if told else {}


def _as_numbers(column: np.ndarray) -> np.ndarray:
    """Numbers as they are, texts by their rank."""
    if all(isinstance(value, int) for value in column):
        return column.astype(float)
    return np.unique(column.astype(str), return_inverse=True)[1].astype(float)
