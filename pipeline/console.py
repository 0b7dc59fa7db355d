"""What a user sees: lines and progress on stderr, one JSON object on stdout, errors in two lines, exit codes.

Python gets the same: while `catching`, lines and the object are kept instead.
"""

import errno
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NoReturn

import typer

from headroom.errors import HeadroomError, UsageError

COULD_NOT, WRONG_USE, INTERRUPTED = 1, 2, 130
PLAIN_PROGRESS_SECONDS = 30

_MORE_SPACE = "free some space and run again: what was finished is kept"
_OTHER_PLACE = "name another place with --cache or --output"
_OS_REMEDIES = {
    errno.ENOSPC: _MORE_SPACE,
    errno.EDQUOT: _MORE_SPACE,
    errno.EACCES: f"allow it, or {_OTHER_PLACE}",
    errno.EPERM: f"allow it, or {_OTHER_PLACE}",
    errno.EROFS: _OTHER_PLACE,
}


@dataclass
class Caught:
    """What a command says and writes while it is caught; ``shown`` where lines go to stderr all the same."""

    shown: bool
    notes: list[str] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)


_caught: ContextVar[Caught | None] = ContextVar("caught", default=None)


@contextmanager
def catching(shown: bool) -> Iterator[Caught]:
    """Keep what a command says and writes; a traceback ends in it, and in what to do."""
    caught = Caught(shown)
    token = _caught.set(caught)
    try:
        yield caught
    except HeadroomError as error:
        for note in (*caught.notes, f"do: {error.remedy}"):
            error.add_note(note)
        raise
    finally:
        _caught.reset(token)


def say(text: str) -> None:
    """Write one line for the user to stderr."""
    caught = _caught.get()
    if caught:
        caught.notes.append(text)
    if not caught or caught.shown:
        sys.stderr.write(text + "\n")


def write(text: str) -> None:
    """Write what was asked for to stdout."""
    caught = _caught.get()
    if caught:
        caught.answer = {**json.loads(text), "notes": list(caught.notes)}
    else:
        typer.echo(text, nl=False)


def write_json(value: Any) -> None:
    """Write the one machine-readable object to stdout."""
    write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def show(json: bool, answer: dict[str, Any], lines: Iterable[str]) -> None:
    """Write an answer to stdout: as one JSON object, or in lines for people."""
    if json:
        write_json(answer)
    else:
        typer.echo("\n".join(lines))


@contextmanager
def progress() -> Iterator[Callable[[int, int, str], None]]:
    """Show progress on stderr: a bar on a terminal, a line now and then elsewhere.

    Yields a function of the number done, the number in all, and what is under way.
    """
    caught = _caught.get()
    if caught is not None and not caught.shown:
        yield lambda done, total, text: None
        return
    if not sys.stderr.isatty():
        yield _LineProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)
        yield lambda done, total, text: bar.update(task, completed=done, total=total, description=text, visible=True)


class _LineProgress:
    """A line now and then, for logs."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, done: int, total: int, text: str) -> None:
        if time.monotonic() - self._last >= PLAIN_PROGRESS_SECONDS:
            self._last = time.monotonic()
            sys.stderr.write(f"{text}: {done:,} of {total:,}\n")


def run(parser: Any, name: str) -> NoReturn:
    """Run a program and leave: whatever it raises becomes two lines and an exit code, never a traceback."""
    debug = bool(os.environ.get("HEADROOM_DEBUG"))
    if not debug:
        threading.excepthook = lambda _: None  # a pool that is interrupted tells of it on threads of its own
    try:
        invoke(parser, name, sys.argv[1:])
    except typer.Exit as left:
        sys.exit(left.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(COULD_NOT)
    except (Exception, KeyboardInterrupt) as error:
        got, remedy, code = _explained(error)
        if debug and code == COULD_NOT and not isinstance(error, HeadroomError):
            raise
        if got:  # nothing where the help was shown instead
            say(f"error: {' '.join(got.split())}")
            say(f"   do: {' '.join(remedy.split())}")
        sys.exit(code)
    sys.exit()


def invoke(parser: Any, name: str, words: list[str], remedy: str = "see '{} --help'") -> None:
    """Run a command on the words of its line; wrong ones raise a UsageError, its remedy naming the command."""
    try:
        with parser.make_context(name, words) as context:
            parser.invoke(context)
    except Exception as error:
        if not hasattr(error, "format_message"):  # of no option
            raise
        wrong = getattr(error, "ctx", None)
        got = " ".join(error.format_message().split()).rstrip(".:")
        raise UsageError(got=got, remedy=remedy.format(wrong.command_path if wrong else name)) from None


def _explained(error: BaseException) -> tuple[str, str, int]:
    """What was got, what to do and the exit code, of whatever was raised."""
    if isinstance(error, HeadroomError):
        return error.got, error.remedy, WRONG_USE if isinstance(error, UsageError) else COULD_NOT
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "run the same command again to go on: what was finished is kept", INTERRUPTED
    if isinstance(error, OSError) and error.errno is not None:
        got = f"{error.filename or 'the disk'}: {os.strerror(error.errno).lower()}"
        return got, _OS_REMEDIES.get(error.errno, "check the path and try again"), COULD_NOT
    if isinstance(error, MemoryError):
        return "not enough memory", "use fewer --jobs, or --reduce pca:N", COULD_NOT
    got = f"something that headroom did not expect ({type(error).__name__}: {str(error)[:200] or 'no message'})"
    remedy = "set HEADROOM_DEBUG=1 and run again for the details, and report them; what was finished is kept"
    return got, remedy, COULD_NOT
