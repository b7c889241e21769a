"""The GP's answers: scikit-learn for means and deviations, exact parts, and the planted truth."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct

from shelfaware.data.books import Books
from shelfaware.data.ids import IdMap
from shelfaware.data.interactions import READ, TO_READ, Interactions
from shelfaware.data.splits import Split, split
from shelfaware.errors import DataError
from shelfaware.models import gp as gp_module
from shelfaware.models import gp_fitting, gp_posterior
from shelfaware.models.base import Model
from shelfaware.models.baselines import Bias
from shelfaware.models.card import model_card
from shelfaware.models.gp import DECAYS, GP, Decay
from shelfaware.models.gp_fitting import Means, Start, learned
from shelfaware.models.gp_posterior import Table, shelf_terms, solve
from shelfaware.models.gp_trust import Plain, toward_bias
from shelfaware.models.readers import Readers
from shelfaware.models.source import Source
from shelfaware.training.loop import Run

Floats = NDArray[np.float64]
N_BOOKS, K, A = 30, 4, 0.5


@pytest.fixture(scope="module")
def gp(fitted: Callable[[str], Model]) -> GP:
    model = fitted("gp shelves")
    assert isinstance(model, GP)
    return model


@pytest.fixture
def table() -> Table:
    rng = np.random.default_rng(3)
    phi = np.hstack([0.4 * rng.normal(size=(N_BOOKS, K)), np.full((N_BOOKS, 1), A)])
    y = 0.2 * rng.normal(size=(N_BOOKS, 2, K + 1))
    return Table(phi, 3.5 + 0.3 * rng.normal(size=N_BOOKS), np.exp(0.3 * rng.normal(size=N_BOOKS)) * 0.3, y)


def readers_of(*histories: dict[int, tuple[float, int]]) -> Readers:
    rows = [(b, stars, shelf) for history in histories for b, (stars, shelf) in sorted(history.items())]
    books, stars, shelf = zip(*rows, strict=True) if rows else ((), (), ())
    indptr = np.concatenate([[0], np.cumsum([len(h) for h in histories])])
    arrays = np.array(books, np.int32), np.array(stars, float), np.array(shelf, np.int8)
    return Readers(indptr, *arrays, np.full(len(histories), -1))


@pytest.mark.parametrize("n", [1, 3, 5, 6, 20], ids=lambda n: f"{n} ratings, {'dual' if n <= K + 1 else 'primal'}")
def test_means_and_deviations_are_scikit_learn_s(table: Table, n: int) -> None:
    rng = np.random.default_rng(n)
    books = np.sort(rng.choice(N_BOOKS, n, replace=False))
    stars = rng.integers(1, 6, n).astype(float)
    readers = readers_of({int(b): (s, READ) for b, s in zip(books, stars, strict=True)})
    everything = np.arange(N_BOOKS)
    shelf = dict.fromkeys(books.tolist(), READ)
    oracle = GaussianProcessRegressor(DotProduct(A, sigma_0_bounds="fixed"), alpha=table.noise[books], optimizer=None)
    got_stars, got_variance = gp_module._forecast(table, readers, np.zeros(N_BOOKS, np.int64), everything)
    for x in everything.tolist():
        y = stars - table.mu[books] - [plain_prior(table, shelf, b, x) for b in books.tolist()]
        mean, deviation = oracle.fit(table.phi[books, :K], y).predict(table.phi[[x], :K], return_std=True)
        assert got_stars[x] == pytest.approx(table.mu[x] + plain_prior(table, shelf, x, x) + mean[0], rel=1e-9)
        assert got_variance[x] == pytest.approx(deviation[0] ** 2 + table.noise[x], rel=1e-8)


def plain_prior(table: Table, shelf: dict[int, int], book: int, left_out: int) -> float:
    """|N \\ x|^-1/2 sum of (q_x . y_b + z_b), with another book left out of N too."""
    others = [(b, state) for b, state in shelf.items() if b not in (book, left_out)]
    terms = [table.phi[book, :K] @ table.y[b, s, :K] + table.y[b, s, K] for b, s in others]
    return float(sum(terms) / len(terms) ** 0.5) if terms else 0.0


def test_both_systems_say_the_same() -> None:
    """One empty place more than there are features, and the other system is solved."""
    rng = np.random.default_rng(0)
    phi, noise, y = rng.normal(size=(3, 8, 8)), rng.uniform(0.2, 1, (3, 8)), rng.normal(size=(3, 8))
    padded = (
        np.concatenate([phi, np.zeros((3, 1, 8))], 1),
        np.append(noise, np.ones((3, 1)), 1),
        np.append(y, np.zeros((3, 1)), 1),
    )
    dual, primal = solve(phi, noise, y), solve(*padded)
    assert dual.dual
    assert not primal.dual
    np.testing.assert_allclose(primal.weights, dual.weights, atol=1e-9)
    np.testing.assert_allclose(primal.alpha[:, :8], dual.alpha, atol=1e-9)
    np.testing.assert_allclose(primal.inverse()[:, :8, :8], dual.inverse(), atol=1e-9)
    readers, asked = np.array([0, 1, 2, 0]), rng.normal(size=(4, 8))
    wanted = dual.times(readers, asked)
    np.testing.assert_allclose(wanted, np.einsum("pnm,pm->pn", dual.inverse()[readers], asked), atol=1e-9)
    np.testing.assert_allclose(primal.times(readers, np.append(asked, np.zeros((4, 1)), 1))[:, :8], wanted, atol=1e-9)


def test_the_prior_by_a_plain_loop(table: Table) -> None:
    readers = readers_of({2: (4, READ), 5: (np.nan, TO_READ), 9: (np.nan, READ)}, {}, {7: (3, READ)})
    for reader, book in ((0, 2), (0, 5), (0, 11), (1, 3), (2, 7), (2, 8)):
        rows = slice(readers.indptr[reader], readers.indptr[reader + 1])
        shelf = dict(zip(readers.book_index[rows].tolist(), readers.shelf[rows].tolist(), strict=True))
        wanted = plain_prior(table, shelf, book, book)
        assert shelf_terms(table, readers, np.array([reader]), np.array([book])).prior[0] == pytest.approx(wanted, abs=1e-14)
        if book not in shelf:
            assert gp_posterior.dense_prior(table, readers)[reader, book] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("name", ["gp shelves", "gp ratings"])
def test_forecast_expect_and_explain_are_one(fitted: Callable[[str], GP], name: str) -> None:
    model = fitted(name)
    some = model.readers.take(np.arange(0, 300, 29))
    everything = np.arange(40)
    dense = model.expect(some)
    for r in range(len(some)):
        np.testing.assert_allclose(model.forecast(some, np.full(40, r), everything).stars, dense[r], atol=1e-9)
        parts = model.explain(some.take(np.array([r])), everything)
        np.testing.assert_allclose(parts.base + parts.shelves + parts.shares.sum(1), dense[r], atol=1e-9)
        mine = slice(some.indptr[r], some.indptr[r + 1])
        assert parts.books.tolist() == some.book_index[mine][~np.isnan(some.stars[mine])].tolist()


def test_the_order_of_readers_and_pairs_and_their_chunks_change_nothing(gp: GP, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 300, 500), rng.integers(0, 40, 500)
    whole, left = gp.forecast(gp.readers, *pairs), gp.left_out(gp.readers)
    monkeypatch.setattr(gp_posterior, "CELLS", 300)
    monkeypatch.setattr(gp_module, "CELLS", 1)
    pieces = gp.forecast(gp.readers, *pairs)
    np.testing.assert_allclose(pieces.stars, whole.stars, atol=1e-10)
    np.testing.assert_allclose(pieces.deviation, whole.deviation, atol=1e-10)
    np.testing.assert_allclose(gp.left_out(gp.readers), left, atol=1e-10)


def test_left_out_is_the_rating_hidden(gp: GP) -> None:
    """The book may stay on its shelf, without its stars: its own state says nothing of it."""
    readers = gp.readers.take(np.array([1, 5, 17, 200]))
    rows = np.flatnonzero(readers.rated)
    for row, told in zip(rows, gp.left_out(readers), strict=True):
        hidden = replace(readers, stars=np.where(np.arange(len(readers.stars)) == row, np.nan, readers.stars))
        truth = gp.forecast(hidden, readers.owner[[row]], readers.book_index[[row]]).stars[0]
        assert told == pytest.approx(truth, abs=1e-9)


@pytest.mark.parametrize("name", ["gp shelves", "gp ratings"])
def test_left_out_is_the_row_removed(fitted: Callable[[str], GP], name: str) -> None:
    model = fitted(name)
    readers = model.readers.take(np.array([1, 5, 17, 200]))
    for row, told in zip(np.flatnonzero(readers.rated), model.left_out(readers), strict=True):
        removed = readers.only(np.arange(len(readers.stars)) != row)
        truth = model.forecast(removed, readers.owner[[row]], readers.book_index[[row]]).stars[0]
        assert told == pytest.approx(truth, abs=1e-9)


def test_the_deviation_of_a_left_out_rating_is_what_the_others_leave(gp: GP) -> None:
    readers = gp.readers.take(np.array([17]))
    solved, rated = gp_posterior.posterior(gp._table, readers)
    variance = 1 / solved.inverse()[rated.reader, rated.place, rated.place]
    for i, row in enumerate(np.flatnonzero(readers.rated)):
        hidden = replace(readers, stars=np.where(np.arange(len(readers.stars)) == row, np.nan, readers.stars))
        stars, deviation = gp.forecast(hidden, np.array([0]), readers.book_index[[row]])
        cuts = norm.cdf([1.5, 2.5, 3.5, 4.5], stars[0], np.sqrt(variance[i]))
        chance = np.diff(np.concatenate([[0.0], cuts, [1.0]]))
        mean = chance @ np.arange(1, 6)
        assert deviation[0] ** 2 == pytest.approx(chance @ (np.arange(1, 6) - mean) ** 2, rel=1e-5)


def test_raising_a_rating_never_lowers_its_own_book(gp: GP) -> None:
    for user in range(0, 300, 23):
        reader = gp.readers.take(np.array([user]))
        for row in np.flatnonzero(reader.rated):
            book, says = reader.book_index[[row]], []
            for stars in (1.0, 2.0, 3.0, 4.0, 5.0):
                changed = replace(reader, stars=np.where(np.arange(len(reader.stars)) == row, stars, reader.stars))
                says.append(gp.forecast(changed, np.array([0]), book).stars[0])
            assert (np.diff(says) > 0).all()


def test_the_own_shelf_state_of_a_book_changes_nothing_for_it(gp: GP) -> None:
    rated, wanted = {2: (4.0, READ), 5: (2.0, READ)}, {9: (np.nan, TO_READ), 11: (np.nan, READ)}
    own = [{}, {20: (np.nan, READ)}, {20: (np.nan, TO_READ)}]
    for history in ({**rated, **wanted}, rated, wanted, {}):
        stars = np.array([gp.expect(readers_of({**history, **state}))[0] for state in own])
        np.testing.assert_allclose(stars[:, 20], stars[0, 20], atol=1e-12)
        others = np.delete(np.arange(stars.shape[1]), 20)
        assert np.abs(stars[1] - stars[2])[others].max() > 1e-3  # and something for the others


def test_a_stranger_is_as_good_as_a_known_user(gp: GP, planted_split: Split) -> None:
    train, scale = planted_split[0], planted_split[0].scale
    ids = train.books.ids.ids.to_numpy()
    for user in (0, 3, 77, 299):
        mine = gp.readers.take(np.array([user]))
        rated, to_read = mine.rated, mine.shelf == TO_READ
        named = {int(ids[b]): float(s) for b, s in zip(mine.book_index[rated], mine.stars[rated], strict=True)}
        read = [int(ids[b]) for b in mine.book_index[~rated & ~to_read]]
        stranger = Readers.stranger(train.books, scale, named, read, [int(ids[b]) for b in mine.book_index[to_read]])
        np.testing.assert_allclose(gp.expect(stranger), gp.expect(mine), rtol=0, atol=1e-10)


def test_it_finds_the_planted_taste(planted_split: Split) -> None:
    train, test = planted_split
    error = {}
    pairs = test.user_index, test.book_index
    for name, model in (("bias", Bias()), ("gp", GP(factors=4, block_size=16, batch_size=128, vector_deviation=0.3))):
        forecast = model.fit(train).forecast(model.readers, *pairs)
        error[name] = np.mean((train.scale.clip(forecast.stars) - test.stars) ** 2)
    assert error["gp"] < 0.7 * error["bias"]
    residual = np.abs(forecast.stars - test.stars)
    assert 0.8 < np.mean(residual < 1.6449 * forecast.deviation) < 0.98  # a 90 % interval


def test_validation_is_watched_and_the_best_epoch_kept(planted_split: Split) -> None:
    train, test = planted_split
    model = GP(factors=4, epochs=6, block_size=16, batch_size=128, patience=3).fit(train, test)
    assert len(model.history.validation_mse) == len(model.history.records)
    best = int(np.argmin(model.history.validation_mse))
    assert model.history.best_epoch == best + 1
    stars = train.scale.clip(model.forecast(model.readers, test.user_index, test.book_index).stars)
    assert np.mean((stars - test.stars) ** 2) == pytest.approx(model.history.validation_mse[best], rel=1e-5)
    nothing = test.take(np.zeros(len(test), bool))
    assert GP(factors=2, epochs=1, block_size=16).fit(train, nothing).history.validation_mse == []


def test_nobody_with_two_ratings_is_an_error(planted: Interactions) -> None:
    first = np.concatenate([[True], np.diff(planted.user_index) > 0])
    with pytest.raises(DataError, match="at least two ratings"):
        GP().fit(planted.take(first & planted.rated))


def test_shrunken_means_by_hand() -> None:
    rows = pl.DataFrame({"user_id": [1, 2, 3], "book_id": [0, 0, 2], "stars": [5.0, 3.0, 1.0]})
    books = Books.of_ids(IdMap(pl.Series([0, 1, 2]), "book"))
    center, means, n_ratings, *counts = Means.of(Source.of(Interactions.from_frame(rows, books=books)))
    assert center == 3.0
    np.testing.assert_allclose(means, [3 + 2 / (2 + 10), 3, 3 - 2 / (1 + 10)])
    assert n_ratings.tolist() == [2, 0, 1]
    assert counts == [3, (3,)]


def test_where_books_have_few_ratings_it_is_between_bias_and_what_it_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """At trust 0 it is `bias`; what a held-out tenth prefers is not worse than that."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[2] / "benchmarks"), *sys.path])
    from planted_tables import planted_table

    train, test = split(planted_table(300, 600, 18_000, seed=1).data, "random:0.1", seed=1)
    pairs = test.user_index, test.book_index
    bias, model = Bias().fit_stars(train), GP(factors=8, block_size=16, batch_size=256, weight_decay=0.0)
    source = Source.of(train)
    table = learned(model, source, None, Run(), Start(DECAYS[0], Means.of(source)))
    model.fit_stars(train)
    stars = {}
    plain = toward_bias(table, Plain.of(source), 0.0)
    for name, arrays in (("trusted", model.arrays), ("bias", plain), ("learned", table)):
        model.arrays = arrays
        stars[name] = train.scale.clip(model.forecast(model.readers, *pairs).stars)
    np.testing.assert_allclose(stars["bias"], train.scale.clip(bias.forecast(bias.readers, *pairs).stars), atol=1e-5)
    mse = {name: np.mean((said - test.stars) ** 2) for name, said in stars.items()}
    assert mse["trusted"] <= mse["bias"] < mse["learned"]


def test_of_stronger_decays_the_best_is_taken(planted_split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are tried in their order until one is worse than the one before; what is learned then is learned of everything."""
    decays = (Decay(30.0, 0.058), Decay(0.0, 0.3), Decay(20.0, 0.058), Decay(0.0, 0.5))
    monkeypatch.setattr(gp_module, "DECAYS", decays)
    monkeypatch.setattr(gp_fitting, "MANY_A_READER", 7)
    train, _ = planted_split
    assert train.n_ratings > max(50 * 40, 7 * 300)
    settings, told = {"factors": 4, "block_size": 16, "batch_size": 128, "epochs": 4}, list[int]()
    model = GP(**settings).fit(train, run=Run(on_epoch=lambda record: told.append(record.epoch)))
    assert Decay(**model.chosen) == decays[1]
    assert told == [*range(1, 13), *range(17, 21)]
    assert [record.epoch for record in model.history.records] == [1, 2, 3, 4]
    given = GP(**settings, **model.chosen).fit(train)
    assert given.chosen == {}
    for name, array in given.arrays.items():
        np.testing.assert_array_equal(model.arrays[name], array)
    assert "- weight_decay: 0, chosen by a held-out part" in model_card(model, None)


def test_decays_that_are_given_are_taken() -> None:
    assert GP().decays == DECAYS
    assert GP(weight_decay=0.2).decays == (Decay(0.2, 0.058),)
    assert GP(vector_deviation=0.2).decays == (Decay(0.0, 0.2),)
    assert GP(weight_decay=0.3, vector_deviation=0.4).decays == (Decay(0.3, 0.4),)
    assert GP().chosen == {}


def test_where_everybody_gives_everything_five_stars(planted: Interactions) -> None:
    """Few ratings a book, and nothing that `bias` leaves to explain."""
    few = planted.ratings()
    few = few.take(np.arange(len(few)) % 3 == 0)
    model = GP(factors=2, epochs=1, block_size=8).fit_stars(replace(few, stars=np.full(len(few), 5, np.float32)))
    forecast = model.forecast(model.readers, np.arange(10), np.arange(10))
    np.testing.assert_allclose(forecast.stars, 5, atol=0.05)
    assert np.isfinite(forecast.deviation).all()
