"""The results database: every finished cell with its out-of-fold scores, in one SQLite file."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from headroom.errors import HeadError
from headroom.heads.cell import Cell, FoldScores
from headroom.heads.samples import Problem

APPLICATION = 0x48445231  # marks the file as headroom's
VERSION = 1
WAIT = 60.0  # seconds that one process waits for another's transaction

SCHEMA = """
CREATE TABLE problems (
    fingerprint TEXT PRIMARY KEY, dataset TEXT, model TEXT, classes TEXT, ordinal INTEGER,
    labels BLOB, groups BLOB, ids TEXT, split TEXT);
CREATE TABLE cells (
    key TEXT PRIMARY KEY, problem TEXT, dataset TEXT, model TEXT, head TEXT, balance TEXT, protocol TEXT,
    settings TEXT, status TEXT, reason TEXT, seconds REAL);
CREATE TABLE folds (
    key TEXT, repeat INTEGER, fold INTEGER, rows BLOB, labels BLOB, predicted BLOB, scores BLOB, seconds REAL,
    counts_before BLOB, counts_after BLOB, PRIMARY KEY (key, repeat, fold));
CREATE INDEX cells_of ON cells (dataset, model);
"""
SCORED = "key, about, by_fold, drawn, left_out, tested, before, after"
ADDED = f"CREATE TABLE IF NOT EXISTS scored ({SCORED}, version INTEGER, PRIMARY KEY (key))"  # since 0.1

_FOLD_ARRAYS: dict[str, np.dtype] = {
    "rows": np.dtype("<i4"),
    "labels": np.dtype("<i2"),
    "predicted": np.dtype("<i2"),
    "scores": np.dtype("<f4"),
    "counts_before": np.dtype("<i8"),
    "counts_after": np.dtype("<i8"),
}


class Results:
    """Finished cells, safe to write from several processes at once.

    Parameters
    ----------
    path : Path or str
        Made, with its folder, where it is missing.

    Raises
    ------
    HeadError
        Where the file is no results database, is damaged, or cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Results(Path(folder) / "results.db") as results:
    ...     results.outcome("a key"), results.cells()
    (None, [])
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> "Results":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def outcome(self, key: str) -> tuple[str, str] | None:
        """Status and reason of a cell, or None where it is not there."""
        with self._explained():
            return self._connection.execute("SELECT status, reason FROM cells WHERE key = ?", (key,)).fetchone()

    def save_problem(self, problem: Problem) -> None:
        """Keep labels, groups, ids and classes once under the problem's fingerprint."""
        row = (
            problem.fingerprint,
            problem.dataset,
            problem.model,
            json.dumps(problem.classes),
            int(problem.ordinal),
            problem.labels.astype("<i8").tobytes(),
            problem.groups.astype("<i8").tobytes(),
            json.dumps(problem.ids.tolist()),
            json.dumps(problem.split.tolist()),
        )
        with self._transaction():
            self._connection.execute("INSERT OR IGNORE INTO problems VALUES (?,?,?,?,?,?,?,?,?)", row)

    def save(self, cell: Cell) -> None:
        """Keep one cell with all its folds, in one transaction."""
        row = (
            *(cell.key, cell.problem, cell.dataset, cell.model, cell.head, cell.balance, cell.protocol),
            *(json.dumps(cell.settings, sort_keys=True), cell.status, cell.reason, cell.seconds),
        )
        with self._transaction():
            for table in ("folds", "scored"):
                self._connection.execute(f"DELETE FROM {table} WHERE key = ?", (cell.key,))
            self._connection.execute("INSERT OR REPLACE INTO cells VALUES (?,?,?,?,?,?,?,?,?,?,?)", row)
            self._connection.executemany(
                "INSERT INTO folds VALUES (?,?,?,?,?,?,?,?,?,?)",
                [_fold_row(cell.key, fold) for fold in cell.folds],
            )

    def cells(self, dataset: str | None = None, model: str | None = None) -> list[Cell]:
        """Cells of a data set and model, or of all, oldest first; without their folds."""
        wanted = "(:dataset IS NULL OR dataset = :dataset) AND (:model IS NULL OR model = :model)"
        named = {"dataset": dataset, "model": model}
        with self._explained():
            rows = self._connection.execute(f"SELECT * FROM cells WHERE {wanted} ORDER BY rowid", named)
            return [_read_cell(row) for row in rows.fetchall()]

    def folds(self, key: str) -> tuple[FoldScores, ...]:
        """The folds of a cell, in order."""
        with self._explained():
            rows = self._connection.execute("SELECT * FROM folds WHERE key = ? ORDER BY repeat, fold", (key,))
            return tuple(_read_fold(row) for _, *row in rows.fetchall())

    def problem(self, fingerprint: str) -> Problem:
        """A problem without its vectors.

        Raises
        ------
        HeadError
            Where no such problem was saved.
        """
        with self._explained():
            row = self._connection.execute("SELECT * FROM problems WHERE fingerprint = ?", (fingerprint,)).fetchone()
        if row is None:
            raise HeadError(got=f"{self.path} holds no problem {fingerprint}", remedy="run fit again")
        name, dataset, model, classes, ordinal, labels, groups, ids, split = row
        return Problem(
            fingerprint=name,
            dataset=dataset,
            model=model,
            classes=tuple(json.loads(classes)),
            ordinal=bool(ordinal),
            labels=np.frombuffer(labels, "<i8").astype(np.int64),
            groups=np.frombuffer(groups, "<i8").astype(np.int64),
            ids=np.array(json.loads(ids), dtype=str),
            split=np.array(json.loads(split), dtype=str),
        )

    def kept_scored(self, version: int) -> Iterator[tuple[str, dict[str, Any], list[bytes]]]:
        """What was computed of cells by this version: key, what is plain, and arrays."""
        query = f"SELECT {SCORED} FROM scored WHERE version = ?"
        with self._explained():
            for key, about, *arrays in self._connection.execute(query, (version,)):
                yield key, json.loads(about), arrays

    def keep_scored(self, key: str, version: int, about: dict[str, Any], arrays: list[bytes]) -> None:
        """Keep what was computed of a cell beside it."""
        command = f"INSERT OR REPLACE INTO scored ({SCORED}, version) VALUES (?,?,?,?,?,?,?,?,?)"
        with self._transaction():
            self._connection.execute(command, (key, json.dumps(about), *arrays, version))

    def _open(self) -> None:
        """Write the schema into a new file; refuse a foreign or newer one."""
        connection = self._connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with self._transaction():
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if empty and not application:
                for statement in SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            elif application != APPLICATION:
                raise HeadError(
                    got=f"{self.path} is a database of another program", remedy="move it away or give another --cache"
                )
            elif version != VERSION:
                raise HeadError(
                    got=f"{self.path} has format {version}, this headroom reads {VERSION}",
                    remedy="move it away and fit again, or use the headroom that wrote it",
                )
            connection.execute(ADDED)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of SQLite and of the file system in the user's words."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise HeadError(
                got=f"{self.path}: {error}", remedy="check that the folder exists, is writable and has space left"
            ) from error
        except (sqlite3.DatabaseError, ValueError) as error:
            raise HeadError(
                got=f"{self.path} is damaged or no results database ({error})", remedy="move it away and fit again"
            ) from error
        except OSError as error:
            raise HeadError(
                got=f"{self.path}: {error.strerror}", remedy="give a folder that can be written with --cache"
            ) from error


def _read_cell(row: tuple) -> Cell:
    key, problem, dataset, model, head, balance, protocol, settings, status, reason, seconds = row
    names = (key, problem, dataset, model, head, balance, protocol)
    return Cell(*names, json.loads(settings), status, reason, seconds)


def _fold_row(key: str, fold: FoldScores) -> tuple:
    arrays = {name: np.asarray(getattr(fold, name)).astype(dtype).tobytes() for name, dtype in _FOLD_ARRAYS.items()}
    before, after = arrays.pop("counts_before"), arrays.pop("counts_after")
    return key, fold.repeat, fold.fold, *arrays.values(), fold.seconds, before, after


def _read_fold(row: list) -> FoldScores:
    repeat, fold, rows, labels, predicted, scores, seconds, before, after = row
    blobs = dict(zip(_FOLD_ARRAYS, (rows, labels, predicted, scores, before, after), strict=True))
    arrays = {name: np.frombuffer(blob, _FOLD_ARRAYS[name]) for name, blob in blobs.items()}
    integers = {name: array.astype(np.int64) for name, array in arrays.items() if name != "scores"}
    table = arrays["scores"].reshape(len(arrays["rows"]), len(arrays["counts_before"]))
    return FoldScores(repeat=repeat, fold=fold, scores=table, seconds=seconds, **integers)
