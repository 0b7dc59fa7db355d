"""How figures look, and how one gets into a page."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

STYLE = mpl.rc_params_from_file(Path(__file__).with_name("templates") / "figures.mplstyle", use_default_template=False)
COLOURS = STYLE["axes.prop_cycle"].by_key()["color"]
BLUE, RED = COLOURS[:2]
INK, FAINT, MIDDLE = (STYLE[name] for name in ("text.color", "grid.color", "xtick.color"))
# In a page, colours follow its theme.
THEME = {INK: "currentColor", FAINT: "var(--grid)", MIDDLE: "var(--faint)"} | {
    colour: f"var(--c{number})" for number, colour in enumerate(COLOURS)
}

SIZE = (3.5, 3.2)  # inches
WIDE = 5.0  # inches from which a figure takes the whole width of a page


@contextmanager
def drawing() -> Iterator[Figure]:
    """Give an empty figure of the house style."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)  # the viewer's fonts have them
        yield Figure(SIZE, layout="constrained")


def as_svg(figure: Figure, name: str, title: str, description: str) -> str:
    """A figure as SVG for a page: text as text, colours that follow the page's theme, ids that begin with ``name``.

    ``title`` and ``description`` are the text alternative.
    """
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = out.getvalue().partition("<svg")[2]
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub("|".join(THEME), lambda found: THEME[found.group()], svg)
    svg = re.sub(r"font: ([^;\"]*?)'[^\"]*?sans-serif", r"font: \1var(--sans)", svg)
    words = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    head, _, body = svg.partition(">")
    return f'<svg role="img" aria-labelledby="{name}-title {name}-desc"{head}>{words}{body}'
