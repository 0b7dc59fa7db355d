"""Public data sets by name: layout, classes, counts, licence, how to get them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
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


_ROWS = (
    Dataset(
        "aptos",
        "APTOS 2019 blindness detection, training part",
        {"0": 1805, "1": 370, "2": 999, "3": 193, "4": 295},
        "Kaggle competition rules",
        "Kaggle competition aptos2019-blindness-detection: unpack train.csv and train_images/",
        ordinal=True,
        table="train.csv",
        images="train_images",
        columns=Columns("id_code", "diagnosis"),
    ),
    Dataset(
        "brain-tumor",
        "Brain Tumor MRI, 4 classes",
        {"glioma": 1621, "meningioma": 1645, "notumor": 2000, "pituitary": 1757},
        "CC0 (as stated by its Kaggle page)",
        "Kaggle data set masoudnickparvar/brain-tumor-mri-dataset: unpack Training/ and Testing/",
    ),
    Dataset(
        "eyepacs",
        "EyePACS diabetic retinopathy detection, training part",
        {"0": 25810, "1": 2443, "2": 5292, "3": 873, "4": 708},
        "Kaggle competition rules",
        "Kaggle competition diabetic-retinopathy-detection: unpack trainLabels.csv and train/",
        ordinal=True,
        table="trainLabels.csv",
        images="train",
        columns=Columns("image", "level"),
        patients=r"(\d+)_(?:left|right)",
    ),
    Dataset(
        "oct2017",
        "OCT2017 retinal tomography (Kermany et al. 2018)",
        {"CNV": 37455, "DME": 11598, "DRUSEN": 8866, "NORMAL": 26565},
        "CC BY 4.0",
        "Mendeley Data rscbjbr9sj: unpack train/ and test/",
        patients=r"(?:CNV|DME|DRUSEN|NORMAL)-(\d+)-\d+",
    ),
    Dataset(
        "chest-xray",
        "Chest X-ray pneumonia in children (Kermany et al. 2018)",
        {"NORMAL": 1583, "PNEUMONIA": 4273},
        "CC BY 4.0",
        "Mendeley Data rscbjbr9sj: unpack train/, val/ and test/",
        patients=r"(person\d+|IM-\d+)",
        mirror_safe=False,
    ),
    Dataset(
        "malaria",
        "Malaria cell images (Rajaraman et al. 2018)",
        {"Parasitized": 13779, "Uninfected": 13779},
        "public domain (United States National Library of Medicine)",
        "National Library of Medicine, malaria data sheet: unpack Parasitized/ and Uninfected/",
        patients=r"^[^/]*/(C\d+P\d+)",
    ),
    Dataset(
        "synthetic-fundus",
        "generated fundus-like discs whose lesions grow with the grade",
        {"0": 296, "1": 61, "2": 164, "3": 32, "4": 48},
        "generated, free of any licence",
        "made by headroom itself at first use",
        ordinal=True,
        table="labels.csv",
        images="images",
        columns=Columns("image", "grade", "patient"),
        make=write_fundus,
    ),
)

DATASETS: dict[str, Dataset] = {row.name: row for row in _ROWS}


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
