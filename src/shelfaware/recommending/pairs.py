"""Predictions for a file of pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from shelfaware.arrays import Floats, Indices
from shelfaware.data.books import Books
from shelfaware.data.dialects import Dialect
from shelfaware.data.folder import write_file
from shelfaware.data.ids import IdMap
from shelfaware.data.report import place_of
from shelfaware.data.spreadsheet import guarded_frame
from shelfaware.data.table import open_sheet
from shelfaware.errors import UnknownIdError
from shelfaware.models.base import Forecast, Model, RatingModel, of_stars
from shelfaware.models.readers import Readers

COLUMNS = {"user_id": ("userid", "user"), "book_id": ("bookid", "book", "itemid", "item")}
PAIRS = (Dialect("pairs", COLUMNS, needs=("user_id", "book_id"), separators=(",", ";", "\t")),)
WANTED = (Dialect("books", COLUMNS, needs=("book_id",), separators=(",", ";", "\t")),)


def predict_pairs(model: Model, path: Path) -> pl.DataFrame:
    """user_id, book_id, stars (clipped) and deviation of each row of a file, in its order. An unknown id is an error."""
    rows = open_sheet(path, PAIRS).rows
    model = of_stars(model)
    assert model.users is not None
    user, book = _indices(rows, "user_id", model.users), _books(rows, model.catalogue)
    return _predictions(rows, ["user_id", "book_id"], model, model.forecast(model.known_readers, user, book))


def predict_stranger(model: Model, reader: Readers, path: Path) -> pl.DataFrame:
    """book_id, stars (clipped) and deviation of each row of a file, for one reader."""
    rows = open_sheet(path, WANTED).rows
    model = of_stars(model)
    book = _books(rows, model.catalogue)
    return _predictions(rows, ["book_id"], model, model.forecast(reader, np.zeros(len(book), np.int64), book))


def write_predictions(predictions: pl.DataFrame, path: Path) -> None:
    """As CSV, whole or not at all, and safe to open in a spreadsheet."""
    write_file(path, guarded_frame(predictions).write_csv)


def _books(rows: pl.DataFrame, books: Books) -> Indices:
    return _indices(rows, "book_id", books.ids, books.suggestion)


def _indices(rows: pl.DataFrame, column: str, ids: IdMap, suggestion: Callable[[str], str] = lambda _: "") -> Indices:
    index = ids.find(rows[column].str.strip_chars())
    for row in rows.filter(pl.Series(index < 0)).head(1).iter_rows(named=True):
        unknown = f"{ids.kind} {row[column]!r} is not among the {len(ids):,} known {ids.kind}s"
        raise UnknownIdError(f"{place_of(row)}: {unknown}{suggestion(row[column] or '')}")
    return index


def _predictions(rows: pl.DataFrame, columns: list[str], model: RatingModel, forecast: Forecast) -> pl.DataFrame:
    stars: Floats = model.scale.clip(forecast.stars)
    unsure = pl.lit(None, pl.Float64) if forecast.deviation is None else pl.Series(forecast.deviation)
    return rows.select(columns).with_columns(pl.Series("stars", stars), unsure.alias("deviation"))
