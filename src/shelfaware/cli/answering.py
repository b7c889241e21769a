"""Verbs that answer: stars for pairs, books to read, books like another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shelfaware.cli import libraries
from shelfaware.cli.answers import Answer
from shelfaware.cli.libraries import LIBRARY
from shelfaware.cli.options import Json, Many, ModelFolder, Options, bundled, for_one_answer, option
from shelfaware.cli.showing import SIMULATED, note, number, put_json, put_table

if TYPE_CHECKING:
    from shelfaware.models.base import Model
    from shelfaware.recommending.answer import Who
    from shelfaware.recommending.recommendations import Recommendations
    from shelfaware.recommending.wishes import Wishes

OfUser = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Dataset of the user, with --user.")]
User = Annotated[str | None, typer.Option("--user", metavar="ID", help="A user of the dataset.")]

WISHES: Options = {
    "adventure": (option(float, "--adventure", "From -3, the safest bets, to 3, the boldest.", min=-3, max=3), 0.0),
    "diversity": (option(float, "--diversity", "From 0 to 1: how unlike each other the books are to be.", min=0, max=1), 0.0),
    "per_author": (option(int, "--per-author", "Most books by one author; 0: any number.", min=0), 3),
    "in_order": (option(bool, "--in-order/--any-order", "A series from its start, or any book of it."), True),
    "authors": (option(list[str], "--author", "Only books by this author; can be given again.", metavar="NAME"), []),
    "languages": (option(list[str], "--language", "Only books in this language, such as en.", metavar="CODE"), []),
    "genres": (option(list[str], "--genre", "Only books of this genre.", metavar="NAME"), []),
    "first_year": (option(int | None, "--from-year", "Only books first published in this year or later."), None),
    "last_year": (option(int | None, "--to-year", "Only books first published in this year or earlier."), None),
    "max_pages": (option(int | None, "--max-pages", "Only books of at most so many pages.", min=1), None),
}
SHOWING: Options = {
    "as_json": (option(bool, "--json", "JSON alone on stdout."), False),
    "as_csv": (option(bool, "--csv", "CSV alone on stdout."), False),
    "as_html": (option(bool, "--html", "A page of its own on stdout."), False),
}


@bundled("library", LIBRARY)
def predict(
    model: ModelFolder,
    pairs: Annotated[Path, typer.Option("--pairs", metavar="FILE", help="user_id and book_id; book_id alone with --library.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="CSV to write: the pairs, stars, deviation.")],
    library: dict[str, Any],
    dataset: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Dataset of the users; by default the one trained on.")
    ] = None,
) -> None:
    """Predict stars and their deviation for pairs of user and book."""
    from shelfaware.models.folder import load_model
    from shelfaware.recommending.pairs import predict_pairs, predict_stranger, write_predictions
    from shelfaware.recommending.strangers import person_of

    loaded = load_model(model)
    if library["files"]:
        theirs = libraries.read(loaded, library)
        predicted = predict_stranger(loaded, person_of(theirs, loaded).reader, pairs)
        libraries.put_notes(theirs, library["report"])
    else:
        predicted = predict_pairs(_knowing(loaded, model, dataset), pairs)
    write_predictions(predicted, out)
    if loaded.simulated:
        note(SIMULATED)
    note(f"{len(predicted):,} predictions are in {out}")


@bundled("library", LIBRARY)
@bundled("wishes", WISHES)
@bundled("showing", SHOWING)
@for_one_answer()
def recommend(
    model: ModelFolder,
    library: dict[str, Any],
    wishes: dict[str, Any],
    showing: dict[str, bool],
    dataset: OfUser = None,
    user: User = None,
    n: Many = 10,
    why: Annotated[bool, typer.Option("--why", help="Show what each book owes to the books rated.")] = False,
    to_read: Annotated[bool, typer.Option("--rank-to-read", help="Their own to-read shelf, the best first.")] = False,
    dislike: Annotated[bool, typer.Option("--dislike", help="Books that they might take up and would not like.")] = False,
) -> None:
    """Books to read next, for a reader's own library or for a user of the dataset."""
    from shelfaware.errors import DataError
    from shelfaware.models.folder import load_model
    from shelfaware.recommending.wishes import Wishes

    if (user is None) == (not library["files"]) or (dataset and library["files"]):
        raise DataError("say for whom: either a dataset and --user ID, or --library FILE")
    if (to_read and dislike) or sum(showing.values()) > 1:
        raise DataError("of --rank-to-read and --dislike, and of --json, --csv and --html, choose one")
    wanted = Wishes.of(wishes)
    loaded = load_model(model)
    theirs = libraries.read(loaded, library) if library["files"] else None
    who = _knowing(loaded, model, dataset).reader(user or "") if theirs is None else theirs
    title, books = _ask(loaded, who, n, wanted, "to-read" if to_read else "dislike" if dislike else "next")
    answer = Answer(title, books, loaded, theirs)
    answer.show(showing, why=why)
    if not showing["as_json"]:
        answer.put_notes(library["report"])


def _ask(
    model: "Model", who: "Who", n: int, wishes: "Wishes", question: Literal["next", "to-read", "dislike"]
) -> "tuple[str, Recommendations]":
    from shelfaware.recommending.answer import rank_to_read, recommend, would_dislike

    if question == "to-read":
        return "Your to-read shelf, the best first", rank_to_read(model, who, wishes)[:n]
    if question == "dislike":
        return "You might take these up, and not like them", would_dislike(model, who, n, wishes)
    return "To read next", recommend(model, who, n, wishes)


def similar(
    model: ModelFolder,
    book: Annotated[str, typer.Argument(metavar="BOOK", help="A book_id or an exact title.")],
    n: Many = 10,
    as_json: Json = False,
) -> None:
    """Books whose readers' taste is most alike."""
    from shelfaware.models.folder import load_model

    loaded = load_model(model)
    books = loaded.catalogue
    index = books.index_of(book)
    found = [(books.index_of(book_id), cosine) for book_id, cosine in loaded.similar_books(books.ids.id_of(index), n)]
    if as_json:
        rows = [
            {"book_id": books.ids.id_of(i), "title": books.title(i), "authors": books.authors(i), "similarity": s}
            for i, s in found
        ]
        return put_json(
            {"model_version": loaded.version, "simulated": loaded.simulated, "book_id": books.ids.id_of(index), "similar": rows}
        )
    shown = [(books.title(i), ", ".join(books.authors(i)), number(s, 2)) for i, s in found]
    put_table(f"Like {books.title(index)}", ("title", "authors", ">similarity"), shown)
    return note(SIMULATED) if loaded.simulated else None


def _knowing(model: "Model", folder: Path, dataset: Path | None) -> "Model":
    """The model with the histories of its dataset's users."""
    from shelfaware.data.dataset import load
    from shelfaware.errors import DataError

    if dataset is None:
        if model.origin.dataset is None or not (folder / model.origin.dataset).is_dir():
            raise DataError(f"{folder} holds no user and its dataset is not where it was; name the dataset folder")
        dataset = folder / model.origin.dataset
    return model.know(load(dataset))


VERBS = (predict, recommend, similar)
