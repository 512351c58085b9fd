"""Draws matplotlib figures as inline SVG with the colours of the page, so that one plot suits light and dark.

Colours are drawn as stand-ins (`INK`, `series(3)`) that become CSS variables of the page. Text stays text, in
the page's own type. Nothing in the SVG points outside it, and equal input gives equal bytes.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, LINE, PAPER, ACCENT, WARN = (f"#fe00{number:02x}" for number in range(6))
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    PAPER: "--card",
    ACCENT: "--accent",
    WARN: "--warn",
}
SERIES_COUNT = 8
MARKERS = "osD^vPX*"

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a label may hold a dollar sign
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # only for measuring: comes with matplotlib, wider than most
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 11,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "lines.linewidth": 2.0,
    "path.simplify_threshold": 0.5,
}


def series(index: int) -> str:
    """The stand-in of the page's colour number `index`, of eight that colour-blind readers can tell apart."""
    return f"#fe01{index % SERIES_COUNT:02x}"


def marker(index: int) -> str:
    """A marker shape; neighbours differ, and its pair with the colour is unique up to 64."""
    return MARKERS[(index + index // SERIES_COUNT) % len(MARKERS)]


class Plot:
    """One axes of a given size in CSS pixels; `inline()` gives its SVG.

    Args:
        name: Unique on the page; prefixes the ids inside the SVG.
        description: What is to be seen, for those who cannot see it.

    Example:
        >>> with drawing("loss", "loss per epoch") as plot:
        ...     _ = plot.axes.plot([3.0, 2.0, 1.5])
        >>> plot.inline().startswith("<svg")
        True
    """

    def __init__(self, name: str, description: str, *, width_px: int, height_px: int) -> None:
        self._name = name
        self._description = description
        self.figure = Figure(figsize=(width_px / 72, height_px / 72))
        # Fixed margins: matplotlib's layout engines take as long as the drawing itself. What sticks out
        # of them still shows on the page.
        self.figure.subplots_adjust(
            left=54 / width_px, right=1 - 8 / width_px, bottom=40 / height_px, top=1 - 8 / height_px
        )
        self.axes: Axes = self.figure.add_subplot()

    def inline(self) -> str:
        """The plot as an `<svg>` element to stand inside an HTML page."""
        file = io.StringIO()
        no_metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        with matplotlib.rc_context({**_STYLE, "svg.hashsalt": self._name}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # the browser has the glyphs that DejaVu lacks
            self.figure.savefig(file, format="svg", metadata=no_metadata)
        text = file.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<(metadata|style)\b.*?</\1>", "", text, flags=re.DOTALL)
        text = re.sub(r'\bd="[^"]*"', lambda match: _shorter_path(match[0]), text)
        pointed_at = set(re.findall(r'(?:href="|url\()#([\w-]+)', text))
        text = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in pointed_at else "", text)
        text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{self._name}-", text)
        text = re.sub(r"font-family: [^;\"]*; ?", "", text)
        text = re.sub(
            r"font: (?:(\d+) )?([\d.]+px) [^;\"]*", r"font-weight: \1; font-size: \2", text
        )  # matplotlib < 3.10
        text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", text)
        text = re.sub(r"#fe[0-9a-f]{4}", lambda match: f"var({_variable(match[0])})", text)
        text = re.sub(r">\s+<", "><", text)
        view = re.search(r'viewBox="[^"]*"', text)
        opening = f'<svg {view[0] if view else ""} role="img" aria-label="{html.escape(self._description)}">'
        return re.sub(r"^<svg[^>]*>", lambda _: opening, text, count=1).strip()


@contextmanager
def drawing(name: str, description: str, *, width_px: int = 330, height_px: int = 260) -> Iterator[Plot]:
    """A `Plot` to draw on, with the report's style in force."""
    with matplotlib.rc_context(_STYLE):
        yield Plot(name, description, width_px=width_px, height_px=height_px)


def _variable(stand_in: str) -> str:
    return _VARIABLES.get(stand_in, f"--series-{int(stand_in[-2:], 16)}")


def _shorter_path(path: str) -> str:
    # A hundredth of a pixel is enough, and half the bytes.
    return " ".join(re.sub(r"-?\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}", path).split())
