"""Public data sets by name, from ``datasets.toml``: layout, classes, counts, licence, how to get them."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from headroom.errors import FeatureError
from headroom.features.scan import Columns, ImageSet, scan_folders, scan_table, with_patients
from headroom.features.synthetic import write_fundus


@dataclass(frozen=True)
class Dataset:
    """One public data set in its official layout.

    Attributes
    ----------
    name, title : str
    expected : dict of str to int
        Official count of every class.
    licence, source : str
        How it may be used, and how to get it.
    ordinal : bool
        Whether the classes are ordered grades.
    table, images : str
        Label file and image folder; without a label file the layout is one folder a class.
    columns : Columns
    patients : str
        Regular expression that finds the patient in a file name; empty where names carry none.
    mirror_safe : bool
        Whether a mirrored image keeps its meaning.
    make : callable or None
        Writes the set into a folder, for generated sets.
    """

    name: str
    title: str
    expected: dict[str, int]
    licence: str
    source: str
    ordinal: bool = False
    table: str = ""
    images: str = ""
    columns: Columns = field(default_factory=Columns)
    patients: str = ""
    mirror_safe: bool = True
    make: Callable[[Path], None] | None = None


_MAKERS = {"synthetic-fundus": write_fundus}
_ROWS = tomllib.loads(resources.files(__package__).joinpath("datasets.toml").read_text(encoding="utf-8"))
DATASETS: dict[str, Dataset] = {
    name: Dataset(name, columns=Columns(**row.pop("columns", {})), make=_MAKERS.get(name), **row)
    for name, row in _ROWS.items()
}


def load_dataset(record: Dataset, folder: Path) -> ImageSet:
    """Scan a data set of the catalogue where it lies; a generated one is made there first.

    The notes of what is returned say where counts differ from the official ones.

    Raises
    ------
    FeatureError
        The folder or a part of the official layout is missing; the remedy says how to get the set.
    """
    if record.make is not None and not (folder / record.table).is_file():
        record.make(folder)
    if not folder.is_dir():
        raise FeatureError(
            got=f"the data set {record.name} is not at {folder}",
            remedy=f"{record.source} there (or name another place with --data-dir)",
        )
    if record.table:
        images = scan_table(folder / record.table, folder, record.name, record.columns, record.images)
    else:
        images = scan_folders(folder, record.name)
    if record.patients:
        images = with_patients(images, record.patients)
    return replace(images, ordinal=record.ordinal, notes=(*images.notes, *_differences(record, images)))


def _differences(record: Dataset, images: ImageSet) -> tuple[str, ...]:
    """Say where classes or counts differ from the official set."""
    counts = {label: int((images.labels == index).sum()) for index, label in enumerate(images.classes)}
    if counts == record.expected:
        return ()
    here = ", ".join(f"{label} {count:,}" for label, count in counts.items())
    official = ", ".join(f"{label} {count:,}" for label, count in record.expected.items())
    return (f"{record.name} differs from the official set: here {here}; officially {official}",)
