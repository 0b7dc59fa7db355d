"""The options of a command: out of a function's signature and docstring, and back into words."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

import headroom

PLACES = {"cache": ("HEADROOM_CACHE", Path("cache")), "data_dir": ("HEADROOM_DATA", Path("data"))}
NO_OPTION = "progress"  # of the Python interface: a terminal shows it always
JSON = ("bool", "Write one JSON object to stdout; all else goes to stderr.")

_ENTRY = re.compile(r"^(\w+) : (.+)\n((?: {4}.+(?:\n|$))+)", re.MULTILINE)
_QUOTED = re.compile(r'``"?(.*?)"?``')
_RANGE = re.compile(r"(\d+) (?:to (\d+)|or more)")
_SHOWN = re.compile(r"default: (.+)")


def command(like: Callable | None = None) -> Callable[[Callable], Callable]:
    """Make a plain function a command, by default with the help and the options of another one before its own.

    What an option takes and what its help says is read from signature and docstring; where the docstring is silent,
    an option means what it means in the Python interface.
    """

    def with_options(function: Callable) -> Callable:
        texts = {"json": JSON}
        for source in (headroom.report, headroom.fit, headroom.extract, like, function):
            texts |= _described(source) if source else {}
        signatures = [inspect.signature(source, eval_str=True) for source in (like, function) if source]
        options = [
            _option(parameter, *texts[name])
            for signature in signatures
            for name, parameter in signature.parameters.items()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD and name != NO_OPTION
        ]
        function.__doc__ = (inspect.getdoc(like or function) or "").partition("\n\nParameters\n")[0]
        function.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        function.__annotations__ = {option.name: option.annotation for option in options}
        return function

    return with_options


def as_words(options: Mapping[str, Any]) -> Iterator[str]:
    """Options as on the command line; several values repeat their option.

    >>> list(as_words({"head": ["svm", "knn"], "max_bad": 0.5, "tune": True, "mirror": False}))
    ['--head', 'svm', '--head', 'knn', '--max-bad', '0.5', '--tune', '--no-mirror']
    """
    for name, value in options.items():
        word = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{word}" if value else f"--no-{word}"
            continue
        several = isinstance(value, Iterable) and not isinstance(value, str | PathLike)
        for one in value if several else [value]:
            yield from (f"--{word}", str(one))


def _described(function: Callable) -> dict[str, tuple[str, str]]:
    """What a docstring says of each parameter: what it takes, and its sentence without marks and ends of lines."""
    entries = _ENTRY.findall(inspect.getdoc(function) or "")
    return {name: (takes, _QUOTED.sub(r"\1", " ".join(text.split()))) for name, takes, text in entries}


def _option(parameter: inspect.Parameter, takes: str, text: str) -> inspect.Parameter:
    """A parameter as Typer wants it."""
    kind, default = parameter.annotation, parameter.default
    members = get_args(kind)
    about: dict[str, Any] = {"help": text}
    if parameter.name in PLACES:
        about["envvar"], default = PLACES[parameter.name]
        kind = Path
    elif any(get_origin(member) in (Sequence, list) for member in members):
        about["help"] += " May be repeated."
        kind = list[str] | None if default is None else list[str]
        default = [default] if isinstance(default, str) else default
    elif PathLike[str] in members:
        kind = Path | None if default is None else str
    if default is None and (shown := _SHOWN.search(takes)):
        about["show_default"] = shown[1]
    if bounds := _RANGE.search(takes):
        about["min"], about["max"] = (bound and int(bound) for bound in bounds.groups())
    flag = [f"--{parameter.name}"] if default is False else []
    made = typer.Argument(**about) if "positional" in takes else typer.Option(*flag, **about)
    return parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=Annotated[kind, made], default=default)
