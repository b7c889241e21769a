"""Packing: who is in the blocks of an epoch, whole and apart."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shelfaware.training.packing import EMPTY, Blocks, Lists, Packing

counts = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40)


def packing(ratings: list[int], shelves: list[int], places: tuple[int, int] = (6, 10), seed: int = 0) -> Packing:
    """Users of `ratings` and `shelves` rows; those with two ratings are packed."""
    lists = tuple(Lists.of(np.repeat(np.arange(len(n)), n).astype(np.int32), len(n)) for n in (ratings, shelves))
    return Packing(lists, places, np.flatnonzero(np.array(ratings) > 1), seed)


def user_of_rows(sizes: list[int]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(sizes)), sizes)


def rows_by_owner(blocks: Blocks, sizes: list[int]) -> dict[tuple[int, int], tuple[int, list[int]]]:
    """(block, owner) -> (user, rows); fails where a block mixes users under one owner."""
    user = user_of_rows(sizes)
    found: dict[tuple[int, int], tuple[int, list[int]]] = {}
    for block in range(len(blocks.row)):
        for owner in set(blocks.owner[block].tolist()) - {EMPTY}:
            rows = blocks.row[block][blocks.owner[block] == owner]
            assert len(set(user[rows].tolist())) == 1
            found[block, owner] = (int(user[rows[0]]), rows.tolist())
    return found


def test_lists_by_hand() -> None:
    lists = Lists.of(np.array([0, 0, 2], np.int32), 4)
    assert lists.start.tolist() == [0, 2, 2, 3]
    assert lists.size.tolist() == [2, 0, 1, 0]


@given(counts, st.integers(0, 5), st.integers(0, 3))
def test_every_user_is_in_one_block_whole_and_apart(sizes: list[tuple[int, int]], epoch: int, seed: int) -> None:
    ratings, shelves = [n for n, _ in sizes], [m for _, m in sizes]
    packed = packing(ratings, shelves, seed=seed)
    rated, shelved = packed.epoch(epoch, max(len(sizes), packed.n_blocks))
    for blocks in (rated, shelved):
        np.testing.assert_array_equal(blocks.row == EMPTY, blocks.owner == EMPTY)
    of_ratings, of_shelves = rows_by_owner(rated, ratings), rows_by_owner(shelved, shelves)
    assert sorted(user for user, _ in of_ratings.values()) == [u for u, n in enumerate(ratings) if n > 1]
    for user, rows in of_ratings.values():
        assert len(set(rows)) == len(rows) == min(ratings[user], 6)
    for where, (user, rows) in of_shelves.items():
        assert of_ratings[where][0] == user
        assert len(set(rows)) == len(rows) == min(shelves[user], 10)
    assert sum(len(rows) for _, rows in of_shelves.values()) == sum(min(m, 10) for n, m in sizes if n > 1)


@given(counts, st.integers(0, 5))
def test_too_few_blocks_make_users_wait_whole(sizes: list[tuple[int, int]], n_blocks: int) -> None:
    ratings, shelves = [n for n, _ in sizes], [m for _, m in sizes]
    rated, shelved = packing(ratings, shelves).epoch(1, n_blocks)
    assert rated.row.shape == (n_blocks, 6)
    assert shelved.row.shape == (n_blocks, 10)
    placed = [user for user, _ in rows_by_owner(rated, ratings).values()]
    assert len(set(placed)) == len(placed)
    for user, rows in rows_by_owner(rated, ratings).values():
        assert len(rows) == min(ratings[user], 6)


def test_first_come_first_placed_by_hand() -> None:
    """Users of 4, 4 and 2 of 6 places: whatever the order, no block holds two of 4."""
    rated, _ = packing([4, 4, 2], [0, 0, 0]).epoch(0, 3)
    users = [set(user_of_rows([4, 4, 2])[row[row != EMPTY]].tolist()) for row in rated.row]
    assert not any({0, 1} <= block for block in users)


def test_the_same_seed_and_epoch_give_the_same_blocks() -> None:
    rng = np.random.default_rng(0)
    ratings, shelves = rng.integers(0, 12, 200).tolist(), rng.integers(0, 20, 200).tolist()
    first = packing(ratings, shelves).epoch(3, 300)
    for one, other in zip(first, packing(ratings, shelves).epoch(3, 300), strict=True):
        np.testing.assert_array_equal(one.row, other.row)
        np.testing.assert_array_equal(one.owner, other.owner)
    assert (packing(ratings, shelves).epoch(4, 300)[0].row != first[0].row).any()
    assert (packing(ratings, shelves, seed=1).epoch(3, 300)[0].row != first[0].row).any()


def test_a_heavy_user_gives_another_part_each_epoch() -> None:
    packed = packing([100, 2], [50, 0], places=(10, 20))
    parts = [packed.epoch(epoch, packed.n_blocks) for epoch in range(40)]
    rated = [frozenset(p[0].row[(p[0].row >= 0) & (p[0].row < 100)].tolist()) for p in parts]
    assert all(len(part) == 10 for part in rated)
    assert len(set(rated)) == 40
    # Ten of 100 in each of 40 epochs: a row is missed by all with probability .9^40 = 1.5 %.
    assert len(frozenset.union(*rated)) > 90
    assert len({frozenset(p[1].row[p[1].row >= 0].tolist()) for p in parts}) == 40


def test_few_users_wait_and_few_places_are_empty() -> None:
    """Counts as people have them: log-normal, some with more than a block."""
    rng = np.random.default_rng(1)
    ratings = np.clip(np.exp(rng.normal(1.9, 1.0, 8000)), 1, 400).astype(int)
    shelves = ratings + rng.poisson(0.5 * ratings)
    packed = packing(ratings.tolist(), shelves.tolist(), places=(64, 128))
    n_blocks, several = packed.n_blocks, int((ratings > 1).sum())
    for epoch in range(5):
        rated = packed.epoch(epoch, n_blocks)[0]
        placed = len(set(user_of_rows(ratings.tolist())[rated.row[rated.row != EMPTY]].tolist()))
        assert several * 0.97 < placed <= several
        assert (rated.row == EMPTY).mean() < 0.25


def test_nobody_to_pack() -> None:
    packed = packing([1, 0], [3, 0])
    assert packed.n_blocks == 0
    assert packed.epoch(0, 2)[0].row.tolist() == [[EMPTY] * 6] * 2
