"""What every model promises, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from shelfaware.data.ids import Id, IdMap
from shelfaware.data.interactions import READ, Interactions
from shelfaware.data.splits import Split
from shelfaware.errors import DataError, ModelError, UnknownIdError
from shelfaware.models import gmf_network, gp_network
from shelfaware.models.base import Model, Ranker, RatingModel
from shelfaware.models.gmf import GMF
from shelfaware.models.gp import GP
from shelfaware.models.gp_batches import Batches
from shelfaware.models.gp_learner import GPLearner
from shelfaware.models.readers import Readers

Make = Callable[..., Model]
Fitted = Callable[[str], Model]
CLOSED_FORM = ("mean", "bias", "popularity", "ease")
TRAINED = (
    "gp ratings",
    "gp shelves",
    "bpmf ratings",
    "bpmf shelves",
    "als",
    "als plain",
    "autoencoder",
    "blend",
    "blend usual",
    "gmf",
    "gmf notebook",
)


def bytes_of(model: Model) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in model.all_arrays().items()}


def answers(model: Model, readers: Readers) -> NDArray[np.float64]:
    """Stars or scores of every book for each reader."""
    if isinstance(model, RatingModel):
        return model.expect(readers)
    assert isinstance(model, Ranker)
    return model.scores(readers)


def rows_of(data: Interactions) -> pl.DataFrame:
    """The table that the data was made of."""
    columns = data.to_frame()
    return pl.DataFrame(
        {
            "user_id": data.users.ids.to_numpy()[data.user_index],
            "book_id": data.books.ids.ids.to_numpy()[data.book_index],
            "stars": columns["stars"],
            "shelf": columns["shelf"],
        }
    )


def relabelled(data: Interactions) -> tuple[Interactions, NDArray[np.int64], NDArray[np.int64]]:
    """The same data under other ids in another order, with a user more; and where each old user and book is now."""
    rng = np.random.default_rng(5)
    user_ids, book_ids = rng.permutation(data.n_users + 1) + 7, rng.permutation(data.n_books) + 500
    rows = rows_of(data).with_columns(
        pl.Series("user_id", user_ids[data.user_index]), pl.Series("book_id", book_ids[data.book_index])
    )
    other = Interactions.from_frame(rows, users=IdMap(pl.Series(user_ids), "user"))
    users, books = other.users.index_of(pl.Series(user_ids[:-1])), other.books.ids.index_of(pl.Series(book_ids))
    return other, users.astype(np.int64), books.astype(np.int64)


def reader_of(stars: dict[int, float], shelf: int = READ) -> Readers:
    books = sorted(stars)
    return Readers(
        np.array([0, len(books)]),
        np.array(books, np.int32),
        np.array([stars[b] for b in books], float),
        np.full(len(books), shelf, np.int8),
        np.array([-1]),
    )


HISTORIES = {
    "empty": {},
    "one rating": {3: 5.0},
    "all the same": dict.fromkeys(range(25), 1.0),
    "every book": {b: 1.0 + b % 5 for b in range(40)},
    "shelves alone": dict.fromkeys(range(4), float("nan")),
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_any_history_gets_finite_answers(model: Model, history: dict[int, float]) -> None:
    got = answers(model, reader_of(history))
    assert got.shape == (1, 40)
    assert got.dtype == np.float64
    assert np.isfinite(got).all()
    if isinstance(model, RatingModel):
        forecast = model.forecast(reader_of(history), np.zeros(40), np.arange(40))
        np.testing.assert_allclose(forecast.stars, got[0], rtol=1e-9)
        assert forecast.deviation is None or (np.isfinite(forecast.deviation) & (forecast.deviation > 0)).all()
        left_out = model.left_out(reader_of(history))
        assert left_out is None or np.isfinite(left_out).all()


def test_no_readers_at_all(model: Model) -> None:
    assert answers(model, reader_of({}).take(np.empty(0, np.int64))).shape == (0, 40)


def test_known_and_unknown_ids_get_stars_on_the_scale(rater: RatingModel) -> None:
    users: list[Id] = [1000, 1000, 4, "nobody", 1299, 1299]
    books: list[Id] = [1, "no such book", 1, 999, 40, -1]
    stars = rater.predict(users, books)
    assert stars.dtype == np.float64
    assert ((stars >= 1) & (stars <= 5)).all()
    center = float(rater.arrays["center"][0])
    np.testing.assert_allclose(stars[[1, 3, 5]], center)
    nobody = rater.expect(reader_of({}))[0, 0]
    assert stars[2] == pytest.approx(np.clip(nobody, 1, 5))
    with pytest.raises(DataError, match="2 users and 1 books are not pairs"):
        rater.predict([1000, 1001], [1])
    with pytest.raises(UnknownIdError):
        rater.reader(4)


def test_one_by_one_is_the_batch(model: Model) -> None:
    some = model.known_readers.take(np.arange(0, 300, 37))
    batch = answers(model, some)
    for i in range(len(some)):
        np.testing.assert_allclose(answers(model, some.take(np.array([i])))[0], batch[i], rtol=1e-6, atol=1e-9)


def test_predicting_one_by_one_is_the_batch(rater: RatingModel) -> None:
    rng = np.random.default_rng(0)
    users, books = rng.integers(1000, 1300, 60).tolist(), rng.integers(1, 41, 60).tolist()
    together = rater.predict(users, books)
    alone = [rater.predict([u], [b])[0] for u, b in zip(users, books, strict=True)]
    np.testing.assert_allclose(alone, together, rtol=1e-6)
    np.testing.assert_array_equal(rater.predict(pl.Series(users), pl.Series(books)), together)


def test_rows_in_another_order_give_the_same_bytes(make: Make, fitted: Fitted, model_name: str, planted_split: Split) -> None:
    train = planted_split[0]
    rows = rows_of(train).sample(fraction=1.0, shuffle=True, seed=3)
    shuffled = Interactions.from_frame(rows, users=train.users, books=train.books)
    assert bytes_of(make(model_name).fit(shuffled)) == bytes_of(fitted(model_name))


@pytest.mark.parametrize("name", TRAINED)
def test_another_seed_gives_another_model(make: Make, fitted: Fitted, name: str, planted_split: Split) -> None:
    other = make(name, 1).fit(planted_split[0])
    assert bytes_of(other) != bytes_of(fitted(name))
    assert other.version != fitted(name).version


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_closed_forms_do_not_know_the_ids(make: Make, fitted: Fitted, name: str, planted_split: Split) -> None:
    data, users, books = relabelled(planted_split[0])
    other, model = make(name).fit(data), fitted(name)
    got, wanted = answers(other, other.known_readers), answers(model, model.known_readers)
    np.testing.assert_allclose(got[users][:, books], wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["gp ratings", "gp shelves", "bpmf ratings", "bpmf shelves", "als", "autoencoder"])
def test_folding_in_does_not_know_the_ids(fitted: Fitted, name: str, planted_split: Split) -> None:
    """The fitted book table put in the order of other ids answers the same users the same."""
    data, users, books = relabelled(planted_split[0])
    model = fitted(name)
    other = replace(model)
    other.books = data.books
    of_books = {k: np.empty_like(a) for k, a in model.arrays.items() if len(a) == data.n_books}
    for name_of, array in of_books.items():
        array[books] = model.arrays[name_of]
    other.arrays = {**model.arrays, **of_books}
    other.know(data)
    got = other.expect(other.known_readers)
    np.testing.assert_allclose(got[users][:, books], model.expect(model.known_readers), rtol=1e-6)


def test_stars_that_are_none_are_refused() -> None:
    for stars in (0.0, 6.0, 3.5, float("inf")):
        rows = pl.DataFrame({"user_id": [1, 1], "book_id": [1, 2], "stars": [5.0, stars]})
        with pytest.raises(DataError, match=r"user 1, book 2 has .* stars, which is not on the scale"):
            Interactions.from_frame(rows)


@pytest.mark.parametrize("stars", [0.0, 6.0, 3.5, float("inf"), float("nan")])
def test_a_stranger_s_stars_that_are_none_are_refused(planted: Interactions, stars: float) -> None:
    with pytest.raises(DataError, match=r"book 2 has .* stars, which is not on the scale 1 to 5 by 1"):
        Readers.stranger(planted.books, planted.scale, {1: 5, 2: stars})


def test_nothing_to_learn_from(make: Make, model_name: str, planted: Interactions) -> None:
    with pytest.raises(DataError, match="not one rating"):
        make(model_name).fit(planted.take(~planted.rated))


def test_validation_must_be_other_pairs(make: Make, model_name: str, planted: Interactions) -> None:
    with pytest.raises(DataError, match="share a"):
        make(model_name).fit(planted, planted.take(planted.user_index == 7))


def test_before_the_fit_nothing_is_answered(make: Make, model_name: str) -> None:
    with pytest.raises(ModelError, match=r"has not been fitted|loaded without its users"):
        _ = make(model_name).catalogue


@pytest.mark.parametrize("name", [*CLOSED_FORM, *TRAINED])
def test_held_out_stars_change_no_fitted_number(make: Make, name: str, planted_split: Split) -> None:
    """Without patience nothing is chosen by validation but the epoch to keep; here the last one is the only one."""
    train, test = planted_split
    fits = []
    for stars in (test.stars, np.where(test.stars > 2, 1, 5).astype(np.float32)):
        model = make(name)
        if "epochs" in model.config:
            model = replace(model, epochs=1)
        fits.append(bytes_of(model.fit(train, replace(test, stars=stars))))
    alone = make(name)
    alone = replace(alone, epochs=1) if "epochs" in alone.config else alone
    assert fits[0] == fits[1] == bytes_of(alone.fit(train))


@pytest.mark.parametrize("name", [name for name in (*CLOSED_FORM, *TRAINED) if not name.startswith("gmf")])
def test_strangers_models_hold_nothing_of_the_size_of_the_users(fitted: Fitted, name: str) -> None:
    model = fitted(name)
    assert not model.holds_users
    for array in model.all_arrays().values():
        assert 300 not in array.shape
        assert array.size <= 40 * 64  # a vector of 64 for each of 40 books, where a blend has an als


@pytest.mark.parametrize(
    "model_name", [*CLOSED_FORM, "gp ratings", "bpmf shelves", "als", "autoencoder", "blend", "neighbours", "gmf"]
)
def test_a_refit_forgets(make: Make, fitted: Fitted, model_name: str, planted_split: Split) -> None:
    """A model fitted on other users before is the model fitted once."""
    train = planted_split[0]
    few = train.take(train.user_index < 150)
    rows = rows_of(few)
    small = Interactions.from_frame(rows, books=train.books)
    model = make(model_name).fit(small)
    assert bytes_of(model.fit(train)) == bytes_of(fitted(model_name))
    assert len(model.known_readers) == 300


CHANGES: dict[str, dict[str, Any]] = {
    "bias": {"user_decay": 1.0, "book_decay": 1.0},
    "ease": {"regularisation": 5.0, "read_weight": 0.1, "to_read_weight": 0.1, "neighbours": 10},
    "gp shelves": {
        "factors": 3,
        "epochs": 9,
        "learning_rate": 5e-3,
        "batch_size": 64,
        "block_size": 8,
        "shelves": False,
    },
    "bpmf shelves": {"factors": 2, "epochs": 9, "samples": 1, "shelves": False},
    "als": {"factors": 2, "epochs": 4, "regularisation": 9.0, "biases": False},
    "autoencoder": {
        "factors": 3,
        "epochs": 3,
        "learning_rate": 1e-3,
        "batch_size": 32,
        "held_back": 0.4,
        "dropout": 0.2,
        "weight_decay": 40.0,
    },
    "blend": {"members": "als,mean"},
    "gmf": {
        "factors": 3,
        "epochs": 4,
        "batch_size": 32,
        "learning_rate": 1e-3,
    },
}


@pytest.fixture(scope="session")
def readable(planted: Interactions) -> Interactions:
    """The planted data with some books read and not rated."""
    unrated = planted.take(np.arange(len(planted)) % 11 == 0)
    stars = np.where(np.isin(planted.pair_keys, unrated.pair_keys), np.nan, planted.stars).astype(np.float32)
    return replace(planted, stars=stars)


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, changed in CHANGES.items() for field in changed])
def test_every_hyper_parameter_changes_the_fit(
    make: Make, readable: Interactions, first_fits: Callable[[str], dict[str, bytes]], name: str, field: str
) -> None:
    changed = replace(make(name), **{field: CHANGES[name][field]})
    if "epochs" in changed.config and field != "epochs":
        changed = replace(changed, epochs=2)
    arrays = {name: array.tobytes() for name, array in changed.fit(readable).arrays.items()}
    assert arrays != first_fits(name)


@pytest.fixture(scope="session")
def first_fits(make: Make, readable: Interactions) -> Callable[[str], dict[str, bytes]]:
    known: dict[str, dict[str, bytes]] = {}

    def first(name: str) -> dict[str, bytes]:
        if name not in known:
            model = make(name)
            model = replace(model, epochs=2) if "epochs" in model.config else model
            known[name] = {key: array.tobytes() for key, array in model.fit(readable).arrays.items()}
        return known[name]

    return first


def test_no_hyper_parameter_is_forgotten(make: Make) -> None:
    """The loss gets some as a Task, tested beside it; the others say when to stop or what to refuse."""
    elsewhere = {"seed", "patience", "max_redraws"}
    of_loss = {"gp shelves": gp_network.Task._fields, "gmf": gmf_network.Task._fields}
    for name, changed in CHANGES.items():
        assert {field.name for field in fields(make(name))} == elsewhere & set(make(name).config) | {
            *changed,
            *of_loss.get(name, ()),
        }


def test_the_loss_gets_the_hyper_parameters_by_name(planted: Interactions) -> None:
    gp = GP(factors=3, weight_decay=0.1, vector_deviation=0.2, shelf_deviation=0.3, mean_deviation=0.4, noise_deviation=0.5)
    readers = Readers.of(planted)
    task = GPLearner(gp, gp.decays[0], Batches(gp, 40, lambda _: readers), np.zeros(40), 0.0).task
    assert task._asdict() == {name: gp.config[name] for name in gp_network.Task._fields}
    gmf = GMF(biases=False, dropout=0.3, weight_decay=0.7)
    rows = gmf_network.Ratings(planted.user_index, planted.book_index, planted.stars)
    learner = gmf_network.GMFLearner(gmf, rows, rows, 300, 40)
    assert learner.task._asdict() == {name: gmf.config[name] for name in gmf_network.Task._fields}


def test_similar_books(fitted: Fitted) -> None:
    model = fitted("gp shelves")
    near = model.similar_books(7, n=5)
    assert len(near) == 5
    assert 7 not in [book for book, _ in near]
    cosines = [cosine for _, cosine in near]
    assert cosines == sorted(cosines, reverse=True)
    q = model.arrays["book_vectors"].astype(float)
    first = int(near[0][0]) - 1
    assert cosines[0] == pytest.approx(q[6] @ q[first] / np.linalg.norm(q[6]) / np.linalg.norm(q[first]))
    with pytest.raises(ModelError, match="no book vectors"):
        fitted("mean").similar_books(7)
