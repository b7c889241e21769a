"""A library folds in as the same history inside the training data would, whatever file it came from."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from shelfaware.data.books import Books
from shelfaware.data.interactions import READ, Interactions, Scale
from shelfaware.data.splits import Split
from shelfaware.errors import ModelError
from shelfaware.library.library import Library, read_library
from shelfaware.models.base import Model, RatingModel
from shelfaware.models.registry import create
from shelfaware.recommending.answer import recommend
from shelfaware.recommending.strangers import known_share, person_of
from shelfaware.training.loop import Run

STATE = {True: "read", False: "to-read"}


def export(data: Interactions, rows: np.ndarray, path: Path) -> Path:
    """Rows of the data as Goodreads would write them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["Title", "Author", "My Rating", "Exclusive Shelf"])
        for book, stars, shelf in zip(data.book_index[rows], data.stars[rows], data.shelf[rows], strict=True):
            rating = 0 if np.isnan(stars) else int(stars)
            table.writerow([data.books.title(book), "", rating, STATE[bool(shelf == READ)]])
    return path


def brought(model: Model, data: Interactions, rows: np.ndarray, folder: Path) -> Library:
    return read_library([export(data, rows, folder / "mine.csv")], model.catalogue, model.scale)


@pytest.mark.parametrize("name", ["gp", "bias", "popularity", "ease"])
def test_a_library_is_the_known_user_of_the_same_history(
    small: Callable[[str], Model], planted_split: Split, tmp_path: Path, name: str
) -> None:
    model, train = small(name), planted_split[0]
    for user in range(0, 300, 37):
        library = brought(model, train, np.flatnonzero(train.user_index == user), tmp_path)
        ours, known = recommend(model, library, n=40), recommend(model, 1000 + user, n=40)
        assert [book.book_id for book in ours] == [book.book_id for book in known]
        for one, other in zip(ours, known, strict=True):
            assert one.score == pytest.approx(other.score, rel=1e-6)
            assert one.stars == other.stars or one.stars == pytest.approx(other.stars, rel=1e-6)
            assert one.deviation == other.deviation or one.deviation == pytest.approx(other.deviation, rel=1e-6)


@pytest.mark.parametrize(
    ("ratings", "to_read"),
    [({}, []), ({1: 4}, []), ({1: 4, 2: 1, 3: 5, 4: 2, 5: 3}, []), (dict.fromkeys(range(1, 31), 5), []), ({}, [1, 2, 3])],
    ids=["nothing", "one rating", "five", "all five stars", "only to-read"],
)
def test_every_kind_of_library_gets_an_answer(
    small: Callable[[str], Model], tmp_path: Path, ratings: dict[int, int], to_read: list[int]
) -> None:
    model = small("gp")
    lines = [f"Book {book},{stars},read\n" for book, stars in ratings.items()] + [f"Book {book},,to-read\n" for book in to_read]
    path = tmp_path / "mine.csv"
    path.write_text("title,rating,shelf\n" + "".join(lines or ["Nothing Known,5,read\n"]))
    library = read_library([path], model.catalogue, model.scale)
    books = recommend(model, library, n=40)
    assert {book.book_id for book in books} == set(range(1, 41)) - set(ratings) - set(to_read)
    for book in books:
        assert book.stars is not None
        assert book.low is not None
        assert book.high is not None
        assert 1 <= book.low <= book.stars <= book.high <= 5
    assert known_share(library) == f"We know {len(lines)} of your {max(len(lines), 1)} books."


def test_five_thousand_ratings(tmp_path: Path) -> None:
    """A library far longer than the vectors are wide is the known user of the same history."""
    rng = np.random.default_rng(0)
    rated = rng.random((60, 5500)) < 0.01
    rated[0] = np.arange(5500) < 5000
    users, books = np.nonzero(rated)
    rows = pl.DataFrame({"user_id": users, "book_id": books, "stars": rng.integers(1, 6, len(users)).astype(float)})
    data = Interactions.from_frame(rows)
    model = create("gp", {"factors": 3, "epochs": 1, "batch_size": 512})
    assert isinstance(model, RatingModel)
    model.arrays = model._fit(data, None, Run()) | {"star_counts": np.zeros((5500, 5), np.int32)}  # without a ranker
    model.books = data.books
    model.know(data)
    mine = person_of(brought(model, data, np.flatnonzero(data.user_index == 0), tmp_path), model).reader
    asked = np.arange(4990, 5010)
    ours, known = (model.forecast(reader, np.zeros(20, int), asked) for reader in (mine, model.reader(0)))
    np.testing.assert_allclose(ours.stars, known.stars, rtol=1e-6)
    assert ours.deviation is not None
    np.testing.assert_allclose(ours.deviation, known.deviation, rtol=1e-6)


def test_half_stars_are_told_as_they_are(small: Callable[[str], Model], tmp_path: Path) -> None:
    model = small("gp")
    assert isinstance(model, RatingModel)
    path = tmp_path / "mine.csv"
    stars = []
    for rating in ("4", "4.5", "5"):
        path.write_text(f"Title,Authors,Read Status,Star Rating\nBook 3,,read,{rating}\n")
        reader = person_of(read_library([path], model.catalogue, model.scale), model).reader
        stars.append(model.forecast(reader, [0], np.array([7])).stars[0])
    assert stars[1] == pytest.approx((stars[0] + stars[2]) / 2)
    assert stars[0] != stars[2]


def test_a_library_of_another_catalogue_or_scale_is_refused(small: Callable[[str], Model], tmp_path: Path) -> None:
    model = small("gp")
    path = tmp_path / "mine.csv"
    path.write_text("title,rating\nBook 3,4\n")
    other = Books.of(model.catalogue.table.head(39))
    for library in (read_library([path], other), read_library([path], model.catalogue, Scale(1, 10, 1))):
        with pytest.raises(ModelError, match="this library was held against other books than the model's"):
            person_of(library, model)
    with pytest.raises(ModelError, match="gmf has a row for each user it was trained on and cannot answer a stranger"):
        recommend(small("gmf"), read_library([path], model.catalogue))


def test_what_is_being_read_is_not_recommended(small: Callable[[str], Model], tmp_path: Path) -> None:
    model = small("gp")
    path = tmp_path / "mine.csv"
    path.write_text("title,rating,shelf\nBook 3,,currently-reading\nBook 4,,did-not-finish\nBook 5,,club\nBook 6,4,read\n")
    library = read_library([path], model.catalogue)
    assert {book.book_id for book in recommend(model, library, n=40)} == set(range(1, 41)) - {3, 4, 5, 6}
    alone: dict[int | str, float] = {6: 4}
    kept = [book for book in recommend(model, alone, n=40) if book.book_id not in (3, 4, 5)]
    assert [replace(book, why=None) for book in recommend(model, library, n=40)] == [replace(b, why=None) for b in kept]
