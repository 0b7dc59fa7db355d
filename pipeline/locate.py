"""From what ``--dataset`` says to the images."""

from dataclasses import replace
from pathlib import Path

from headroom.errors import UsageError
from headroom.features.datasets import DATASETS, load_dataset
from headroom.features.scan import Columns, ImageSet, scan_folders, scan_table, with_patients
from headroom.pipeline.names import unknown

USUAL_TABLE = "labels.csv"


def locate(
    dataset: str,
    data_dir: Path,
    *,
    name: str | None = None,
    labels: Path | None = None,
    columns: Columns | None = None,
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
        images = _own(_folder(dataset, data_dir), labels, columns or Columns())
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


def _own(folder: Path, labels: Path | None, columns: Columns) -> ImageSet:
    """Scan a user's own folder, with a label file where there is one."""
    name = folder.resolve().name
    usual = folder / USUAL_TABLE
    if labels is None and not usual.is_file():
        return scan_folders(folder, name)
    labels = labels or usual
    return scan_table(labels if labels.is_file() else folder / labels, folder, name, columns)


def _safe(name: str) -> str:
    """A name that can be a folder's on any system."""
    safe = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in name).strip(". ")
    if not safe:
        raise UsageError(got=f"the name {name!r}", remedy="give the data set a name of letters and digits with --name")
    return safe
