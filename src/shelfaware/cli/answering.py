"""Verbs that answer: stars for pairs, books to read, books like another."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfaware.cli.options import Json, Many, ModelFolder
from shelfaware.cli.showing import SIMULATED, console, note, number, put_json, put_table

if TYPE_CHECKING:
    from shelfaware.models.base import Model
    from shelfaware.models.readers import Readers
    from shelfaware.recommending.answer import Recommendation, Why
    from shelfaware.recommending.strangers import Unmatched

Ratings = Annotated[
    Path | None, typer.Option("--ratings", metavar="FILE", help="A stranger's ratings: title or book_id, rating.")
]


def predict(
    model: ModelFolder,
    pairs: Annotated[Path, typer.Option("--pairs", metavar="FILE", help="user_id and book_id; book_id alone with --ratings.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="CSV to write: the pairs, stars, deviation.")],
    dataset: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Dataset of the users; by default the one trained on.")
    ] = None,
    ratings: Ratings = None,
) -> None:
    """Predict stars and their deviation for pairs of user and book."""
    from shelfaware.models.folder import load_model
    from shelfaware.recommending.pairs import predict_pairs, predict_stranger, write_predictions

    loaded = load_model(model)
    if ratings:
        from shelfaware.recommending.strangers import read_stranger

        refuse_if_it_holds_users(loaded)
        reader, unmatched = read_stranger(ratings, loaded)
        _note_unmatched(reader, unmatched)
        predicted = predict_stranger(loaded, reader, pairs)
    else:
        predicted = predict_pairs(_knowing(loaded, model, dataset), pairs)
    write_predictions(predicted, out)
    if loaded.simulated:
        note(SIMULATED)
    note(f"{len(predicted):,} predictions are in {out}")


def recommend(
    model: ModelFolder,
    dataset: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Dataset of the user, with --user.")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="A user of the dataset.")] = None,
    ratings: Ratings = None,
    n: Many = 10,
    why: Annotated[bool, typer.Option("--why", help="Show what each book owes to the books rated.")] = False,
    as_json: Json = False,
) -> None:
    """Books to read next, for a user of the dataset or for a stranger's ratings."""
    from shelfaware.errors import DataError
    from shelfaware.models.folder import load_model
    from shelfaware.recommending.answer import recommend as answer
    from shelfaware.recommending.strangers import read_stranger, unmatched_rows

    if (user is None) == (ratings is None):
        raise DataError("say for whom: either a dataset and --user ID, or --ratings FILE")
    loaded = load_model(model)
    unmatched: list[Unmatched] = []
    if ratings:
        refuse_if_it_holds_users(loaded)
        reader, unmatched = read_stranger(ratings, loaded)
    else:
        reader = _knowing(loaded, model, dataset).reader(user or "")
    books = answer(loaded, reader, n)
    if as_json:
        recommendations = [dataclasses.asdict(book) for book in books]
        answered = {"model_version": loaded.version, "simulated": loaded.simulated, "recommendations": recommendations}
        return put_json({**answered, "unmatched": unmatched_rows(unmatched)})
    _put_books(books, why)
    if ratings:
        _note_unmatched(reader, unmatched)
    return note(SIMULATED) if loaded.simulated else None


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
        return put_json({"model_version": loaded.version, "book_id": books.ids.id_of(index), "similar": rows})
    shown = [(books.title(i), ", ".join(books.authors(i)), number(s, 2)) for i, s in found]
    put_table(f"Like {books.title(index)}", ("title", "authors", ">similarity"), shown)
    return note(SIMULATED) if loaded.simulated else None


def refuse_if_it_holds_users(model: "Model") -> None:
    from shelfaware.errors import ModelError

    if model.holds_users:
        raise ModelError(f"{model.name} has a row for each user it was trained on and cannot answer a stranger; train a gp")


def _knowing(model: "Model", folder: Path, dataset: Path | None) -> "Model":
    """The model with the histories of its dataset's users."""
    from shelfaware.data.dataset import load
    from shelfaware.errors import DataError

    if dataset is None:
        if model.origin.dataset is None or not (folder / model.origin.dataset).is_dir():
            raise DataError(f"{folder} holds no user and its dataset is not where it was; name the dataset folder")
        dataset = folder / model.origin.dataset
    return model.know(load(dataset))


def _put_books(books: "list[Recommendation]", why: bool) -> None:
    rows = [
        (str(place), book.title, ", ".join(book.authors), number(book.stars, 1), number(book.deviation, 1))
        for place, book in enumerate(books, 1)
    ]
    put_table("To read next", (">", "title", "authors", ">stars", ">give or take"), rows)
    for place, book in enumerate(books if why else [], 1):
        if book.why is not None:
            console().print(f"{place}. {_reasons(book.title, book.why)}", soft_wrap=True, markup=False)


def _reasons(title: str, why: "Why") -> str:
    """The sum in words: base, shelves, the three largest shares and the rest."""
    lines = [f"{title}: {why.base:.2f} as its readers rate it", f"{why.shelves:+.2f} from the books you have taken up"]
    lines += [f"{share.share:+.2f} because you gave {share.stars:g} to {share.title}" for share in why.books[:3]]
    rest = why.books[3:]
    if rest:
        lines.append(f"{sum(share.share for share in rest):+.2f} from {len(rest)} other books")
    return "\n   ".join(lines)


def _note_unmatched(reader: "Readers", unmatched: "list[Unmatched]") -> None:
    from shelfaware.recommending.strangers import known_share

    note(known_share(reader, unmatched))
    for one in unmatched[:10]:
        note(f"  line {one.line}: {one.reason}")


VERBS = (predict, recommend, similar)
