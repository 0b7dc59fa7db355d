"""The Python interface: the options of the commands, what ``--json`` holds, flat rows, arrays, errors."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

import headroom
from headroom.heads.scores.metrics import METRICS
from headroom.pipeline.commands import extract, fit, report
from tests.pictures import folder_set, table_set
from tests.pipeline.in_process import in_this_process

HEADS = ["gaussian-nb", "knn"]
ONLY_LINES = {"json", "format", "output", "figures"}
PLACES = {"cache", "data_dir"}


@pytest.fixture
def fitted(run, tmp_path, monkeypatch):
    """Embed a small set from Python and fit two heads, in this process."""
    in_this_process(monkeypatch)
    folder_set(tmp_path / "scans", {"many": 24, "some": 14, "few": 10})
    headroom.extract("fake", "scans", weights="random", jobs=1)
    return headroom.fit(HEADS, smote=True, folds=3, jobs=1)


@pytest.mark.parametrize("command", [extract, fit, report], ids=lambda command: command.__name__)
def test_options_are_those_of_the_command(command):
    theirs = {name: option for name, option in inspect.signature(command).parameters.items() if name not in ONLY_LINES}
    ours = dict(inspect.signature(getattr(headroom, command.__name__)).parameters)
    ours.pop("progress", None)
    assert set(ours) == set(theirs)
    for name, option in ours.items():
        expected = theirs[name].default
        if name in PLACES:
            assert option.default is None
        else:
            assert option.default == (expected[0] if isinstance(expected, list) else expected)
        assert f"{name}" in getattr(headroom, command.__name__).__doc__


def test_import_is_light():
    heavy = "{'numpy', 'tensorflow', 'sklearn', 'typer', 'h5py', 'matplotlib'}"
    code = f"import sys, headroom; assert not {heavy} & set(sys.modules), sys.modules; print(headroom.__version__)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout


def test_extract_returns_what_json_holds(run, tmp_path):
    folder_set(tmp_path / "scans", {"a": 4, "b": 4})
    done = run("extract", "--model", "fake", "--weights", "random", "--dataset", "scans", "--json").json
    answer = headroom.extract(["fake"], tmp_path / "scans", weights=["random"])
    assert set(answer) == {*done, "notes"}
    assert set(answer["runs"][0]) == set(done["runs"][0])
    assert answer["runs"][0]["reused"] == 8
    assert isinstance(answer["runs"][0]["file"], str)


def test_columns_paths_and_flags(run, tmp_path):
    rows = [("1.png", "sick", "p"), ("2.png", "well", "q"), ("3.png", "well", "q")]
    table_set(tmp_path / "cohort", rows, ("bild", "befund", "patient"))
    options = {"image_column": "bild", "label_column": "befund", "group_column": "patient"}
    headroom.extract("fake", tmp_path / "cohort", weights="random", ordinal=True, mirror=False, views=1, **options)
    _, y, groups = headroom.load_embeddings("cohort", "fake")
    assert groups[1] == groups[2] != groups[0]
    assert y.tolist() == [0, 1, 1]
    assert len(list(Path("cache").rglob("*.h5"))) == 2


def test_fit_returns_what_json_holds(fitted, run):
    again = run("fit", *[word for head in HEADS for word in ("--head", head)], "--smote", "--folds", "3", "--json").json
    assert set(fitted) == {*again, "notes"}
    assert {cell["status"] for cell in fitted["cells"]} == {"fitted"}
    assert {cell["status"] for cell in again["cells"]} == {"reused"}
    json.dumps(fitted, allow_nan=False)


def test_rows_of_the_report_are_those_of_json_with_columns(fitted, run):
    found = headroom.report(dataset="scans", ignore="M004")
    shown = run("report", "--dataset", "scans", "--ignore", "M004", "--json").json
    assert found | {"rows": []} == shown | {"rows": []}
    for row, plain in zip(found["rows"], shown["rows"], strict=True):
        assert {name: row[name] for name in plain} == plain
        for metric in METRICS:
            assert row[metric] == plain["metrics"][metric]
            assert [row[f"{metric}_low"], row[f"{metric}_high"]] == (plain["intervals"].get(metric) or [None, None])


def test_embeddings_for_an_estimator_of_ones_own(fitted):
    embedded = headroom.load_embeddings("scans", "fake")
    X, y, groups = embedded
    assert (X.shape, X.dtype, y.shape, groups.shape) == ((48, 8), np.float32, (48,), (48,))
    assert embedded.classes == ("few", "many", "some")
    assert [Path(name).parent.name for name in embedded.ids] == [embedded.classes[label] for label in y]
    assert set(embedded.split) == {""}
    assert "48 images" in repr(embedded)
    folds = StratifiedGroupKFold(3)
    assert cross_val_score(LogisticRegression(C=1e-12), X, y, groups=groups, cv=folds).shape == (3,)


def test_cache_by_name_and_by_environment(fitted, tmp_path, monkeypatch):
    (tmp_path / "cache").rename(tmp_path / "elsewhere")
    with pytest.raises(headroom.UsageError):
        headroom.load_embeddings("scans", "fake")
    assert len(headroom.load_embeddings("scans", "fake", cache="elsewhere").y) == 48
    assert headroom.report(cache=tmp_path / "elsewhere")["rows"]
    monkeypatch.setenv("HEADROOM_CACHE", "elsewhere")
    assert len(headroom.load_embeddings("scans", "fake").y) == 48
    assert headroom.report()["rows"]


def test_silent_unless_progress_is_wanted(fitted, capfd):
    headroom.fit(HEADS, smote=True, folds=3, jobs=1)
    assert capfd.readouterr() == ("", "")


def test_what_a_command_would_say_is_kept(run, tmp_path, capfd):
    folder_set(tmp_path / "scans", {"a": 4, "b": 4})
    (tmp_path / "scans" / "a" / "notes.txt").write_text("no image")
    answer = headroom.extract("fake", "scans", weights="random")
    assert capfd.readouterr().err == ""
    said = headroom.extract("fake", "scans", weights="random", progress=True)["notes"]
    assert said == answer["notes"]
    assert capfd.readouterr().err.splitlines() == said


@pytest.mark.parametrize(
    ("call", "got", "remedy"),
    [
        (lambda: headroom.fit("forest"), "forest", "random-forest"),
        (lambda: headroom.fit([]), "--head", "help"),
        (lambda: headroom.fit("knn", folds=1), "--folds", "help(headroom.fit)"),
        (lambda: headroom.fit("knn", protocol="guess"), "--protocol", "help(headroom.fit)"),
        (lambda: headroom.extract("nope", "scans"), "nope", "choose"),
        (lambda: headroom.extract("fake", "scans", engine="abacus"), "--engine", "help(headroom.extract)"),
        (lambda: headroom.extract("fake", "scans", max_bad=2), "--max-bad", "help(headroom.extract)"),
        (lambda: headroom.report(dataset="scan"), "scan", "scans"),
        (lambda: headroom.report(ignore="M999"), "M999", ""),
        (lambda: headroom.load_embeddings("scans", "fale"), "fale", "fake"),
    ],
)
def test_wrong_use(fitted, call, got, remedy):
    with pytest.raises(headroom.UsageError) as caught:
        call()
    assert got in caught.value.got
    assert remedy in caught.value.remedy
    assert f"do: {caught.value.remedy}" in caught.value.__notes__


def test_one_name_for_several_embeddings(fitted):
    headroom.extract("fake-wide", "scans", weights="random")
    with pytest.raises(headroom.UsageError, match="stands for scans fake, scans fake-wide"):
        headroom.load_embeddings("scans", "fake*")
    assert headroom.load_embeddings("scans", "fake+fake-wide").X.shape == (48, 16)


def test_no_cell_could_be_fitted(fitted):
    headroom.extract("fake-wide", "scans", weights="random")
    with pytest.raises(headroom.HeadError, match="no cell could be fitted") as caught:
        headroom.fit("knn", protocol="split", dataset="scans")
    assert any("official train and test parts" in note for note in caught.value.__notes__)


def test_too_many_unreadable_images(run, tmp_path):
    scans = folder_set(tmp_path / "scans", {"a": 4, "b": 4})
    (scans / "a" / "a000.png").write_bytes(b"no image")
    with pytest.raises(headroom.FeatureError, match="1 of 8 images could not be read"):
        headroom.extract("fake", "scans", weights="random")
    assert len(headroom.extract("fake", "scans", weights="random", max_bad=0.2)["runs"][0]["bad"]) == 1
