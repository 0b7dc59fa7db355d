"""``headroom check``: is the cache sound, and may the numbers be trusted?"""

from pathlib import Path

import typer

from headroom.pipeline.commands.options import command
from headroom.pipeline.console import COULD_NOT, say, show


@command()
def check(*, ignore: list[str] | None = None, data_dir: Path, cache: Path, json: bool = False) -> None:
    """Read the whole cache back, and run the numbered checks that docs/checks.md explains.

    Warnings leave the exit code at 0; a damaged file makes it 1. Without the images only the checks on files are
    left out.
    """
    from headroom.errors import HeadError, UsageError
    from headroom.pipeline.cache import damages, leftovers, read_cache
    from headroom.pipeline.checks.checks import DAMAGE, as_promised, findings, muted
    from headroom.pipeline.checks.facts import image_folder
    from headroom.pipeline.report.forms import check_lines
    from headroom.pipeline.report.source import read_cells

    ignored = muted(ignore or ())
    damaged = [DAMAGE.finding(line) for line in damages(cache)]
    for line in leftovers(cache):
        say(f"note: {line}")
    cached = read_cache(cache)
    try:
        cells, problems, scored = read_cells(cache)
    except HeadError:  # among the damages
        cells, problems, scored = [], {}, {}
    names = sorted({item.dataset for item in cached.files} | {cell.dataset for cell in cells})
    if not names and not damaged:
        raise UsageError(
            got=f"{cache} holds neither embeddings nor results", remedy="run extract first, or name another --cache"
        )
    for name in names:
        if image_folder(name, cached, data_dir) is None:
            say(f"note: the images of {name} are out of reach, so their files are not checked; see --data-dir")
    found = damaged + findings(cached, cells, problems, scored, names, data_dir, ignored)
    show(json, {"checks": as_promised(found)}, check_lines(found) or ["nothing found"])
    if damaged:
        raise typer.Exit(COULD_NOT)
