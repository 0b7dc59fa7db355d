"""What a user types, found: rows of a table by their names, and images by what ``--dataset`` says."""

import fnmatch
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from headroom.errors import UsageError, nearest
from headroom.features.datasets import DATASETS, load_dataset
from headroom.features.scan import Columns, ImageSet, scan_folders, scan_table, with_patients

USUAL_TABLE = "labels.csv"
RECOGNISED = Columns()


def pick(kind: str, asked: Iterable[str], table: Iterable[str]) -> list[str]:
    """The rows that names, wildcards such as ``"densenet*"`` and ``"all"`` stand for, each once, in the order asked.

    Raises
    ------
    UsageError
        A name fits no row; ``kind`` says what the table holds.

    Examples
    --------
    >>> pick("head", ["svm", "l*"], ["svm", "lda", "logreg"])
    ['svm', 'lda', 'logreg']
    """
    rows = list(table)
    found: dict[str, None] = {}
    for name in asked:
        hits = [name] if name in rows else rows if name == "all" else fnmatch.filter(rows, name)
        if not hits:
            raise unknown(kind, name, rows)
        found.update(dict.fromkeys(hits))
    return list(found)


def unknown(kind: str, name: str, rows: list[str]) -> UsageError:
    """The error for a name that fits no row, with the nearest right ones.

    Examples
    --------
    >>> unknown("model", "exception", ["xception", "vgg16"]).remedy
    'did you mean xception?'
    """
    return UsageError(got=f"unknown {kind} '{name}'", remedy=nearest(name, rows))


def locate(
    dataset: str,
    data_dir: Path,
    *,
    name: str | None = None,
    labels: Path | None = None,
    columns: Columns = RECOGNISED,
    pattern: str | None = None,
    ordinal: bool = False,
) -> ImageSet:
    """Find and scan a data set.

    Parameters
    ----------
    dataset : str
        A name of the catalogue, a folder in ``data_dir``, or a path.
    name : str or None
        Another name to keep it under.
    labels : Path or None
        CSV file; relative to the working folder or to the data set.
    pattern : str or None
        Finds patient ids in file names.

    Raises
    ------
    UsageError
        There is no such data set.
    """
    record = DATASETS.get(dataset)
    if record is not None and labels is None:
        images = load_dataset(record, data_dir / record.name)
    else:
        folder = _folder(dataset, data_dir)
        own, usual = folder.resolve().name, folder / USUAL_TABLE
        table = labels or (usual if usual.is_file() else None)
        if table is None:
            images = scan_folders(folder, own)
        else:
            images = scan_table(table if table.is_file() else folder / table, folder, own, columns)
    if pattern is not None:
        images = with_patients(images, pattern)
    return replace(images, name=_safe(name or images.name), ordinal=images.ordinal or ordinal)


def _folder(dataset: str, data_dir: Path) -> Path:
    """The folder that a path or a name stands for."""
    for folder in (Path(dataset).expanduser(), data_dir / dataset):
        if folder.is_dir():
            return folder
    if "/" in dataset or dataset.startswith("."):
        raise UsageError(got=f"there is no folder {dataset}", remedy="check the path")
    raise unknown(kind="data set", name=dataset, rows=list(DATASETS))


def _safe(name: str) -> str:
    """A name that can be a folder's on any system."""
    safe = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in name).strip(". ")
    if not safe:
        raise UsageError(got=f"the name {name!r}", remedy="give the data set a name of letters and digits with --name")
    return safe
