"""The grid: what is planned, fitted, kept and reused."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from headroom.errors import HeadError
from headroom.heads.cell import GridSettings
from headroom.heads.classifiers import HEADS
from headroom.heads.grid import plan_cells, run_cells
from headroom.heads.results import Results
from tests.heads.cells import whole_cells
from tests.heads.problems import fit, make_problem

SETTINGS = GridSettings(folds=2)


@pytest.fixture
def results(tmp_path):
    with Results(tmp_path / "results.db") as opened:
        yield opened


def run(results, problem, heads, balancers, settings=SETTINGS):
    planned = plan_cells(problem, heads, balancers, settings, results)
    return {(cell["head"], cell["balance"]): cell for cell in run_cells(problem, settings, planned, results, jobs=1)}


def test_a_grid_is_fitted_once_and_then_reused_failures_included(results):
    problem, heads, balancers = make_problem(), ["knn", "gaussian-nb"], ["none", "class-weight"]
    seen = []
    planned = plan_cells(problem, heads, balancers, SETTINGS, results)
    report = {"jobs": 2, "progress": lambda *said: seen.append(said[:2])}
    first = list(run_cells(problem, SETTINGS, planned, results, **report))
    again = run(results, problem, heads, balancers)
    assert {(cell["head"], cell["balance"]): cell["status"] for cell in first} == {
        ("knn", "none"): "fitted",
        ("gaussian-nb", "none"): "fitted",
        ("knn", "class-weight"): "failed",
        ("gaussian-nb", "class-weight"): "fitted",
    }
    assert {cell["status"] for cell in again.values()} == {"reused", "failed"}
    assert "takes no class weights" in again["knn", "class-weight"]["reason"]
    assert seen[0] == (0, 8)
    assert seen[-1] == (8, 8)
    for cell in whole_cells(results):
        assert cell.status == "failed" or sorted(np.concatenate([fold.rows for fold in cell.folds])) == list(range(256))


def test_planning_asks_only_what_is_there(results):
    planned = plan_cells(make_problem(), ["svm", "svm", "knn"], ["smote"], SETTINGS, results)
    assert [(cell.head, cell.status) for cell in planned] == [("svm", "planned"), ("knn", "planned")]


@pytest.mark.parametrize(
    "change", [{"folds": 3}, {"repeats": 2}, {"protocol": "leaky"}, {"seed": 1}, {"reduce": "pca:2"}, {"tune": True}]
)
def test_every_setting_makes_another_cell(results, change):
    cells = [
        plan_cells(make_problem(), ["svm"], ["none"], settings, results)[0].key
        for settings in (SETTINGS, replace(SETTINGS, **change))
    ]
    assert cells[0] != cells[1]


def test_other_data_parameters_or_views_make_another_cell(results, monkeypatch):
    def key(problem, balance="augment"):
        return plan_cells(problem, ["voting"], [balance], SETTINGS, results)[0].key

    problem = make_problem(views=2)
    keys = [key(problem), key(replace(problem, fingerprint="other")), key(replace(problem, views=None))]
    plain = key(problem, "none")
    assert plain == key(replace(problem, views=None), "none")
    monkeypatch.setitem(HEADS, "svm", replace(HEADS["svm"], parameters={"C": 7.0}))
    keys.append(key(problem))
    assert len(set(keys)) == 4
    monkeypatch.setitem(HEADS, "knn", replace(HEADS["knn"], parameters={"n_neighbors": 7}, note="another note"))
    assert key(problem) == keys[-1]


@pytest.mark.parametrize(
    ("heads", "balancers", "settings", "got", "remedy"),
    [
        (["svn"], ["none"], {}, "unknown head 'svn'", "did you mean svm"),
        (["svm"], ["smoat"], {}, "unknown balancer 'smoat'", "smote"),
        (["svm"], ["none"], {"reduce": "umap:3"}, "--reduce 'umap:3'", "pca:N"),
    ],
)
def test_wrong_names_and_settings_are_refused_before_anything_runs(results, heads, balancers, settings, got, remedy):
    with pytest.raises(HeadError, match=got) as caught:
        plan_cells(make_problem(), heads, balancers, replace(SETTINGS, **settings), results)
    assert remedy in caught.value.remedy


def test_vectors_that_are_no_numbers_are_refused_before_anything_runs(results):
    problem = make_problem()
    problem.vectors[5, 2] = np.nan
    with pytest.raises(HeadError, match="1 embeddings"):
        run(results, problem, ["knn"], ["none"])


def test_what_cannot_be_fitted_says_why(tmp_path):
    outcome = fit(make_problem(), ["gaussian-nb"], "none", tmp_path, reduce="pca:9")["gaussian-nb"][0]
    assert "ask for at most 6 components" in outcome.reason


def test_the_leaky_protocol_is_measurably_above_the_honest_one(tmp_path):
    problem = make_problem(signal=0.7)

    def recall(protocol):
        folds = fit(problem, ["random-forest"], "smote", tmp_path, protocol=protocol, folds=4)["random-forest"]
        assert protocol == "leaky" or all((fold.rows >= 0).all() for fold in folds)
        labels, predicted = (
            np.concatenate([getattr(fold, name) for fold in folds]) for name in ("labels", "predicted")
        )
        return balanced_accuracy_score(labels, predicted)

    assert recall("leaky") > recall("cv") + 0.2


def test_the_leaky_protocol_marks_synthetic_points(tmp_path):
    problem = make_problem()
    folds = fit(problem, ["gaussian-nb"], "smote", tmp_path, protocol="leaky", folds=3)["gaussian-nb"]
    rows = np.concatenate([fold.rows for fold in folds])
    labels = np.concatenate([fold.labels for fold in folds])
    assert sorted(rows[rows >= 0]) == list(range(len(problem.labels)))
    assert np.array_equal(problem.labels[rows[rows >= 0]], labels[rows >= 0])
    assert np.bincount(labels).tolist() == [np.bincount(problem.labels).max()] * 3


def test_views_of_training_images_bring_equal_counts(tmp_path):
    problem = make_problem(views=3)
    for fold in fit(problem, ["gaussian-nb"], "augment", tmp_path)["gaussian-nb"]:
        assert fold.counts_after.tolist() == [fold.counts_before.max()] * 3
    without = fit(replace(problem, views=None), ["gaussian-nb"], "augment", tmp_path)["gaussian-nb"]
    assert "extract --views" in without[0].reason


def test_tuning_searches_the_space_of_the_record(tmp_path, monkeypatch):
    space = {"max_depth": (1, 6)}
    monkeypatch.setitem(
        HEADS, "decision-tree", replace(HEADS["decision-tree"], tune=space, parameters={"max_depth": 1})
    )
    problem = make_problem(signal=3)
    recalls = []
    for tune in (False, True):
        folds = fit(problem, ["decision-tree"], "none", tmp_path, tune=tune)["decision-tree"]
        labels, predicted = (
            np.concatenate([getattr(fold, name) for fold in folds]) for name in ("labels", "predicted")
        )
        recalls.append(balanced_accuracy_score(labels, predicted))
    assert recalls[1] > recalls[0] + 0.1


SCRIPT = """
import sys
from headroom.heads.cell import GridSettings
from headroom.heads.grid import plan_cells, run_cells
from headroom.heads.results import Results
from tests.heads.problems import make_problem

with Results(sys.argv[1]) as results:
    problem, settings = make_problem(), GridSettings()
    planned = plan_cells(problem, ["gaussian-nb", "lda"], ["none", "smote", "adasyn"], settings, results)
    for cell in run_cells(problem, settings, planned, results, jobs=1):
        print(cell["status"], flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_grid_keeps_its_finished_cells(tmp_path, ending):
    path = tmp_path / "results.db"
    command = [sys.executable, "-c", SCRIPT, str(path)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as killed:
        assert killed.stdout.readline().strip() == b"fitted"
        os.kill(killed.pid, ending)
    with Results(path) as results:
        kept = len(whole_cells(results))
    again = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.split()
    assert kept >= 1
    assert again.count("reused") == kept
    assert again.count("fitted") == 6 - kept
    assert not list(tmp_path.glob("headroom-*"))  # the mapped vectors are gone with their readers
