"""A plot as a part of a page: inline SVG whose colours follow the page's, by day and by night."""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING

from shelfaware.evaluation.canvas import AMBER, INK, MUTED, PALE_AMBER, PAPER, RULE, SERIES, readable, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRID, EDGE = "#dedbd3", "#b9b6ae"
"""The two colours that only style.mplstyle names."""

PLAIN = {PAPER: "paper", INK: "ink", MUTED: "muted", RULE: "rule", GRID: "line", EDGE: "rule"}
DRAWN = {**dict(zip(SERIES, ("teal", "orange", "blue", "pink"), strict=True)), AMBER: "amber", PALE_AMBER: "pale"}


def inline(figure: Figure, name: str) -> str:
    """An <svg> element; `name` keeps its ids apart from those of other plots on the page."""
    drawn = io.StringIO()
    with style():
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    svg = re.sub(r".*?(?=<svg)", "", drawn.getvalue(), count=1, flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'<svg xmlns:xlink="[^"]*" width="[^"]*" height="[^"]*"', f"<svg {_said(figure)}", svg, count=1)
    return re.sub(r"\n\s*", "\n", _coloured(svg)).strip()


def _said(figure: Figure) -> str:
    return f'role="img" aria-label="{escape(str(figure.get_label()))}"'


def _coloured(svg: str) -> str:
    """Each colour of the canvas as a property of the page; names of lines, which are darker, as that of their text."""
    names = {**PLAIN, **DRAWN, **{readable(colour): f"{name}-text" for colour, name in DRAWN.items()}}
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: f"var(--{names[found[0]]})" if found[0] in names else found[0], svg)
