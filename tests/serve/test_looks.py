"""Covers, stars and colours: what can be judged without a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shelfaware.data.interactions import Scale
from shelfaware.serve import covers, looks


def test_a_long_title_is_cut_and_no_line_is_wider_than_the_cover() -> None:
    for title in ("It", "Supercalifragilisticexpialidocious", "word " * 200, "x" * 5000, ""):
        size, lines = covers.fitted(title)
        assert len(lines) <= dict(covers.SIZES)[size]
        assert all(len(line) * size * covers.LETTER <= covers.WIDTH - 2 * covers.MARGIN for line in lines)
    assert covers.fitted("It")[1] == ["It"]
    assert covers.fitted("word " * 200)[1][-1].endswith("…")


def test_stars_to_give_are_shown_in_halves_where_the_scale_has_halves() -> None:
    assert looks.star_pieces(Scale()) == [(1, 0, 1), (2, 0, 1), (3, 0, 1), (4, 0, 1), (5, 0, 1)]
    assert looks.star_pieces(Scale(0.5, 2, 0.5)) == [(0.5, 0, 0.5), (1, 0.5, 1), (1.5, 0, 0.5), (2, 0.5, 1)]


STYLE = Path(covers.__file__).with_name("static") / "style.css"


def contrast(a: str, b: str) -> float:
    """Of WCAG 2.2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["day", "night"])
def test_colours_read_well_by_day_and_by_night(theme: int) -> None:
    block = re.findall(r":root \{(.*?)\}", STYLE.read_text(encoding="utf-8"), re.S)[theme]
    colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    for ground in ("paper", "sheet", "wash"):
        for text in ("ink", "muted", "accent", "amber" if ground == "paper" else "ink", "red" if ground != "wash" else "ink"):
            assert contrast(colour[ground], colour[text]) >= 4.5, (ground, text)
        assert contrast(colour[ground], colour["edge"]) >= 3
    assert contrast(colour["accent"], colour["on-accent"]) >= 4.5
    assert contrast(colour["red"], colour["on-red"]) >= 4.5
    assert all(contrast(one, covers.PAPER) >= 6 for one in covers.COLOURS)
