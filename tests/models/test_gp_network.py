"""The GP's objective: its closed-form gradient beside autodiff, leave-one-out by brute force, priors by plain loops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from shelfaware.data.interactions import Interactions
from shelfaware.models import gp_network
from shelfaware.models.gp import GP
from shelfaware.models.gp_batches import Batch, Batches
from shelfaware.models.gp_learner import GPLearner
from shelfaware.models.gp_likelihood import SWEPT, inverse
from shelfaware.models.gp_network import Task, batch_loss
from shelfaware.models.readers import Readers
from shelfaware.training import adam
from shelfaware.training.history import Scores

Floats = NDArray[np.float64]
K = 3
WIDTH = K + 2 + 2 * (K + 1)
NO_PRIORS = Task(0.0, 1e12, 1e12, 1e12, 1e12)
SCALARS = np.log([[0.5, 0.6]])
EMPTY_PLACE = -1
compiled_loss = jax.jit(batch_loss)

User = tuple[list[int], list[float], list[tuple[int, int]]]
"""Rated books, their stars, and shelf rows (book, state)."""
USERS: list[User] = [
    ([0, 2, 5], [5.0, 3.0, 1.0], [(0, 0), (2, 0), (5, 0), (6, 1)]),
    ([1, 2], [4.0, 4.0], [(1, 0), (2, 0)]),
    ([3, 4, 5, 6], [2.0, 5.0, 3.0, 1.0], [(0, 1), (1, 1), (3, 0), (4, 0), (5, 0), (6, 0)]),
]


def table(seed: int = 0) -> Floats:
    value = 0.4 * np.random.default_rng(seed).normal(size=(7, WIDTH))
    value[:, K] += 3.5
    return value


def packed(users: list[User], places: tuple[int, int] = (12, 16)) -> Batch:
    """All users in one block, one after another; the books of the batch are the whole table. Rated books are read."""
    rated = [
        (b, stars, owner)
        for owner, (books, all_stars, _) in enumerate(users)
        for b, stars in zip(books, all_stars, strict=True)
    ]
    shelved = [
        (book, state, owner) for owner, (books, _, shelf) in enumerate(users) for book, state in shelf if book not in books
    ]

    def filled(values: list[Any], n: int, empty: float) -> NDArray[Any]:
        return np.array([values + [empty] * (n - len(values))])

    n, m = places
    return Batch(
        np.arange(7),
        np.full(7, 2.0),
        np.full(7, 3.0),
        filled([book for book, _, _ in rated], n, EMPTY_PLACE),
        filled([stars for _, stars, _ in rated], n, 0.0),
        filled([owner for _, _, owner in rated], n, EMPTY_PLACE),
        filled([book for book, _, _ in shelved], m, EMPTY_PLACE),
        filled([state for _, state, _ in shelved], m, 0),
        filled([owner for _, _, owner in shelved], m, -2),
    )


def loss_of(users: list[User], task: Task = NO_PRIORS, places: tuple[int, int] = (12, 16)) -> tuple[float, Floats]:
    with jax.enable_x64(True):
        loss, sums = compiled_loss(task, jnp.float64(3.5), (jnp.asarray(table()), jnp.asarray(SCALARS)), packed(users, places))
        return float(loss), np.asarray(sums)


def plain_prior(user: User, book: int, value: Floats, left_out: int = EMPTY_PLACE) -> float:
    others = [(b, state) for b, state in user[2] if b not in (book, left_out)]
    y = value[:, K + 2 :].reshape(7, 2, K + 1)
    total = sum(float(value[book, :K] @ y[b, state, :K] + y[b, state, K]) for b, state in others)
    return total / len(others) ** 0.5 if others else 0.0


def left_out_by_refit(user: User, value: Floats) -> tuple[Floats, Floats]:
    """Residual and variance of each rating by the posterior of the others, as if its book were on no shelf either."""
    books, stars, _ = user
    q, mu = value[books, :K], value[books, K]
    noise = np.exp(2 * (SCALARS[0, 1] + value[books, K + 1]))
    kernel = q @ q.T + np.exp(2 * SCALARS[0, 0])
    residual, variance = np.empty(len(books)), np.empty(len(books))
    for i in range(len(books)):
        rest = np.arange(len(books)) != i
        y = np.array(stars) - mu - [plain_prior(user, b, value, books[i]) for b in books]
        weights = np.linalg.solve(kernel[np.ix_(rest, rest)] + np.diag(noise[rest]), kernel[rest, i])
        residual[i] = y[i] - weights @ y[rest]
        variance[i] = kernel[i, i] + noise[i] - weights @ kernel[rest, i]
    return residual, variance


def test_the_loss_is_the_left_out_likelihood() -> None:
    residuals, variances = (np.concatenate(x) for x in zip(*(left_out_by_refit(user, table()) for user in USERS), strict=True))
    loss, sums = loss_of(USERS)
    assert loss == pytest.approx(np.mean(0.5 * (residuals**2 / variances + np.log(variances))), rel=1e-10)
    np.testing.assert_allclose(sums, [9, np.sum(residuals**2), np.sum(np.abs(residuals))], rtol=1e-6)


def test_packed_users_do_not_see_each_other() -> None:
    sizes = [len(user[0]) for user in USERS]
    alone = sum(n * loss_of([user])[0] for n, user in zip(sizes, USERS, strict=True))
    assert loss_of(USERS)[0] * sum(sizes) == pytest.approx(alone, rel=1e-12)
    assert loss_of(USERS[::-1])[0] == pytest.approx(loss_of(USERS)[0], rel=1e-12)


def test_padding_changes_nothing() -> None:
    task = Task(0.1, 0.5, 0.6, 0.7, 0.8)
    assert loss_of(USERS, task, (9, 12))[0] == pytest.approx(loss_of(USERS, task, (40, 30))[0], rel=1e-12)
    with jax.enable_x64(True):
        values = (jnp.asarray(table()), jnp.asarray(SCALARS))
        gradient = jax.jit(jax.grad(lambda v, b: batch_loss(task, jnp.float64(3.5), v, b)[0]))
        tight, loose = gradient(values, packed(USERS, (9, 12))), gradient(values, packed(USERS, (40, 30)))
        for one, other in zip(tight, loose, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-14)
        nobody, _ = compiled_loss(task, jnp.float64(3.5), values, packed([]))
        assert float(nobody) == 0.0


def test_the_priors_by_a_plain_loop() -> None:
    """Every rating pays a share 1 / n_j of its book's prior, every shelf row one of its state's."""
    task, value = Task(0.1, 0.5, 0.6, 0.7, 0.8), table()
    paid = 0.0
    for books, _, shelf in USERS:
        for book in books:
            q, mu, log_noise = value[book, :K], value[book, K] - 3.5, value[book, K + 1]
            paid += (q @ q / 0.5**2 + mu**2 / 0.7**2 + log_noise**2 / 0.8**2) / 2 / 2.0 + 0.1 * q @ q
        for book, state in shelf:
            y = value[book, K + 2 :].reshape(2, K + 1)[state]
            paid += y @ y / (2 * 0.6**2) / 3.0
    assert loss_of(USERS, task)[0] - loss_of(USERS)[0] == pytest.approx(paid / 9, rel=1e-9)


def plain_loss(task: Task, center: Any, values: Any, batch: Batch) -> Any:
    """The same loss place by place: every array that the formulas name, LAPACK's inverse, and no gradient of its own."""
    rows, scalars = values
    books, there = gp_network.columns(rows, K), batch.owner >= 0
    place = jnp.maximum(batch.book, 0)
    shelf_book = jnp.concatenate([batch.book, batch.shelf_book], 1)
    shelf_owner = jnp.concatenate([jnp.where(there, batch.owner, -2), batch.shelf_owner], 1)
    state_of = (jnp.maximum(shelf_book, 0), jnp.concatenate([0 * batch.book, batch.shelf_state], 1))
    q, own, y = books.q[place], books.y[place, 0], books.y[state_of]
    mu, log_noise = books.mu[place], books.log_noise[place]
    on = (batch.owner[:, :, None] == shelf_owner[:, None, :]) & (batch.book[:, :, None] != shelf_book[:, None, :])
    total = jnp.einsum("bim,bif,bmf->bi", on, q, y[..., :-1]) + jnp.einsum("bim,bm->bi", on, y[..., -1])
    n = on.sum(-1)
    prior = total / jnp.sqrt(jnp.maximum(n, 1))
    rest = total[:, None, :] - jnp.einsum("bxf,bif->bxi", own[..., :-1], q) - own[..., -1:]
    less = jnp.where(n > 1, jnp.maximum(n - 1, 1), 1)[:, None, :] ** -0.5 * (n > 1)[:, None, :]
    same = (batch.owner[:, :, None] == batch.owner[:, None, :]) & there[:, :, None]
    leaves = same & ~jnp.eye(q.shape[1], dtype=bool)
    gained = jnp.where(leaves, prior[:, None, :] - rest * less, 0.0)
    noise = jnp.where(there, jnp.exp(2 * (scalars[0, 1] + log_noise)), 1.0)
    kernel = (jnp.einsum("bif,bjf->bij", q, q) + jnp.exp(2 * scalars[0, 0])) * same
    A = jnp.linalg.inv(kernel + noise[..., None] * jnp.eye(q.shape[1]))
    left = (batch.stars - mu - prior)[:, None, :] * there[:, None, :] + gained
    alpha, d = jnp.einsum("bxi,bxi->bx", A, left), jnp.diagonal(A, axis1=1, axis2=2)
    paid = 0.5 * jnp.sum(there * (alpha**2 / d - jnp.log(d))) + task.weight_decay * jnp.sum(q**2 * there[..., None])
    paid += jnp.sum(there[..., None] * q**2 / batch.n_ratings[place][..., None]) / (2 * task.vector_deviation**2)
    paid += jnp.sum(there * (mu - center) ** 2 / batch.n_ratings[place]) / (2 * task.mean_deviation**2)
    paid += jnp.sum(there * log_noise**2 / batch.n_ratings[place]) / (2 * task.noise_deviation**2)
    shelved = (shelf_owner >= 0)[..., None]
    paid += jnp.sum(shelved * y**2 / batch.n_shelved[state_of[0]][..., None]) / (2 * task.shelf_deviation**2)
    return paid / there.sum()


compiled_plain_gradient = jax.jit(jax.value_and_grad(plain_loss, argnums=2))
compiled_gradient = jax.jit(jax.value_and_grad(batch_loss, argnums=2, has_aux=True))


@pytest.mark.parametrize("task", [NO_PRIORS, Task(0.1, 0.5, 0.6, 0.7, 0.8)], ids=["likelihood", "with priors"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_gradient_is_autodiff_s(task: Task, seed: int) -> None:
    with jax.enable_x64(True):
        arguments = (jnp.float64(3.5), (jnp.asarray(table(seed)), jnp.asarray(SCALARS)), packed(USERS))
        wanted_loss, wanted = compiled_plain_gradient(task, *arguments)
        (loss, _), gradient = compiled_gradient(task, *arguments)
    assert float(loss) == pytest.approx(float(wanted_loss), rel=1e-12)
    for got, truth in zip(gradient, wanted, strict=True):
        assert np.abs(got - truth).max() <= 1e-11 * np.abs(truth).max()


@pytest.mark.parametrize("n", [1, SWEPT + 1, 45])
@pytest.mark.parametrize(("double", "tolerance"), [(True, 1e-13), (False, 3e-6)])
def test_the_inverse_is_lapack_s(n: int, double: bool, tolerance: float) -> None:
    """Kernels as they occur; users of one block stay exactly apart."""
    q = 0.5 * np.random.default_rng(n).normal(size=(3, n, 8))
    owner = np.arange(n) // 5
    kernel = (q @ np.swapaxes(q, 1, 2) + 0.25) * (owner[:, None] == owner) + 0.36 * np.eye(n)
    with jax.enable_x64(double):
        got = np.asarray(inverse(jnp.asarray(kernel)))
    truth = np.linalg.inv(kernel)
    assert np.abs(got - truth).max() <= tolerance * np.abs(truth).max()
    assert (got[:, owner[:, None] != owner] == 0).all()


def test_float32_gradients_of_the_loss_are_those_of_float64() -> None:
    task, values = Task(0.1, 0.5, 0.6, 0.7, 0.8), (table(), SCALARS)
    gradient = jax.jit(jax.grad(lambda v, b, c: batch_loss(task, c, v, b)[0]))
    single = gradient(tuple(jnp.asarray(x, jnp.float32) for x in values), packed(USERS), jnp.float32(3.5))
    with jax.enable_x64(True):
        double = gradient(tuple(jnp.asarray(x) for x in values), packed(USERS), jnp.float64(3.5))
    for one, other in zip(single, double, strict=True):
        truth = np.asarray(other)
        assert np.abs(np.asarray(one, np.float64) - truth).max() <= 8e-7 * np.abs(truth).max()


@pytest.fixture
def learner(planted: Interactions) -> GPLearner:
    model = GP(factors=K, epochs=3, block_size=16, batch_size=64, shelves=True)
    readers = Readers.of(planted)
    return GPLearner(model, model.decays[0], Batches(model, 40, lambda _: readers), np.full(40, 3.5), 3.5)


def test_batches_hold_the_data(learner: GPLearner, planted: Interactions) -> None:
    batch = learner.batches.steps(1, 0).batch
    step, block, place = np.nonzero(batch.owner >= 0)
    book = batch.rows[step, batch.book[step, block, place]]
    np.testing.assert_array_equal(batch.n_ratings, planted.book_ratings()[batch.rows])
    rows = {tuple(row) for row in zip(planted.book_index[planted.rated], planted.stars[planted.rated], strict=True)}
    assert {tuple(row) for row in zip(book, batch.stars[step, block, place], strict=True)} <= rows
    assert len(book) > 0.9 * np.minimum(planted.user_ratings(), 16).sum()
    for books in batch.rows:
        assert len(set(books.tolist())) == len(books)
    step, block, place = np.nonzero(batch.shelf_owner >= 0)
    book = batch.rows[step, batch.shelf_book[step, block, place]]
    shelved = np.bincount(planted.book_index, minlength=40)
    np.testing.assert_array_equal(batch.n_shelved, shelved[batch.rows])
    shelves = set(zip(planted.book_index.tolist(), planted.shelf.tolist(), strict=True))
    assert set(zip(book.tolist(), batch.shelf_state[step, block, place].tolist(), strict=True)) <= shelves
    assert set(np.unique(batch.shelf_state)) == {0, 1}


def test_rates_rise_for_a_tenth_and_fall_to_nothing(learner: GPLearner) -> None:
    rates = learner.learning_rates()
    n = len(rates)
    assert n == 3 * learner.batches.n_steps
    assert rates.max() <= learner.config.learning_rate
    assert abs(int(np.argmax(rates)) - 0.1 * n) <= 1
    assert (np.diff(rates[: int(0.1 * n)]) > 0).all()
    assert (np.diff(rates[int(0.1 * n) + 1 :]) < 0).all()
    assert rates[-1] < 0.01 * rates.max()
    assert rates[0] < rates.max() / 2


def test_up_to_date_some_rows_at_a_time_is_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty rows, eight at a time: the last eight begin among the ones before."""
    monkeypatch.setattr(gp_network, "ROWS", 8)
    rng, rates = np.random.default_rng(0), adam.rates_of(np.full(30, 1e-2))
    value, moment, square = (jnp.asarray(rng.random((20, 7)), jnp.float32) for _ in range(3))
    books = adam.Rows(value, moment, square, jnp.asarray(rng.integers(0, 25, 20), jnp.int32))
    whole = adam.catch_up(books, jnp.int32(25), rates)
    moved = gp_network.up_to_date(gp_network.Parameters(books, adam.rows_of(jnp.zeros((1, 2)))), jnp.int32(25), rates).books
    for part, other in zip(moved, whole, strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-6)


@pytest.mark.parametrize("n_books", [40, 2_000], ids=["every book in every step", "some of many"])
def test_rows_wait_for_the_last_epoch_where_nothing_is_watched(planted: Interactions, n_books: int) -> None:
    """Watched they are brought up to date after every epoch: by the same law, so the tables are the same."""
    readers = Readers.of(planted)
    spread = replace(readers, book_index=readers.book_index * (n_books // 40))
    model = GP(factors=K, epochs=3, block_size=16, batch_size=64)
    tables = []
    for score in (None, lambda *_: Scores(1.0, 1.0, 1.0)):
        batches = Batches(model, n_books, lambda _: spread)
        assert (batches.steps(0, 0).batch.rows.shape[1] == n_books) == (n_books == 40)
        one = GPLearner(model, model.decays[0], batches, np.full(n_books, 3.5), 3.5, score)
        state = one.start(0)
        for epoch in range(3):
            state, _ = one.train_leg(state, epoch, 0, 1.0)
        assert np.unique(np.asarray(state.books.last)).tolist() == [3 * batches.n_steps]
        tables.append(one.learned(state)[0])
    np.testing.assert_allclose(*tables, atol=1e-5)


def test_a_step_copies_no_table(planted: Interactions) -> None:
    """Where it has some of many books: with millions of them a copy of `last` alone would be felt."""
    readers, n = Readers.of(planted), 2_003
    batches = Batches(GP(factors=K, block_size=16, batch_size=64), n, lambda _: readers)
    ours = GPLearner(batches.config, batches.config.decays[0], batches, np.full(n, 3.5), 3.5)
    rates = adam.rates_of(ours.learning_rates())
    compiled = gp_network._run.lower(ours.task, 3.5, rates, ours.start(0), batches.steps(0, 0)).compile().as_text()
    assert f"[{n},{gp_network.width(K)}]" in compiled
    assert [line for line in compiled.splitlines() if f"[{n}" in line and " copy(" in line] == []


def test_the_rate_grows_with_the_root_of_a_large_step(planted: Interactions) -> None:
    readers = Readers.of(planted)

    def peak(batch_size: int) -> float:
        model = GP(factors=K, epochs=100, batch_size=batch_size, learning_rate=0.01)
        rates = GPLearner(model, model.decays[0], Batches(model, 40, lambda _: readers), np.full(40, 3.5), 3.5).learning_rates()
        return float(rates.max())

    assert [peak(n) for n in (512, 2048, 4 * 2048, 32 * 2048)] == pytest.approx([0.01, 0.01, 0.02, 0.01 * 32**0.5], rel=0.01)
