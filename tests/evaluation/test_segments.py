"""Kinds of ratings: what was planted is found, and nothing is said of a few people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from shelfaware.arrays import Floats
from shelfaware.data.interactions import Interactions
from shelfaware.evaluation.protocol import Held
from shelfaware.evaluation.segments import coverage_by_decile, kinds, systematic_errors, titles_apart
from shelfaware.models.base import Forecast
from shelfaware.models.readers import Readers

N_USERS, N_BOOKS = 200, 40


@pytest.fixture(scope="module")
def world() -> tuple[Readers, Interactions]:
    """Everybody gave 40 books 3 stars, the last 30 held out; books 10 to 14 are horror, 15 to 19 are of 1850."""
    user, book = (x.ravel() for x in np.indices((N_USERS, N_BOOKS)))
    rows = pl.DataFrame({"user_id": user, "book_id": book, "stars": np.full(len(user), 3.0)})
    data = Interactions.from_frame(rows)
    table = data.books.table.with_columns(
        pl.col("book_id")
        .is_between(10, 14)
        .map_elements(lambda x: ["horror"] if x else [], pl.List(pl.String))
        .alias("genres"),
        pl.when(pl.col("book_id").is_between(15, 19)).then(1850).otherwise(2010).cast(pl.Int32).alias("year"),
        (pl.lit("Title ") + pl.col("book_id").cast(pl.String)).alias("title"),
    )
    data = replace(data, books=type(data.books).of(table))
    return Readers.of(data.take(data.book_index < 10)), data.take(data.book_index >= 10)


def held(test: Interactions, guess: Floats, deviation: Floats | None = None) -> Held:
    return Held(test, Forecast(guess, deviation), guess)


def noisy(test: Interactions) -> Floats:
    return 3 + 0.1 * np.random.default_rng(0).normal(size=len(test))


def test_a_planted_error_comes_first_with_its_sign(world: tuple[Readers, Interactions]) -> None:
    train, test = world
    guess = noisy(test)
    guess[test.book_index < 15] -= 0.5
    guess[(test.book_index >= 15) & (test.book_index < 20)] += 0.4
    first, second = systematic_errors(held(test, guess), train, most=2)
    assert (first.name, first.n) == ("books of the genre horror", 5 * N_USERS)
    assert first.error.mean == pytest.approx(0.5, abs=0.02)
    assert 0 < first.error.low < 0.5 < first.error.high
    assert first.mse == pytest.approx(0.26, abs=0.02)
    assert second.name == "books from before 1900"
    assert second.error.high < 0


def test_nothing_stands_out_of_noise(world: tuple[Readers, Interactions]) -> None:
    train, test = world
    assert systematic_errors(held(test, noisy(test)), train) == []


def test_few_people_are_no_kind(world: tuple[Readers, Interactions]) -> None:
    train, test = world
    few = test.take((test.user_index < 19) & (test.book_index < 15))
    assert systematic_errors(held(few, np.full(len(few), 1.0)), train) == []
    enough = test.take((test.user_index < 20) & (test.book_index < 15))
    assert systematic_errors(held(enough, np.full(len(enough), 1.0)), train)


def test_a_title_alone_is_no_kind(world: tuple[Readers, Interactions]) -> None:
    train, test = world
    four = test.take(test.book_index < 14)
    assert systematic_errors(held(four, np.full(len(four), 1.0)), train) == []


def test_titles_are_named_of_simulated_ratings_alone(world: tuple[Readers, Interactions]) -> None:
    _, test = world
    guess = noisy(test)
    guess[test.book_index == 25] += 1
    assert titles_apart(held(test, guess)) == []
    (found,) = titles_apart(held(replace(test, simulated=True), guess))
    assert found.name == "Title 25"


def test_no_kind_looks_at_the_stars_that_are_guessed(world: tuple[Readers, Interactions]) -> None:
    train, test = world
    other = replace(test, stars=np.full_like(test.stars, 1.0))
    for (name, mask), (name_too, mask_too) in zip(kinds(train, test), kinds(train, other), strict=True):
        assert name == name_too
        np.testing.assert_array_equal(mask, mask_too)


def test_coverage_by_tenths_by_hand(world: tuple[Readers, Interactions]) -> None:
    """A deviation of 1: 90 % intervals reach 1.645 stars. Users 0 to 99 are missed by 2, the others by 1."""
    _, test = world
    train = Readers.of(test.take(test.user_index >= 100))
    guess = np.where(test.user_index < 100, 1.0, 2.0)
    tenths = coverage_by_decile(held(test, guess, np.ones(len(test))), train)["user"]
    assert [(one.least, one.mean.mean) for one in tenths] == [(0, 0.0), (30, 1.0)]
    assert coverage_by_decile(held(test, guess), train) == {}
