"""The autoencoder beside its equations written out, its batches counted, and a truth that no line through stars can tell."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from shelfaware.data.interactions import READ, TO_READ, Interactions
from shelfaware.data.splits import split
from shelfaware.models.autoencoder import Autoencoder
from shelfaware.models.autoencoder_network import Batches, Learner, Network, Task, loss
from shelfaware.models.baselines import Bias
from shelfaware.models.readers import Readers

NAN = float("nan")


@pytest.fixture(scope="module")
def fitted(planted: Interactions) -> Autoencoder:
    return Autoencoder(factors=4, epochs=4, batch_size=64).fit_stars(planted)


def reader(rows: dict[int, tuple[float, int]]) -> Readers:
    stars, shelf = (np.array([row[i] for row in rows.values()]) for i in (0, 1))
    return Readers.one(np.array(list(rows), np.int32), stars.astype(float), shelf.astype(np.int8))


def by_hand(model: Autoencoder, rows: dict[int, tuple[float, int]], book: int) -> tuple[float, float]:
    """The docstring's equations, one book after another."""
    arrays = {name: array.astype(float) for name, array in model.arrays.items()}
    others = {b: row for b, row in rows.items() if b != book}
    total = np.zeros(len(arrays["constant"]))
    for b, (stars, shelf) in others.items():
        state = 5 + (shelf == TO_READ) if np.isnan(stars) else int(stars) - 1
        total += arrays["state_vectors"][b, state]
    h = np.tanh(arrays["constant"] + total / np.sqrt(len(others) + 1))
    v, u = arrays["book_vectors"][book]
    chance = np.array(
        [np.exp(arrays["levels"][book, k] + t * (v @ h) - t * t * (u @ h) / 2) for k, t in enumerate(range(-2, 3))]
    )
    chance /= chance.sum()
    mean = chance @ np.arange(1, 6)
    return mean, np.sqrt(chance @ np.arange(1, 6) ** 2 - mean**2)


ROWS = {3: (5.0, READ), 8: (1.0, READ), 9: (NAN, READ), 20: (NAN, TO_READ)}


@pytest.mark.parametrize("book", [0, 3, 9, 20])
def test_a_forecast_is_its_equations(fitted: Autoencoder, book: int) -> None:
    forecast = fitted.forecast(reader(ROWS), np.array([0]), np.array([book]))
    assert forecast.deviation is not None
    np.testing.assert_allclose([forecast.stars[0], forecast.deviation[0]], by_hand(fitted, ROWS, book), rtol=1e-9)
    np.testing.assert_allclose(fitted.expect(reader(ROWS))[0, book], forecast.stars[0], rtol=1e-9)


def test_left_out_stars_are_those_without_the_row(fitted: Autoencoder) -> None:
    got = fitted.left_out(reader(ROWS))
    wanted = [fitted.expect(reader({b: row for b, row in ROWS.items() if b != book}))[0, book] for book in (3, 8)]
    assert got is not None
    np.testing.assert_allclose(got, wanted, rtol=1e-9)


def test_reasons_lead_from_nobody_to_the_reader(fitted: Autoencoder) -> None:
    """Integrated gradients: shares and base add up, from what is expected of nobody; none of a book for itself."""
    asked = np.array([0, 3, 20])
    reasons = fitted.explain(reader(ROWS), asked)
    forecast = fitted.forecast(reader(ROWS), np.zeros(3), asked)
    np.testing.assert_allclose(reasons.stars, forecast.stars, rtol=1e-12)
    np.testing.assert_allclose(reasons.base, fitted.expect(reader({}))[0, asked], atol=1e-8)
    np.testing.assert_array_equal(reasons.books, [3, 8])
    assert reasons.shares[1, 0] == 0
    assert (reasons.shares != 0).sum() == 5
    assert (reasons.shelves != 0).all()


def test_the_only_book_of_a_reader_is_the_only_reason(fitted: Autoencoder) -> None:
    reasons = fitted.explain(reader({8: (1.0, READ)}), np.array([5]))
    moved = fitted.expect(reader({8: (1.0, READ)}))[0, 5] - fitted.expect(reader({}))[0, 5]
    np.testing.assert_allclose(reasons.shares, [[moved]], atol=1e-8)


def test_the_loss_is_its_equation() -> None:
    """Two readers and three hidden stars, with empty places, beside loops."""
    rng = np.random.default_rng(0)
    states, books = rng.normal(size=(4 * 7 + 1, 3)).astype(np.float32), rng.normal(size=(4 + 1, 11)).astype(np.float32)
    keep = rng.integers(0, 2, (2, 3)).astype(bool)
    shown, hidden = {0: [2, 9], 1: [27]}, [(0, 3, 4), (1, 0, 0), (1, 2, 2)]
    places = (np.array([0, 0, 1, 0], np.int32), np.array([2, 9, 27, 29], np.int32), np.array([2, 1], np.float32))
    asked = (np.array([0, 1, 1, 0], np.int32), np.array([3, 0, 2, 4], np.int32), np.array([4, 0, 2, 0], np.int32))
    task = Task((1.0, 2.0, 3.0, 4.0, 5.0), (-2.0, -1.0, 0.0, 1.0, 2.0), 0.5, 0.01)
    got, sums = loss(task, (states, books), Batches(*places, *asked, keep))
    lost, squared = 0.0, 0.0
    for who, book, value in hidden:
        h = np.tanh(states[-1] + states[shown[who]].sum(axis=0) / np.sqrt(len(shown[who]) + 1)) * keep[who] / 0.5
        own = books[book] + books[-1]
        logits = own[6:] + np.arange(-2, 3) * (own[:3] @ h) - np.arange(-2, 3) ** 2 / 2 * (own[3:6] @ h)
        chance = np.exp(logits) / np.exp(logits).sum()
        lost -= np.log(chance[value])
        squared += (chance @ np.arange(1, 6) - value - 1) ** 2
    decay = 0.01 * ((states[:-1] ** 2).sum() + (books[:-1] ** 2).sum())
    np.testing.assert_allclose(float(got), lost / 3 + decay, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(sums)[[0, 1, 3]], [lost, squared, 3], rtol=1e-5)


def test_an_epoch_shows_or_hides_each_row_of_each_reader(planted: Interactions) -> None:
    config = Autoencoder(factors=2, epochs=2, batch_size=50, held_back=0.3)
    learner = Learner(config, Readers.of(planted), 40, planted.scale, _unscored)
    batches = learner.batches(1)
    shown, hidden = (batches.cell < 40 * 7 + 1).sum(), (batches.book < 40).sum()
    assert learner.n_steps == 6
    assert shown + hidden == len(planted)  # 300 readers, each in one of the six steps
    assert shown == batches.n.sum()
    assert hidden / planted.n_ratings == pytest.approx(0.3, abs=0.03)
    assert batches.value.max() < 5


def _unscored(network: Network) -> None:
    """Nothing is watched."""


def test_it_learns_what_no_line_through_stars_can_tell() -> None:
    """Who gives book 1 its least or its most gives book 2 its most; who gives it the middle gives book 2 its least."""
    rng = np.random.default_rng(0)
    first = rng.choice([1.0, 3.0, 5.0], 600)
    second = np.where(first == 3, 1.0, 5.0)
    rows = pl.DataFrame(
        {
            "user_id": np.repeat(np.arange(600), 2),
            "book_id": np.tile([1, 2], 600),
            "stars": np.column_stack([first, second]).ravel(),
        }
    )
    train, test = split(Interactions.from_frame(rows), "random:0.1", seed=0)
    asked = test.take((test.book_index == 1) & (train.user_ratings()[test.user_index] > 0))

    def error(model: Autoencoder | Bias) -> float:
        stars = model.fit_stars(train).forecast(model.known_readers, asked.user_index, asked.book_index).stars
        return float(np.mean((stars - asked.stars) ** 2))

    assert error(Bias()) > 2.0
    assert error(Autoencoder(factors=8, epochs=20, batch_size=64, held_back=0.5, dropout=0.0, weight_decay=0.1)) < 0.2
