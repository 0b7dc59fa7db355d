"""Options of commands, out of signatures and docstrings."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args, get_type_hints

import pytest

import headroom
from headroom.pipeline.commands import program
from headroom.pipeline.commands.options import as_words, command


def example(
    names: str | Sequence[str],
    *,
    several: str | Sequence[str] | None = None,
    kind: Literal["a", "b"] = "a",
    count: int = 3,
    share: float = 0.5,
    either: bool | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> None:
    """Show how options are made.

    More of it.

    Parameters
    ----------
    names : str or sequence of str
        ``"svm"`` and ``others``;
        two lines.
    several : str or sequence of str, default: all of them
        Several.
    kind : {"a", "b"}
        Kind.
    count : int, 2 or more
        Count.
    share : float, 0 to 1
        Share.
    either : bool, optional
        Either.
    cache : path
        Place.
    progress : bool
        No option.
    """


@pytest.fixture
def options():
    @command(example)
    def made(json: bool = False, **options):
        pass

    assert made.__doc__ == "Show how options are made.\n\nMore of it."
    return inspect.signature(made).parameters


def about(options, name):
    return get_args(options[name].annotation)[1]


def test_order_and_defaults(options):
    assert list(options) == ["names", "several", "kind", "count", "share", "either", "cache", "json"]
    assert options["names"].default is inspect.Parameter.empty
    assert options["cache"].default == Path("cache")


def test_help(options):
    assert about(options, "names").help == "svm and others; two lines. May be repeated."
    assert about(options, "several").show_default == "all of them"
    assert about(options, "cache").envvar == "HEADROOM_CACHE"


def test_bounds(options):
    assert (about(options, "count").min, about(options, "count").max) == (2, None)
    assert (about(options, "share").min, about(options, "share").max) == (0, 1)


@pytest.mark.parametrize("name", ["extract", "fit", "report"])
def test_every_option_says_what_its_docstring_says(name):
    kinds = get_type_hints(getattr(headroom, name))
    for option in program.commands[name].params:
        assert option.help or option.name == "help", option.name
        assert option.name in {*kinds, "json", "format", "output", "figures", "help"}


def test_words_that_look_like_options_are_values(run, tmp_path):
    (tmp_path / "-x").mkdir()
    with pytest.raises(headroom.HeadroomError, match=r"-x"):
        headroom.extract("fake", "-x", weights="random")


def test_words_of_paths_and_numbers():
    assert list(as_words({"cache": Path("a b"), "seed": -1})) == ["--cache", "a b", "--seed", "-1"]
