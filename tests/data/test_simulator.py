"""The simulated sample against what is known of Goodreads, and the planted truth against the stars drawn from it."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from shelfaware.arrays import Floats
from shelfaware.data import part_writer
from shelfaware.data import planted as planting
from shelfaware.data.books import Books
from shelfaware.data.dataset import load
from shelfaware.data.interactions import READ, TO_READ, Interactions
from shelfaware.data.made_books import made_books
from shelfaware.data.planted import Cells, World, how_many, median_for
from shelfaware.data.planted_large import Shop, draw_large_block
from shelfaware.data.simulator import (
    Simulation,
    Simulator,
    expected_stars,
    load_catalogue,
    simulate,
    simulate_parts,
    stars_of,
)
from shelfaware.data.splits import split
from shelfaware.errors import DataError


@pytest.fixture(scope="module")
def books() -> Books:
    return load_catalogue()


@pytest.fixture(scope="module")
def sample(books: Books) -> Simulation:
    return simulate(books)


@pytest.fixture(scope="module")
def small(books: Books) -> Simulation:
    return simulate(books, n_users=700, seed=3)


def mean_of(data: Interactions, index: np.ndarray, size: int) -> Floats:
    """The mean stars of each user or book, for each rating."""
    stars, index = data.stars[data.rated].astype(float), index[data.rated]
    means = np.bincount(index, stars, size) / np.maximum(np.bincount(index, minlength=size), 1)
    return means[index]


def test_says_that_it_is_simulated(sample: Simulation) -> None:
    data = sample.data
    assert data.simulated
    assert data.source == "simulated"
    assert (data.n_users, data.users.id_of(0), data.users.id_of(7999)) == (8000, 1, 8000)


def test_stars_have_the_shares_of_goodreads(sample: Simulation) -> None:
    stars = sample.data.stars[sample.data.rated]
    shares = np.bincount(stars.astype(int), minlength=6)[1:] / len(stars)
    assert shares == pytest.approx([0.027, 0.053, 0.166, 0.318, 0.437], abs=0.003)


def test_people_rate_seven_books_in_the_median_and_a_few_rate_many(sample: Simulation) -> None:
    counts = sample.data.user_ratings()
    assert np.median(counts) == 7
    assert counts.min() == 1
    assert counts.max() <= sample.data.n_books // 2
    assert 12 <= counts.mean() <= 16
    assert np.quantile(counts, 0.99) > 80


def test_rated_to_read_to_shelved_is_1_to_104_to_152(sample: Simulation) -> None:
    data = sample.data
    assert (data.shelf == READ).sum() / data.n_ratings == pytest.approx(1.04, abs=0.005)
    assert len(data) / data.n_ratings == pytest.approx(1.52, abs=0.01)


def test_popularity_is_skewed_and_no_book_is_unknown(sample: Simulation) -> None:
    counts = np.sort(sample.data.book_ratings())[::-1]
    assert 0.3 < counts[:43].sum() / counts.sum() < 0.5
    assert counts[-1] >= 10


def test_the_truth_is_calibrated(sample: Simulation) -> None:
    rated = sample.data.rated
    truth, stars = sample.truth[rated], sample.data.stars[rated]
    slope, intercept = np.polyfit(truth, stars, 1)
    assert slope == pytest.approx(1, abs=0.02)
    assert intercept == pytest.approx(0, abs=0.08)
    for low in np.arange(1.5, 5, 0.5):
        inside = (truth >= low) & (truth < low + 0.5)
        assert stars[inside].mean() == pytest.approx(truth[inside].mean(), abs=5 / np.sqrt(inside.sum()))


def test_the_truth_beats_every_mean_by_far(sample: Simulation) -> None:
    data = sample.data
    stars = data.stars[data.rated].astype(float)
    guesses = (
        stars.mean(),
        mean_of(data, data.book_index, data.n_books),
        mean_of(data, data.user_index, data.n_users),
    )
    errors = [np.mean((stars - guess) ** 2) for guess in guesses]
    assert 0.45 < sample.truth_mse < 0.62
    assert min(errors) > sample.truth_mse + 0.15


def test_the_truth_is_null_where_nothing_was_rated(small: Simulation) -> None:
    assert np.array_equal(np.isnan(small.truth), np.isnan(small.data.stars))
    assert ((small.truth[small.data.rated] >= 1) & (small.truth[small.data.rated] <= 5)).all()


def test_truth_mse_by_hand(small: Simulation) -> None:
    by_hand = [(s - t) ** 2 for s, t in zip(small.data.stars, small.truth, strict=True) if not np.isnan(s)]
    assert small.truth_mse == pytest.approx(sum(by_hand) / len(by_hand))


def test_truth_mse_of_a_part_counts_its_ratings_alone(small: Simulation) -> None:
    train, test = split(small.data, "random:0.2", seed=5)
    whole = small.truth_mse * small.data.n_ratings
    parts = small.truth_mse_of(train) * train.n_ratings + small.truth_mse_of(test) * test.n_ratings
    assert parts == pytest.approx(whole)
    assert small.truth_mse_of(test) != small.truth_mse


def test_truth_mse_refuses_what_is_no_part_of_it(books: Books, small: Simulation) -> None:
    with pytest.raises(DataError, match="their users or books differ"):
        small.truth_mse_of(simulate(books, n_users=20).data)
    with pytest.raises(DataError, match="ratings are of this simulation"):
        small.truth_mse_of(simulate(books, n_users=700, seed=4).data)
    with pytest.raises(DataError, match="0 of 0"):
        small.truth_mse_of(small.data.take(~small.data.rated))


def test_expected_stars_are_the_mean_of_stars_drawn() -> None:
    cuts, latent = np.array([-2.0, -1.0, 0.0, 1.5]), np.array([-3.0, -0.4, 0.7, 4.0])
    noise = np.random.default_rng(0).standard_normal((200_000, 1))
    assert expected_stars(latent, cuts) == pytest.approx(stars_of(latent + noise, cuts).mean(axis=0), abs=0.01)
    assert expected_stars(np.array([-50.0, 50.0]), cuts) == pytest.approx([1.0, 5.0])


def test_the_same_seed_draws_the_same_and_another_draws_another(books: Books, small: Simulation) -> None:
    again = simulate(load_catalogue(), n_users=700, seed=3)
    assert again.data.fingerprint == small.data.fingerprint
    assert np.array_equal(again.truth, small.truth, equal_nan=True)
    assert simulate(books, n_users=700, seed=4).data.fingerprint != small.data.fingerprint


def test_more_users_leave_the_first_as_they_were(books: Books, small: Simulation) -> None:
    fewer = simulate(books, n_users=620, seed=3).data
    first = small.data.take(small.data.user_index < 620)
    assert np.array_equal(fewer.pair_keys, first.pair_keys)
    assert np.array_equal(fewer.stars, first.stars, equal_nan=True)
    assert np.array_equal(fewer.time, first.time)


def test_blocks_are_drawn_apart(small: Simulation) -> None:
    second = planting.draw_block(planting.plant(small.data.books, 3), 3, 1)
    assert (second.user_index.min(), second.user_index.max()) == (500, 999)
    here = small.data.user_index >= 500
    assert np.array_equal(small.data.book_index[here], second.book_index[second.user_index < 700])


def test_people_take_up_what_they_will_like(books: Books) -> None:
    world = planting.plant(books, 0)
    indifferent = replace(world, vectors=np.zeros_like(world.vectors))
    chosen, by_chance = planting.draw_block(world, 0, 0), planting.draw_block(indifferent, 0, 0)
    liking = chosen.latent - world.quality[chosen.book_index]
    assert liking.mean() > 0.2
    to_read = chosen.shelf == TO_READ
    assert liking[to_read].mean() > 0.2
    assert (by_chance.latent - world.quality[by_chance.book_index]).mean() == pytest.approx(0, abs=0.06)


def test_volumes_of_a_series_are_alike_and_read_together(books: Books, sample: Simulation) -> None:
    world = planting.plant(books, 0)
    potter = np.flatnonzero(books.table["series"] == "Harry Potter")
    assert len(set(world.series[potter])) == 1
    likeness = np.corrcoef(world.vectors / planting.TASTE_SPREAD)
    assert likeness[np.ix_(potter, potter)].min() > 0.3
    took = np.zeros((sample.data.n_users, sample.data.n_books), bool)
    took[sample.data.user_index, sample.data.book_index] = True
    first, second = took[:, potter[0]], took[:, potter[1]]
    assert second[first].mean() > 1.5 * second[~first].mean()


def test_books_without_a_series_share_nothing(books: Books) -> None:
    series = planting.plant(books, 0).series
    alone = books.table["series"].is_null().to_numpy()
    assert len(np.unique(series)) == alone.sum() + books.table["series"].drop_nulls().n_unique()


def test_later_volumes_are_shelved_later(small: Simulation) -> None:
    data, table = small.data, small.data.books.table
    rows = pl.DataFrame({"user": data.user_index, "book": data.book_index, "time": data.time, "shelf": data.shelf})
    known = table.select("series", "series_position").with_row_index("book").with_columns(pl.col("book").cast(pl.Int32))
    volumes = rows.join(known, on="book").drop_nulls("series").sort("user", "series", "series_position")
    steps = volumes.select(pl.col("time", "shelf").diff().over("user", "series")).drop_nulls()
    assert len(steps) > 500
    assert (steps["time"].dt.total_microseconds() >= 0).all()
    assert (steps["shelf"] >= 0).all()


def test_times_are_whole_seconds_after_every_book_was_published(small: Simulation) -> None:
    time = small.data.time
    assert time is not None
    assert (time == time.astype("datetime64[s]")).all()
    assert time.min() >= np.datetime64("2018-01-01")
    assert time.max() < np.datetime64("2024-01-01")
    assert small.data.books.table["year"].max() < 2018
    train, test = split(small.data, "time:0.1")
    assert train.time is not None
    assert test.time is not None
    assert train.time.max() <= test.time.min()


def test_books_of_which_only_ids_are_known_can_be_simulated() -> None:
    bare = Books.of(pl.DataFrame({"book_id": range(1, 31)}))
    data = simulate(bare, n_users=600).data
    assert (data.n_books, data.n_users) == (30, 600)
    assert data.user_ratings().max() == 15


@pytest.mark.parametrize(("n_users", "n_books"), [(0, 20), (-5, 20), (10, 9)])
def test_refuses_too_few(n_users: int, n_books: int) -> None:
    with pytest.raises(DataError, match="use 1 user and 10 books or more"):
        simulate(Books.of(pl.DataFrame({"book_id": range(n_books)})), n_users=n_users)


@pytest.fixture(scope="module")
def large() -> Simulator:
    """3,000 books, more than a simulated user looks at, and 2,000 users."""
    return Simulator(made_books(3000, seed=2), 2000, seed=5, median_rated=20)


def whole(simulator: Simulator) -> Cells:
    blocks = [simulator.block(i) for i in range(simulator.n_blocks)]
    return Cells(*[np.concatenate(column) for column in zip(*blocks, strict=True)])  # type: ignore[arg-type]


def test_the_catalogue_of_today_stays_the_catalogue_of_yesterday(books: Books) -> None:
    """A model trained on the sample finds its data again: the draw may not change."""
    data = simulate(books, n_users=700, seed=3).data
    assert data.fingerprint == "59fb7a979f841b16057c0a3255e653931cc8b23cd128cd811e165fff5d8168b9"


def test_made_books_have_authors_genres_and_series() -> None:
    table = made_books(5000).table
    assert table["title"][:2].to_list() == ["Book 1", "Book 2"]
    assert table["authors"].list.len().unique().to_list() == [1]
    assert table["genres"].explode(empty_as_null=False).n_unique() == 20
    series = table.drop_nulls("series").group_by("series").agg("series_position")
    assert 0.25 < len(table.drop_nulls("series")) / 5000 < 0.35
    assert all(sorted(row) == [float(i + 1) for i in range(len(row))] for row in series["series_position"])
    assert made_books(5000, seed=1).table["authors"].to_list() != table["authors"].to_list()


def test_a_large_catalogue_is_drawn_like_a_small_one(large: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The short way of planted_large against the look at every book of planted: the same kind of people."""
    from shelfaware.data import simulator as module

    short = whole(large)
    monkeypatch.setattr(module, "MOST_LOOKED_AT", 10_000)
    full = whole(Simulator(large.books, 2000, seed=5, median_rated=20))
    assert short.rated.sum() == pytest.approx(full.rated.sum(), rel=0.1)
    assert len(short.rated) / short.rated.sum() == pytest.approx(len(full.rated) / full.rated.sum(), rel=0.03)
    # Taste chooses, though among few: without it the mean would be that of all books, by popularity.
    assert 0.25 < short.latent.mean() < full.latent.mean()
    assert short.latent.std() == pytest.approx(full.latent.std(), rel=0.1)
    counts = [np.bincount(cells.book_index, minlength=3000) for cells in (short, full)]
    assert np.corrcoef(*counts)[0, 1] > 0.97
    tops = [np.sort(count)[::-1][:300].sum() / count.sum() for count in counts]
    assert tops[0] == pytest.approx(tops[1], abs=0.04)
    pairs = short.user_index.astype(np.int64) * 3000 + short.book_index
    assert (np.diff(pairs) > 0).all()


def test_parts_hold_the_same_rows_whatever_their_size(
    large: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprints = set()
    for full in (10**6, 7000, 2000):
        monkeypatch.setattr(part_writer, "PART_ROWS", full)
        about, truth_mse = simulate_parts(large, tmp_path / "set")
        fingerprints.add((about.fingerprint, load(tmp_path / "set").fingerprint, truth_mse))
    assert len(fingerprints) == 1
    data = load(tmp_path / "set")
    assert data.simulated
    assert len(about.parts) > 20
    truth = large.truth_of(data)
    assert truth_mse == pytest.approx(np.nanmean((data.stars - truth) ** 2))
    assert [one.name for one in tmp_path.iterdir()] == ["set"]


def test_the_sample_is_the_same_by_the_part(books: Books, tmp_path: Path) -> None:
    simulation = simulate(books, n_users=1200, seed=3)
    about, truth_mse = simulate_parts(Simulator(books, 1200, 3), tmp_path / "set")
    assert about.fingerprint == simulation.data.fingerprint
    assert truth_mse == pytest.approx(simulation.truth_mse)


def test_the_truth_of_any_rows(large: Simulator, tmp_path: Path) -> None:
    cells = whole(large)
    simulate_parts(large, tmp_path / "set")
    data = load(tmp_path / "set")
    some = np.random.default_rng(0).random(len(data)) < 0.05
    assert np.array_equal(large.truth_of(data.take(some)), large.truth(cells)[some], equal_nan=True)
    other = simulate(large.books, n_users=2000, seed=6).data
    with pytest.raises(DataError, match="some rows are not of this simulation"):
        large.truth_of(other)


def test_the_truth_of_a_large_catalogue_beats_every_mean(large: Simulator, tmp_path: Path) -> None:
    simulate_parts(large, tmp_path / "set")
    data = load(tmp_path / "set")
    truth, stars = large.truth_of(data)[data.rated], data.stars[data.rated].astype(float)
    slope, _ = np.polyfit(truth, stars, 1)
    assert slope == pytest.approx(1, abs=0.03)
    mean = mean_of(data, data.book_index, data.n_books)
    assert np.mean((stars - truth) ** 2) < np.mean((stars - mean) ** 2) - 0.15


def test_median_for() -> None:
    rated = [how_many(np.random.default_rng(i), 10**9, median_for(50_000, 1000))[0] for i in range(200)]
    assert np.mean(rated) == pytest.approx(50, rel=0.05)


def test_a_block_costs_what_is_taken_up_and_not_what_there_is() -> None:
    """Of two million books none but the candidates is touched."""
    shop = Shop(
        World(np.zeros((2_000_000, 1)), *[np.zeros(2_000_000)] * 2, np.arange(2_000_000), np.zeros(2_000_000)),
        np.linspace(0, 1, 2_000_000),
    )
    tracemalloc.start()
    draw_large_block(shop, 0, 0, 7.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16e6
