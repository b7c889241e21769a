"""`shelfaware import`: ratings in, a dataset folder out, with a report of what was read, dropped and why."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shelfaware.cli.options import Options, bundled, option
from shelfaware.cli.showing import note
from shelfaware.errors import DataError

if TYPE_CHECKING:
    from shelfaware.data.importers import Imported, InputFiles
    from shelfaware.data.interactions import Scale
    from shelfaware.data.report import ImportReport

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Import ratings into a dataset folder.")

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to read, gzipped or not.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Dataset folder to write; an older one is replaced.")]
StarScale = Annotated[
    str, typer.Option("--scale", metavar="MIN:MAX:STEP", help="Star scale, such as 0.5:5:0.5, if not the usual one.")
]

CLEANING: Options = {
    "min_book_ratings": (option(int, "--min-book-ratings", "Keep books with so many rows, rated or not.", min=0), 0),
    "duplicates": (
        option(
            Literal["error", "latest", "drop", "drop-user"],
            "--duplicates",
            "Of a user's differing rows for one book: refuse, keep the latest, drop them, or drop the user.",
        ),
        "error",
    ),
    "min_user_ratings": (option(int, "--min-user-ratings", "Then keep users with so many rows.", min=0), 0),
    "max_users": (option(int, "--max-users", "Then keep the first so many users, by id.", min=0), 0),
    "max_books": (option(int, "--max-books", "And the first so many books, by id.", min=0), 0),
    "merge_editions": (
        option(bool, "--merge-editions", "First take all books of a work for the most read of them; needs a table of books."),
        False,
    ),
}
STREAMING: Options = {
    "stream": (
        option(
            bool | None,
            "--stream/--no-stream",
            "Import in bounded memory, able to go on after a kill; by itself from 256 MB of text on.",
        ),
        None,
    ),
    "max_bad_lines": (
        option(int, "--max-bad-lines", "Leave out so many lines that cannot be read before giving up; streams.", min=0),
        0,
    ),
}
COLUMNS: Options = {
    "user_id": (option(str, "--user", "Header of the user ids.", metavar="NAME"), ""),
    "book_id": (option(str, "--book", "Header of the book ids.", metavar="NAME"), ""),
    "stars": (option(str, "--rating", "Header of the stars.", metavar="NAME"), ""),
    "shelf": (option(str, "--shelf", "Header of read / to-read.", metavar="NAME"), ""),
    "time": (option(str, "--time", "Header of the times: ISO 8601 or seconds since 1970.", metavar="NAME"), ""),
}
WRITING: Options = {
    "separator": (option(str, "--separator", "Between values: one character or `tab`.", metavar="CHAR"), ""),
    "zero_is_unrated": (option(bool, "--zero-is-unrated", "A rating of 0 means that there is none."), False),
}


@app.command()
def matrix(
    ratings: Annotated[Path, typer.Option("--ratings", metavar="FILE", help="Sparse matrix of stars, users x books.")],
    out: Out,
    read: Annotated[Path | None, typer.Option("--read", metavar="FILE", help="Matrix of what was read.")] = None,
    shelved: Annotated[Path | None, typer.Option("--shelved", metavar="FILE", help="Matrix of what is shelved.")] = None,
    scale: StarScale = "",
) -> None:
    """The original notebook's matrices, with every user and book as they are."""
    from shelfaware.data.importers import import_matrices

    _finish(import_matrices(ratings, read, shelved, _scale(scale)), out)


@app.command()
@bundled("cleaning", CLEANING)
@bundled("streaming", STREAMING)
def ucsd(
    files: Files,
    out: Out,
    cleaning: dict[str, Any],
    streaming: dict[str, Any],
    books: Annotated[Path | None, typer.Option("--books", metavar="FILE", help="goodreads_books.json.gz: titles.")] = None,
    scale: StarScale = "",
) -> None:
    """UCSD Book Graph: the CSV of interactions or JSON lines by genre, of both releases."""
    from shelfaware.data.importers import ucsd_files

    _import(ucsd_files(files, books), out, cleaning, streaming, scale)


@app.command()
@bundled("cleaning", CLEANING)
@bundled("writing", WRITING)
@bundled("columns", COLUMNS)
@bundled("streaming", STREAMING)
def table(
    files: Files,
    out: Out,
    columns: dict[str, str],
    writing: dict[str, Any],
    cleaning: dict[str, Any],
    streaming: dict[str, Any],
    scale: StarScale = "",
) -> None:
    """Any CSV, JSON lines or Parquet with named columns for user, book and rating."""
    from shelfaware.data.dialects import named_columns
    from shelfaware.data.importers import InputFiles

    dialects = named_columns({ours: theirs for ours, theirs in columns.items() if theirs}, **writing)
    _import(InputFiles(files, dialects), out, cleaning, streaming, scale)


def _add_format(name: str, about: str) -> None:
    @bundled("cleaning", CLEANING)
    @bundled("streaming", STREAMING)
    def command(files: Files, out: Out, cleaning: dict[str, Any], streaming: dict[str, Any], scale: StarScale = "") -> None:
        from shelfaware.data.dialects import FORMATS
        from shelfaware.data.importers import InputFiles

        _import(InputFiles(files, FORMATS[name]), out, cleaning, streaming, scale)

    app.command(name, help=about)(command)


_add_format("goodbooks", "goodbooks-10k: ratings.csv and, if you like, to_read.csv and books.csv.")
_add_format("movielens", "MovieLens: u.data, ratings.dat or ratings.csv.")
_add_format("recbole", "RecBole: atomic files .inter.")
_add_format("bookcrossing", "Book-Crossing: ratings from 1 to 10; 0 is read, unrated.")


def _scale(text: str) -> "Scale | None":
    from shelfaware.data.interactions import Scale

    return Scale.parse(text) if text else None


def _import(files: "InputFiles", out: Path, cleaning: dict[str, Any], streaming: dict[str, Any], scale: str) -> None:
    """Imports at once or streamed; both write the same dataset."""
    from shelfaware.cli.import_progress import shown
    from shelfaware.data.cleaning import Cleaning
    from shelfaware.data.importers import import_files
    from shelfaware.data.streaming.importing import Manner, is_large, stream

    chosen, max_bad_lines = streaming["stream"], streaming["max_bad_lines"]
    if chosen is False and max_bad_lines:
        raise DataError("bad lines are only left out of a streamed import; leave out --no-stream or --max-bad-lines")
    if not (is_large(files.paths) if chosen is None and not max_bad_lines else chosen is not False):
        return _finish(import_files(files, Cleaning(**cleaning), _scale(scale)), out)
    try:
        with shown() as watch:
            report = stream(files, out, Manner(Cleaning(**cleaning), _scale(scale), max_bad_lines), watch).report
    except KeyboardInterrupt:
        note(f"Interrupted: the same command goes on from here; until then what was read is kept beside {out}.")
        raise
    assert report
    return _show(report, out)


def _finish(imported: "Imported", out: Path) -> None:
    """Saves, then reports to stderr."""
    from shelfaware.data.dataset import save

    data, report = imported
    save(data, out, report)
    _show(report, out)


def _show(report: "ImportReport", out: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=True, highlight=False, markup=False)
    console.width = min(console.width, 80)
    table = Table(box=None, pad_edge=False)
    table.add_column()
    table.add_column("rows", justify="right")
    table.add_column("first at")
    table.add_row("read", f"{report.rows_read:,}")
    for drop in report.drops:
        table.add_row(f"dropped: {drop.reason}", f"{drop.rows:,}", drop.example)
    table.add_row("kept", f"{report.rows_kept:,}", style="bold")
    console.print(Text(report.source), table)
    console.print(f"{report.n_ratings:,} ratings, {report.n_users:,} users, {report.n_books:,} books")
    console.print(f"The dataset is in {out}; next: shelfaware describe {shlex.quote(str(out))}", soft_wrap=True)
