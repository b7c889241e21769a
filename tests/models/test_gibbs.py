"""The draws of Gibbs sampling beside the closed forms they are draws of."""

from __future__ import annotations

import numpy as np
import pytest

from shelfaware.models.gibbs import Prior, Side, conditioned, draw_noise, draw_prior, draw_vectors


def one_owner(n: int, repeats: int, features: int) -> Side:
    """`repeats` owners with the same n rows, on the same n others."""
    owner, other = np.repeat(np.arange(repeats), n), np.tile(np.arange(n), repeats)
    return Side.of(owner, repeats, (other, n), features)


def test_chunks_hold_every_row_once() -> None:
    rng = np.random.default_rng(0)
    owner, other = rng.integers(0, 30, 500), rng.integers(0, 9, 500)
    side = Side.of(owner, 40, (other, 9), 4)
    seen = [(int(w), int(r)) for who, row in side.chunks for w, rs in zip(who, row, strict=True) for r in rs if r < 500]
    assert sorted(seen) == sorted((int(owner[r]), r) for r in range(500))
    assert sorted(int(w) for who, _ in side.chunks for w in who) == list(range(40))
    assert side.other[-1] == 9


@pytest.mark.parametrize("n", [3, 12])
def test_draws_have_the_moments_of_the_posterior(n: int) -> None:
    """Few rows and many: both systems. 40,000 draws; the oracle is the textbook posterior with the bias as a column of ones."""
    rng, repeats, f = np.random.default_rng(1), 40_000, 4
    others = rng.normal(size=(n, f)).astype(np.float32)
    stars, noise = rng.normal(size=n), rng.uniform(0.3, 1.5, n)
    root = np.tril(rng.normal(size=(f, f)) * 0.3) + np.eye(f)
    mean = rng.normal(size=f)
    rows = tuple(np.tile(x, repeats).astype(np.float32) for x in (stars, noise))
    got = draw_vectors(one_owner(n, repeats, f), others, (rows[0], rows[1]), Prior(mean, root), rng)
    x = np.column_stack([others[:, :-1], np.ones(n)])
    covariance = np.linalg.inv(np.linalg.inv(root @ root.T) + x.T @ (x / noise[:, None]))
    expected = covariance @ (np.linalg.solve(root @ root.T, mean) + x.T @ (stars / noise))
    np.testing.assert_allclose(got.mean(axis=0), expected, atol=5 * np.sqrt(covariance.max() / repeats))
    np.testing.assert_allclose(np.cov(got.T), covariance, atol=0.04)


def test_conditioned_is_ridge_regression() -> None:
    rng = np.random.default_rng(2)
    n, f, strength = 9, 5, 3.0
    features = rng.normal(size=(n, f)).astype(np.float32)
    target = rng.normal(size=n).astype(np.float32)
    side = one_owner(n, 2, f)
    rows = np.append(np.tile(target, 2), 0).astype(np.float32), np.append(np.full(2 * n, strength), 1).astype(np.float32)
    got = conditioned(side, np.vstack([features, np.zeros(f, np.float32)]), rows, np.zeros((2, f), np.float32))
    wanted = np.linalg.solve(features.T @ features + strength * np.eye(f), features.T @ target)
    np.testing.assert_allclose(got, [wanted, wanted], atol=1e-5)


def test_a_prior_comes_near_to_what_the_vectors_were_drawn_from() -> None:
    rng = np.random.default_rng(3)
    root = np.array([[1.0, 0.0], [-0.8, 0.3]])
    vectors = np.array([2.0, -1.0]) + rng.normal(size=(20_000, 2)) @ root.T
    columns = np.append(vectors, np.ones((20_000, 1)), axis=1)
    prior = draw_prior(columns.T @ columns, 20_000, np.array([0.1, 0.2]), rng)
    np.testing.assert_allclose(prior.mean, [2.0, -1.0], atol=0.05)
    np.testing.assert_allclose(prior.root, root, atol=0.05)


@pytest.mark.parametrize(("spread", "within"), [(0.0, 0.1), (0.7, 0.4)])
def test_noise_is_pooled_as_far_as_books_are_alike(spread: float, within: float) -> None:
    """8 ratings a book: where all are as noisy, the draws hardly differ; where they are not, they follow the truth."""
    rng = np.random.default_rng(4)
    truth = 0.5 * np.exp(spread * rng.normal(size=3000))
    n = np.full(3000, 8.0)
    squares = truth * rng.chisquare(8, 3000)
    level = 1.0
    for _ in range(30):
        noise, level = draw_noise(squares, n, level, rng)
    assert level == pytest.approx(0.5, abs=0.1)
    assert np.std(np.log(noise)) == pytest.approx(spread, abs=within)
    assert spread == 0 or np.corrcoef(np.log(noise), np.log(truth))[0, 1] > 0.5
