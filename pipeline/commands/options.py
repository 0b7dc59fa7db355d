"""Options that several commands share, and how a command takes those of the function that does its work."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

Cache = Annotated[Path, typer.Option(envvar="HEADROOM_CACHE", help="Where embeddings, results and reports are kept.")]
DataDir = Annotated[
    Path, typer.Option(envvar="HEADROOM_DATA", help="Where data sets lie, each in a folder of its name.")
]
Jobs = Annotated[int, typer.Option(min=0, help="Processes or threads at a time; 0: all cores.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn at random.")]
Folds = Annotated[int, typer.Option(min=2, max=100, help="Folds of a repeat.")]
Repeats = Annotated[int, typer.Option(min=1, max=100, help="Repeats of the cross-validation.")]
Ignore = Annotated[list[str] | None, typer.Option(help="Mute a check, for example M004.", show_default="none")]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout; all else goes to stderr.")]

DEFAULT_CACHE = Path("cache")
DEFAULT_DATA = Path("data")


def with_options_of(work: Callable) -> Callable[[Callable], Callable]:
    """Give a command the options of the function that does its work, before its own.

    Keyword-only parameters of ``work``, its callbacks, are no options.
    """

    def widened(command: Callable) -> Callable:
        callback, rest = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD
        taken = [option for option in inspect.signature(work).parameters.values() if option.kind is not callback]
        own = [option for option in inspect.signature(command).parameters.values() if option.kind is not rest]
        options = [option.replace(kind=callback) for option in (*taken, *own)]
        command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        command.__annotations__ = {option.name: option.annotation for option in options}
        return command

    return widened
