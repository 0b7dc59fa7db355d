"""The results database: every finished cell with its out-of-fold scores, in one SQLite file."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from headroom.errors import HeadError
from headroom.heads.cell import Cell, FoldScores, reseeded
from headroom.heads.samples import Problem

APPLICATION = 0x48445231  # marks the file as headroom's
VERSION = 1
WAIT = 60.0  # seconds that one process waits for another's transaction

EXPLAINED = (
    (sqlite3.OperationalError, "{path}: {error}", "check that the folder exists, is writable and has space left"),
    (OSError, "{path}: {error.strerror}", "give a folder that can be written with --cache"),
    (Exception, "{path} is damaged or no results database ({error})", "move it away and fit again"),
)
LOOK = """SELECT count(name), application_id, user_version
          FROM pragma_application_id, pragma_user_version LEFT JOIN sqlite_master"""


class Codec(NamedTuple):
    """How a value gets into a column of a type and back."""

    type: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _array(stored: str, used: type) -> Codec:
    def write(array: np.ndarray) -> bytes:
        return np.asarray(array).astype(stored).tobytes()

    return Codec("BLOB", write, lambda blob: np.frombuffer(blob, stored).astype(used))


TEXT, WHOLE, REAL, ANY = (Codec(kind, _same, _same) for kind in ("TEXT", "INTEGER", "REAL", ""))
TEXTS = Codec("TEXT", lambda array: json.dumps(array.tolist()), lambda text: np.array(json.loads(text), dtype=str))
WIDE, MIDDLE, SHORT = (_array(stored, np.int64) for stored in ("<i8", "<i4", "<i2"))

PROBLEM = {
    **{"fingerprint": TEXT, "dataset": TEXT, "model": TEXT},
    "classes": Codec("TEXT", json.dumps, lambda text: tuple(json.loads(text))),
    "ordinal": Codec("INTEGER", int, bool),
    **{"labels": WIDE, "groups": WIDE, "ids": TEXTS, "split": TEXTS},
}
CELL = {
    **dict.fromkeys(("key", "problem", "dataset", "model", "head", "balance", "protocol"), TEXT),
    "settings": Codec("TEXT", lambda settings: json.dumps(settings, sort_keys=True), json.loads),
    **{"status": TEXT, "reason": TEXT, "seconds": REAL},
}
FOLD = {
    **{"key": TEXT, "repeat": WHOLE, "fold": WHOLE, "rows": MIDDLE, "labels": SHORT, "predicted": SHORT},
    **{"scores": _array("<f4", np.float32), "seconds": REAL, "counts_before": WIDE, "counts_after": WIDE},
}
SCORED = {
    **{"key": ANY, "about": Codec("", json.dumps, json.loads)},
    **dict.fromkeys(("by_fold", "drawn", "tradeoff", "calibration_loss", "left_out"), ANY),
    **dict.fromkeys(("tested", "before", "after", "version"), ANY),
}
TABLES = {
    "problems": (PROBLEM, "fingerprint"),
    "cells": (CELL, "key"),
    "folds": (FOLD, "key, repeat, fold"),
    "scored": (SCORED, "key"),
}
"""Columns and primary key of each table; what 0.1 lacks is added when its database is opened."""


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
        found = self._select("cells", "WHERE key = ?", key)
        return (found[0]["status"], found[0]["reason"]) if found else None

    def save_problem(self, problem: Problem) -> None:
        """Keep labels, groups, ids and classes once under the problem's fingerprint."""
        with self._transaction():
            self._insert("problems", vars(problem))

    def save(self, cell: Cell) -> None:
        """Keep one cell with all its folds, in one transaction."""
        with self._transaction():
            for table in ("cells", "folds", "scored"):
                self._connection.execute(
                    f"DELETE FROM {table} WHERE key = :key OR key LIKE :key || '/%'", {"key": cell.key}
                )
            self._insert("cells", vars(cell))
            for fold in cell.folds:
                self._insert("folds", {**vars(fold), "key": reseeded(cell.key, fold.balance_seed)})

    def cells(self) -> list[Cell]:
        """All cells, oldest first; without their folds."""
        return [Cell(**found) for found in self._select("cells", "ORDER BY rowid")]

    def folds(self, key: str) -> tuple[FoldScores, ...]:
        """The folds of a cell, in order; those of a further seed of resampling by `reseeded` key."""
        found = self._select("folds", "WHERE key = ? ORDER BY repeat, fold", key)
        for columns in found:
            columns["scores"] = columns["scores"].reshape(-1, len(columns["counts_before"]))
            del columns["key"]
        return tuple(FoldScores(**columns) for columns in found)

    def problem(self, fingerprint: str) -> Problem:
        """A problem without its vectors.

        Raises
        ------
        HeadError
            Where no such problem was saved.
        """
        for found in self._select("problems", "WHERE fingerprint = ?", fingerprint):
            return Problem(**found)
        raise HeadError(got=f"{self.path} holds no problem {fingerprint}", remedy="run fit again")

    def kept_scored(self, version: int) -> Iterator[tuple[str, dict[str, Any], list[bytes]]]:
        """What was computed of cells by this version: key, what is plain, and arrays."""
        for found in self._select("scored", "WHERE version = ?", version):
            key, about, *arrays, _ = found.values()
            yield key, about, arrays

    def keep_scored(self, key: str, version: int, about: dict[str, Any], arrays: list[bytes]) -> None:
        """Keep what was computed of a cell beside it."""
        with self._transaction():
            self._insert("scored", dict(zip(SCORED, (key, about, *arrays, version), strict=True)))

    def _select(self, table: str, rows: str, *values: Any) -> list[dict[str, Any]]:
        columns, _ = TABLES[table]
        with self._explained():
            found = self._connection.execute(f"SELECT {', '.join(columns)} FROM {table} {rows}", values)
            return [
                {name: codec.read(value) for (name, codec), value in zip(columns.items(), row, strict=True)}
                for row in found
            ]

    def _insert(self, table: str, record: Mapping[str, Any]) -> None:
        """Write a row, in place of one that has its key."""
        columns, _ = TABLES[table]
        row = [codec.write(record[name]) for name, codec in columns.items()]
        self._connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)

    def _open(self) -> None:
        """Write the schema into a new file; refuse a foreign or newer one."""
        connection = self._connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with self._transaction():
            tables, application, version = connection.execute(LOOK).fetchone()
            if not tables and not application:
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
            there = [column for _, column, *_ in connection.execute("PRAGMA table_info(scored)")]
            if there and there != list(SCORED):  # of another version, which no row of it could be read from
                connection.execute("DROP TABLE scored")
            for table, (columns, key) in TABLES.items():
                typed = ", ".join(f"{name} {codec.type}" for name, codec in columns.items())
                connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({typed}, PRIMARY KEY ({key}))")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        with self._explained(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of SQLite and of the file system in the user's words."""
        try:
            yield
        except (sqlite3.DatabaseError, ValueError, OSError) as error:
            got, remedy = next(words for kinds, *words in EXPLAINED if isinstance(error, kinds))
            raise HeadError(got.format(path=self.path, error=error), remedy) from error
