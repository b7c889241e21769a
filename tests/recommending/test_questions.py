"""Which books to ask a newcomer about: the closed form against folding in, planted answers, and what is never asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfaware.arrays import Floats
from shelfaware.data.books import Books
from shelfaware.data.interactions import READ, TO_READ
from shelfaware.errors import DataError, UnknownIdError
from shelfaware.library.library import read_library
from shelfaware.models import gp as gp_module
from shelfaware.models.base import Model
from shelfaware.models.gp import GP
from shelfaware.models.readers import Readers
from shelfaware.recommending.questions import Telling, chances, next_question


@pytest.fixture(scope="module")
def gp(small: Callable[[str], Model]) -> GP:
    model = small("gp")
    assert isinstance(model, GP)
    return model


def reader(stars: dict[int, float], read: Sequence[int] = (), to_read: Sequence[int] = ()) -> Readers:
    """One reader, by the indices of books."""
    rows = {**dict.fromkeys(read, (np.nan, READ)), **dict.fromkeys(to_read, (np.nan, TO_READ))}
    rows.update({book: (value, READ) for book, value in stars.items()})
    values = [row[0] for row in rows.values()]
    return Readers.one(np.array(list(rows), np.int32), np.array(values), np.array([row[1] for row in rows.values()], np.int8))


def toy(vectors: list[list[float]], counts: Sequence[int], **given: Any) -> GP:
    """A gp whose books have these vectors and numbers of ratings; `noise` and `works` may be given."""
    n = len(vectors)
    model = GP(factors=len(vectors[0]))
    model.books = Books.of(pl.DataFrame({"book_id": np.arange(n), "work_id": given.get("works", [None] * n)}))
    model.arrays = {
        "center": np.array([3.0]),
        "user_deviation": np.array([0.1], np.float32),
        "book_vectors": np.array(vectors, np.float32),
        "book_means": np.full(n, 3.0, np.float32),
        "noise": np.array(given.get("noise", [1.0] * n), np.float32),
        "shelf_vectors": np.zeros((n, 2, len(vectors[0]) + 1), np.float32),
        "star_counts": np.array([[count, 0, 0, 0, 0] for count in counts], np.int32),
    }
    return model


TWO_TASTES = [[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 3
"""Books 0 to 3 ask for one taste, 4 to 6 for another."""


def variance(model: GP, who: Readers) -> Floats:
    """Of a new rating of each book before it is rounded to a step [n_books]."""
    n = len(model.catalogue)
    return gp_module._forecast(model._table, who, np.zeros(n, np.int64), np.arange(n))[1]


@pytest.mark.parametrize("stars", [{}, {3: 5.0, 7: 1.0}, {book: 1.0 + book % 5 for book in range(0, 40, 2)}])
def test_the_closed_form_is_the_variance_lost_by_folding_in(
    gp: GP, stars: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shelfaware.recommending.questions.POPULAR", 25)
    popular = np.argsort(-gp.n_ratings, kind="stable")[:25]
    chance = chances(gp.n_ratings)
    who = reader(stars)
    before, expected = variance(gp, who), np.full(40, -np.inf)
    for book in set(range(40)) - set(stars):
        lost = before - variance(gp, reader({**stars, book: 4.0}))
        expected[book] = chance[book] * np.sum(chance[popular] * lost[popular])
    unasked = expected > 0
    assert unasked.sum() == 40 - len(stars)
    np.testing.assert_allclose(Telling.of(gp, who).value[unasked], expected[unasked], rtol=1e-9, atol=1e-9)
    assert next_question(gp, who).tolist() == [int(np.argmax(expected))]


def test_only_the_most_rated_books_count(monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy(TWO_TASTES, [10, 7, 7, 7, 9, 9, 1])
    assert next_question(model, {}).tolist() == [0]
    monkeypatch.setattr("shelfaware.recommending.questions.POPULAR", 3)
    assert next_question(model, {}).tolist() == [4]


def test_the_best_question_is_the_planted_one() -> None:
    noise = [1, 1, 0.5, 1, 1, 0.5, 1]
    assert next_question(toy(TWO_TASTES, [9] * 7, noise=noise), {}).tolist() == [2]  # more books are like it, it says most
    rarely_read = toy(TWO_TASTES, [9, 9, 1, 1, 9, 9, 9], noise=noise)
    assert next_question(rarely_read, {}).tolist() == [5]


def test_an_answer_changes_the_next_question() -> None:
    model = toy(TWO_TASTES, [9] * 7)
    assert next_question(model, {}).tolist() == [0]
    assert next_question(model, {0: 2}, [0]).tolist() == [4]  # one taste is known better, the other is not
    assert next_question(model, {}, [0]).tolist() == [1]  # not read: nothing is known better


def test_the_chances_by_hand() -> None:
    np.testing.assert_allclose(chances(np.array([8, 4, 0, 1])), [0.5, 0.25, 0.001, 0.0625])
    np.testing.assert_allclose(chances(np.array([0, 0])), [0.001, 0.001])


def test_several_questions_take_the_answers_before_them_in_their_share_of_cases(gp: GP) -> None:
    stars = {3: 5.0, 7: 1.0}
    who = reader(stars)
    telling = Telling.of(gp, who)
    first = int(next_question(gp, who)[0])
    answered = Telling.of(gp, reader({**stars, first: 4.0})).covariance
    share = telling.chance[first]
    expected = (1 - share) * telling.covariance + share * answered
    np.testing.assert_allclose(telling.after(first).covariance, expected, rtol=1e-9, atol=1e-12)
    value = telling.after(first).value
    value[[first, *stars]] = -np.inf
    assert next_question(gp, who, n=2).tolist() == [first, int(np.argmax(value))]
    assert next_question(toy(TWO_TASTES, [9] * 7), {}, n=2).tolist() == [0, 4]


def test_every_book_is_asked_once_and_then_none_is_left(gp: GP) -> None:
    asked: list[int] = []
    answers: dict[int, float] = {}
    while len(new := next_question(gp, reader(answers), asked)):
        assert len(new) == 1
        asked.append(int(new[0]))
        if asked[-1] % 3 == 0:
            answers[asked[-1]] = 4.0
    assert sorted(asked) == list(range(40))
    assert sorted(next_question(gp, {}, n=100)) == list(range(40))


def test_no_edition_of_a_book_that_was_asked_or_rated() -> None:
    works = ["a", "a", "b", "b", "c", "c", None]
    model = toy(TWO_TASTES, [9] * 7, works=works)
    assert sorted(next_question(model, {}, n=9)) == [0, 2, 4, 6]
    assert sorted(next_question(model, {1: 4}, [2], n=9)) == [4, 6]
    assert sorted(next_question(model, reader({}, to_read=[5]), [0], n=9)) == [2, 6]


def test_a_book_that_they_read_without_rating_it_is_asked_first() -> None:
    model = toy(TWO_TASTES, [9] * 7)
    assert next_question(model, reader({}, read=[6])).tolist() == [6]  # of the smaller group, but they have read it
    assert next_question(model, reader({}, read=[6]), [6]).tolist() == [0]


def test_books_of_a_library_that_no_model_is_told_of_are_not_asked(tmp_path: Path) -> None:
    model = toy(TWO_TASTES, [9] * 7)
    names = [f"Name {letter}" for letter in "ABCDEFG"]
    table = pl.DataFrame({"book_id": range(7), "title": names, "authors": [["An Author"]] * 7})
    model.books = Books.of(table)
    (tmp_path / "mine.csv").write_text(
        "Book Id,Title,Author,My Rating,Exclusive Shelf\n1,Name B,An Author,5,read\n2,Name A,An Author,0,currently-reading\n"
    )
    mine = read_library([tmp_path / "mine.csv"], model.books)
    assert sorted(next_question(model, mine, n=9)) == [2, 3, 4, 5, 6]


@settings(max_examples=15, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 5)), min_size=1, max_size=12, unique_by=lambda row: row[0]))
def test_the_order_of_the_answers_changes_nothing(gp: GP, rows: list[tuple[int, int]]) -> None:
    def ask(rows: list[tuple[int, int]], repeated: int) -> list[int]:
        answers = {book + 1: float(stars) for book, stars in rows if stars}
        return next_question(gp, answers, [book for book, _ in rows] * repeated, n=3).tolist()

    found = ask(rows, 1)
    assert found == ask(rows[::-1], 1) == ask(sorted(rows), 2)
    assert not set(found) & {book for book, _ in rows}


@pytest.mark.parametrize("name", ["bias", "mean", "ease", "popularity", "gmf"])
def test_without_variance_the_most_rated_are_asked(small: Callable[[str], Model], name: str) -> None:
    model = small(name)
    popular = sorted(range(40), key=lambda book: (-model.n_ratings[book], book))
    assert len(set(model.n_ratings)) < 40
    assert next_question(model, {}, n=40).tolist() == popular
    assert next_question(model, {popular[1] + 1: 5}, [popular[0]], n=3).tolist() == popular[2:5]


@pytest.mark.parametrize("asked", [[40], [-1], ["3"], [2.5], [None]])
def test_what_is_no_book_s_index_is_said(gp: GP, asked: list[Any]) -> None:
    with pytest.raises(DataError, match=r"was asked about and is no book's index; indices go from 0 to 39$"):
        next_question(gp, {}, asked)


def test_what_cannot_be_asked_is_said(gp: GP) -> None:
    with pytest.raises(DataError, match=r"^0 books cannot be asked about; ask about 1 or more$"):
        next_question(gp, {}, n=0)
    with pytest.raises(UnknownIdError, match="no book is titled 'Unheard of'"):
        next_question(gp, {"Unheard of": 4})
    with pytest.raises(UnknownIdError, match="77"):
        next_question(gp, 77)
