"""Which images a data set holds, with their labels, patients and parts: from its folders or its label file."""

import csv
import io
import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, ClassVar, Self

import numpy as np

from headroom.errors import FeatureError

IMAGE_SUFFIXES = {
    *(".bmp", ".dcm", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tga"),
    *(".tif", ".tiff", ".webp"),
}
PARTS = {
    **dict.fromkeys(("train", "training", "val", "valid", "validation"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
}
IMAGE_COLUMNS = ("image", "image_id", "id_code", "filename", "file_name", "file", "path", "id")
LABEL_COLUMNS = ("label", "diagnosis", "grade", "level", "class", "target", "dx")
SURROGATE = re.compile("[\ud800-\udfff]")  # what Python makes of bytes that are not UTF-8
GROUP_COLUMNS = ("patient", "patient_id", "patientid", "group", "subject", "subject_id")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """The images of one data set, in a fixed order: the one table of stage one.

    Attributes
    ----------
    name : str
    root : Path
        Folder that ``ids`` are relative to.
    classes : tuple of str, length k
    ids : ndarray of str, shape (n,)
        Paths of the images, relative to ``root``, with forward slashes.
    labels : ndarray of int64, shape (n,)
    groups : ndarray of str, shape (n,)
        Patient ids; empty where unknown.
    split : ndarray of str, shape (n,)
        ``"train"``, ``"test"`` or empty.
    ordinal : bool
        Whether the classes are ordered grades.
    notes : tuple of str
        What a user should know of the scan.

    Examples
    --------
    >>> blank = np.array(["", "", ""])
    >>> ids = np.array(["a/1.png", "a/2.png", "b/1.png"])
    >>> images = ImageSet("scans", Path("scans"), ("a", "b"), ids, np.array([0, 0, 1]), blank, blank)
    >>> images.take(images.labels == 1).path(0).as_posix()
    'scans/b/1.png'
    """

    columns: ClassVar[tuple[str, ...]] = ("ids", "labels", "groups", "split")

    name: str
    root: Path
    classes: tuple[str, ...]
    ids: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    split: np.ndarray
    ordinal: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Any) -> Self:
        """Return the rows that an index, a mask or a slice names."""
        return replace(self, **{name: getattr(self, name)[rows] for name in self.columns})

    def path(self, row: int) -> Path:
        """Return where an image lies."""
        return self.root / str(self.ids[row])

    def says_the_same_as(self, other: "ImageSet") -> bool:
        """Return whether another set has the same images with the same labels, patients and parts."""
        return (self.classes, self.ordinal) == (other.classes, other.ordinal) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ImageSet.columns
        )


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a label file; None where they are to be recognised."""

    image: str | None = None
    label: str | None = None
    group: str | None = None


def scan_folders(root: Path, name: str) -> ImageSet:
    """Scan a folder with one sub-folder a class, or with such trees in ``train`` and ``test`` folders.

    Raises
    ------
    FeatureError
        There is no such folder, or no class folder with an image in it.
    """
    parts = {folder: PARTS[folder.name.lower()] for folder in _folders(root) if folder.name.lower() in PARTS}
    inner = [folder for part in parts for folder in _folders(part)]
    trees = parts if inner else {root: ""}
    found = [
        (folder, part, [f"{folder.relative_to(root).as_posix()}/{image}" for image in _images(folder)])
        for tree, part in trees.items()
        for folder in _folders(tree)
    ]
    ids = [image for _, _, images in found for image in images]
    labels = [folder.name for folder, _, images in found for _ in images]
    split = [part for _, part, images in found for _ in images]
    if not ids:
        raise FeatureError(
            got=f"the folder {root} holds no class folder with images",
            remedy="name a folder with one sub-folder of images a class, or a label file with --labels",
        )
    return _assemble(name, root, ids, labels, [""] * len(ids), split)


def scan_table(table: Path, root: Path, name: str, columns: Columns, images: str = "") -> ImageSet:
    """Scan a CSV file (comma, semicolon or tab) with a header and one image a row.

    Image names are relative to the sub-folder ``images`` of ``root``; where that is empty, ``root`` and the folders
    below it are searched. Images that do not exist stay in, to be listed as unreadable.

    Raises
    ------
    FeatureError
        A column is missing, a row has no label, a name fits several files, or two rows give one image different labels.
    """
    header, rows = _read_table(table)
    image_column = _column(table, header, columns.image, IMAGE_COLUMNS, "image", "--image-column")
    label_column = _column(table, header, columns.label, LABEL_COLUMNS, "label", "--label-column")
    group_column = columns.group and _column(table, header, columns.group, (), "group", "--group-column")
    group_column = group_column or next((column for column in header if column.lower() in GROUP_COLUMNS), None)
    split_column = next((column for column in header if column.lower() == "split"), None)
    find = _finder(root, images)
    found: dict[str, tuple[str, str, str]] = {}  # label, patient and part
    for line, row in rows:
        cells: dict[str | None, str] = {name: (text or "").strip() for name, text in row.items() if name is not None}
        image, label = cells[image_column], cells[label_column]
        if not image and not label:
            continue
        if not image or not label:
            raise FeatureError(
                got=f"{table}, line {line}: {image or label} has no {label_column if image else image_column}",
                remedy="fill it in or take the row out; nothing was computed",
            )
        part = PARTS.get(cells.get(split_column, "").lower(), "")
        before, *_ = found.setdefault(find(image), (label, cells.get(group_column, ""), part))
        if before != label:
            raise FeatureError(
                got=f"{table}, line {line}: {image} is {label} here and {before} above",
                remedy="give each image one label",
            )
    if not found:
        raise FeatureError(got=f"{table} has a header and no rows", remedy="name a file with one image a row")
    return _assemble(name, root, list(found), *zip(*found.values(), strict=True))


def with_patients(images: ImageSet, pattern: str) -> ImageSet:
    """Read patient ids from image paths: the first group of a regular expression, or the whole match.

    Raises
    ------
    FeatureError
        The pattern is no regular expression or matches no image.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise FeatureError(
            got=f"--group-pattern {pattern}: {error}", remedy="give a Python regular expression"
        ) from error
    matches = [compiled.search(image) for image in images.ids.tolist()]
    which = min(compiled.groups, 1)
    found = ["" if match is None else match.group(which) or "" for match in matches]
    if not any(found):
        raise FeatureError(
            got=f"--group-pattern {pattern} matches none of {len(images)} images (the first is {images.ids[0]})",
            remedy="give a pattern whose first group is the patient",
        )
    return replace(images, groups=np.array(found))


def _assemble(
    name: str, root: Path, ids: list[str], labels: Sequence[str], groups: Sequence[str], split: Sequence[str]
) -> ImageSet:
    """Order the images by name and number their classes; columns, for an object an image would fill the memory."""
    unnamable = next((text for text in itertools.chain(ids, set(labels)) if SURROGATE.search(text)), None)
    if unnamable is not None:
        raise FeatureError(
            got=f"the file name {unnamable.encode(errors='surrogateescape')!r} in {root} is not UTF-8",
            remedy="rename the file",
        )
    classes = tuple(sorted(set(labels), key=_natural))
    number = {label: index for index, label in enumerate(classes)}
    if len(classes) < 2:
        raise FeatureError(
            got=f"{root} holds one class only ({classes[0]})",
            remedy="a comparison needs two classes: name the folder above, or check the label column",
        )
    numbers = np.array([number[label] for label in labels], np.int64)
    images = ImageSet(name, root, classes, np.array(ids), numbers, np.array(groups), np.array(split))
    return images.take(np.argsort(images.ids))


def _natural(label: str) -> tuple:
    """Sort numbers by value and before words."""
    return (0, float(label), label) if re.fullmatch(r"-?\d+(\.\d+)?", label) else (1, 0.0, label)


def _folders(root: Path) -> list[Path]:
    """Return the visible sub-folders of a folder, sorted."""
    if not root.is_dir():
        raise FeatureError(got=f"there is no folder {root}", remedy="check --dataset and --data-dir")
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path, inside: str = "") -> Iterator[str]:
    """Give the files below a folder that are named like images, as paths inside it with forward slashes."""
    with os.scandir(folder / inside) as entries:  # neither a list of names nor a Path for every image
        for entry in entries:
            name = f"{inside}{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from () if entry.is_symlink() else _images(folder, f"{name}/")
            elif name[name.rfind(".") :].lower() in IMAGE_SUFFIXES:
                yield name


def _read_table(table: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read the header and the rows, each with its line, of a CSV file, whatever its separator."""
    try:
        text = table.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=text.partition("\n")[0].count))
        header = [column.strip() for column in reader.fieldnames or ()]
        reader.fieldnames = header
        rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError as error:
        raise FeatureError(got=f"there is no label file {table}", remedy="check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise FeatureError(got=f"{table} cannot be read as text: {error}", remedy="save it as UTF-8 CSV") from error
    except csv.Error as error:
        raise FeatureError(got=f"{table} is not a CSV file: {error}", remedy="save it as UTF-8 CSV") from error
    if "\0" in text:
        raise FeatureError(got=f"{table} is not plain text", remedy="save it as UTF-8 CSV")
    if not header:
        raise FeatureError(got=f"{table} is empty", remedy="name a CSV file with a header")
    return header, rows


def _column(table: Path, header: list[str], asked: str | None, known: tuple[str, ...], what: str, option: str) -> str:
    """Return the column that holds ``what``."""
    folded = {column.lower(): column for column in reversed(header)}
    found = asked if asked is not None else next((folded[name] for name in known if name in folded), None)
    if found is not None and found in header:
        return found
    missing = f"column '{asked}'" if asked is not None else f"column that is recognised as the {what}"
    raise FeatureError(
        got=f"{table} has no {missing}", remedy=f"name one of its columns with {option}: {', '.join(header)}"
    )


def _finder(root: Path, images: str) -> Callable[[str], str]:
    """Return what finds an image by the name that a table gives it (with or without ending or folder)."""
    folder, prefix = root / images, f"{images}/" if images else ""
    exact = set(_images(folder))
    loose: dict[str, list[str]] = {}
    for inside in sorted(exact):
        path = PurePath(inside)
        for alias in {inside.removesuffix(path.suffix), path.name, path.stem}:
            loose.setdefault(alias, []).append(prefix + inside)

    def find(image: str) -> str:
        name = image.replace("\\", "/").removeprefix("./")
        fits = [] if name in exact else loose.get(name, [])
        if len(fits) > 1:
            raise FeatureError(
                got=f"the image '{image}' of the table may be {fits[0]} or {fits[1]}",
                remedy="write its folder and its ending into the table too",
            )
        return fits[0] if fits else prefix + name

    return find
