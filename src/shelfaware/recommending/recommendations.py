"""A list of books with what we would guess, how sure, and why; it can show itself, and be turned into tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, overload

import polars as pl

from shelfaware.data.ids import Id


@dataclass(frozen=True)
class Share:
    """What one rated book, given `stars`, adds to the expected stars of another."""

    book_id: Id
    title: str
    stars: float
    share: float


@dataclass(frozen=True)
class Why:
    """base + shelves + the shares of `books` + rest = the expected stars before clipping.

    books  the rated books of the largest shares, for or against, largest first
    rest   the summed shares of the other `n_rest` rated books
    """

    base: float
    shelves: float
    books: list[Share]
    rest: float = 0.0
    n_rest: int = 0

    def strongest(self) -> tuple[list[Share], list[Share]]:
        """What to name in a sentence: the two books that speak most for it, and the one that speaks most against it."""
        pros, cons = ([one for one in self.books if sign * one.share > 0] for sign in (1, -1))
        return pros[:2], cons[:1]


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """One book. stars, low to high (80 % of new ratings), deviation and why are None where the model has none.

    n_ratings  how many of the ratings that the model learned from are of this book
    """

    book_id: Id
    title: str
    authors: list[str]
    stars: float | None
    low: float | None
    high: float | None
    deviation: float | None
    n_ratings: int
    score: float
    why: Why | None


COLUMNS: dict[str, Any] = {
    "book_id": pl.String,
    "title": pl.String,
    "authors": pl.String,
    "stars": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "deviation": pl.Float64,
    "n_ratings": pl.Int64,
    "score": pl.Float64,
}
"""What `Recommendations.to_frame` tells of a book."""


class Recommendations(Sequence[Recommendation]):
    """Books in order. A notebook shows them as a table with intervals and reasons."""

    def __init__(self, books: Iterable[Recommendation]) -> None:
        self._books = tuple(books)

    @overload
    def __getitem__(self, place: int) -> Recommendation: ...
    @overload
    def __getitem__(self, place: slice) -> Recommendations: ...
    def __getitem__(self, place: int | slice) -> Recommendation | Recommendations:
        return self._books[place] if isinstance(place, int) else Recommendations(self._books[place])

    def __len__(self) -> int:
        return len(self._books)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recommendations) and self._books == other._books

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        lines = (
            f"{place}. {one.title}" + (f": {one.stars:.1f}" if one.stars is not None else "")
            for place, one in enumerate(self, 1)
        )
        return "\n".join(lines) or "no books"

    def _repr_html_(self) -> str:
        from shelfaware.recommending.page import table

        return table(self)

    def to_json(self) -> list[dict[str, Any]]:
        """As plain JSON."""
        return [asdict(one) for one in self]

    def to_frame(self) -> pl.DataFrame:
        """A row a book: place, book_id, title, authors (joined by commas), stars, low, high, deviation, n_ratings, score."""
        texts = [{"book_id": str(one.book_id), "authors": ", ".join(one.authors)} for one in self]
        rows = [{name: getattr(one, name) for name in COLUMNS} | text for one, text in zip(self, texts, strict=True)]
        frame = pl.DataFrame(rows, schema=COLUMNS)
        return frame.select(pl.int_range(1, pl.len() + 1).alias("place"), pl.all())
