"""A person's own files on the command line: the options that name them, and what is said of how they were read."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from shelfaware.cli.options import Options, option
from shelfaware.cli.showing import note

if TYPE_CHECKING:
    from shelfaware.library.library import Library, Placed
    from shelfaware.models.base import Model

LIBRARY: Options = {
    "files": (
        option(
            list[Path] | None,
            "--library --ratings",
            "A reader's own books: an export of Goodreads, StoryGraph, LibraryThing, Hardcover, BookWyrm or Open Library, "
            "or a list of title, author, rating. Of two files the later counts.",
            metavar="FILE",
        ),
        None,
    ),
    "accept": (
        option(
            Path | None, "--accept", "What you confirmed: title, author, book_id; an edited report will do.", metavar="FILE"
        ),
        None,
    ),
    "report": (option(Path | None, "--report", "CSV to write: what became of every row, and why.", metavar="FILE"), None),
    "file_scale": (
        option(str, "--file-scale", "Least and most stars of the file, if not the usual ones.", metavar="MIN:MAX"),
        "",
    ),
}

SHOWN = 10
"""Unmatched rows that are named on a terminal or in JSON; the report has all."""


def read(model: "Model", options: dict[str, Any]) -> "Library":
    """The library of the options, held against the model's catalogue; the report is written where one was asked for."""
    from shelfaware.library.library import read_library
    from shelfaware.library.report import write_report

    scale = _file_scale(options["file_scale"]) if options["file_scale"] else None
    library = read_library(options["files"], model.catalogue, model.scale, accept=options["accept"], file_scale=scale)
    if options["report"]:
        write_report(library, options["report"])
    return library


def put_notes(library: "Library", report: Path | None) -> None:
    """What was read and what was not, to stderr."""
    from shelfaware.library.report import named
    from shelfaware.recommending.strangers import known_share

    note(known_share(library))
    note("  " + ", ".join(f"{n:,} {outcome}" for outcome, n in library.counts.items() if n))
    for sentence in library.notes:
        note(f"  {sentence}")
    for one in [one for one in library.placed if one.outcome == "rejected"][:SHOWN]:
        note(f"  {one.file}, line {one.row.line}: {one.reason}; this row was left out")
    for one, suggested in _unmatched(library):
        meant = "; ".join(named(library, index) for index in suggested)
        asked = f"; did you mean {meant}?" if meant else ""
        note(f"  {one.file}, line {one.row.line}: {(one.row.title or one.row.book_id)!r}: {one.reason}{asked}")
    if report:
        note(f"What became of every row is in {report}; write the right book_id into it and give it back with --accept.")
    elif library.counts["unmatched"] > SHOWN:
        note("  --report FILE lists them all.")


def _unmatched(library: "Library") -> "list[tuple[Placed, list[int]]]":
    """The first unmatched rows, and the books of the catalogue that each may mean."""
    some = library.unmatched[:SHOWN]
    return list(zip(some, library.suggestions(some), strict=True))


def as_json(library: "Library") -> dict[str, Any]:
    """What was read, in counts, and what was not."""
    return {
        "library": {
            "known": library.n_known,
            "books": library.n_books,
            "outcomes": library.counts,
            "notes": list(library.notes),
        },
        "unmatched": [_row(library, *one) for one in _unmatched(library)],
    }


def _row(library: "Library", one: "Placed", suggested: list[int]) -> dict[str, Any]:
    books = library.books
    return {
        "file": one.file,
        "line": one.row.line,
        "book": one.row.title or one.row.book_id,
        "author": next(iter(one.row.authors), ""),
        "reason": one.reason,
        "suggestions": [
            {"book_id": books.ids.id_of(i), "title": books.title(i), "authors": books.authors(i)} for i in suggested
        ],
    }


def _file_scale(text: str) -> tuple[float, float]:
    from shelfaware.errors import DataError

    try:
        least, most = (float(part) for part in text.split(":"))
    except ValueError:
        raise DataError(f"a file's scale is written least:most, such as 1:10, not {text!r}") from None
    return least, most
