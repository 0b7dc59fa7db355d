"""What the best of many is worth: nothing in noise, all of it where it is clear."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from headroom.heads.scores.leaderboard import judge_choice, leaderboard
from headroom.heads.scores.metrics import METRICS
from tests.heads.cells import CLASSES, make_cell, make_problem, scored_of

METRIC = "recall_macro"


def recalls(cells, problem):
    """Macro recall of each cell, in their order."""
    return [leaderboard([cell], scored_of([cell], problem))[0]["metrics"][METRIC] for cell in cells]


def judged(best, cells, problem, metric=METRIC):
    return judge_choice(best, cells, scored_of([best, *cells], problem), metric)


@pytest.fixture(scope="module")
def problem():
    return make_problem()


def test_the_best_of_noise_is_worth_chance():
    """On average over problems: without the correction 0.38."""
    chosen, corrected, covered = [], [], 0
    for seed in range(8):
        problem = make_problem(n=300, seed=seed)
        cells = [make_cell(problem, skill=0.0, seed=100 * seed + number) for number in range(12)]
        values = recalls(cells, problem)
        choice = judged(cells[int(np.argmax(values))], cells, problem)
        assert choice.among == len(cells)
        assert choice.share < 1
        chosen.append(max(values))
        corrected.append(choice.value)
        covered += choice.interval[0] < 1 / CLASSES < choice.interval[1]
    assert covered >= 7
    assert np.mean(chosen) > 1 / CLASSES + 0.03
    assert np.mean(corrected) == pytest.approx(1 / CLASSES, abs=0.02)


def test_the_best_by_far_keeps_its_value(problem):
    best = make_cell(problem, skill=0.9)
    choice = judged(best, [make_cell(problem, skill=0.1), best], problem)
    assert choice.among == 2
    assert choice.share == 1
    assert choice.value == pytest.approx(recalls([best], problem)[0], abs=0.01)


def test_a_lower_metric_may_be_the_better_one(problem, monkeypatch):
    def errors(sums):
        return 1 - METRICS["accuracy"].compute(sums)

    monkeypatch.setitem(METRICS, "error", replace(METRICS["accuracy"], higher_is_better=False, compute=errors))
    best, worse = make_cell(problem, skill=0.9), make_cell(problem, skill=0.1)
    choice = judged(best, [worse], problem, "error")
    assert choice.share == 1
    assert choice.value == pytest.approx(1 - judged(best, [worse], problem, "accuracy").value)
    assert judged(worse, [best], problem, "error").share == 0


def test_what_needs_scores_is_no_criterion(problem):
    assert judged(make_cell(problem, skill=0.9), [make_cell(problem, skill=0.1)], problem, "log_loss") is None


def test_a_class_of_five_images_does_not_raise_what_the_best_is_worth():
    """Left out altogether in a tenth of the replicates, where a mean of their macro recalls was that of the others."""
    classes = np.repeat(np.arange(CLASSES), [120, 55, 5])
    for seed in range(6):
        rng = np.random.default_rng(seed)
        problem = SimpleNamespace(labels=rng.permutation(classes), groups=np.arange(180), ordinal=True)
        best, rival = (
            replace(cell, folds=tuple(without_the_last_class(fold) for fold in cell.folds))
            for cell in (make_cell(problem, skill=skill, seed=seed) for skill in (0.9, 0.3))
        )
        (value,) = recalls([best], problem)
        choice = judged(best, [rival], problem)
        assert choice.share == 1
        assert choice.value == pytest.approx(value)
        assert choice.interval[0] < value < choice.interval[1]


def without_the_last_class(fold):
    """Predictions that never are of the last class."""
    return replace(fold, predicted=fold.scores[:, :-1].argmax(axis=1))


def test_copies_in_a_group_are_drawn_and_left_out_together(problem):
    copied = make_problem()
    copied.labels, copied.groups = np.repeat(problem.labels, 4), np.repeat(problem.groups, 4)
    cells = [make_cell(problem, skill=0.0, seed=seed) for seed in range(8)]
    many = [make_cell(copied, skill=0.0, seed=seed, copies_of=cell, copies=4) for seed, cell in enumerate(cells)]
    alone, together = (judged(group[0], group, of) for group, of in ((cells, problem), (many, copied)))
    assert together.value == pytest.approx(alone.value, abs=1e-6)
    assert together.share == alone.share


def test_cells_of_other_images_or_repeats_are_no_rivals(problem):
    best = make_cell(problem, skill=0.5)
    others = [make_cell(make_problem(n=90), skill=0.4), make_cell(problem, skill=0.3, repeats=2)]
    assert judged(best, others, problem) is None
