"""One record each adds a head, a balancer and a metric of a third library, everywhere."""

import re

import pytest

from headroom.heads.balancing import BALANCERS
from headroom.heads.classifiers import HEADS
from headroom.heads.scores.metrics import METRICS
from tests import foreign
from tests.pictures import folder_set


@pytest.fixture
def added(monkeypatch):
    monkeypatch.setitem(HEADS, "nearest-mean", foreign.HEAD)
    monkeypatch.setitem(BALANCERS, "doubler", foreign.BALANCER)
    monkeypatch.setitem(METRICS, "worst_recall", foreign.METRIC)


@pytest.fixture
def fitted(added, run, extract, here, tmp_path):
    """Fit the foreign head with and without the foreign balancer."""
    folder_set(tmp_path / "scans", {"many": 24, "some": 18, "few": 15})
    assert extract("scans").code == 0
    done = run("fit", "--head", "nearest-mean", "--balance", "doubler", "--folds", "3", "--jobs", "1", "--json")
    assert {(cell["head"], cell["balance"], cell["status"]) for cell in done.json["cells"]} == {
        ("nearest-mean", "none", "fitted"),
        ("nearest-mean", "doubler", "fitted"),
    }


def test_fit_compares_and_reports_them(fitted, run):
    report = run("report", "--json").json
    assert {row["head"] for row in report["rows"]} == {"nearest-mean"}
    assert all(0 <= row["metrics"]["worst_recall"] <= 1 for row in report["rows"])
    (compared,) = (item for item in report["comparisons"] if item["metric"] == "worst_recall")
    assert (compared["balance"], compared["against"]) == ("doubler", "none")
    assert compared["p"] is not None


@pytest.mark.parametrize("form", ["terminal", "html", "md", "csv", "latex"])
def test_every_form_shows_them(fitted, run, form, tmp_path):
    place = tmp_path / f"report.{form}"
    assert run("report", "--format", form, "--output", place).code == 0
    text = place.read_text()
    assert "nearest-mean" in text
    assert re.search(r"worst", text)
    assert re.search(r"doubl", text)


def test_a_balancer_that_needs_many_images_leaves_the_checks_of_the_others_alone(fitted, run):
    run("fit", "--head", "gaussian-nb", "--smote", "--folds", "3", "--jobs", "1", "--json")
    found = {check["code"]: check["message"] for check in run("check", "--json").json["checks"]}
    assert "M009" not in found  # no k-NN
    assert "SMOTE and its kin need 9" not in found.get("M006", "")


def test_fit_reads_its_version_once_and_reuses_it(fitted, run):
    done = run("fit", "--head", "nearest-mean", "--balance", "doubler", "--folds", "3", "--jobs", "1", "--json")
    assert {cell["status"] for cell in done.json["cells"]} == {"reused"}
