"""How a figure looks, and how it gets into a page or a file."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color universal design": told apart with every kind of colour blindness.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6f00", "#7f7f7f")
INK, FAINT, MIDDLE = "#1b1f24", "#d5d9de", "#767c85"
FILES = ("svg", "pdf", "png")

_STYLE: Any = {
    "axes.edgecolor": MIDDLE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": "sans-serif",
    "font.size": 8.5,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "patch.edgecolor": "none",
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "headroom",
    "text.color": INK,
    "text.parse_math": False,  # a class may be called $x^2$
    "xtick.color": MIDDLE,
    "xtick.labelcolor": INK,
    "ytick.color": MIDDLE,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}

# In a page, colours follow its theme.
_THEME = {INK: "currentColor", FAINT: "var(--grid)", MIDDLE: "var(--faint)"} | {
    colour: f"var(--c{number})" for number, colour in enumerate(COLOURS)
}


@contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure of the house style; inches."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)  # the viewer's fonts have them
        yield Figure((width, height), layout="constrained")


def as_svg(figure: Figure, name: str, title: str, description: str) -> str:
    """A figure as SVG for a page: text as text, colours that follow the page's theme, ids that begin with ``name``.

    ``title`` and ``description`` are the text alternative.
    """
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub("|".join(_THEME), lambda found: _THEME[found.group()], svg)
    svg = re.sub(r"font: ([^;\"]*?)'[^\"]*?sans-serif", r"font: \1var(--sans)", svg)
    words = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    label = f'<svg role="img" aria-labelledby="{name}-title {name}-desc"'
    head, body = svg.split(">", 1)
    return head.replace("<svg", label, 1) + ">" + words + body


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as SVG, PDF and PNG (300 dpi, white ground) into a folder that exists."""
    files = [folder / f"{name}.{kind}" for kind in FILES]
    for file in files:
        undated = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[file.suffix[1:]]
        figure.savefig(file, dpi=300, facecolor="white", metadata=undated)
    return files
