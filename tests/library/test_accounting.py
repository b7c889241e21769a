"""Rows in = kept + skipped + rejected, each with its line: files with planted defects whose outcome is known exactly."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from making import Style

from shelfaware.library.exports import parse_export

HEADER = ["title", "author", "rating", "shelf", "review"]
KEPT, SKIPPED, REJECTED = "", "skipped", "rejected"
TORN = "a quote is opened and never closed"
STYLES = [
    Style(),
    Style(separator=";"),
    Style(separator="\t"),
    Style(separator="|", line_end="\r\n"),
    Style(line_end="\r", encoding="utf-8-sig"),
    Style(encoding="utf-16"),
    Style(encoding="cp1252"),
]

Planted = tuple[str, str, str]
"""The lines of a row (without the last line end), its outcome, and how its reason begins."""


class Planter:
    """Writes one row of each kind in a style, and says what must become of it."""

    def __init__(self, rng: random.Random, style: Style) -> None:
        self.rng, self.style, self.separator = rng, style, style.separator
        self.after_torn = 0

    def row(self, *cells: str) -> str:
        return self.style.text([cells]).removesuffix(self.style.line_end)

    def good(self, review: str = "") -> list[str]:
        title = f"Été {self.rng.randrange(10**6)}"
        return [title, "Ann Other", str(self.rng.randint(0, 5)), "read", review]

    def whole(self) -> Planted:
        return self.row(*self.good()), KEPT, ""

    def review(self) -> Planted:
        lines = "\n".join(["fine", "", 'she said "no"', "", ""][: self.rng.randint(1, 5)])
        return self.row(*self.good(lines)), KEPT, ""

    def separators_in_quotes(self) -> Planted:
        return self.row(f"a{self.separator}b", *self.good()[1:]), KEPT, ""

    def nul(self) -> Planted:
        return self.row("Du\0ne", *self.good()[1:]), KEPT, ""

    def trailing_separators(self) -> Planted:
        return self.row(*self.good(), "", "", ""), KEPT, ""

    def short(self) -> Planted:
        if self.after_torn:
            return self.row("Dune", "x"), REJECTED, f"it looks like a piece of line {self.after_torn},"
        return self.row("Dune", "x"), KEPT, ""

    def not_a_number(self) -> Planted:
        word = self.rng.choice(["many", "nan", "1_000", "٣" if "utf" in self.style.encoding else "inf", "5/5"])
        return self.row("Dune", "x", word, "read", ""), REJECTED, f"rating {word!r} is not a number"

    def digits(self) -> Planted:
        return self.row("Dune", "x", "9" * 4_900, "read", ""), REJECTED, "the rating is not a number"

    def off_scale(self) -> Planted:
        return self.row("Dune", "x", "-3", "read", ""), REJECTED, "rating '-3' is outside 1 to 5"

    def too_many(self) -> Planted:
        return self.row(*self.good(), "x", ""), REJECTED, "it has 7 values where the header has 5"

    def long_title(self) -> Planted:
        return self.row("x" * 6_000, *self.good()[1:]), REJECTED, "a value of 6,000 characters"

    def no_book(self) -> Planted:
        return self.row("", "Ann Other", "4", "read", ""), SKIPPED, "it names no book"

    def only_separators(self) -> Planted:
        return self.separator * 4, SKIPPED, "it names no book"

    def header(self) -> Planted:
        return self.row(*HEADER), SKIPPED, "the header stands here again"

    def torn(self) -> Planted:
        line = self.separator.join(['"Never closed', "Ann Other", "4", "read", ""])
        return (line, KEPT, "") if self.separator == "\t" else (line, REJECTED, TORN)

    @property
    def kinds(self) -> list[Callable[[], Planted]]:
        kept = [self.whole, self.review, self.separators_in_quotes, self.nul, self.trailing_separators, self.short]
        rejected = [self.not_a_number, self.digits, self.off_scale, self.too_many, self.long_title, self.torn]
        return [*kept, *rejected, self.no_book, self.only_separators, self.header]


def planted_file(seed: int) -> tuple[bytes, list[tuple[int, str, str]]]:
    """A file, and (line, outcome, beginning of the reason) of each of its rows."""
    rng = random.Random(seed)
    style = rng.choice(STYLES)
    planter, line = Planter(rng, style), 2
    parts, expected = [planter.row(*HEADER)], []
    for _ in range(rng.randint(1, 25)):
        blank = rng.choice([0, 0, 0, 1, 2])
        parts += [""] * blank
        line += blank
        plant = rng.choice(planter.kinds)
        text, outcome, reason = plant()
        expected.append((line, outcome, reason))
        if reason == TORN:
            planter.after_torn = line
        elif plant not in (planter.short, planter.too_many):
            planter.after_torn = 0
        parts.append(text)
        line += 1 + text.count("\n")
    end = rng.choice(["", style.line_end])
    return (style.line_end.join(parts) + end).encode(style.encoding), expected


def accounted(seed: int) -> None:
    raw, expected = planted_file(seed)
    rows = parse_export(raw, "x.csv").rows
    found = [(row.line, row.outcome, row.reason[: len(reason)]) for row, (_, _, reason) in zip(rows, expected, strict=False)]
    assert found == expected, seed
    assert len(rows) == len(expected), seed
    assert all(bool(row.reason) == bool(row.outcome) for row in rows), seed
    assert all(row.stars is None for row in rows if row.outcome), seed


@pytest.mark.parametrize("batch", range(10))
def test_every_row_is_accounted_for(batch: int) -> None:
    for seed in range(100 * batch, 100 * batch + 100):
        accounted(seed)


@pytest.mark.slow
def test_every_row_of_10_000_files_is_accounted_for() -> None:
    for seed in range(1_000, 11_000):
        accounted(seed)


def test_every_defect_is_planted() -> None:
    """The files above hold every kind of row, each of the three outcomes, and a piece of a torn row."""
    outcomes = [one for seed in range(1_000) for one in planted_file(seed)[1]]
    assert {outcome for _, outcome, _ in outcomes} == {KEPT, SKIPPED, REJECTED}
    reasons = {reason.split(" of line")[0] for _, _, reason in outcomes}
    assert {
        TORN,
        "it looks like a piece",
        "the rating is not a number",
        "it names no book",
        "the header stands here again",
    } <= reasons
