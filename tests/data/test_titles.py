"""Titles, series and ISBNs."""

import polars as pl
import pytest

from shelfaware.data.titles import isbn13_of, language_of, split_title


@pytest.mark.parametrize(
    ("written", "title", "series", "position"),
    [
        ("Plain", "Plain", None, None),
        ("Plain (a novel)", "Plain (a novel)", None, None),
        ("First (Saga, #1)", "First", "Saga", 1.0),
        ("Half  way (Saga, #2.5)", "Half way", "Saga", 2.5),
        ("Apart (Saga, # 2)", "Apart", "Saga", 2.0),
        ("No comma (Saga #3)", "No comma", "Saga", 3.0),
        ("Box (Saga, #1-4)", "Box", "Saga", None),
        ("Two (Saga, #4; Other, #1)", "Two", "Saga", 4.0),
        ("Sub (a tale) (Saga (new), #5)", "Sub (a tale)", "Saga (new)", 5.0),
        ("Comic #1", "Comic #1", None, None),
        ("(Saga, #1)", "(Saga, #1)", None, None),
        ("  ", None, None, None),
    ],
)
def test_series_in_titles(written: str, title: str | None, series: str | None, position: float | None) -> None:
    assert split_title(pl.Series([written])).row(0) == (title, series, position)


@pytest.mark.parametrize(
    ("isbn", "thirteen"),
    [
        ("0306406152", "9780306406157"),
        ("306406152", "9780306406157"),
        ("0-306-40615-2", "9780306406157"),
        ("9780306406157", "9780306406157"),
        ("080442957X", "9780804429573"),
        ("0306406153", None),
        ("9780306406158", None),
        ("9.78030640615e+12", None),
        ("B000FC1PJI", None),
        ("", None),
        (None, None),
    ],
)
def test_isbn(isbn: str | None, thirteen: str | None) -> None:
    assert isbn13_of(isbn) == thirteen


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("eng", "en"),
        ("en-US", "en"),
        ("fre", "fr"),
        ("fra", "fr"),
        ("per", "fa"),
        ("nl", "nl"),
        ("fil", "fil"),
        ("und", None),
        ("xx", None),
        ("--", None),
        ("", None),
        (None, None),
    ],
)
def test_language(code: str | None, language: str | None) -> None:
    assert language_of(code) == language
