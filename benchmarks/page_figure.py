"""A figure of a page that `compare` wrote, as an SVG file that stands by itself: for documents and slides.

    python -m benchmarks.page_figure STUDY/report.html OUT.svg HEADING [HEADING ...]

The figures with these headings, one beside the other, in the page's light colours, the methods' names below.
"""

from __future__ import annotations

import argparse
import html
import re
from pathlib import Path

from kwsembed import atomic

_ROW_PX, _TITLE_PX = 18, 22


def standing_alone(page: str, headings: list[str]) -> str:
    """The SVG of a page's figures with their headings above them and the page's first legend below.

    Raises:
        SystemExit: The page has no such figure, or no legend.
    """
    style = page[: page.index("</style>")]
    light = dict(re.findall(r"(--[\w-]+): (#\w+);", style[: style.index("@media")]))
    legend = _part(page, r'<ul class="key">(.*?)</ul>', "legend")
    entries = re.findall(r"<li>(<svg.*?</svg>)(.*?)</li>", legend)
    left, height, drawn = 0.0, 0.0, []
    for heading in headings:
        shown = html.escape(heading)
        figure = _part(
            page, rf"<h4>{re.escape(shown)}</h4>\s*(<svg.*?</svg>)(?:<figcaption>|</figure>)", heading
        )
        width, high = (float(part) for part in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', figure)[0])
        title = f'<text x="{left + 8:g}" y="15" font-size="13" fill="var(--ink)">{shown}</text>'
        place = f'<svg x="{left:g}" y="{_TITLE_PX}" width="{width:g}" height="{high:g}" '
        drawn.append(title + figure.replace("<svg ", place, 1))
        left, height = left + width, max(height, _TITLE_PX + high)
    for mark, name in entries:
        placed = mark.replace("<svg ", f'<svg x="54" y="{height:g}" width="32" height="{_ROW_PX}" ', 1)
        text = f'<text x="92" y="{height + 13:g}" font-size="11" fill="var(--ink)">{name}</text>'
        drawn.append(placed + text)
        height += _ROW_PX
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {left:g} {height + 6:g}" font-family="sans-serif">'
        f'<rect width="{left:g}" height="{height + 6:g}" fill="var(--card)"/>'
    )
    text = opening + "".join(drawn) + "</svg>\n"
    return re.sub(r"var\((--[\w-]+)\)", lambda match: light[match[1]], text)


def _part(page: str, pattern: str, what: str) -> str:
    found = re.search(pattern, page, flags=re.DOTALL)
    if not found:
        known = ", ".join(html.unescape(heading) for heading in re.findall(r"<h4>(.*?)</h4>", page))
        raise SystemExit(f"the page has no {what!r}; its figures: {known}")
    return found[1]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path, help="report.html of a study")
    parser.add_argument("out", type=Path, help="SVG file to write")
    parser.add_argument("headings", nargs="+", help="headings of the figures")
    arguments = parser.parse_args()
    page = arguments.page.read_text(encoding="utf-8")
    atomic.write_text(arguments.out, standing_alone(page, arguments.headings))


if __name__ == "__main__":
    main()
