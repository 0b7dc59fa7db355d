"""Write docs/commands.md from what ``--help`` of every command says: ``make docs``."""

from pathlib import Path

import typer.core

from headroom.pipeline.commands import program

PAGE = Path(__file__).with_name("commands.md")
WIDTH = 80
INTRODUCTION = """\
# Commands

This page is what `--help` says; `make docs` writes it. `extract`, `fit` and
`report` are also installed as programs of their own, with the same options.

Options marked `[env var: ...]` can be set once in the environment. A wildcard
is quoted, so that the shell leaves it alone: `--model "densenet*"`.

Exit codes: 0 done, 1 could not, 2 wrong use, 130 interrupted.
"""


def page() -> str:
    """Return the page: the program, then each command in the order of the program's own list."""
    program.rich_markup_mode = None
    sections = [_section("headroom", program)]
    for name, command in program.commands.items():
        command.rich_markup_mode = None
        sections.append(_section(f"headroom {name}", command))
    return "\n".join([INTRODUCTION, *sections])


def _section(title: str, command: typer.core.TyperCommand) -> str:
    """Return one command's help under its name, without colours and boxes."""
    context = command.make_context(title, [], resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH)
    lines = [line.rstrip() for line in command.get_help(context).splitlines()]
    return "\n".join([f"## {title}", "", "```text", *lines, "```", ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
