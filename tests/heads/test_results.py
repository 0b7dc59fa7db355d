"""The results database."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom.errors import HeadError
from headroom.heads.cell import Cell, FoldScores
from headroom.heads.results import Results
from tests.heads.cells import whole_cells
from tests.heads.problems import make_problem


def make_cell(key="k", *, head="svm", rows=7, folds=2, status="fitted"):
    random = np.random.default_rng(rows)
    scores = random.dirichlet(np.ones(3), size=(folds, rows)).astype(np.float32)
    made = [
        FoldScores(
            0, number, np.arange(rows) - 1, np.zeros(rows, int), table.argmax(1), table, 0.5, *[np.arange(3)] * 2
        )
        for number, table in enumerate(scores)
    ]
    settings = {"folds": folds, "heads": {"svm": {"C": 1.0}}}
    return Cell(key, "p", "aptos", "mobilenet", head, "smote", "cv", settings, status, "", 1.5, tuple(made))


def same(one, other):
    return (
        all(
            np.array_equal(getattr(mine, name), getattr(theirs, name))
            for mine, theirs in zip(one.folds, other.folds, strict=True)
            for name in FoldScores.__dataclass_fields__
        )
        and replace(one, folds=()).__dict__ == replace(other, folds=()).__dict__
    )


@settings(deadline=None, max_examples=25)
@given(rows=st.integers(0, 50), folds=st.integers(0, 4), reason=st.text(max_size=20))
def test_what_is_saved_comes_back(tmp_path_factory, rows, folds, reason):
    cell = replace(make_cell(rows=rows, folds=folds), reason=reason.encode("utf-8", "ignore").decode())
    with Results(tmp_path_factory.mktemp("db") / "results.db") as results:
        results.save(cell)
    with Results(results.path) as results:
        (found,) = whole_cells(results)
        assert same(found, cell)
        assert results.outcome("k") == ("fitted", cell.reason)


def test_a_cell_saved_again_replaces_the_old_one(tmp_path):
    with Results(tmp_path / "results.db") as results:
        results.save(make_cell(folds=5))
        results.save(make_cell(folds=2))
        assert [len(cell.folds) for cell in whole_cells(results)] == [2]


def test_cells_come_back_in_the_order_they_were_saved(tmp_path):
    with Results(tmp_path / "results.db") as results:
        results.save(make_cell("a"))
        results.save(replace(make_cell("b"), dataset="brain"))
        results.save(replace(make_cell("c"), model="xception"))
        assert [cell.key for cell in whole_cells(results)] == ["a", "b", "c"]


def test_a_problem_is_kept_without_its_vectors(tmp_path):
    problem = make_problem(ordinal=True)
    with Results(tmp_path / "results.db") as results:
        results.save_problem(problem)
        results.save_problem(problem)
        info = results.problem(problem.fingerprint)
        for name in ("labels", "groups", "ids", "split"):
            assert np.array_equal(getattr(info, name), getattr(problem, name))
        assert (info.classes, info.ordinal) == (problem.classes, True)
        with pytest.raises(HeadError, match="holds no problem"):
            results.problem("other")


def test_several_writers_at_once_lose_nothing(tmp_path):
    def write(writer):
        with Results(tmp_path / "results.db") as results:
            for number in range(10):
                results.save(make_cell(f"{writer}-{number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with Results(tmp_path / "results.db") as results:
        assert len(whole_cells(results)) == 40


def test_a_writer_that_dies_in_a_cell_leaves_the_finished_ones(tmp_path):
    with Results(tmp_path / "results.db") as results:
        results.save(make_cell("finished"))
        results._connection.execute("BEGIN IMMEDIATE")
        results._connection.execute("INSERT INTO cells (key, settings) VALUES ('half', '{}')")
    with Results(tmp_path / "results.db") as results:
        assert [cell.key for cell in whole_cells(results)] == ["finished"]


def foreign(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()


def newer(path):
    Results(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def halved(path):
    with Results(path) as results:
        for number in range(40):
            results.save(make_cell(str(number), rows=500))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def scribbled(path):
    path.write_bytes(b"no database at all, but long enough to be read as a header of one" * 20)


@pytest.mark.parametrize("spoil", [foreign, newer, halved, scribbled])
def test_a_file_that_is_no_sound_database_is_refused_in_one_line(tmp_path, spoil):
    path = tmp_path / "results.db"
    spoil(path)
    with pytest.raises(HeadError) as caught, Results(path) as results:
        whole_cells(results)
    assert str(path) in caught.value.got
    assert caught.value.remedy


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    with pytest.raises(HeadError):
        Results(tmp_path)
