"""Cells that a spreadsheet must not run."""

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shelfaware.data.spreadsheet import guarded, guarded_frame, restored

STARTS = st.text(alphabet="'=+-@\t\r\n ＝＋－＠5.,e\u3000\xa0x", max_size=6)


@given(STARTS | st.text(max_size=12))
@example("'=1")
@example("''-5")
@example("'\t=1")
@example("-5")
@example("")
def test_restored_is_the_inverse(text: str) -> None:
    assert restored(guarded(text)) == text


@given(STARTS)
def test_no_cell_starts_like_a_formula_unless_it_is_a_number(text: str) -> None:
    """Said another way than the code: look at the first letter that is no space."""
    first = guarded(text).lstrip(" \n\xa0\u3000")[:1]
    if first and first in "=+-@\t\r＝＋－＠":
        float(guarded(text).replace(",", "."))


@pytest.mark.parametrize(
    "text", ["=1+1", "  =cmd|' /C calc'!A0", "+x", "-x", "@SUM(1)", "\t5", "\r5", "＝1", "-5-5", "--5", "=5"]
)
def test_guarded(text: str) -> None:
    assert guarded(text) == "'" + text


@pytest.mark.parametrize("text", ["-5", "+3,5", " -1.5e+3 ", "Dune", "'Tis", "5-4", "", "O'Hara = 5", "(=1)"])
def test_left_alone(text: str) -> None:
    assert guarded(text) == text


def test_what_looks_guarded_already_is_guarded_again() -> None:
    assert guarded("'=1") == "''=1"
    assert restored("'=1") == "=1"
    assert restored("'Tis") == "'Tis"


def test_every_text_of_a_table() -> None:
    frame = pl.DataFrame({"a": ["=1", None, "x"], "n": [-1, 2, 3], "b": ["ok", "@x", "-5"]})
    assert guarded_frame(frame).to_dict(as_series=False) == {"a": ["'=1", None, "x"], "n": [-1, 2, 3], "b": ["ok", "'@x", "-5"]}
