"""The form of wishes on the shelf of recommendations: what can be asked of this catalogue, and what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl
from pydantic import ValidationError
from starlette.datastructures import QueryParams

from shelfaware.data.books import Books
from shelfaware.errors import DataError
from shelfaware.serve.desk import MOST
from shelfaware.serve.looks import language_name
from shelfaware.serve.schemas import Asking

SHOWN = 12
"""Books of one page of recommendations."""
NAMES = 50
"""Authors that one word may mean."""

BY_ONE_AUTHOR = (1, 2, 5)
"""Beside the usual number, and any."""

FIELDS = {
    "adventure": "the dial",
    "diversity": "variety",
    "n": "the number of books",
    "first_year": "the first year",
    "last_year": "the last year",
    "max_pages": "the number of pages",
    "per_author": "the number of books by one author",
    "in_order": "the order of a series",
    "question": "the tab",
}


@dataclass(frozen=True)
class Known:
    """What the catalogue knows, so that only that can be asked for. Pairs: the least and the largest; code and name."""

    authors: bool
    years: tuple[int, int] | None
    pages: tuple[int, int] | None
    languages: list[tuple[str, str]]
    genres: list[str]
    series: bool


@lru_cache(maxsize=2)
def known(books: Books) -> Known:
    table = books.table
    genres = table["genres"].explode(empty_as_null=False).drop_nulls()
    return Known(
        bool((table["authors"].list.len() > 0).any()),
        _span(table["year"]),
        _span(table["pages"]),
        sorted(((code, language_name(code)) for code in table["language"].drop_nulls().unique()), key=lambda one: one[1]),
        genres.unique().sort().to_list(),
        bool(table["series"].is_not_null().any()),
    )


def asked(query: QueryParams, books: Books) -> Asking:
    """What the form asks for; empty fields ask for nothing. Raises DataError for what cannot be asked."""
    given: dict[str, Any] = {name: query[name].strip() for name in FIELDS if query.get(name, "").strip()}
    for name in ("languages", "genres"):
        if words := [one for one in query.getlist(name) if one]:
            given[name] = words
    if author := query.get("author", "").strip():
        given["authors"] = _authors(books, author)
    try:
        return Asking.model_validate({"n": SHOWN, **given})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise DataError(f"{FIELDS.get(name, name)} cannot be {str(given.get(name))[:40]!r}: {first['msg'].lower()}") from None


def more(asking: Asking) -> int | None:
    """How many books the next, longer list has; None where this is the longest."""
    return min(asking.n + SHOWN, MOST) if asking.n < MOST else None


def _authors(books: Books, written: str) -> list[str]:
    """The names that hold every word that was written."""
    names = books.table["authors"].explode(empty_as_null=False).drop_nulls().unique().sort()
    for word in written.lower().split():
        names = names.filter(names.str.to_lowercase().str.contains(word, literal=True))
    if not len(names):
        raise DataError(f"no author here is called {written[:80]!r}; a part of the name is enough")
    return names.head(NAMES).to_list()


def _span(values: pl.Series) -> tuple[int, int] | None:
    least, largest = values.min(), values.max()
    return (int(least), int(largest)) if isinstance(least, int) and isinstance(largest, int) else None
