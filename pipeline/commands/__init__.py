"""The commands; everything heavy is imported inside them."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from headroom.pipeline.commands.check import check
from headroom.pipeline.commands.demo import demo
from headroom.pipeline.commands.extract import extract
from headroom.pipeline.commands.fit import fit
from headroom.pipeline.commands.replicate import replicate
from headroom.pipeline.commands.report import report
from headroom.pipeline.commands.tables import datasets, models
from headroom.pipeline.console import INTERRUPTED, WRONG_USE, misuse, say

app = typer.Typer(
    name="headroom",
    help="Which frozen CNN, classical head and class balancing is best on your images, and is SMOTE worth it?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (extract, fit, report, check, datasets, models, replicate, demo):
    app.command()(_command)


def _show_version(asked: bool) -> None:
    """Show the version and leave."""
    if asked:
        import headroom

        typer.echo(headroom.__version__)
        raise typer.Exit


@app.callback()
def _headroom(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def _alone(function: Callable, name: str) -> None:
    """Run one command as a program of its own."""
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command()(function)
    _run(single, name)


def _run(program: typer.Typer, name: str) -> None:
    """Run a program; wrong options are answered in two lines like every other error."""
    try:
        sys.exit(program(prog_name=name, standalone_mode=False))
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except Exception as error:
        message = misuse(error)
        if message is None:
            raise
        if message:  # none where the help was shown instead
            context = getattr(error, "ctx", None)
            say(f"error: {message}\n   do: see '{context.command_path if context else name} --help'")
        sys.exit(WRONG_USE)


main = partial(_run, app, "headroom")
main_extract = partial(_alone, extract, "extract")
main_fit = partial(_alone, fit, "fit")
main_report = partial(_alone, report, "report")
