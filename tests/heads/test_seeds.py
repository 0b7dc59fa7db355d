"""Seeds of resampling: what they change, what they leave, and the spread that they make."""

from dataclasses import replace

import numpy as np
import pytest

from headroom.heads.balancing import BALANCERS
from headroom.heads.cell import GridSettings, reseeded
from headroom.heads.grid import plan_cells, run_cells
from headroom.heads.results import Results
from headroom.heads.scores.scored import scored_cells
from headroom.heads.scores.seeds import balance_seed_sd, further_seeds
from tests.heads.problems import make_problem

SETTINGS = GridSettings(folds=2)
SEVERAL = replace(SETTINGS, balance_seeds=3)


@pytest.fixture
def results(tmp_path, here):
    with Results(tmp_path / "results.db") as opened:
        yield opened


def fitted(results, balance, settings, **made):
    """The cell of a naive Bayes head under these settings, and what was done for it."""
    problem = make_problem(signal=1.0, **made)
    planned = plan_cells(problem, ["gaussian-nb"], [balance], settings, results)
    (row,) = run_cells(problem, settings, planned, results, jobs=1)
    return problem, planned[0], row["status"]


@pytest.mark.parametrize("made", [{}, {"views": 2}], ids=["smote", "augment"])
def test_further_seeds_resample_anew_and_change_nothing_else(results, made):
    balance = "augment" if made else "smote"
    _, once, _ = fitted(results, balance, SETTINGS, **made)
    _, often, _ = fitted(results, balance, SEVERAL, **made)
    plain = results.folds(once.key)
    seeds = [results.folds(reseeded(often.key, seed)) for seed in range(3)]
    assert [len(folds) for folds in seeds] == [2, 2, 2]
    for first, *further in zip(plain, *seeds, strict=True):
        for again in further:
            assert np.array_equal(first.rows, again.rows)
            assert np.array_equal(first.counts_after, again.counts_after)
        assert np.array_equal(first.scores, further[0].scores)
        assert len({fold.scores.tobytes() for fold in further}) == 3


@pytest.mark.parametrize("balance", [name for name, record in BALANCERS.items() if not record.random])
def test_what_has_nothing_random_is_fitted_once(results, balance):
    assert balance in ("none", "class-weight", "threshold", "tomek-links", "near-miss")
    keys = [
        plan_cells(make_problem(), ["svm"], [balance], settings, results)[0].key for settings in (SETTINGS, SEVERAL)
    ]
    assert keys[0] == keys[1]


def test_the_spread_is_that_of_the_metrics_over_the_seeds(results):
    problem, once, _ = fitted(results, "smote", SETTINGS)
    _, often, _ = fitted(results, "smote", SEVERAL)
    assert fitted(results, "smote", SEVERAL)[2] == "reused"
    cells = results.cells()
    assert [cell.key for cell in cells] == [once.key, often.key]
    problems = {problem.fingerprint: problem}
    scored = scored_cells(results, [*cells, *further_seeds(cells)], problems)
    assert scored[once.key].metrics == scored[often.key].metrics
    assert balance_seed_sd(cells[0], scored) is None
    spread = balance_seed_sd(cells[1], scored)
    recalls = []
    for seed in range(3):
        folds = results.folds(reseeded(often.key, seed))
        labels, predicted = (
            np.concatenate([getattr(each, name) for each in folds]) for name in ("labels", "predicted")
        )
        recalls.append(np.mean([(predicted[labels == label] == label).mean() for label in range(3)]))
    assert np.std(recalls, ddof=1) > 0
    assert spread["recall_macro"] == pytest.approx(np.std(recalls, ddof=1))
    assert spread["kappa_quadratic"] is None
