"""What became of every row of a person's files, as a table to open, correct and give back."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from shelfaware.data.folder import write_file
from shelfaware.data.spreadsheet import guarded_frame
from shelfaware.library.library import Library


def report(library: Library) -> pl.DataFrame:
    """A row for each row of the files: line, outcome, reason, title, author, book_id, suggestions, file.

    `suggestions` names books that an unmatched row may mean, `book_id: title by author`, joined by ` | `. With the right
    book_id written into its row, the table is what `read_library` takes as `accept`.
    """
    unmatched = library.unmatched
    suggestions = dict(zip(map(id, unmatched), library.suggestions(unmatched), strict=True))
    ids = library.books.ids
    columns = {
        "line": [one.row.line for one in library.placed],
        "outcome": [one.outcome for one in library.placed],
        "reason": [one.reason for one in library.placed],
        "title": [one.row.title for one in library.placed],
        "author": [next(iter(one.row.authors), "") for one in library.placed],
        "book_id": [str(ids.id_of(one.book_index)) if one.book_index >= 0 else None for one in library.placed],
        "suggestions": [" | ".join(named(library, i) for i in suggestions.get(id(one), [])) for one in library.placed],
        "file": [one.file for one in library.placed],
    }
    kinds = {name: pl.Int64 if name == "line" else pl.String for name in columns}
    return pl.DataFrame(columns, schema=kinds)


def named(library: Library, index: int) -> str:
    """A book of the catalogue in words: `42: Emma by Jane Austen`."""
    author = next(iter(library.books.authors(index)), "")
    return f"{library.books.ids.id_of(index)}: {library.books.title(index)}" + (f" by {author}" if author else "")


def write_report(library: Library, path: Path) -> None:
    """As CSV that is safe to open in a spreadsheet; whole or not at all."""
    write_file(path, guarded_frame(report(library)).write_csv)
