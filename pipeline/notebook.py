"""What Python gets of the commands: answers instead of lines, errors instead of exit codes, arrays, flat rows."""

import inspect
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import headroom
from headroom.errors import UsageError
from headroom.pipeline import console
from headroom.pipeline.commands import program
from headroom.pipeline.commands.options import PLACES, as_words

Answer = dict[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddedSet:
    """The embeddings of a data set, ready for anybody's estimator; unpacks as ``X, y, groups``.

    Attributes
    ----------
    X : ndarray of float32, shape (n, d)
        One image a row.
    y : ndarray of int64, shape (n,)
        Index into ``classes``; in grade order where the classes are grades.
    groups : ndarray of int64, shape (n,)
        Rows of one group show the same patient or have identical content: they belong on one side of a fold.
    classes : tuple of str, length k
    ids : ndarray of str, shape (n,)
        The image's path inside its data set.
    split : ndarray of str, shape (n,)
        ``"train"`` or ``"test"`` where the data set has an official split, else ``""``.
    """

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]
    ids: np.ndarray
    split: np.ndarray

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.X, self.y, self.groups))

    def __repr__(self) -> str:
        return f"<{len(self.X):,} images, {self.X.shape[1]}-d, classes {', '.join(self.classes)}>"


def answer(command: str, /, progress: bool = False, **given: Any) -> Answer:
    """What a command writes with ``--json``, and the lines that it said before as ``notes``.

    ``given`` has single values or several by the options' names. It is checked and completed as on the command line,
    environment variables included; None stands for what the command does without it.
    """
    defaults = inspect.signature(getattr(headroom, command)).parameters
    said = {name: value for name, value in given.items() if value is not None and value is not defaults[name].default}
    words = [*as_words(said), "--json"]
    with console.catching(progress) as caught:
        console.invoke(program.commands[command], command, words, remedy=f"see help(headroom.{command})")
    return caught.answer


def report(**given: Any) -> Answer:
    """``headroom report --json``, whose rows get columns too: ``mcc``, ``mcc_low``, ``mcc_high``."""
    found = answer("report", **given)
    del found["notes"]
    for row in found["rows"]:
        for metric, value in row["metrics"].items():
            low, high = row["intervals"].get(metric) or (None, None)
            row |= {metric: value, f"{metric}_low": low, f"{metric}_high": high}
    return found


def load_embeddings(dataset: str, model: str, cache: str | os.PathLike | None) -> EmbeddedSet:
    """The one problem that a data set and a model name."""
    from headroom.pipeline.cache import read_cache
    from headroom.pipeline.problems import load_problem, plan_problems

    variable, usual = PLACES["cache"]
    with console.catching(shown=False):
        planned = plan_problems(read_cache(Path(cache or os.environ.get(variable) or usual)), [dataset], [model])
        if len(planned) > 1:
            names = ", ".join(f"{name} {embedding}" for name, embedding, _ in planned)
            raise UsageError(got=f"{dataset} {model} stands for {names}", remedy="name one of them")
        problem = load_problem(*planned[0])
    return EmbeddedSet(problem.vectors, problem.labels, problem.groups, problem.classes, problem.ids, problem.split)
