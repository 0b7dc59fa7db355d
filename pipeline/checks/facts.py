"""What the checks look at: small facts of one data set, gathered from the cache and from the image files."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from headroom.errors import FeatureError
from headroom.features.store import Header, read_about, read_header
from headroom.heads.cell import Cell
from headroom.heads.folds import near_duplicates
from headroom.heads.samples import Problem
from headroom.heads.scores.scored import Scored
from headroom.pipeline.problems import Stored, load_problem

FILE_PROPERTIES = ("width", "height", "mode", "format", "bytes")
MOST_VECTORS = 20_000  # compared with each other for near-duplicates
MOST_FILES = 5_000  # opened for their properties


@dataclass(frozen=True)
class ModelFacts:
    """One embedding of a data set.

    Attributes
    ----------
    model : str
    dim, not_finite, dead : int
        Columns; those with a value that is no number; those that never change.
    near : tuple of (str, str)
        Ids of images of different groups whose vectors point almost the same way.
    outdated : bool
        Whether cells were fitted on an earlier state of it.
    """

    model: str
    dim: int
    not_finite: int = 0
    dead: int = 0
    near: tuple[tuple[str, str], ...] = ()
    outdated: bool = False


@dataclass(frozen=True, eq=False)
class Evidence:
    """One data set.

    Attributes
    ----------
    dataset : str
    classes : tuple of str
    labels, groups : ndarray of int64, shape (n,)
        Rows of one group share a patient or their content.
    contents, patients, split : ndarray of str, shape (n,)
        Content hash, patient id and official part; empty arrays where no embedding file is left.
    unreadable : mapping of str to str
        Images that could not be embedded, with the reason.
    changed : tuple of str
        Images that are gone or differ from when they were embedded; empty where the whole folder is out of reach.
    properties : ndarray of object, shape (m, 5), or None
        `FILE_PROPERTIES` of a sample of the files; None where they are out of reach.
    property_labels : ndarray of int64, shape (m,)
    models : tuple of ModelFacts
    cells : tuple of Cell
    scored : mapping of str to Scored
        Of every fitted cell by its key.
    """

    dataset: str
    classes: tuple[str, ...]
    labels: np.ndarray
    groups: np.ndarray
    contents: np.ndarray = field(default_factory=lambda: np.array([], str))
    patients: np.ndarray = field(default_factory=lambda: np.array([], str))
    split: np.ndarray = field(default_factory=lambda: np.array([], str))
    unreadable: Mapping[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    properties: np.ndarray | None = None
    property_labels: np.ndarray | None = None
    models: tuple[ModelFacts, ...] = ()
    cells: tuple[Cell, ...] = ()
    scored: Mapping[str, Scored] = field(default_factory=dict)


def gather(
    dataset: str,
    stored: Iterable[Stored],
    cells: Iterable[Cell],
    problems: Mapping[str, Problem],
    scored: Mapping[str, Scored],
    data_dir: Path,
) -> Evidence | None:
    """Gather the facts of one data set; what cannot be read is left out.

    Parameters
    ----------
    dataset : str
    stored : iterable of Stored
        Embedding files of any data set, the newest of a model first.
    cells : iterable of Cell
        Of any data set.
    problems : mapping of str to Problem
        By fingerprint.
    data_dir : Path
        Where the images are looked for if they are no longer where they were.

    Returns
    -------
    Evidence or None
        None where neither an embedding nor a cell can be read.
    """
    cells = tuple(cell for cell in cells if cell.dataset == dataset)
    newest = {item.model: item for item in reversed(list(stored)) if item.dataset == dataset}
    facts = [found for item in newest.values() if (found := _model_facts(item, cells)) is not None]
    scored = {cell.key: scored[cell.key] for cell in cells if cell.status == "fitted"}
    if not facts and not cells:
        return None
    if not facts:
        known = problems[cells[0].problem]
        return Evidence(dataset, known.classes, known.labels, known.groups, cells=cells, scored=scored)
    header = read_header(newest[facts[0][0].model].path)
    places = (Path(header.about["root"]), data_dir / dataset)
    root = next((place for place in places if place.is_dir()), None)
    properties, rows = _file_properties(header, root) if root else (None, None)
    return Evidence(
        dataset,
        header.classes,
        header.labels,
        groups=facts[0][1],
        contents=header.content_hash.astype(str),
        patients=np.array(header.groups),
        split=np.array(header.split),
        unreadable=header.bad,
        changed=_changed(header, root) if root else (),
        properties=properties,
        property_labels=None if rows is None else header.labels[rows],
        models=tuple(found for found, _ in facts),
        cells=cells,
        scored=scored,
    )


def _model_facts(item: Stored, cells: tuple[Cell, ...]) -> tuple[ModelFacts, np.ndarray] | None:
    """Facts of one embedding, and its groups; None where its file is damaged."""
    try:
        problem = load_problem(item.dataset, item.model, (item,))
    except FeatureError:
        return None
    vectors = problem.vectors
    rows = np.sort(np.random.default_rng(0).permutation(len(vectors))[:MOST_VECTORS])
    finite = np.isfinite(vectors)
    telling = read_about(item.path)["weights"] != "random"  # a random network finds everything alike
    pairs = rows[near_duplicates(np.where(finite[rows], vectors[rows], 0) if telling else vectors[:0])]
    pairs = pairs[problem.groups[pairs[:, 0]] != problem.groups[pairs[:, 1]]]
    found = ModelFacts(
        model=item.model,
        dim=vectors.shape[1],
        not_finite=int((~finite).any(axis=0).sum()),
        dead=int((vectors.max(axis=0, initial=-np.inf) == vectors.min(axis=0, initial=np.inf)).sum()),
        near=tuple((str(problem.ids[one]), str(problem.ids[two])) for one, two in pairs),
        outdated=any(cell.model == item.model and cell.problem != problem.fingerprint for cell in cells),
    )
    return found, problem.groups


def _changed(header: Header, root: Path) -> tuple[str, ...]:
    """Images whose file is gone, or of another size or time than when it was read."""
    return tuple(
        name for name, stamp in zip(header.ids, header.stamps.tolist(), strict=True) if _stamp(root / name) != stamp
    )


def _stamp(path: Path) -> list[int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return [about.st_size, about.st_mtime_ns]


def _file_properties(header: Header, root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Properties of a seeded sample of the files, and their rows; those that Pillow cannot open are left out."""
    found, rows = [], []
    for row in np.sort(np.random.default_rng(0).permutation(len(header.ids))[:MOST_FILES]):
        path = root / header.ids[row]
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
                found.append((image.width, image.height, image.mode, image.format, path.stat().st_size))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
        rows.append(row)
    return np.array(found, dtype=object).reshape(-1, len(FILE_PROPERTIES)), np.array(rows, dtype=np.int64)
