"""Records and their lines: quotes that do not match, rows of the wrong width, whole rows in quotes."""

import pytest

from shelfaware.errors import DataError
from shelfaware.library.exports import parse_export
from shelfaware.library.records import read_table

HEADER = "title,author,rating\n"


def records(text: str) -> list[tuple[int, list[str] | str]]:
    _, found = read_table(text, "x")
    return [(line, fault or values) for line, values, fault in found]


def test_lines_are_those_of_an_editor() -> None:
    text = '\n\ntitle,author,rating\n\nDune,F,5\n"Em\n\nma",A,4\n\n\nKim,"K",3'
    assert records(text) == [(5, ["Dune", "F", "5"]), (6, ["Em\n\nma", "A", "4"]), (11, ["Kim", "K", "3"])]


def test_a_header_over_two_lines() -> None:
    assert read_table('title,"my\nrating"\nDune,5\n', "x")[0] == ["title", "my\nrating"]
    assert records('title,"my\nrating"\nDune,5\n') == [(3, ["Dune", "5"])]


def test_the_separator_that_excel_names() -> None:
    assert records("sep=;\ntitle;a,b\nDune;5\n") == [(3, ["Dune", "5"])]


def test_only_line_feeds_end_lines() -> None:
    assert records(HEADER + "Du\x0bne\u2028,F\x85,5\n") == [(2, ["Du\x0bne\u2028", "F\x85", "5"])]


TORN = "a quote is opened and never closed"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('"Dune,F,5\nEmma,A,4\n', [(2, TORN), (3, ["Emma", "A", "4"])]),
        ('"Dune,F,5\nEmma,"A, B",4\n', [(2, TORN), (3, ["Emma", "A, B", "4"])]),
        ('"Dune,F,5\n"Emma","A, B",4\n', [(2, TORN), (3, ["Emma", "A, B", "4"])]),
        ('Dune,F,5\nEmma,A,"4', [(2, ["Dune", "F", "5"]), (3, TORN)]),
        ('"Dune,F,5\n"Emma,A,4\nKim,K,3\n', [(2, TORN), (3, TORN), (4, ["Kim", "K", "3"])]),
        (
            '"Dune\nEmma",A\nKim,K,3\n',
            [(2, TORN), (3, "it looks like a piece of line 2, where a quote is never closed"), (4, ["Kim", "K", "3"])],
        ),
    ],
)
def test_an_open_quote_costs_its_own_line(body: str, expected: list[tuple[int, object]]) -> None:
    assert records(HEADER + body) == expected


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('"Dune"s,F,5', ["Dunes", "F", "5"]),
        ('"Dune" ,F,5', ["Dune ", "F", "5"]),
        ('The "real" Dune,F,5', ['The "real" Dune', "F", "5"]),
        ('"a ""b"" c",F,5', ['a "b" c', "F", "5"]),
        ('="0439023483",F,5', ['="0439023483"', "F", "5"]),
        ("Dune", ["Dune", "", ""]),
        ("Dune,F,5,,", ["Dune", "F", "5"]),
        ("Dune,F,5,x", "it has 4 values where the header has 3"),
    ],
)
def test_one_line(line: str, values: list[str] | str) -> None:
    assert records(f"{HEADER}{line}\nEmma,A,4\n") == [(2, values), (3, ["Emma", "A", "4"])]


def test_a_value_too_long_is_rejected_alone() -> None:
    long = "x" * 131_073
    for text in (f"{long},F,5", f'"{long}",F,5'):
        assert records(f"{HEADER}{text}\nEmma,A,4\n") == [
            (2, "a value is longer than 131,072 characters"),
            (3, ["Emma", "A", "4"]),
        ]
    assert len(records(f"{HEADER}{long[:-1]},F,5\n")[0][1]) == 3


def test_a_review_too_long_over_several_lines_makes_no_books_of_its_lines() -> None:
    review = "a line of it\n" * 25_000
    rows = parse_export(f'title,rating,review\nDune,5,"{review}"\nEmma,4,\n'.encode(), "x").rows
    assert [row.title for row in rows if not row.outcome] == ["Emma"]
    assert (rows[0].line, rows[-1].line) == (2, 25_003)


def test_too_many_open_quotes() -> None:
    text = HEADER + '"Dune,F,5\n' * 100 + "Emma,A,4\n"
    assert [fault for _, fault in records(text)] == [TORN] * 100 + [["Emma", "A", "4"]]
    with pytest.raises(
        DataError, match=r"^x is damaged: a quote is opened and never closed on 100 lines, first on line 2; export"
    ):
        records(HEADER + '"Dune,F,5\n' * 101 + "Emma,A,4\n")


def test_an_open_quote_in_the_header() -> None:
    with pytest.raises(
        DataError, match=r"^x, line 1: a quote is opened and never closed; the first line must name the columns$"
    ):
        read_table('title,"rating\nDune,5\n', "x")


def test_rows_wrapped_whole() -> None:
    text = '"title,author,rating"\n"""Dune, again"",F,5"\n"""Em\nma"",A,4"\nKim,K,3\n"Solo"\n'
    assert records(text) == [
        (2, ["Dune, again", "F", "5"]),
        (3, ["Em\nma", "A", "4"]),
        (5, ["Kim", "K", "3"]),
        (6, ["Solo", "", ""]),
    ]


def test_what_is_no_row_and_what_is_skipped() -> None:
    rows = parse_export(b"title,rating\n\nDune,5\ntitle,rating\n,4\n \n,,,\n", "x").rows
    assert [(row.line, row.outcome, row.reason[:20]) for row in rows] == [
        (3, "", ""),
        (4, "skipped", "the header stands he"),
        (5, "skipped", "it names no book: no"),
        (6, "skipped", "it names no book: no"),
        (7, "skipped", "it names no book: no"),
    ]
