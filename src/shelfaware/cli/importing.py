"""`shelfaware import`: ratings in, a dataset folder out, with a report of what was read, dropped and why."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shelfaware.cli.options import Options, bundled, option

if TYPE_CHECKING:
    from shelfaware.data.importers import Imported
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
def ucsd(
    files: Files,
    out: Out,
    cleaning: dict[str, Any],
    books: Annotated[Path | None, typer.Option("--books", metavar="FILE", help="goodreads_books.json.gz: titles.")] = None,
    scale: StarScale = "",
) -> None:
    """UCSD Book Graph: the CSV of interactions or JSON lines by genre, of both releases."""
    from shelfaware.data.cleaning import Cleaning
    from shelfaware.data.importers import import_ucsd

    _finish(import_ucsd(files, books, Cleaning(**cleaning), _scale(scale)), out)


@app.command()
@bundled("cleaning", CLEANING)
@bundled("writing", WRITING)
@bundled("columns", COLUMNS)
def table(
    files: Files,
    out: Out,
    columns: dict[str, str],
    writing: dict[str, Any],
    cleaning: dict[str, Any],
    scale: StarScale = "",
) -> None:
    """Any CSV, JSON lines or Parquet with named columns for user, book and rating."""
    from shelfaware.data.cleaning import Cleaning
    from shelfaware.data.dialects import named_columns
    from shelfaware.data.importers import import_table

    dialects = named_columns({ours: theirs for ours, theirs in columns.items() if theirs}, **writing)
    _finish(import_table(files, dialects, Cleaning(**cleaning), _scale(scale)), out)


def _add_format(name: str, about: str) -> None:
    @bundled("cleaning", CLEANING)
    def command(files: Files, out: Out, cleaning: dict[str, Any], scale: StarScale = "") -> None:
        from shelfaware.data.cleaning import Cleaning
        from shelfaware.data.dialects import FORMATS
        from shelfaware.data.importers import import_table

        _finish(import_table(files, FORMATS[name], Cleaning(**cleaning), _scale(scale)), out)

    app.command(name, help=about)(command)


_add_format("goodbooks", "goodbooks-10k: ratings.csv and, if you like, to_read.csv and books.csv.")
_add_format("movielens", "MovieLens: u.data, ratings.dat or ratings.csv.")
_add_format("recbole", "RecBole: atomic files .inter.")
_add_format("bookcrossing", "Book-Crossing: ratings from 1 to 10; 0 is read, unrated.")


def _scale(text: str) -> "Scale | None":
    from shelfaware.data.interactions import Scale

    return Scale.parse(text) if text else None


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
