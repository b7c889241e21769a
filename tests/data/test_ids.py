"""Ids and indices."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfaware.data.ids import LARGEST_ID, IdMap, normalise_ids
from shelfaware.errors import DataError, UnknownIdError


def ids(*some: object) -> IdMap:
    return IdMap(pl.Series(list(some)), "user")


def test_numbers_sort_as_numbers_text_as_text() -> None:
    assert ids("10", "9", "10").ids.to_list() == [9, 10]
    assert ids(10, 9).ids.to_list() == [9, 10]
    assert ids(10.0, 9.0).ids.to_list() == [9, 10]
    assert ids("10", "9", "x").ids.to_list() == ["10", "9", "x"]


@pytest.mark.parametrize("kind", [pl.Int8, pl.Int32, pl.UInt64, pl.Float64, pl.String])
def test_every_type_of_number_will_do(kind: type[pl.DataType]) -> None:
    known = IdMap(pl.Series([10, 9]).cast(kind), "user")
    assert known.ids.dtype == pl.Int64
    assert known.index_of(pl.Series([9, 10], dtype=pl.Int32)).tolist() == [0, 1]


@pytest.mark.parametrize("odd", ["007", "+7", " 7", "7.0", "1_000", "٧", "-7", ""])
def test_what_is_no_plain_number_stays_text(odd: str) -> None:
    assert ids(odd, "7").ids.to_list() == sorted([odd, "7"])


@pytest.mark.parametrize("odd", ["007", "+7", " 7", "7.0", "٧", "x", "9999999999999999999"])
def test_a_number_is_found_by_its_plain_form_only(odd: str) -> None:
    assert ids(5, 7).find([odd, "7", 7]).tolist() == [-1, 1, 1]


def test_unknown_ids() -> None:
    known = ids("a", "b")
    assert known.find(["b", "c", 1]).tolist() == [1, -1, -1]
    with pytest.raises(UnknownIdError, match=r"user 'c' \(and 1 more\) is not among the 2 known users"):
        known.index_of(["a", "c", "d"])


def test_the_largest_id() -> None:
    assert ids(LARGEST_ID, 0).ids.to_list() == [0, 2**53 - 1]


@pytest.mark.parametrize("bad", [2**53, -1, str(2**53)])
def test_ids_that_cannot_be_kept_exactly(bad: object) -> None:
    with pytest.raises(DataError, match=r"outside 0 to 2\^53 - 1"):
        ids(bad)


def test_missing_and_broken_ids() -> None:
    with pytest.raises(DataError, match="2 rows have no user id"):
        ids(1, None, None)
    for bad in (1.5, float("nan"), float("inf")):
        with pytest.raises(DataError, match="whole numbers or text"):
            ids(bad)


def test_equality_is_of_ids_and_their_kind_of_id() -> None:
    assert ids(1, 2) == ids(2, 1, 1)
    assert ids(1, 2) != ids(1, 3)
    assert ids(1) != ids("1x")
    assert ids(1) != 1


@given(st.lists(st.one_of(st.integers(0, LARGEST_ID).map(str), st.text(max_size=5)), min_size=1))
def test_an_index_leads_back_to_its_id(some: list[str]) -> None:
    known = IdMap(pl.Series(some), "book")
    index = known.index_of(pl.Series(some))
    assert [str(known.id_of(int(i))) for i in index] == some
    assert len(known) == len(set(some))
    assert normalise_ids(known.ids, "book").equals(known.ids)
