"""Ratings, ISBNs and ids: a whitelist, not what Python takes for a number."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import isbn as standard

from shelfaware.data.books import Books
from shelfaware.library.exports import parse_export
from shelfaware.library.matching import Matcher
from shelfaware.library.names import turned
from shelfaware.library.rows import Row
from shelfaware.library.values import goodreads_id_of, isbns_of, number_of


def rated(written: str) -> Row:
    return parse_export(f'title,Star Rating,Read Status\nDune,"{written}",read\n'.encode(), "x").rows[0]


@pytest.mark.parametrize(
    ("written", "stars"),
    [
        ("5", 5),
        (" 4 ", 4),
        ("4.75", 4.75),
        ("4,5", 4.5),
        (".5", 0.5),
        ("5.0", 5),
        ("0", None),
        ("0.0", None),
        ("", None),
        ("-0", None),
    ],
)
def test_ratings(written: str, stars: float | None) -> None:
    row = rated(written)
    assert (row.stars, row.outcome) == (stars, "")


@pytest.mark.parametrize(
    "written",
    ["many", "1_000", "٣", "３", "nan", "NaN", "inf", "1e1", "5/5", "5.", "1.2.3", "1,000.5", "+5", "five", "0x5", "½", "★★★"],
)
def test_what_is_no_number_is_said(written: str) -> None:
    row = rated(written)
    assert (row.stars, row.outcome, row.reason) == (None, "rejected", f"rating {written!r} is not a number")
    assert (row.title, row.line) == ("Dune", 2)


def test_five_thousand_digits_and_private_words_are_not_repeated() -> None:
    assert rated("9" * 5000).reason == "the rating is not a number"
    assert rated("I told my mother about this").reason == "the rating is not a number"
    assert rated("9" * 5001).reason == "a value of 5,001 characters stands where a short one belongs"


@pytest.mark.parametrize("written", ["6", "-1", "0.2", "5,01", "999999999"])
def test_off_the_scale(written: str) -> None:
    row = rated(written)
    assert (row.stars, row.outcome, row.reason) == (None, "rejected", f"rating {written!r} is outside 0.25 to 5")


def test_a_decimal_comma_needs_no_quotes_between_semicolons() -> None:
    assert parse_export(b"title;rating\nDune;4,5\n", "x").rows[0].stars == 4.5


@given(st.text(alphabet="0123456789.,-+eE_ xnaif٣", max_size=12))
def test_a_number_is_what_it_says(text: str) -> None:
    number = number_of(text)
    if number is not None:
        assert number == float(text.strip().replace(",", "."))
        assert set(text.strip()) <= set("0123456789.,-")


@pytest.mark.parametrize(
    ("written", "isbns"),
    [
        (['="0439023483"'], ["0439023483"]),
        (['=""', '="9780439023481"'], ["9780439023481"]),
        (["[0596101996]"], ["0596101996"]),
        (["2070291340, 9782070291342", "[2070291340]"], ["2070291340"]),
        (["0-439-02348-3; 978-0-596-10199-2"], ["0439023483", "9780596101992"]),
        (["439023483"], ["0439023483"]),
        (["80442957x".rjust(9)], ["080442957X"]),
        (["9780439023481.0"], ["9780439023481"]),
        (["'9780439023481"], ["9780439023481"]),
        (["9.78E+12", "9,78E+12", "B00ABCDEFG", "none", "0000000000", "0", "٠٤٣٩٠٢٣٤٨٣", "1_000"], []),
    ],
)
def test_isbns(written: list[str], isbns: list[str]) -> None:
    assert list(isbns_of(*written)) == isbns


@given(st.from_regex(r"[1-9]{2}[0-9]{7}", fullmatch=True))
def test_an_isbn_10_is_the_book_of_its_13_even_without_its_zeros(body: str) -> None:
    for nine in (body, f"0{body[1:]}"):
        check = next(one for one in "0123456789X" if standard.is_valid(nine + one))
        thirteen = standard.to_isbn13(nine + check)
        catalogue = Matcher(Books.of(pl.DataFrame({"book_id": [1], "isbn13": [thirteen]})))
        for written in (nine + check, (nine + check).lstrip("0"), thirteen):
            assert catalogue.find(Row(1, isbns=isbns_of(written))).how == "ISBN"
        wrong = next(one for one in "0123456789X" if one != check)
        assert catalogue.find(Row(1, isbns=isbns_of(nine + wrong))).book_index == -1


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("42", "42"),
        (" 42 ", "42"),
        ("42.0", "42"),
        ("0", ""),
        ("-1", ""),
        ("1e5", ""),
        ("٤٢", ""),
        ("9" * 16, ""),
        ("9.78E+12", ""),
    ],
)
def test_goodreads_ids(written: str, number: str) -> None:
    assert goodreads_id_of(written) == number


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Le Guin, Ursula K.", "Ursula K. Le Guin"),
        ("King, Martin Luther, Jr.", "Martin Luther King Jr."),
        ("Plato", "Plato"),
        ("", ""),
    ],
)
def test_turned(written: str, name: str) -> None:
    assert turned(written) == name


def test_titles_and_authors_are_plain_but_as_written() -> None:
    raw = 'title,author\n"  Tom  &amp;\tJerry\n\x01 \x9f (X, #2) ",  Ann \xa0 B. Other \n'.encode()
    assert parse_export(raw, "x").rows[0] == Row(2, "Tom &amp; Jerry (X, #2)", ("Ann B. Other",), state="read")
