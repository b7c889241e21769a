"""From a real catalogue to books for somebody's export: every step as a person takes it, on simulated ratings."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from shelfaware.data.books import Books
from shelfaware.data.dataset import load, save
from shelfaware.data.simulator import simulate

Command = Callable[..., Any]
SHELF = ["Book Id", "Title", "Author", "ISBN", "My Rating", "Exclusive Shelf", "My Review"]


@pytest.fixture(scope="module")
def imported(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real catalogue as `import goodbooks` keeps it; every book has a made rating."""
    from shelfaware.cli import main

    folder = tmp_path_factory.mktemp("goodbooks")
    pl.DataFrame({"user_id": np.arange(10_000) % 50, "book_id": range(1, 10_001), "rating": 3}).write_csv(
        folder / "ratings.csv"
    )
    books = real_data / "goodbooks-10k" / "books.csv"
    with pytest.raises(SystemExit) as ended:
        main(["import", "goodbooks", str(folder / "ratings.csv"), str(books), "--out", str(folder / "set")])
    assert ended.value.code == 0
    return folder / "set"


def test_the_real_catalogue_is_kept_with_what_is_known_of_each_book(imported: Path) -> None:
    table = load(imported).books.table
    assert len(table) == 10_000
    first = table.row(0, named=True)
    assert (first["title"], first["series"], first["series_position"]) == ("The Hunger Games", "The Hunger Games", 1.0)
    assert (first["authors"], first["year"], first["language"]) == (["Suzanne Collins"], 2008, "en")
    assert (first["isbn13"], first["work_id"], first["goodreads_ids"]) == ("9780439023481", "2792775", [2767052])
    assert (table["year"] < 0).sum() == 31
    assert table["isbn13"].null_count() < 1000


def test_books_for_an_export(imported: Path, command: Command, tmp_path: Path) -> None:
    catalogue = Books.of(load(imported).books.table.head(1500))
    save(simulate(catalogue, n_users=400).data, tmp_path / "set")
    assert command("train", tmp_path / "set", "--out", tmp_path / "model", "--epochs", 2, "--factors", 8).code == 0
    mine = _export(catalogue, tmp_path / "goodreads_library_export.csv")
    answer = command("recommend", tmp_path / "model", "--library", mine, "--json").json
    assert answer["simulated"]
    assert answer["library"]["known"] == 60
    assert answer["library"]["outcomes"]["unmatched"] == 40
    assert len(answer["recommendations"]) == 10
    had = set(catalogue.table["title"][::25].to_list())
    assert not had & {book["title"] for book in answer["recommendations"]}
    done = command("recommend", tmp_path / "model", "--library", mine, "--report", tmp_path / "report.csv", "--why")
    assert "We know 60 of your 100 books." in done.err
    report = pl.read_csv(tmp_path / "report.csv")
    assert report["outcome"].value_counts().sort("outcome").rows() == [("rated", 40), ("read", 20), ("unmatched", 40)]


def _export(catalogue: Books, path: Path) -> Path:
    """Every 25th book of the catalogue by id, ISBN, or title and author alone, and forty that it does not have."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(SHELF)
        for i, book in enumerate(catalogue.table[::25].iter_rows(named=True)):
            goodreads_id = book["goodreads_ids"][0] if i % 3 == 0 else 900_000_000 + i
            isbn = f'="{book["isbn13"]}"' if i % 3 == 1 and book["isbn13"] else '=""'
            title = (
                f"{book['title']} ({book['series']}, #{book['series_position']:g})"
                if book["series_position"]
                else book["title"]
            )
            table.writerow([goodreads_id, title, "  ".join(book["authors"][0].split()), isbn, i % 3 and 1 + i % 5, "read", "!"])
        table.writerows([800_000_000 + i, f"Unheard-of Book {i}", f"Nobody {i}", "", 4, "read", ""] for i in range(40))
    return path
