"""``models``, ``datasets``, ``--version``: what can be named."""

from typing import get_args, get_type_hints

import headroom
from headroom.features.backbones import BACKBONES
from headroom.features.build import POOLING, PREPROCESSING
from headroom.features.datasets import DATASETS
from headroom.features.engines import ENGINES, REDUCED
from tests.pictures import folder_set


def test_models_lists_every_backbone(run):
    done = run("models", "--json")
    rows = {row["model"]: row for row in done.json["models"]}
    assert list(rows) == list(BACKBONES)
    assert rows["xception"]["dim"] == 2048
    assert set(rows["xception"]) == {"model", "size", "dim", "parameters", "imagenet_weights", "extracted"}


def test_models_says_what_is_extracted(run, extract, tmp_path):
    folder_set(tmp_path / "scans", {"a": 2, "b": 2})
    extract("scans")
    rows = {row["model"]: row for row in run("models", "--json").json["models"]}
    assert rows["fake"]["extracted"] == ["scans"]
    assert rows["vgg16"]["extracted"] == []
    assert "scans" in next(line for line in run("models").stdout.splitlines() if line.startswith("fake "))


def test_datasets_lists_every_record_and_ones_own(run, extract, tmp_path):
    folder_set(tmp_path / "scans", {"a": 2, "b": 2})
    extract("scans")
    done = run("datasets", "--json")
    assert [row["dataset"] for row in done.json["datasets"]] == list(DATASETS)
    assert done.json["own"] == ["scans"]
    assert "yours in the cache: scans" in run("datasets").stdout


def test_datasets_says_where_each_is_or_how_to_get_it(run, tmp_path):
    (tmp_path / "data" / "aptos").mkdir(parents=True)
    rows = {row["dataset"]: row for row in run("datasets", "--json").json["datasets"]}
    assert rows["aptos"]["folder"] == "data/aptos"
    assert rows["malaria"]["folder"] is None
    for record in DATASETS.values():
        assert record.licence in run("datasets").stdout


def test_damaged_cache_does_not_stop_the_tables(run, tmp_path):
    folder = tmp_path / "cache" / "embeddings" / "scans"
    folder.mkdir(parents=True)
    (folder / "fake-00000000.h5").write_bytes(b"half")
    assert run("models").code == 0
    assert run("datasets").code == 0


def test_version(run):
    done = run("--version")
    assert done.code == 0
    assert len(done.stdout.splitlines()) == 1


def test_unknown_command(run):
    done = run("extrct")
    assert done.code == 2
    assert "extrct" in done.stderr


def test_options_of_extract_take_every_row_of_the_tables():
    kinds = get_type_hints(headroom.extract)
    assert get_args(kinds["engine"]) == ("auto", *ENGINES)
    assert get_args(kinds["precision"]) == ("auto", "float32", *REDUCED)
    assert get_args(kinds["pooling"]) == tuple(POOLING)
    assert get_args(get_args(kinds["preprocessing"])[0]) == tuple(PREPROCESSING)
