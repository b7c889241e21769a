"""bpmf: each sample's answers beside the textbook, and what a model of uncertain books promises."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm, truncnorm

from shelfaware.data.interactions import READ, TO_READ, Interactions
from shelfaware.data.splits import Split
from shelfaware.models.base import Model
from shelfaware.models.bpmf import BPMF
from shelfaware.models.readers import Readers

Fitted = Callable[[str], Model]


@pytest.fixture
def bpmf(fitted: Fitted) -> BPMF:
    model = fitted("bpmf shelves")
    assert isinstance(model, BPMF)
    return model


def reader(stars: dict[int, float], to_read: tuple[int, ...] = (), read: tuple[int, ...] = ()) -> Readers:
    books = np.array([*stars, *to_read, *read], np.int32)
    values = np.array([*stars.values(), *[np.nan] * len(to_read + read)])
    shelf = np.array([READ] * len(stars) + [TO_READ] * len(to_read) + [READ] * len(read), np.int8)
    return Readers.one(books, values, shelf)


def latent_oracle(model: BPMF, told: Readers, book: int) -> tuple[float, float]:
    """Mean and deviation of the latent stars of `book` from the joint normal of it and the rated books, sample by sample."""
    means, variances, z = [], [], None
    rated = told.book_index[told.rated]
    edges = np.concatenate([[-np.inf], model.arrays["cuts"], [np.inf]])
    given = told.stars[told.rated].astype(int) - 1
    low, high = edges[given], edges[given + 1]
    for table in model._posterior.tables:
        phi, mu, s = table.phi[rated], table.mu[rated], np.sqrt(table.noise[rated])
        K = phi @ phi.T + np.diag(s**2)
        shelves = [table.y[table.row[b, state]] for b, state in zip(told.book_index, told.shelf, strict=True)]
        h = np.sum([table.y[table.row[b, READ]] for b in rated], axis=0) / np.sqrt(len(rated))
        turns = 1 if z is not None else 8
        z = truncnorm.mean((low - mu) / s, (high - mu) / s, mu, s) if z is None else z
        for _ in range(turns):
            target = np.linalg.solve(K, z - mu - phi @ h)
            mean = mu + phi @ h + phi @ phi.T @ target
            z = truncnorm.mean((low - mean) / s, (high - mean) / s, mean, s)
        others = [i for i in range(len(told.book_index)) if told.book_index[i] != book]
        y = [shelves[i] for i in others] + [table.y[table.row[book, READ]]]
        h, k = np.sum(y, axis=0) / np.sqrt(len(y)), phi @ table.phi[book]
        means.append(table.mu[book] + table.phi[book] @ h + k @ np.linalg.solve(K, z - mu - phi @ h))
        variances.append(table.noise[book] + table.phi[book] @ table.phi[book] - k @ np.linalg.solve(K, k))
    return float(np.mean(means)), float(np.sqrt(np.mean(variances) + np.var(means)))


def oracle(model: BPMF, told: Readers, book: int) -> tuple[float, float]:
    """Mean and deviation of the stars."""
    mean, deviation = latent_oracle(model, told, book)
    chance = np.diff(norm.cdf(np.concatenate([[-np.inf], model.arrays["cuts"], [np.inf]]), mean, deviation))
    stars = np.arange(1, 6)
    return float(chance @ stars), float(np.sqrt(chance @ (stars - chance @ stars) ** 2))


SOMEBODY = reader({3: 5.0, 8: 1.0, 20: 4.0, 31: 2.0}, to_read=(5, 9), read=(11,))


@pytest.mark.parametrize("book", [0, 3, 5, 11])
def test_a_forecast_is_of_the_steps_of_a_joint_normal(bpmf: BPMF, book: int) -> None:
    """Books unknown, rated, to-read and read; with the latent stars that the model settles on."""
    forecast = bpmf.forecast(SOMEBODY, np.zeros(1), np.array([book]))
    assert forecast.deviation is not None
    assert (forecast.stars[0], forecast.deviation[0]) == pytest.approx(oracle(bpmf, SOMEBODY, book), rel=1e-5)


def test_a_left_out_rating_is_nearly_the_forecast_of_a_book_on_the_shelf(bpmf: BPMF) -> None:
    """What is left out are the stars: an unrated book that was read tells as much. Nearly: other latent stars stay."""
    told = bpmf.left_out(SOMEBODY)
    stars = dict(zip(SOMEBODY.book_index[SOMEBODY.rated].tolist(), SOMEBODY.stars[SOMEBODY.rated].tolist(), strict=True))
    for got, book in zip(told, stars, strict=True):
        without = reader({b: s for b, s in stars.items() if b != book}, to_read=(5, 9), read=(11, book))
        hidden, known = (bpmf.forecast(who, np.zeros(1), np.array([book])).stars[0] for who in (without, SOMEBODY))
        assert abs(got - hidden) < 0.2 * abs(known - hidden)


def test_the_state_of_the_book_asked_for_says_nothing(bpmf: BPMF) -> None:
    stars = [
        bpmf.forecast(reader({3: 5.0, 8: 1.0}, **shelves), np.zeros(1), np.array([7])).stars[0]
        for shelves in ({}, {"read": (7,)}, {"to_read": (7,)})
    ]
    np.testing.assert_allclose(stars, stars[0], rtol=1e-12)


def test_shelves_speak(bpmf: BPMF) -> None:
    ask = np.zeros(3), np.array([0, 1, 2])
    shelves = ((), ()), ((9,), ()), ((), (9,))
    stars = [bpmf.forecast(reader({3: 5.0}, to_read=t, read=r), *ask).stars for t, r in shelves]
    assert min(np.abs(stars[0] - stars[1]).max(), np.abs(stars[1] - stars[2]).max()) > 1e-3


def test_reasons_sum_to_the_forecast_and_more_stars_never_say_less(bpmf: BPMF) -> None:
    books = np.arange(40)
    explained = bpmf.explain(SOMEBODY, books)
    total = explained.base + explained.shelves + explained.shares.sum(axis=1)
    np.testing.assert_allclose(total, bpmf.forecast(SOMEBODY, np.zeros(40), books).stars, rtol=1e-10)
    np.testing.assert_array_equal(explained.books, [3, 8, 20, 31])
    more = replace(SOMEBODY, stars=np.where(SOMEBODY.book_index == 8, 4.0, SOMEBODY.stars))
    assert bpmf.forecast(more, np.zeros(1), np.array([8])).stars[0] > total[8]


def test_reasons_are_in_the_proportion_of_their_latent_stars(bpmf: BPMF) -> None:
    explained = bpmf.explain(SOMEBODY, np.array([0]))
    changed = replace(SOMEBODY, stars=np.where(SOMEBODY.book_index == 20, 5.0, SOMEBODY.stars))
    before, after = (explained.shares[0], bpmf.explain(changed, np.array([0])).shares[0])
    assert np.abs(after - before).argmax() == 2
    base = bpmf.explain(reader({}), np.array([0])).base[0]
    assert 1 < base < 5


def test_samples_are_kept_from_the_second_quarter_on(bpmf: BPMF, planted_split: Split) -> None:
    assert bpmf.arrays["book_vectors"].shape == (40, 4, 4)
    assert bpmf.arrays["book_vectors"].dtype == np.float16
    assert bpmf.history is not None
    assert len(bpmf.history.records) == 40
    short = BPMF(factors=2, epochs=3, samples=50).fit(planted_split[0])
    assert short.arrays["book_vectors"].shape == (40, 3, 3)
    assert np.ptp(short.arrays["book_vectors"].astype(float), axis=1).min() > 0


def test_watching_changes_nothing_but_the_epoch_that_is_kept(planted_split: Split) -> None:
    train, test = planted_split
    watched = BPMF(factors=2, epochs=12, samples=4).fit(train, test)
    assert watched.history is not None
    assert [record.validation is None for record in watched.history.records] == [True] * 5 + [False] * 7  # no sample before
    kept = watched.arrays["book_vectors"].shape[1]
    alone = BPMF(factors=2, epochs=12, samples=4).fit(train)
    np.testing.assert_array_equal(alone.arrays["book_vectors"][:, :kept], watched.arrays["book_vectors"])


def test_a_model_that_never_beats_the_mean_has_samples_all_the_same(planted_split: Split) -> None:
    train, test = planted_split
    rng = np.random.default_rng(0)
    noise = replace(train, stars=np.where(train.rated, rng.integers(1, 6, len(train)), np.nan).astype(np.float32))
    model = BPMF(factors=2, epochs=8, samples=3).fit(
        noise, replace(test, stars=rng.integers(1, 6, len(test)).astype(np.float32))
    )
    assert np.isfinite(model.forecast(model.known_readers, test.user_index, test.book_index).stars).all()


def test_it_beats_bias_and_knows_how_sure_it_is(fitted: Fitted, planted_split: Split) -> None:
    """Two planted dimensions of taste."""
    train, test = planted_split
    pairs = test.user_index, test.book_index
    readers = Readers.of(train)
    mse = {
        n: np.mean((np.clip(fitted(n).forecast(readers, *pairs).stars, 1, 5) - test.stars) ** 2)
        for n in ("bias", "bpmf ratings")
    }
    assert mse["bpmf ratings"] < 0.6 * mse["bias"]
    forecast = fitted("bpmf ratings").forecast(readers, *pairs)
    inside = np.abs(forecast.stars - test.stars) < 1.645 * forecast.deviation
    assert 0.84 < inside.mean() < 0.96


def test_few_users_and_many_books(monkeypatch: pytest.MonkeyPatch) -> None:
    """Books with few ratings: a part of the way from bias to the truth, where a point estimate is no better than bias."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[2] / "benchmarks"), *sys.path])
    from planted_tables import planted_table
    from shelfaware.data.splits import split
    from shelfaware.models.baselines import Bias

    table = planted_table(150, 600, 9_000, seed=1)
    train, test = split(table.data, "random:0.1", seed=1)
    mse = {model.name: _mse(model.fit(train), test) for model in (Bias(), BPMF(factors=8, epochs=60, samples=40))}
    truth = table.truth_mse(test)
    assert truth < mse["bpmf"] < mse["bias"]
    assert (mse["bias"] - mse["bpmf"]) / (mse["bias"] - truth) > 0.05


def _mse(model: Model, test: Interactions) -> float:
    forecast = model.forecast(model.known_readers, test.user_index, test.book_index)
    return float(np.mean((model.scale.clip(forecast.stars) - test.stars) ** 2))
