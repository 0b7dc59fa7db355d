"""Every data set of the catalogue, in a miniature of its official layout."""

import re
from pathlib import Path

import pytest

from headroom.errors import FeatureError
from headroom.features.datasets import DATASETS, load_dataset
from headroom.features.synthetic import write_fundus
from tests.pictures import write_picture

RECORDS = list(DATASETS.values())
PER_CLASS = 2
# Names as the official sets write them, with the patient that each belongs to.
OFFICIAL_NAMES = {
    "eyepacs": [("{number}_left", "{number}"), ("{number}_right", "{number}")],
    "oct2017": [("{label}-{number}-1.jpeg", "{number}"), ("{label}-{number}-22.jpeg", "{number}")],
    "chest-xray": [
        ("person{number}_bacteria_{number}.jpeg", "person{number}"),
        ("IM-0{number}-0001.jpeg", "IM-0{number}"),
    ],
    "malaria": [
        ("C{number}P61ThinF_IMG_20150918_cell_1.png", "C{number}P61"),
        ("C{number}P61ThinF_IMG_20150918_cell_2.png", "C{number}P61"),
    ],
}
PARTS = {"brain-tumor": ("Training", "Testing"), "oct2017": ("train", "test"), "chest-xray": ("train", "val", "test")}


def miniature(record, root: Path, per_class: int = PER_CLASS) -> dict[str, tuple[str, str]]:
    """Write a few images a class in the official layout; returns label and patient by image name."""
    known = {}
    rows = []
    for number, label in enumerate(record.expected):
        for index in range(per_class):
            pattern, patient = OFFICIAL_NAMES.get(record.name, [("{label}{index}", "")])[
                index % len(OFFICIAL_NAMES.get(record.name, [0]))
            ]
            words = {"label": label, "number": 100 + number, "index": index}
            name, patient = pattern.format(**words), patient.format(**words)
            if record.table:
                rows.append((name, label))
                place = Path(record.images, name + ("" if Path(name).suffix else ".png"))
            else:
                parts = PARTS.get(record.name, ("",))
                place = Path(parts[index % len(parts)], label, name if Path(name).suffix else name + ".jpg")
            write_picture(root / place, 10 * number + index)
            known[place.as_posix()] = (label, patient)
    if record.table:
        lines = [f"{record.columns.image},{record.columns.label}", *(",".join(row) for row in rows)]
        (root / record.table).write_text("\n".join(lines) + "\n")
    return known


@pytest.mark.parametrize("record", [record for record in RECORDS if record.make is None], ids=lambda row: row.name)
class TestEveryOfficialLayout:
    def test_is_scanned(self, record, tmp_path):
        known = miniature(record, tmp_path / record.name)
        images = load_dataset(record, tmp_path / record.name)
        assert images.name == record.name
        assert images.ordinal is record.ordinal
        assert set(images.classes) == set(record.expected)
        labels = {name: images.classes[label] for name, label in zip(images.ids, images.labels, strict=True)}
        assert labels == {name: label for name, (label, _) in known.items()}

    def test_patients_are_found(self, record, tmp_path):
        known = miniature(record, tmp_path / record.name)
        images = load_dataset(record, tmp_path / record.name)
        groups = dict(zip(images.ids, images.groups, strict=True))
        assert groups == {name: patient for name, (_, patient) in known.items()}

    def test_parts_are_found(self, record, tmp_path):
        miniature(record, tmp_path / record.name)
        images = load_dataset(record, tmp_path / record.name)
        assert set(images.split) == ({"train", "test"} if record.name in ("brain-tumor", "oct2017") else {""}) or (
            record.name == "chest-xray" and set(images.split) == {"train"}
        )

    def test_other_counts_are_noted(self, record, tmp_path):
        miniature(record, tmp_path / record.name)
        (note,) = load_dataset(record, tmp_path / record.name).notes
        assert record.name in note
        for label, count in record.expected.items():
            assert f"{label} {count:,}" in note
            assert f"{label} {PER_CLASS}" in note

    def test_missing_folder_says_how_to_get_it(self, record, tmp_path):
        with pytest.raises(FeatureError) as caught:
            load_dataset(record, tmp_path / record.name)
        assert record.source in caught.value.remedy
        assert "--data-dir" in caught.value.remedy

    def test_empty_folder_is_one_error(self, record, tmp_path):
        (tmp_path / record.name).mkdir()
        with pytest.raises(FeatureError):
            load_dataset(record, tmp_path / record.name)


@pytest.mark.parametrize("record", RECORDS, ids=lambda row: row.name)
class TestEveryRecord:
    def test_says_all_that_a_user_must_know(self, record):
        assert DATASETS[record.name] is record
        assert re.fullmatch(r"[a-z0-9-]+", record.name)
        assert record.title
        assert record.licence
        assert record.source
        assert len(record.expected) > 1
        assert min(record.expected.values()) > 0

    def test_ordinal_grades_are_numbers_in_order(self, record):
        if record.ordinal:
            assert list(record.expected) == sorted(record.expected, key=float)

    def test_a_table_names_its_columns(self, record):
        assert bool(record.table) == (record.columns.image is not None and record.columns.label is not None)

    def test_the_pattern_is_a_regular_expression_with_one_group(self, record):
        assert re.compile(record.patients).groups == bool(record.patients)


def test_counts_that_are_the_official_ones_need_no_note(tmp_path):
    import dataclasses

    record = dataclasses.replace(DATASETS["malaria"], expected={"Parasitized": 2, "Uninfected": 2})
    miniature(record, tmp_path / "malaria")
    assert load_dataset(record, tmp_path / "malaria").notes == ()


class TestSyntheticFundus:
    COUNTS = (4, 2, 3, 2, 2)

    def test_is_made_at_first_use_and_not_again(self, tmp_path, monkeypatch):
        import dataclasses

        made = []

        def make(folder):
            made.append(folder)
            write_fundus(folder, self.COUNTS)

        record = dataclasses.replace(DATASETS["synthetic-fundus"], make=make)
        first, second = (load_dataset(record, tmp_path / "synthetic-fundus") for _ in range(2))
        assert len(made) == 1
        assert tuple(first.ids) == tuple(second.ids)
        assert [int((first.labels == label).sum()) for label in range(5)] == list(self.COUNTS)

    def test_is_the_same_every_time(self, tmp_path):
        for name in "ab":
            write_fundus(tmp_path / name, (2, 2))
        for path in (tmp_path / "a" / "images").iterdir():
            assert path.read_bytes() == (tmp_path / "b" / "images" / path.name).read_bytes()

    def test_patients_never_have_two_grades(self, tmp_path):
        write_fundus(tmp_path / "synthetic-fundus", self.COUNTS)
        images = load_dataset(DATASETS["synthetic-fundus"], tmp_path / "synthetic-fundus")
        grades: dict[str, set[int]] = {}
        for patient, label in zip(images.groups, images.labels, strict=True):
            grades.setdefault(patient, set()).add(int(label))
        assert all(len(found) == 1 for found in grades.values())
        assert "" not in grades

    def test_interrupted_making_leaves_no_half_set(self, tmp_path, monkeypatch):
        monkeypatch.setattr(
            "headroom.features.synthetic.draw_fundus", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            write_fundus(tmp_path / "set", (2, 2))
        assert not (tmp_path / "set").exists()
        monkeypatch.undo()
        write_fundus(tmp_path / "set", (2, 2))
        assert len(list((tmp_path / "set" / "images").iterdir())) == 4
        assert [path.name for path in tmp_path.iterdir()] == ["set"]
