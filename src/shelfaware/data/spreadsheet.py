"""Cells of a CSV that a spreadsheet must not run as a formula, and their way back.

A cell that begins like a formula gets an apostrophe in front; so does one that already looks guarded, which makes
`restored` the exact inverse of `guarded`.
"""

from __future__ import annotations

import re

import polars as pl

SPACES = r"[ \n\v\f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"
"""What a spreadsheet may pass over before it looks for a formula; TAB and CR start one themselves."""
FORMULA = SPACES + r"[=+\-@\t\r＝＋－＠]"

RISKY = re.compile(f"'*{FORMULA}")
GUARDED = re.compile(f"'+{FORMULA}")
NUMBER = re.compile(r" *[+-]?[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)? *")


def guarded(text: str) -> str:
    """The text as a spreadsheet shows it and does not run it; a plain number such as -5 stays as it is."""
    return f"'{text}" if RISKY.match(text) and not NUMBER.fullmatch(text) else text


def restored(text: str) -> str:
    """restored(guarded(text)) == text for every text."""
    return text[1:] if text.startswith("'") and GUARDED.match(text) else text


def guarded_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Every text of a table guarded: what is written as CSV passes through here."""
    return frame.with_columns(pl.col(pl.String).map_elements(guarded, return_dtype=pl.String))
