"""What Python gets of the commands: answers instead of lines, errors instead of exit codes, arrays, flat rows."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import typer.main

from headroom.errors import HeadroomError, UsageError
from headroom.pipeline import console
from headroom.pipeline.commands.options import DEFAULT_CACHE

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


@contextmanager
def with_remedy() -> Iterator[None]:
    """Let a traceback end in what to do, as a command's error does."""
    try:
        yield
    except HeadroomError as error:
        error.add_note(f"do: {error.remedy}")
        raise


@with_remedy()
def extract(progress: bool, **given: Any) -> Answer:
    """``headroom extract``."""
    from headroom.pipeline.commands.extract import embed_images, extract, refuse_unreadable

    options = options_of(extract, given)
    max_bad = options.pop("max_bad")
    return _answer(embed_images, options, progress, lambda answer: refuse_unreadable(answer, max_bad))


@with_remedy()
def fit(progress: bool, **given: Any) -> Answer:
    """``headroom fit``."""
    from headroom.pipeline.commands.fit import fit, fit_grid, refuse_failed

    return _answer(fit_grid, options_of(fit, given), progress, refuse_failed)


@with_remedy()
def report(**given: Any) -> Answer:
    """``headroom report --json``, its rows with columns for metrics and interval bounds."""
    from headroom.pipeline.commands.report import collect_report, report

    options = options_of(report, given)
    answer = collect_report(**{name: options[name] for name in given})
    return answer | {"rows": [flat(row) for row in answer["rows"]]}


@with_remedy()
def load_embeddings(dataset: str, model: str, cache: str | os.PathLike | None) -> EmbeddedSet:
    """The one problem that a data set and a model name."""
    from headroom.pipeline.cache import read_cache
    from headroom.pipeline.problems import load_problem, plan_problems

    cached = read_cache(Path(cache or os.environ.get("HEADROOM_CACHE") or DEFAULT_CACHE))
    planned = plan_problems(cached, [dataset], [model])
    if len(planned) > 1:
        names = ", ".join(f"{name} {embedding}" for name, embedding, _ in planned)
        raise UsageError(got=f"{dataset} {model} stands for {names}", remedy="name one of them")
    problem = load_problem(*planned[0])
    return EmbeddedSet(problem.vectors, problem.labels, problem.groups, problem.classes, problem.ids, problem.split)


def options_of(command: Callable, given: Answer) -> Answer:
    """The options of a command, checked and completed as on the command line, environment variables included.

    ``given`` has single values or several by the options' names; None stands for what the command does without it.
    """

    @wraps(command)
    def all_of_them(json: bool, **options: Any) -> Answer:
        return options

    program = typer.Typer(add_completion=False)
    program.command()(all_of_them)
    parser = typer.main.get_command(program)
    words = [word for option in parser.params for word in _words(option, given.get(str(option.name)))]
    try:
        with parser.make_context(command.__name__, words) as context:
            return parser.invoke(context)
    except Exception as error:
        wrong = console.misuse(error)
        if wrong is None:
            raise
        raise UsageError(got=wrong, remedy=f"see help(headroom.{command.__name__})") from None


def flat(row: Answer) -> Answer:
    """A row whose metrics and interval bounds are columns too: ``mcc``, ``mcc_low``, ``mcc_high``."""
    columns = dict(row)
    for metric, value in row["metrics"].items():
        low, high = row["intervals"].get(metric) or (None, None)
        columns |= {metric: value, f"{metric}_low": low, f"{metric}_high": high}
    return columns


def _words(option: Any, value: Any) -> Iterable[str]:
    """An option with its value as on the command line."""
    if value is None:
        return []
    if option.is_flag:
        return (option.opts if value else option.secondary_opts)[:1]
    values = [value] if isinstance(value, str | os.PathLike) or not option.multiple else value
    return [f"{option.opts[0]}={one}" for one in values]


def _answer(work: Callable[..., Answer], options: Answer, progress: bool, judge: Callable[[Answer], None]) -> Answer:
    """Do a command's work; what it says is kept as ``notes``, and is shown beside the progress where that is wanted."""
    notes: list[str] = []

    def say(line: str) -> None:
        notes.append(line)
        if progress:
            console.say(line)

    try:
        with console.progress() if progress else nullcontext(lambda done, total, text: None) as show:
            answer = work(**options, progress=show, say=say)
        judge(answer)
    except HeadroomError as error:
        for note in notes:
            error.add_note(note)
        raise
    return answer | {"notes": notes}
