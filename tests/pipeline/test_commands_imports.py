"""No command imports what it does not need; TensorFlow only where a network runs on it."""

import pytest

from tests.pictures import folder_set
from tests.running import finished

NETWORKS = {"tensorflow", "keras", "openvino", "torch", "jax"}
HEAVY = NETWORKS | {"sklearn", "imblearn", "xgboost", "matplotlib"}


def imported(launch, tmp_path, *arguments, code=0, **variables):
    record = tmp_path / "modules"
    done = finished(launch(*arguments, LAUNCH_MODULES=record, **variables))
    assert done.code == code, done.stderr
    return set(record.read_text().split())


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("extract", "--help"), ("fit", "--help"), ("report", "--help"), ("models", "--help")],
)
def test_help_imports_nothing_heavy(launch, tmp_path, arguments):
    assert imported(launch, tmp_path, *arguments, LAUNCH_PLAIN=1) & (HEAVY | {"numpy"}) == set()


@pytest.mark.parametrize("arguments", [("models",), ("datasets",), ("models", "--json")])
def test_tables_run_no_network(launch, tmp_path, arguments):
    assert imported(launch, tmp_path, *arguments, LAUNCH_PLAIN=1) & NETWORKS == set()


def test_extract_of_what_is_cached_imports_no_network(launch, tmp_path):
    folder_set(tmp_path / "scans", {"a": 8, "b": 8})
    command = ("extract", "--model", "fake", "--weights", "random", "--dataset", "scans", "--json")
    assert finished(launch(*command)).code == 0
    assert imported(launch, tmp_path, *command) & NETWORKS == set()


def test_fit_and_report_run_no_network(launch, tmp_path):
    folder_set(tmp_path / "scans", {"a": 8, "b": 8})
    assert finished(launch("extract", "--model", "fake", "--weights", "random", "--dataset", "scans")).code == 0
    fit = ("fit", "--head", "gaussian-nb", "--folds", "2", "--jobs", "1")
    assert imported(launch, tmp_path, *fit) & NETWORKS == set()
    assert imported(launch, tmp_path, "report", "--json") & NETWORKS == set()


@pytest.mark.parametrize("arguments", [("extract", "--model", "nope", "--dataset", "scans"), ("fit", "--head", "nope")])
def test_wrong_use_is_noticed_before_anything_heavy(launch, tmp_path, arguments):
    assert imported(launch, tmp_path, *arguments, code=2, LAUNCH_PLAIN=1) & NETWORKS == set()
