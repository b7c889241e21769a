"""Packing: who is in the blocks of an epoch, whole and apart."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shelfaware.training.packing import EMPTY, Blocks, Packing

counts = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40)
PLACES = (6, 5)


def packing(ratings: list[int], others: list[int], places: tuple[int, int] = PLACES, seed: int = 0) -> Packing:
    """Users of `ratings` rows with and `others` without a rating, in mixed order."""
    user, rated = rows_of(ratings, others)
    return Packing(user, rated, places, seed)


def rows_of(ratings: list[int], others: list[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    rng = np.random.default_rng(5)
    user = np.repeat(np.arange(len(ratings)), np.add(ratings, others))
    rated = [rng.permutation(np.arange(n + m) < n) for n, m in zip(ratings, others, strict=True)]
    return user, np.concatenate(rated).astype(bool)


def rows_by_owner(blocks: Blocks, user: NDArray[np.int64]) -> dict[tuple[int, int], tuple[int, list[int]]]:
    """(block, owner) -> (user, rows); fails where a block mixes users under one owner."""
    found: dict[tuple[int, int], tuple[int, list[int]]] = {}
    for block in range(len(blocks.row)):
        for owner in set(blocks.owner[block].tolist()) - {EMPTY}:
            rows = blocks.row[block][blocks.owner[block] == owner]
            assert len(set(user[rows].tolist())) == 1
            found[block, owner] = (int(user[rows[0]]), rows.tolist())
    return found


@given(counts, st.integers(0, 5), st.integers(0, 3))
def test_every_user_is_in_one_block_whole_and_apart(sizes: list[tuple[int, int]], epoch: int, seed: int) -> None:
    ratings, others = [n for n, _ in sizes], [m for _, m in sizes]
    user, rated = rows_of(ratings, others)
    packed = packing(ratings, others, seed=seed)
    of_ratings, of_others = packed.epoch(epoch, packed.n_blocks + 2)
    for blocks, places in zip((of_ratings, of_others), PLACES, strict=True):
        assert blocks.row.shape == blocks.owner.shape == (packed.n_blocks + 2, places)
        np.testing.assert_array_equal(blocks.row == EMPTY, blocks.owner == EMPTY)
    first, second = rows_by_owner(of_ratings, user), rows_by_owner(of_others, user)
    assert sorted(one for one, _ in first.values()) == [u for u, n in enumerate(ratings) if n > 1]
    for one, rows in first.values():
        assert len(set(rows)) == len(rows) == min(ratings[one], PLACES[0])
        assert rated[rows].all()
    for where, (one, rows) in second.items():
        assert first[where][0] == one
        assert len(set(rows) - set(first[where][1])) == len(rows)
    for block in range(packed.n_blocks):
        here = [one for (b, _), (one, _) in first.items() if b == block]
        left = sum(ratings[one] + others[one] - min(ratings[one], PLACES[0]) for one in here)
        assert (of_others.row[block] != EMPTY).sum() == min(left, PLACES[1])


def test_blocks_by_hand() -> None:
    """Of 6 places: 6, 4 + 2, 4 + 2, 3 + 3, and 5 alone, largest first."""
    packed = packing([2, 4, 9, 3, 5, 2, 4, 3, 1], [0] * 9)
    assert packed.n_blocks == 5
    users = rows_of([2, 4, 9, 3, 5, 2, 4, 3, 1], [0] * 9)[0]
    rated, _ = packed.epoch(0, 5)
    sizes = sorted(sorted(np.unique(users[row[row != EMPTY]], return_counts=True)[1].tolist()) for row in rated.row)
    assert sizes == [[2, 4], [2, 4], [3, 3], [5], [6]]


def test_the_same_seed_and_epoch_give_the_same_blocks() -> None:
    rng = np.random.default_rng(0)
    ratings, others = rng.integers(0, 12, 200).tolist(), rng.integers(0, 20, 200).tolist()
    first = packing(ratings, others).epoch(3, 300)
    for one, other in zip(first, packing(ratings, others).epoch(3, 300), strict=True):
        np.testing.assert_array_equal(one.row, other.row)
        np.testing.assert_array_equal(one.owner, other.owner)
    assert (packing(ratings, others).epoch(4, 300)[0].row != first[0].row).any()
    assert (packing(ratings, others, seed=1).epoch(3, 300)[0].row != first[0].row).any()


@given(counts, st.integers(0, 2), st.sets(st.integers(0, 45)))
def test_the_blocks_that_are_wanted_are_those_of_all(sizes: list[tuple[int, int]], epoch: int, chosen: set[int]) -> None:
    packed = packing([n for n, _ in sizes], [m for _, m in sizes])
    every = packed.n_blocks + 3
    wanted = np.array(sorted(i for i in chosen if i < every), np.int64)
    for some, whole in zip(packed.epoch(epoch, every, wanted), packed.epoch(epoch, every), strict=True):
        np.testing.assert_array_equal(some.row, whole.row[wanted])
        np.testing.assert_array_equal(some.owner, whole.owner[wanted])


def test_who_shares_a_block_and_where_it_stands_changes_each_epoch() -> None:
    ratings = [3] * 40
    packed, (user, _) = packing(ratings, [0] * 40), rows_of(ratings, [0] * 40)
    pairs = [{frozenset(user[row].tolist()) for row in packed.epoch(epoch, 20)[0].row} for epoch in range(3)]
    assert len(set.union(*pairs)) > 50
    assert len({tuple(user[packed.epoch(epoch, 20)[0].row[0]].tolist()) for epoch in range(5)}) > 3


def test_a_heavy_user_gives_another_part_each_epoch() -> None:
    packed, (_, rated) = packing([100, 2], [50, 0], places=(10, 20)), rows_of([100, 2], [50, 0])
    parts = [packed.epoch(epoch, packed.n_blocks) for epoch in range(40)]
    first = [frozenset(p[0].row[(p[0].row >= 0) & (p[0].row < 150)].tolist()) for p in parts]
    assert all(len(part) == 10 for part in first)
    assert len(set(first)) == 40
    # Ten of 100 in each of 40 epochs: a row is missed by all with probability .9^40 = 1.5 %.
    assert len(frozenset.union(*first)) > 90
    others = [p[1].row[p[1].row >= 0] for p in parts]
    assert len({frozenset(rows.tolist()) for rows in others}) == 40
    # 20 of 140 others, 90 of them rated: the share of those has a standard error of 1.6 %.
    assert abs(np.mean([rated[rows].mean() for rows in others]) - 90 / 140) < 0.06


def test_every_row_of_a_heavy_user_is_drawn_alike() -> None:
    packed = packing([40], [0], places=(10, 5))
    drawn = np.bincount(np.concatenate([packed.epoch(epoch, 1)[0].row[0] for epoch in range(2000)]), minlength=40)
    assert drawn.sum() == 20_000
    assert np.abs(drawn - 500).max() < 5 * np.sqrt(2000 * 0.25 * 0.75)


def test_nobody_waits_and_few_places_are_empty() -> None:
    """Counts as people have them: log-normal, some with more than a block."""
    rng = np.random.default_rng(1)
    ratings = np.clip(np.exp(rng.normal(1.9, 1.0, 8000)), 1, 400).astype(int)
    packed = packing(ratings.tolist(), rng.poisson(0.5 * ratings).tolist(), places=(64, 64))
    for epoch in range(3):
        rated = packed.epoch(epoch, packed.n_blocks)[0]
        assert (rated.row != EMPTY).sum() == np.minimum(ratings, 64)[ratings > 1].sum()
        assert (rated.row == EMPTY).mean() < 0.01


def test_nobody_to_pack() -> None:
    packed = packing([1, 0], [3, 0])
    assert packed.n_blocks == 0
    assert packed.epoch(0, 2)[0].row.tolist() == [[EMPTY] * 6] * 2
