"""From what ``--dataset`` says to the images."""

from pathlib import Path

import pytest

from headroom.errors import FeatureError, UsageError
from headroom.features.scan import Columns
from headroom.pipeline.names import locate
from tests.pictures import folder_set, table_set


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_path(place):
    folder_set(place / "here" / "scans", {"a": 2, "b": 2})
    images = locate("here/scans", Path("data"))
    assert images.name == "scans"
    assert images.classes == ("a", "b")


def test_folder_in_the_data_folder(place):
    folder_set(place / "data" / "scans", {"a": 2, "b": 2})
    assert len(locate("scans", Path("data")).ids) == 4


def test_folder_here_wins_over_the_data_folder(place):
    folder_set(place / "data" / "scans", {"a": 2, "b": 2})
    folder_set(place / "scans", {"a": 1, "b": 1})
    assert len(locate("scans", Path("data")).ids) == 2


def test_labels_in_the_folder_are_used(place):
    table_set(place / "cohort", [("1.png", "sick"), ("2.png", "well")])
    assert locate("cohort", Path("data")).classes == ("sick", "well")


def test_labels_elsewhere(place):
    table_set(place / "cohort", [("1.png", "sick"), ("2.png", "well")])
    (place / "mine.csv").write_text("image,label\n1.png,x\n2.png,y\n")
    assert locate("cohort", Path("data"), labels=Path("mine.csv")).classes == ("x", "y")


def test_labels_and_columns_for_a_set_of_the_catalogue(place):
    table_set(place / "data" / "aptos", [("1.png", "sick"), ("2.png", "well")], ("bild", "befund"))
    images = locate("aptos", Path("data"), labels=Path("labels.csv"), columns=Columns("bild", "befund"))
    assert images.classes == ("sick", "well")


def test_patients_and_order(place):
    folder_set(place / "scans", {"1": 2, "2": 2})
    images = locate("scans", Path("data"), pattern=r"/(\d)", ordinal=True)
    assert images.ordinal
    assert tuple(images.groups) == ("1", "1", "2", "2")


@pytest.mark.parametrize(
    ("name", "safe"),
    [("my scans", "my scans"), ("a/b", "a_b"), ("../up", "_up"), ("x" * 20, "x" * 20), ("Ärzte", "Ärzte")],
)
def test_names_are_made_safe_for_a_folder(place, name, safe):
    folder_set(place / "scans", {"a": 1, "b": 1})
    assert locate("scans", Path("data"), name=name).name == safe


@pytest.mark.parametrize("name", ["..", ".", "   ", ". ."])
def test_names_without_a_letter(place, name):
    folder_set(place / "scans", {"a": 1, "b": 1})
    with pytest.raises(UsageError):
        locate("scans", Path("data"), name=name)


@pytest.mark.parametrize("dataset", ["./nowhere", "/nowhere/at/all", "a/b", ".."[:1] + "hidden"])
def test_missing_path(place, dataset):
    with pytest.raises(UsageError, match="there is no folder") as caught:
        locate(dataset, Path("data"))
    assert caught.value.remedy == "check the path"


def test_unknown_name(place):
    with pytest.raises(UsageError, match="unknown data set 'apto'") as caught:
        locate("apto", Path("data"))
    assert "aptos" in caught.value.remedy


def test_missing_labels(place):
    folder_set(place / "scans", {"a": 1, "b": 1})
    with pytest.raises(FeatureError, match=r"none\.csv"):
        locate("scans", Path("data"), labels=Path("none.csv"))


def test_working_folder_itself(place):
    folder_set(place, {"a": 1, "b": 1})
    assert locate(".", Path("data")).name == place.name
