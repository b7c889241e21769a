"""How a model fares with less: what it is told at each point, and what it is judged on."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.errors import EvaluationError
from shelfaware.evaluation import curves
from shelfaware.evaluation.curves import FIRST, by_size, cold, cold_books, cold_users
from shelfaware.evaluation.plan import Plan, Round
from shelfaware.models.base import RatingModel
from shelfaware.models.registry import create

Fits = list[Interactions]


@pytest.fixture
def part(planted: Interactions) -> Round:
    return next(Plan("random:0.2").rounds(planted))


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    """The data of every fit, in order."""
    seen: Fits = []

    def watched(name: str, seed: int) -> RatingModel:
        model = create(name, {"seed": seed})
        assert isinstance(model, RatingModel)
        fit = type(model).fit
        monkeypatch.setattr(model, "fit", lambda train: seen.append(train) or fit(model, train))
        return model

    monkeypatch.setattr(curves, "rating_model", watched)
    return seen


@pytest.mark.parametrize("of", ["ratings", "users"])
def test_each_share_holds_the_smaller_ones(part: Round, fits: Fits, of: str) -> None:
    curve = by_size("bias", part, of=of, shares=(0.25, 0.5, 1.0))
    assert [point.x for point in curve.points] == [0.25, 0.5, 1.0]
    amounts = [len(one) if of == "ratings" else len(np.unique(one.user_index)) for one in fits]
    assert np.array(amounts) / amounts[-1] == pytest.approx([0.25, 0.5, 1.0], abs=0.01)
    for less, more in itertools.pairwise(fits):
        assert np.isin(less.pair_keys, more.pair_keys).all()
    assert not np.isin(part.test.pair_keys, fits[-1].pair_keys).any()


def test_the_whole_is_the_model_itself(part: Round) -> None:
    model = create("bias", {"seed": part.seed}).fit(part.train)
    wanted = curves._squares(model, part.test).mean()
    for of in ("ratings", "users"):
        curve = by_size("bias", part, of=of, shares=(0.1, 1.0))
        assert curve.points[-1].mse.mean == pytest.approx(wanted, rel=1e-12)
        assert curve.change.mean == pytest.approx(wanted - curve.points[0].mse.mean)


def camps() -> Interactions:
    """60 users rate 30 books: every second user 5 stars always, the others 2. Whoever is told nothing guesses 3.5."""
    user, book = (x.ravel() for x in np.indices((60, 30)))
    return Interactions.from_frame(pl.DataFrame({"user_id": user, "book_id": book, "stars": np.where(user % 2, 5.0, 2.0)}))


def test_people_who_were_not_trained_on_are_told_all_the_same() -> None:
    part = next(Plan("random:0.2").rounds(camps()))
    assert by_size("bias", part, of="users", shares=(0.1, 1.0)).points[0].mse.mean < 0.2
    assert by_size("mean", part, of="users", shares=(0.1, 1.0)).points[0].mse.mean > 2


def test_new_users_leave_the_training_data_whole(planted: Interactions, fits: Fits) -> None:
    people = cold(planted, "user", seed=1)
    new = np.unique(people.test.user_index)
    assert 1 < len(new) < (planted.user_ratings() > FIRST[-1]).sum()
    assert (planted.user_ratings()[new] > FIRST[-1]).all()
    curve = cold_users("bias", people)
    (train,) = fits
    assert not np.isin(train.user_index, new).any()
    assert len(train) == (~np.isin(planted.user_index, new)).sum()
    assert [point.x for point in curve.points] == list(FIRST)
    for n in FIRST:
        told = people.told(n)
        assert np.bincount(told.user_index, minlength=planted.n_users)[new].tolist() == [n] * len(new)
        assert not np.isin(told.pair_keys, people.test.pair_keys).any()


def test_new_books_have_the_first_ratings_and_no_shelf(planted: Interactions, fits: Fits) -> None:
    books = cold(planted, "book")
    new = np.unique(books.test.book_index)
    cold_books("bias", books)
    for n, train in zip(FIRST, fits, strict=True):
        theirs = train.take(np.isin(train.book_index, new))
        assert np.bincount(theirs.book_index, minlength=planted.n_books)[new].tolist() == [n] * len(new)
        assert theirs.rated.all()
        assert not np.isin(train.pair_keys, books.test.pair_keys).any()


def test_books_are_drawn_again_whole() -> None:
    """Ten books, half of them guessed right for everybody and half wrong: readers are alike, books are not."""
    rows = [(user, book, 1.0 + 4 * (book % 2)) for user in range(200) for book in range(10)]
    test = Interactions.from_frame(pl.DataFrame(rows, schema=["user_id", "book_id", "stars"], orient="row"))
    squares = np.where(test.book_index % 2 == 1, 4.0, 0.0)
    by_book, by_user = (curves._curve({0: squares, 1: squares}, test, of=of).points[0].mse for of in ("books", "users"))
    assert by_user.high - by_user.low < 1e-9
    assert by_book.high - by_book.low > 1.5


def test_a_reader_who_tells_more_is_known_better() -> None:
    curve = cold_users("bias", cold(camps(), "user"))
    errors = [point.mse.mean for point in curve.points]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 2
    assert errors[-1] < 0.2
    assert curve.change.mean == pytest.approx(errors[-1] - errors[0])
    assert curve.change.high < 0


def test_first_is_by_time_where_it_is_known(planted: Interactions) -> None:
    moment = np.random.default_rng(1).permutation(len(planted)).astype("datetime64[us]")
    people = cold(replace(planted, time=moment), "user")
    new = np.unique(people.test.user_index)
    latest_told, earliest_test = people.told(FIRST[-1]), people.test
    for user in new:
        told, test = (one.time[one.user_index == user] for one in (latest_told, earliest_test) if one.time is not None)
        assert told.max() < test.min()


def test_what_cannot_be_drawn(part: Round, planted: Interactions) -> None:
    with pytest.raises(EvaluationError, match="ease predicts no stars"):
        by_size("ease", part)
    with pytest.raises(EvaluationError, match="gmf has a row for each user"):
        by_size("gmf", part, of="users")
    with pytest.raises(EvaluationError, match="gmf has a row for each user"):
        cold_users("gmf", cold(planted, "user"))
    few = planted.take(planted.user_index < 5)
    with pytest.raises(EvaluationError, match="fewer than two books have more than 20 ratings"):
        cold(few, "book")
