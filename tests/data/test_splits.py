"""Splits: small cases by hand, the properties of all, and the original draw against NumPy's own."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import folds, split
from shelfaware.errors import DataError

NAMES = ("none", "notebook", "random:0.3", "user:1", "time:0.3")


def made(seed: int, n_users: int = 12, n_books: int = 9) -> Interactions:
    """Half of all pairs, three quarters of them rated, each at a time of its own."""
    random = np.random.default_rng(seed)
    user, book = np.nonzero(random.random((n_users, n_books)) < 0.5)
    n = len(user)
    stars = pl.Series(random.integers(1, 6, n)).set(pl.Series(random.random(n) < 0.25), None)
    seconds = random.permutation(n)
    rows = {
        "user_id": user + 100,
        "book_id": book + 500,
        "stars": stars,
        "shelf": np.where(random.random(n) < 0.5, "read", "to_read"),
        "time": [datetime(2020, 1, 1) + timedelta(seconds=int(one)) for one in seconds],
    }
    return Interactions.from_frame(pl.DataFrame(rows))


def keys(data: Interactions) -> set[int]:
    return set(data.pair_keys.tolist())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), name=st.sampled_from(NAMES))
def test_held_out_are_ratings_and_nothing_is_on_both_sides(seed: int, name: str) -> None:
    data = made(seed)
    train, test = split(data, name, seed=seed)
    assert test.rated.all()
    assert not keys(train) & keys(test)
    assert keys(train) | keys(test) <= keys(data)
    if not name.startswith("time"):
        assert keys(train) | keys(test) == keys(data)
    assert (train.n_users, train.n_books) == (test.n_users, test.n_books) == (data.n_users, data.n_books)
    again = split(data, name, seed=seed)
    assert (again[0].fingerprint, again[1].fingerprint) == (train.fingerprint, test.fingerprint)


@pytest.mark.parametrize("name", ["random:0.3", "user:1"])
def test_the_seed_decides(name: str) -> None:
    data = made(0)
    assert len({frozenset(keys(split(data, name, seed=seed)[1])) for seed in range(8)}) == 8


@pytest.mark.parametrize("name", NAMES)
def test_other_names_for_the_same_ids_change_nothing(name: str) -> None:
    """Ids renamed in the same order."""
    data = made(3)
    rows = data.to_frame().select(
        (pl.lit("u") + (pl.col("user_index") + 1000).cast(pl.String)).alias("user_id"),
        (pl.col("book_index") * 7).alias("book_id"),
        "stars",
        "shelf",
        "time",
    )
    renamed = Interactions.from_frame(rows)
    assert keys(split(renamed, name, seed=5)[1]) == keys(split(data, name, seed=5)[1])


def test_none_holds_nothing() -> None:
    data = made(1)
    train, test = split(data, "none")
    assert (len(train), len(test)) == (len(data), 0)


def test_the_notebooks_draw_is_numpys_over_the_dense_matrix() -> None:
    data = made(4, 40, 30)
    dense = np.zeros((data.n_users, data.n_books))
    dense[data.user_index[data.rated], data.book_index[data.rated]] = data.stars[data.rated]
    cells = np.nonzero(dense.flatten())[0]
    expected = np.random.RandomState(0).choice(cells, int(0.1 * len(cells)), replace=False)
    assert len(expected) > 30
    for seed in (0, 1):
        assert split(data, "notebook", seed=seed)[1].pair_keys.tolist() == sorted(expected)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.9])
def test_random_share(share: float) -> None:
    data = made(5)
    assert len(split(data, f"random:{share}")[1]) == int(share * data.n_ratings)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_ratings_per_user(count: int) -> None:
    data = made(6)
    before, held = data.user_ratings(), split(data, f"user:{count}")[1].user_ratings()
    assert held.tolist() == [count if n > count else 0 for n in before]


def test_each_rating_of_a_user_can_be_held_out() -> None:
    rows = pl.DataFrame({"user_id": [1] * 4, "book_id": [1, 2, 3, 4], "stars": [5.0] * 4})
    data = Interactions.from_frame(rows)
    assert {int(split(data, "user:1", seed=seed)[1].book_index[0]) for seed in range(60)} == {0, 1, 2, 3}


def test_time_by_hand() -> None:
    """Days 1, 2, 3, 4 rated, the later half held out; shelves of day 3 and later leave, earlier and undated ones stay."""
    days = {1: 5.0, 2: 4.0, 3: 3.0, 4: 2.0, 5: None, 6: None, 7: None}
    at = [4, 1, 3, 2, 3, 1, None]
    rows = pl.DataFrame(
        {
            "user_id": [1] * 7,
            "book_id": list(days),
            "stars": list(days.values()),
            "time": [day and datetime(2020, 1, day) for day in at],
        }
    )
    train, test = split(Interactions.from_frame(rows), "time:0.5")
    assert (test.book_index + 1).tolist() == [1, 3]
    assert (train.book_index + 1).tolist() == [2, 4, 6, 7]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_time_order(seed: int) -> None:
    train, test = split(made(seed), "time:0.3")
    assert train.time is not None
    assert test.time is not None
    assert len(test)
    assert train.time.max() < test.time.min()


def test_time_needs_times() -> None:
    rows = pl.DataFrame({"user_id": [1, 1], "book_id": [1, 2], "stars": [5.0, 4.0], "time": [datetime(2020, 1, 1), None]})
    for some in (rows, rows.drop("time")):
        with pytest.raises(DataError, match="needs a time for every rating"):
            split(Interactions.from_frame(some), "time:0.5")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(2, 7))
def test_folds_hold_every_rating_out_once(seed: int, k: int) -> None:
    data = made(seed)
    held = [key for train, test in folds(data, k, seed=seed) for key in test.pair_keys if key not in keys(train)]
    assert sorted(held) == data.ratings().pair_keys.tolist()
    sizes = [len(test) for _, test in folds(data, k, seed=seed)]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("k", [-1, 0, 1, 10**6])
def test_impossible_folds(k: int) -> None:
    with pytest.raises(DataError, match=r"cannot be cut into .* folds"):
        next(folds(made(0), k))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "notebook:1",
        "none:0",
        "random",
        "random:0",
        "random:1",
        "random:nan",
        "random:x",
        "user:0",
        "user:-1",
        "user:١",
        "user:1.5",
        "time",
        "time:2",
        "later",
    ],
)
def test_names_that_are_no_split(name: str) -> None:
    with pytest.raises(DataError, match="split"):
        split(made(0), name)
