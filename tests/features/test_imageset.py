"""What a scan finds: trees, parts, tables with anything in them, patients."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom.errors import FeatureError
from headroom.features.scan import Columns, scan_folders, scan_table, with_patients


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def table(root: Path, text: str, *names: str) -> Path:
    touch(root, *names)
    (root / "labels.csv").write_text(text, encoding="utf-8")
    return root / "labels.csv"


def scanned(root: Path, text: str, *names: str, columns: Columns | None = None):
    return scan_table(table(root, text, *names), root, "cohort", columns or Columns())


class TestFolders:
    def test_one_folder_a_class(self, tmp_path):
        images = scan_folders(touch(tmp_path, "b/2.png", "a/1.jpg", "b/1.JPG"), "scans")
        assert tuple(images.ids) == ("a/1.jpg", "b/1.JPG", "b/2.png")
        assert images.classes == ("a", "b")
        assert images.labels.tolist() == [0, 1, 1]
        assert set(images.split) == {""}

    def test_folders_in_a_class_folder_are_searched(self, tmp_path):
        images = scan_folders(touch(tmp_path, "a/p1/1.png", "a/p1/left/2.png", "b/1.png"), "scans")
        assert tuple(images.ids) == ("a/p1/1.png", "a/p1/left/2.png", "b/1.png")

    @pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "Testing"), ("TRAIN", "Test")])
    def test_parts(self, tmp_path, train, test):
        names = [f"{part}/{label}/{index}.png" for part in (train, test) for label in "ab" for index in range(2)]
        images = scan_folders(touch(tmp_path, *names), "scans")
        assert images.classes == ("a", "b")
        by_id = dict(zip(images.ids, images.split, strict=True))
        assert by_id[f"{train}/a/0.png"] == "train"
        assert by_id[f"{test}/b/1.png"] == "test"
        assert list(images.split).count("test") == 4

    def test_validation_part_counts_as_training(self, tmp_path):
        images = scan_folders(touch(tmp_path, "train/a/1.png", "val/b/1.png", "test/a/2.png"), "scans")
        assert dict(zip(images.ids, images.split, strict=True))["val/b/1.png"] == "train"

    def test_what_is_no_image_is_passed_over(self, tmp_path):
        touch(tmp_path, "a/1.png", "b/1.png", "b/notes.txt", "b/.hidden.png", ".git/x.png", "loose.png", "c/readme.md")
        (tmp_path / "a" / "folder.png").mkdir()
        assert tuple(scan_folders(tmp_path, "scans").ids) == ("a/1.png", "b/1.png")

    def test_classes_come_in_natural_order(self, tmp_path):
        labels = ["10", "9", "-1", "2.5", "2", "mild", "None"]
        images = scan_folders(touch(tmp_path, *(f"{label}/x.png" for label in labels)), "scans")
        assert images.classes == ("-1", "2", "2.5", "9", "10", "None", "mild")

    def test_order_does_not_depend_on_the_file_system(self, tmp_path):
        names = [f"{label}/{index}.png" for label in "ba" for index in (3, 1, 2)]
        first = scan_folders(touch(tmp_path / "one", *names), "scans")
        second = scan_folders(touch(tmp_path / "two", *names[::-1]), "scans")
        assert tuple(first.ids) == tuple(second.ids)

    @pytest.mark.parametrize("names", [(), ("1.png", "2.png"), ("a/notes.txt",), ("train/a/notes.txt", "test/b/x.csv")])
    def test_nothing_to_find(self, tmp_path, names):
        with pytest.raises(FeatureError, match="no class folder") as caught:
            scan_folders(touch(tmp_path, *names), "scans")
        assert "--labels" in caught.value.remedy

    def test_no_folder(self, tmp_path):
        with pytest.raises(FeatureError, match="there is no folder"):
            scan_folders(tmp_path / "nowhere", "scans")

    def test_one_class(self, tmp_path):
        with pytest.raises(FeatureError, match=r"one class only \(a\)"):
            scan_folders(touch(tmp_path, "a/1.png", "a/2.png"), "scans")

    def test_file_name_that_is_not_utf8(self, tmp_path):
        touch(tmp_path, "a/1.png", "b/1.png")
        Path(os.fsdecode(os.fsencode(tmp_path / "b") + b"/\xe4.png")).write_bytes(b"x")
        with pytest.raises(FeatureError, match="is not UTF-8") as caught:
            scan_folders(tmp_path, "scans")
        assert caught.value.got.isprintable()

    def test_links_that_lead_nowhere_or_round_in_a_circle(self, tmp_path):
        touch(tmp_path, "a/1.png", "b/1.png")
        (tmp_path / "a" / "gone.png").symlink_to("missing.png")
        (tmp_path / "a" / "loop").symlink_to(tmp_path)
        assert tuple(scan_folders(tmp_path, "scans").ids) == ("a/1.png", "a/gone.png", "b/1.png")


class TestTables:
    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_separators_marks_and_line_ends(self, tmp_path, separator, mark, end):
        rows = [("image", "label"), ("1.png", "0"), ("2.png", "1")]
        images = scanned(tmp_path, mark + end.join(separator.join(row) for row in rows), "1.png", "2.png")
        assert tuple(images.ids) == ("1.png", "2.png")
        assert images.labels.tolist() == [0, 1]

    @pytest.mark.parametrize("image", ["image", "Image", "id_code", "FileName", " path "])
    @pytest.mark.parametrize("label", ["label", "diagnosis", "Level", "dx"])
    def test_usual_columns_are_recognised(self, tmp_path, image, label):
        images = scanned(tmp_path, f"age,{label},{image}\n60,sick,1.png\n61,well,2.png\n", "1.png", "2.png")
        assert images.classes == ("sick", "well")

    def test_unusual_columns_are_named(self, tmp_path):
        text = "bild,befund,wer\n1.png,0,A\n2.png,1,B\n"
        images = scanned(tmp_path, text, "1.png", "2.png", columns=Columns("bild", "befund", "wer"))
        assert tuple(images.groups) == ("A", "B")

    @pytest.mark.parametrize(
        ("columns", "option"),
        [
            (Columns(image="picture"), "--image-column"),
            (Columns(label="finding"), "--label-column"),
            (Columns(group="person"), "--group-column"),
        ],
    )
    def test_missing_column_is_answered_with_those_there(self, tmp_path, columns, option):
        with pytest.raises(FeatureError, match="has no column") as caught:
            scanned(tmp_path, "image,label\n1.png,0\n", columns=columns)
        assert caught.value.remedy == f"name one of its columns with {option}: image, label"

    def test_no_column_recognised(self, tmp_path):
        with pytest.raises(FeatureError, match="recognised as the image"):
            scanned(tmp_path, "x,y\n1,2\n")

    def test_names_without_ending_or_folder_are_found(self, tmp_path):
        text = "image,label\n1,0\n2.png,1\nc/3.png,1\n./d\\4.png,0\n"
        images = scanned(tmp_path, text, "a/1.jpeg", "b/2.png", "c/3.png", "d/4.png")
        assert tuple(images.ids) == ("a/1.jpeg", "b/2.png", "c/3.png", "d/4.png")

    def test_whole_path_wins_over_a_name_deeper_down(self, tmp_path):
        images = scanned(tmp_path, "image,label\n1.png,0\nb/1.png,1\n", "1.png", "b/1.png")
        assert tuple(images.ids) == ("1.png", "b/1.png")
        assert images.labels.tolist() == [0, 1]

    @pytest.mark.parametrize("name", ["1.png", "1"])
    def test_name_that_fits_two_files_is_refused(self, tmp_path, name):
        with pytest.raises(FeatureError, match=r"left/1\.png.*right/1\.png"):
            scanned(tmp_path, f"image,label\n{name},0\nleft/2.png,1\n", "left/1.png", "right/1.png", "left/2.png")

    def test_stem_that_fits_two_endings_is_refused(self, tmp_path):
        with pytest.raises(FeatureError, match=r"1\.jpg.*1\.png"):
            scanned(tmp_path, "image,label\n1,0\n2,1\n", "1.jpg", "1.png", "2.png")

    def test_image_that_does_not_exist_stays_in(self, tmp_path):
        images = scanned(tmp_path, "image,label\n1.png,0\nghost.png,1\n", "1.png")
        assert tuple(images.ids) == ("1.png", "ghost.png")

    @pytest.mark.parametrize("row", ["2.png,", "2.png", "2.png,  ", ",1"])
    def test_row_without_label_or_image_names_its_line(self, tmp_path, row):
        with pytest.raises(FeatureError, match="line 3"):
            scanned(tmp_path, f"image,label\n1.png,0\n{row}\n3.png,1\n", "1.png", "2.png")

    def test_line_numbers_count_blank_and_broken_lines(self, tmp_path):
        with pytest.raises(FeatureError, match="line 6"):
            scanned(tmp_path, 'image,label,note\n\n1.png,0,"two\nlines"\n\n2.png,,\n', "1.png")

    def test_blank_rows_are_passed_over(self, tmp_path):
        assert len(scanned(tmp_path, "image,label\n1.png,0\n,\n\n2.png,1\n").ids) == 2

    def test_one_image_with_two_labels(self, tmp_path):
        with pytest.raises(FeatureError, match=r"line 4: 1\.png is 1 here and 0 above") as caught:
            scanned(tmp_path, "image,label\n1.png,0\n2.png,1\n1.png,1\n", "1.png")
        assert caught.value.remedy == "give each image one label"

    def test_one_image_twice_with_one_label_counts_once(self, tmp_path):
        images = scanned(tmp_path, "image,label\n1.png,0\n1,0\n2.png,1\n", "1.png", "2.png")
        assert tuple(images.ids) == ("1.png", "2.png")

    def test_quoted_cells_keep_separators_and_line_ends(self, tmp_path):
        text = 'image,label,note\n"a, b.png","stage ""one""","x\ny"\n2.png,two,\n'
        images = scanned(tmp_path, text, "a, b.png", "2.png")
        assert tuple(images.ids) == ("2.png", "a, b.png")
        assert images.classes == ('stage "one"', "two")

    def test_patients_and_parts(self, tmp_path):
        text = "image,label,Patient_ID,Split\n1.png,0,A,Train\n2.png,1,A,TEST\n3.png,1,,\n"
        images = scanned(tmp_path, text, "1.png", "2.png", "3.png")
        assert tuple(images.groups) == ("A", "A", "")
        assert tuple(images.split) == ("train", "test", "")

    @pytest.mark.parametrize("text", ["", "\n", "image,label\n", "image,label\n\n\n"])
    def test_empty_table(self, tmp_path, text):
        with pytest.raises(FeatureError, match=r"empty|no rows"):
            scanned(tmp_path, text)

    def test_missing_table(self, tmp_path):
        with pytest.raises(FeatureError, match="no label file"):
            scan_table(tmp_path / "labels.csv", tmp_path, "cohort", Columns())

    @pytest.mark.parametrize(
        "data", ["image,label\nä.png,0\n".encode("utf-16"), b"\xff\xfe\x00\xd8", b"PK\x03\x04\xff\xff"]
    )
    def test_other_encodings_and_spreadsheets(self, tmp_path, data):
        (tmp_path / "labels.csv").write_bytes(data)
        with pytest.raises(FeatureError) as caught:
            scan_table(tmp_path / "labels.csv", tmp_path, "cohort", Columns())
        assert "CSV" in caught.value.remedy

    def test_utf16_without_a_mark(self, tmp_path):
        (tmp_path / "labels.csv").write_bytes("image,label\n1.png,0\n".encode("utf-16-le"))
        with pytest.raises(FeatureError, match="not plain text"):
            scan_table(tmp_path / "labels.csv", tmp_path, "cohort", Columns())

    def test_folder_in_place_of_the_table(self, tmp_path):
        (tmp_path / "labels.csv").mkdir()
        with pytest.raises(FeatureError, match="cannot be read"):
            scan_table(tmp_path / "labels.csv", tmp_path, "cohort", Columns())


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(st.lists(st.lists(CELLS, max_size=4), max_size=6), st.sampled_from(",;\t"))
@settings(max_examples=150, deadline=None)
def test_any_table_is_a_set_or_one_error(tmp_path_factory, rows, separator):
    root = tmp_path_factory.mktemp("wild")
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows([["image", "label"], *rows])
    (root / "labels.csv").write_bytes(out.getvalue().encode())
    try:
        images = scan_table(root / "labels.csv", root, "wild", Columns())
    except FeatureError as error:
        refused = error
        assert refused.got
        assert refused.remedy
    else:
        written = {row[0].strip() for row in rows if len(row) > 1}
        assert len(images.ids) <= len(written)
        assert images.labels.max() == len(images.classes) - 1
        assert len(set(images.ids)) == len(images.ids) == len(images.labels) == len(images.groups) == len(images.split)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_as_a_table_are_a_set_or_one_error(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("wild")
    (root / "labels.csv").write_bytes(b"image,label\n" + data)
    try:
        assert len(scan_table(root / "labels.csv", root, "wild", Columns()).classes) > 1
    except FeatureError as error:
        assert str(error)  # noqa: PT017


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["a", "b", "10", "9"])), min_size=2, max_size=30))
@settings(max_examples=60, deadline=None)
def test_every_row_keeps_its_label(tmp_path_factory, rows):
    root = tmp_path_factory.mktemp("wild")
    wanted = {f"{number}.png": label for number, label in rows}
    lines = "".join(f"{name},{label}\n" for name, label in wanted.items())
    (root / "labels.csv").write_text("image,label\n" + lines)
    if len(set(wanted.values())) < 2:
        return
    images = scan_table(root / "labels.csv", root, "wild", Columns())
    assert {name: images.classes[label] for name, label in zip(images.ids, images.labels, strict=True)} == wanted


class TestPatients:
    @pytest.fixture
    def images(self, tmp_path):
        return scan_folders(touch(tmp_path, "a/p1_left.png", "a/p1_right.png", "b/p2_left.png", "b/other.png"), "scans")

    def test_first_group_of_the_pattern(self, images):
        assert tuple(with_patients(images, r"(p\d+)_(?:left|right)").groups) == ("p1", "p1", "", "p2")

    def test_whole_match_where_there_is_no_group(self, images):
        assert tuple(with_patients(images, r"p\d+").groups) == ("p1", "p1", "", "p2")

    def test_group_that_takes_no_part(self, images):
        assert tuple(with_patients(images, r"other|(p\d)").groups) == ("p1", "p1", "", "p2")

    @pytest.mark.parametrize("pattern", ["(", "*", "[a", "(?P<x"])
    def test_no_regular_expression(self, images, pattern):
        with pytest.raises(FeatureError, match="--group-pattern"):
            with_patients(images, pattern)

    def test_pattern_that_matches_nothing_shows_a_name(self, images):
        with pytest.raises(FeatureError, match=r"a/p1_left\.png"):
            with_patients(images, "nobody")

    @given(st.text(max_size=8))
    @settings(max_examples=60, deadline=None)
    def test_any_pattern_is_patients_or_one_error(self, pattern):
        from tests.records import image_set

        images = image_set([0, 1, 1])
        try:
            groups = with_patients(images, pattern).groups
        except FeatureError as error:
            assert "--group-pattern" in str(error)  # noqa: PT017
        else:
            assert len(groups) == 3
            assert any(groups)


def test_labels_are_numbers_of_the_classes(tmp_path):
    images = scan_folders(touch(tmp_path, *(f"{label}/{label}.png" for label in "cab")), "scans")
    assert images.labels.dtype == np.int64
    assert [images.classes[label] for label in images.labels] == ["a", "b", "c"]
