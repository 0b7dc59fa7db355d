"""What a user sees: lines and progress on stderr, one JSON object on stdout, errors in two lines, exit codes."""

import errno
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from headroom.errors import HeadroomError, UsageError

COULD_NOT, WRONG_USE, INTERRUPTED = 1, 2, 130
PLAIN_PROGRESS_SECONDS = 30

_OS_REMEDIES = {
    errno.ENOSPC: "free some space and run again: what was finished is kept",
    errno.EDQUOT: "free some space and run again: what was finished is kept",
    errno.EACCES: "allow it, or name another place with --cache or --output",
    errno.EPERM: "allow it, or name another place with --cache or --output",
    errno.EROFS: "name another place with --cache or --output",
}


def say(text: str) -> None:
    """Write one line for the user to stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def write_json(value: Any) -> None:
    """Write the one machine-readable object to stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def stop(got: str, remedy: str, code: int) -> NoReturn:
    """Say what was got and what to do, and leave."""
    say(f"error: {' '.join(got.split())}")
    say(f"   do: {' '.join(remedy.split())}")
    raise typer.Exit(code)


def command(function: Callable) -> Callable:
    """Make a function a command: whatever it raises becomes two lines and an exit code, never a traceback."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not os.environ.get("HEADROOM_DEBUG"):
            threading.excepthook = lambda _: None  # a pool that is interrupted tells of it on threads of its own
        try:
            return function(*args, **kwargs)
        except typer.Exit:
            raise
        except HeadroomError as error:
            stop(error.got, error.remedy, WRONG_USE if isinstance(error, UsageError) else COULD_NOT)
        except KeyboardInterrupt:
            stop("interrupted", "run the same command again to go on: what was finished is kept", INTERRUPTED)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(COULD_NOT) from None
        except Exception as error:
            if os.environ.get("HEADROOM_DEBUG"):
                raise
            stop(*_explained(error), COULD_NOT)

    return wrapped


def _explained(error: Exception) -> tuple[str, str]:
    """Return what was got and what to do for any exception."""
    if isinstance(error, OSError) and error.errno is not None:
        got = f"{error.filename or 'the disk'}: {os.strerror(error.errno).lower()}"
        return got, _OS_REMEDIES.get(error.errno, "check the path and try again")
    if isinstance(error, MemoryError):
        return "not enough memory", "use fewer --jobs, or --reduce pca:N"
    got = f"something that headroom did not expect ({type(error).__name__}: {str(error)[:200] or 'no message'})"
    return got, "set HEADROOM_DEBUG=1 and run again for the details, and report them; what was finished is kept"


def misuse(error: Exception) -> str | None:
    """What was wrong in the options, in one line, of an error that Typer raises for them; None of any other."""
    if not hasattr(error, "format_message"):
        return None
    return " ".join(error.format_message().split()).rstrip(".:")


@contextmanager
def progress() -> Iterator[Callable[[int, int, str], None]]:
    """Show progress on stderr: a bar on a terminal, a line now and then elsewhere.

    Yields a function of the number done, the number in all, and what is under way.
    """
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
            say(f"{text}: {done:,} of {total:,}")
