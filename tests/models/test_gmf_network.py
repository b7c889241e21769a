"""GMF's network beside Keras, finite differences, and the fate of dead draws."""

from __future__ import annotations

import os
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split
from shelfaware.models import gmf_network
from shelfaware.models.gmf import GMF, DeadNetworkError
from shelfaware.models.gmf_network import GMFLearner, Network, Ratings, Task, batch_loss, run_steps, step
from shelfaware.models.readers import Readers
from shelfaware.training import adam
from shelfaware.training.history import Scores

NOTHING = 1e-30
"""A share of the learning rate at which no float32 parameter moves."""


def ratings_of(data: Interactions) -> Ratings:
    rated = data.ratings()
    return Ratings(rated.user_index, rated.book_index, rated.stars)


def learner(data: Interactions, model: GMF) -> GMFLearner:
    nothing = data.take(np.zeros(len(data), bool))
    return GMFLearner(model, ratings_of(data), ratings_of(nothing), data.n_users, data.n_books)


def test_a_hundred_steps_of_keras(planted: Interactions) -> None:
    """Same initial weights, same batches, no dropout: the same losses. Batches repeat users and books."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    ours = learner(planted, replace(GMF.notebook(factors=9, seed=2), dropout=0.0))
    network, (_, batches, mask) = ours.start(0), ours.batches(0, 0)
    head = np.asarray(network.head.value[0])
    user, book = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    tables = [keras.layers.Embedding(n, 9) for n in (planted.n_users, planted.n_books)]
    hidden = keras.layers.Dense(1, activation="relu")
    last = keras.layers.Dense(1)
    product = keras.layers.Flatten()(keras.layers.Multiply()([tables[0](user), tables[1](book)]))
    model = keras.Model([user, book], last(hidden(product)))
    tables[0].set_weights([network.users.value])
    tables[1].set_weights([network.books.value])
    hidden.set_weights([head[:9, None], head[9:10]])
    last.set_weights([head[10:11, None], head[11:]])
    model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mse")

    one_step = jax.jit(step, static_argnums=0)
    rates = adam.rates_of(np.full(100, 3e-3))
    for i in range(100):
        k = i % (ours.n_steps - 1)  # the last batch is padded
        batch = Ratings(*(part[k] for part in batches))
        assert len(np.unique(batch.book)) < len(batch.book)
        network, sums = one_step(ours.task, rates, network, (jnp.int32(i + 1), batch, mask[k]))
        keras_loss = model.train_on_batch([batch.user[:, None], batch.book[:, None]], batch.stars[:, None])
        assert float(sums[0]) / 32 == pytest.approx(float(keras_loss), rel=1e-5)
    assert float(keras_loss) < 9  # and it has learned something on the way, from 13
    books = adam.catch_up(network.books, jnp.int32(100), rates).value
    np.testing.assert_allclose(books, np.asarray(tables[1].embeddings.value), atol=1e-4)


@pytest.mark.parametrize("biases", [True, False])
def test_the_gradient_is_that_of_finite_differences(biases: bool) -> None:
    task, rng = Task(biases, 0.2, 0.1), np.random.default_rng(1)
    width = 4 if biases else 3
    with jax.enable_x64(True):
        rows = (rng.normal(size=(5, width)), rng.normal(size=(5, width)), rng.uniform(0.5, 1.0, (1, 6)))
        stars, mask = np.array([1.0, 4, 5, 2, np.nan]), (rng.random((5, 3)) < 0.8) / 0.8

        def loss(*values: np.ndarray) -> float:
            return float(batch_loss(task, values, stars, mask)[0])

        gradient = jax.grad(lambda values: batch_loss(task, values, stars, mask)[0])(tuple(map(jnp.asarray, rows)))
        for part, values in enumerate(rows):
            for place in np.ndindex(values.shape):
                ends = []
                for move in (1e-6, -1e-6):
                    moved = [x.copy() for x in rows]
                    moved[part][place] += move
                    ends.append(loss(*moved))
                assert float(gradient[part][place]) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6, abs=1e-8)
        assert not np.asarray(gradient[0][4]).any()  # padding
        assert np.asarray(gradient[0][:4]).all(axis=1).any()


def test_the_decay_cannot_be_evaded() -> None:
    """u, v scaled by c and w by 1 / c^2 is the same network, and costs the same."""
    task, rng = Task(True, 0.0, 0.3), np.random.default_rng(2)
    users, books, head = rng.normal(size=(6, 5)), rng.normal(size=(6, 5)), rng.uniform(0.5, 1.5, (1, 7))
    stars, mask = rng.integers(1, 6, 6).astype(float), np.ones((6, 4))
    with jax.enable_x64(True):
        before, error = batch_loss(task, (users, books, head), stars, mask)
        scaled_users, scaled_books, scaled_head = users.copy(), books.copy(), head.copy()
        scaled_users[:, :4] *= 3
        scaled_books[:, :4] *= 3
        scaled_head[0, :4] /= 9
        after, same_error = batch_loss(task, (scaled_users, scaled_books, scaled_head), stars, mask)
        undecayed = batch_loss(task._replace(weight_decay=0.0), (users, books, head), stars, mask)[0]
    np.testing.assert_allclose(error, same_error, rtol=1e-12)
    assert float(after) == pytest.approx(float(before), rel=1e-12)
    w, a = head[0, :4], head[0, 5]
    decay = np.abs(a) * ((users[:, :4] ** 2 + books[:, :4] ** 2) @ w) + users[:, 4] ** 2 + books[:, 4] ** 2
    assert float(before - undecayed) == pytest.approx(0.3 * decay.mean(), rel=1e-12)


def test_dropout_keeps_four_of_five_and_the_mean(planted: Interactions) -> None:
    ours = learner(planted, GMF.notebook(factors=50))
    _, _, mask = ours.batches(0, 0)
    assert mask.shape == (ours.n_steps, 32, 50)
    n = mask.size
    assert abs(mask.mean() - 0.8) < 4 * (0.16 / n) ** 0.5
    assert (mask != ours.batches(1, 0)[2]).any()
    np.testing.assert_array_equal(mask, ours.batches(0, 0)[2])
    # The hidden sum is linear in the mask over keep, so dropout leaves its mean: a head of 1s on products of 1.
    kept = (mask / 0.8).sum(-1)
    assert abs(kept.mean() - 50) < 4 * (50 * 0.25 / kept.size) ** 0.5
    assert learner(planted, GMF(dropout=0.0)).batches(0, 0)[2].all()
    assert abs(learner(planted, GMF(dropout=0.35)).batches(0, 0)[2].mean() - 0.65) < 0.01


def test_an_epoch_has_every_rating_once_and_reports_the_mean_over_ratings(planted: Interactions) -> None:
    """Where nothing moves, the epoch's loss is the plain mean over all ratings, those of the short last batch too."""
    ours = learner(planted, replace(GMF.notebook(factors=4), dropout=0.0))
    numbers, batches, _ = ours.batches(2, 0)
    real = ~np.isnan(batches.stars)
    assert real[:-1].all()
    assert real[-1].sum() == ours.n % 32 != 0
    order = np.lexsort((batches.book[real], batches.user[real]))
    for mine, theirs in zip(batches, ours.train, strict=True):
        np.testing.assert_array_equal(mine[real][order], theirs)
    assert numbers.tolist() == list(range(2 * ours.n_steps + 1, 3 * ours.n_steps + 1))
    assert (batches.user != ours.batches(3, 0)[1].user).any()

    state, sums = ours.train_leg(ours.start(0), 0, 0, NOTHING)
    scores = Scores.of_sums(sums)
    users, books, head = (np.asarray(t.value, np.float64) for t in state)
    w, (c, a, d) = head[0, :-3], head[0, -3:]
    hidden = np.maximum((users[ours.train.user] * books[ours.train.book]) @ w + c, 0)
    error = a * hidden + d - ours.train.stars
    assert scores.mse == pytest.approx(np.mean(error**2), rel=1e-5)
    assert scores.loss == pytest.approx(np.mean(error**2), rel=1e-5)
    assert scores.mae == pytest.approx(np.mean(np.abs(error)), rel=1e-5)


def test_an_epoch_in_legs_holds_every_row_once(planted: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Legs follow each other by step, have masks of their own, and learn what an epoch at once learns, but for those."""
    whole = learner(planted, GMF(factors=4, batch_size=32, epochs=2))
    monkeypatch.setattr(gmf_network, "MOST_CELLS", 32 * 4 * 20)
    ours = learner(planted, GMF(factors=4, batch_size=32, epochs=2))
    assert ours.legs == -(-ours.n_steps // 20) > 2
    legs = [ours.batches(1, leg) for leg in range(ours.legs)]
    assert np.concatenate([numbers for numbers, _, _ in legs]).tolist() == whole.batches(1, 0)[0].tolist()
    users, books, stars = (np.concatenate([rows[i].ravel() for _, rows, _ in legs]) for i in range(3))
    real = ~np.isnan(stars)
    np.testing.assert_array_equal(users[real], whole.batches(1, 0)[1].user.ravel()[: real.sum()])
    assert len({*zip(users[real].tolist(), books[real].tolist(), strict=True)}) == real.sum() == ours.n
    assert (legs[0][2] != legs[1][2]).any()
    plain, in_legs = (GMF(factors=4, batch_size=32, epochs=2, dropout=0.0) for _ in range(2))
    monkeypatch.undo()
    one = plain.fit(planted)
    monkeypatch.setattr(gmf_network, "MOST_CELLS", 32 * 4 * 20)
    other = in_legs.fit(planted)
    assert other.history.loss == pytest.approx(one.history.loss, rel=1e-5)
    for name, array in one.arrays.items():
        np.testing.assert_allclose(other.arrays[name], array, atol=1e-5)


def test_padding_changes_nothing(planted: Interactions) -> None:
    """An epoch of one batch with 100 places to spare moves the tables as the batch without them does."""
    ours = learner(planted, GMF(factors=3, dropout=0.0))
    rates = adam.rates_of(np.full(1, 1e-2))
    full = Ratings(*(part[:50][None] for part in ours.train))
    spare = Ratings(*(np.resize(part[:50], 150)[None] for part in ours.train))
    spare.stars[0, 50:] = np.nan
    ones = [np.ones((1, n, 1), bool) for n in (50, 150)]
    ends = [
        run_steps(ours.task, rates, ours.start(0), (np.array([1], np.int32), rows, mask))
        for rows, mask in zip((full, spare), ones, strict=True)
    ]
    for one, other in zip(jax.tree.leaves(ends[0]), jax.tree.leaves(ends[1]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_the_living_start(planted: Interactions) -> None:
    ours = learner(planted, GMF(factors=8))
    state = ours.start(0)
    assert not ours.is_dead(state)
    mean = float(np.mean(ours.train.stars))
    assert np.asarray(state.head.value)[0].tolist() == pytest.approx([1.0] * 8 + [1.0, 1.0, mean - 1.0])
    assert not ours.is_dead(ours.start(1))
    assert (np.asarray(ours.start(1).users.value) != np.asarray(state.users.value)).any()
    assert Scores.of_sums(ours.train_leg(state, 0, 0, NOTHING)[1]).mse == pytest.approx(np.var(ours.train.stars), rel=0.05)


def killed(network: Network) -> Network:
    """The same network with a relu that is 0 for every pair."""
    head = network.head.value.at[0, -3].set(-1e3)
    return network._replace(head=network.head._replace(value=head))


def test_a_dead_network_is_seen_and_never_returned(planted: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = learner(planted, GMF.notebook(factors=4))
    assert ours.is_dead(killed(ours.start(0)))
    assert not ours.is_dead(ours.start(0)._replace(head=adam.rows_of(jnp.full((1, 7), 1.0))))

    alive = GMFLearner.start
    monkeypatch.setattr(GMFLearner, "start", lambda self, draw: killed(alive(self, draw)) if draw < 2 else alive(self, draw))
    tiny = GMF(factors=4, epochs=2)
    assert tiny.fit(planted).history.redraws == 2
    with pytest.raises(DeadNetworkError, match="died in each of 2 draws") as caught:
        GMF(factors=4, epochs=2, max_redraws=1).fit(planted)
    assert caught.value.history.redraws == 1
    assert np.std(caught.value.arrays["head"][:-3]) >= 0
    with pytest.raises(DeadNetworkError, match="died in each of 1 draws"):
        GMF(factors=4, epochs=2, max_redraws=0).fit(planted)


def test_no_seed_returns_a_dead_network(planted_split: Split) -> None:
    """The original's settings, of which nearly half of the draws die."""
    train, _ = planted_split
    redraws = []
    for seed in range(20):
        model = replace(GMF.notebook(factors=6, seed=seed), epochs=2).fit(train)
        assert np.std(model.expect(Readers.of(train))) > 1e-3
        redraws.append(model.history.redraws)
    assert any(redraws)


def ids(data: Interactions) -> tuple[list[int], list[int]]:
    users, books = data.users.ids.to_numpy(), data.books.ids.ids.to_numpy()
    return users[data.user_index].tolist(), books[data.book_index].tolist()


def test_the_default_beats_the_original(planted_split: Split) -> None:
    train, test = planted_split
    errors = {}
    for name, model in (("default", GMF(factors=8)), ("notebook", GMF.notebook(factors=8))):
        errors[name] = np.mean((model.fit(train).predict(*ids(test)) - test.stars) ** 2)
    assert errors["default"] < errors["notebook"]


def test_a_step_copies_no_table(planted: Interactions) -> None:
    """It would cost more the more users there are, unseen: of 679,000 users `last` alone took three times the step."""
    model, n = GMF.notebook(factors=5), 1_003
    rows = ratings_of(planted)
    ours = GMFLearner(model, rows, rows, n, n)
    rates = adam.rates_of(np.full(model.epochs * ours.n_steps, 1e-3))
    compiled = run_steps.lower(ours.task, rates, ours.start(0), ours.batches(0, 0)).compile().as_text()
    assert f"[{n},5]" in compiled
    assert [line for line in compiled.splitlines() if f"[{n}" in line and " copy(" in line] == []
