"""The commands; everything heavy is imported inside them."""

from functools import partial
from typing import Annotated, Any

import typer

import headroom
from headroom.pipeline.commands.check import check
from headroom.pipeline.commands.extract import extract
from headroom.pipeline.commands.fit import fit
from headroom.pipeline.commands.report import report
from headroom.pipeline.commands.sequences import demo, replicate
from headroom.pipeline.commands.tables import datasets, models
from headroom.pipeline.console import run

_help = (headroom.__doc__ or "").partition("\n")[0]
app = typer.Typer(help=_help, no_args_is_help=True, add_completion=False)
for _command in (extract, fit, report, check, datasets, models, replicate, demo):
    app.command()(_command)


def _show_version(asked: bool) -> None:
    """Show the version and leave."""
    if asked:
        typer.echo(headroom.__version__)
        raise typer.Exit


@app.callback()
def _headroom(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


program: Any = typer.main.get_command(app)

main = partial(run, program, "headroom")
main_extract = partial(run, program.commands["extract"], "extract")
main_fit = partial(run, program.commands["fit"], "fit")
main_report = partial(run, program.commands["report"], "report")
