"""The commands; everything heavy is imported inside them."""

from collections.abc import Callable
from typing import Annotated

import typer

from pipeline.commands.check import check
from pipeline.commands.demo import demo
from pipeline.commands.extract import extract
from pipeline.commands.fit import fit
from pipeline.commands.replicate import replicate
from pipeline.commands.report import report
from pipeline.commands.tables import datasets, models

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
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(version("headroom"))
        except PackageNotFoundError:
            typer.echo("a checkout that is not installed")
        raise typer.Exit


@app.callback()
def _headroom(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run ``headroom``."""
    app(prog_name="headroom")


def _alone(function: Callable, name: str) -> None:
    """Run one command as a program of its own."""
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command()(function)
    single(prog_name=name)


def main_extract() -> None:
    """Run ``extract``."""
    _alone(extract, "extract")


def main_fit() -> None:
    """Run ``fit``."""
    _alone(fit, "fit")


def main_report() -> None:
    """Run ``report``."""
    _alone(report, "report")
