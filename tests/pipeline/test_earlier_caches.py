"""A cache that version 0.1 wrote: no image is computed, its report can be read, its cells are fitted again and so said.

Patients were divided and heads calibrated otherwise then: what is fitted now is no rival of them.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headroom.heads import grid
from tests.running import headroom

WRITTEN = Path(__file__).parents[1] / "data" / "cache-0.1.tar.xz"
LIBRARIES = {
    **{"sklearn": "scikit-learn", "sklearnex": "scikit-learn-intelex", "imblearn": "imbalanced-learn"},
    **{"xgboost": "xgboost", "heads": "keras"},
}
HEADS = ("svm", "logreg", "knn", "voting", "dense", "xgboost", "gaussian-nb")
BALANCERS = ("none", "smote", "class-weight", "threshold", "augment")


def options(option, values):
    return [word for value in values for word in (option, value)]


FITS = (
    [*options("--head", HEADS), *options("--balance", BALANCERS), "--model", "mobilenet-0.25", "--folds", "3"],
    ["--head", "logreg", "--smote", "--model", "mobilenet-0.25+mobilenet-0.5", "--folds", "3", "--repeats", "2"],
    ["--head", "lda", "--head", "knn", "--smote", "--model", "mobilenet-0.5", "--protocol", "split"],
    ["--head", "lda", "--smote", "--model", "mobilenet-0.5", "--protocol", "leaky", "--folds", "3"],
    ["--head", "gaussian-nb", "--smote", "--model", "mobilenet-0.5", "--folds", "3", "--reduce", "pca:5", "--tune"],
)


@pytest.fixture
def earlier(tmp_path, monkeypatch):
    """Unpack it, and take the libraries for the versions that it was fitted with."""
    shutil.unpack_archive(WRITTEN, tmp_path, filter="data")
    with closing(sqlite3.connect(tmp_path / "cache" / "results.db")) as database:
        written = [json.loads(settings)["versions"] for (settings,) in database.execute("SELECT settings FROM cells")]
    versions = {LIBRARIES[package]: text for each in written for package, text in each.items()}
    versions["sklearnex"] = versions["scikit-learn-intelex"]  # the name of a package that is not installed
    monkeypatch.setattr(grid, "version", lambda library: versions[library])
    grid._version.cache_clear()
    yield tmp_path
    grid._version.cache_clear()


def test_no_image_is_computed(earlier):
    """Files that were copied have other times, so that their content is compared; the one that is no image is tried."""
    models = options("--model", ["mobilenet-0.25", "mobilenet-0.5"])
    same = ["--size", "32", "--views", "1", "--ordinal", "--max-bad", "0.1", "--precision", "float32"]
    done = headroom("extract", *models, "--weights", "random", "--dataset", "cohort", *same, "--json", cwd=earlier)
    assert [row["computed"] for row in done.json["runs"]] == [0] * 4
    assert [row["reused"] for row in done.json["runs"]] == [53] * 4


@pytest.mark.parametrize(
    ("arguments", "cells"),
    list(zip(FITS, (35, 2, 4, 2, 2), strict=True)),
    ids=["cv", "fusion", "split", "leaky", "tuned"],
)
def test_its_cells_are_fitted_again_and_that_is_said(earlier, run, arguments, cells, monkeypatch):
    monkeypatch.setattr("headroom.heads.grid.run_tasks", lambda *_, **__: ())
    done = run("fit", *arguments)
    (said,) = (line for line in done.stderr.splitlines() if "an earlier version" in line)
    assert said.startswith(f"note: {cells} cells of an earlier version were not reused")


def test_its_cells_are_no_rivals_of_those_fitted_now(earlier, run, here):
    asked = ("--head", "gaussian-nb", "--smote", "--model", "mobilenet-0.5", "--folds", "3")
    assert {cell["status"] for cell in run("fit", *asked, "--json").json["cells"]} == {"fitted"}
    again = run("fit", *asked, "--json")
    assert {cell["status"] for cell in again.json["cells"]} == {"reused"}
    assert "earlier version" not in again.stderr
    rows = run("report", "--json").json["rows"]
    assert {(row["model"], row["head"], row["balance"], row["repeats"]) for row in rows} == {
        ("mobilenet-0.5", "gaussian-nb", balance, 3) for balance in ("none", "smote")
    }
    assert "by an earlier version are not shown" in run("report").stdout


def test_its_report_says_the_same(earlier, run):
    then, now = json.loads((earlier / "report.json").read_text()), run("report", "--json").json
    for part in ("rows", "comparisons"):
        assert len(now[part]) == len(then[part])
        for old in then[part]:
            named = {name: value for name, value in old.items() if isinstance(value, str | None)}
            (new,) = (
                row
                for row in now[part]
                if named.items() <= row.items() and all(row.get(name) == old.get(name) for name in ("folds", "repeats"))
            )
            changed = ("auroc_ovr", "auprc_macro", "ece")  # by fold, and debiased; intervals and tests are others too
            for name in old.get("metrics", {}).keys() - changed:
                assert new["metrics"][name] == pytest.approx(old["metrics"][name], abs=2e-6), (named, name)
    codes = [{check["code"] for check in each["checks"]} for each in (then, now)]
    # Unpacked files have other times; 0.1 missed M009 with random weights and knew no M016; M010 is a paired test now.
    assert codes[1] == codes[0] - {"M010"} | {"M007", "M009", "M016"}
