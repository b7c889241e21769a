"""Predictions for a file of pairs, in the order of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from shelfaware.errors import DataError, ModelError, UnknownIdError
from shelfaware.models.base import Model, RatingModel
from shelfaware.models.readers import Readers
from shelfaware.recommending.pairs import predict_pairs, predict_stranger, write_predictions


@pytest.fixture
def gp(small: Callable[[str], Model]) -> RatingModel:
    model = small("gp")
    assert isinstance(model, RatingModel)
    return model


def pairs_file(folder: Path, content: str) -> Path:
    (folder / "pairs.csv").write_text(content)
    return folder / "pairs.csv"


def test_pairs_are_predicted_in_their_order(gp: RatingModel, tmp_path: Path) -> None:
    users, books = [1200, 1000, 1200, 1000], [9, 1, 1, 40]
    content = "user_id,book_id\n" + "".join(f"{user},{book}\n" for user, book in zip(users, books, strict=True))
    got = predict_pairs(gp, pairs_file(tmp_path, content))
    assert got.columns == ["user_id", "book_id", "stars", "deviation"]
    assert got["user_id"].to_list() == [str(user) for user in users]
    np.testing.assert_allclose(got["stars"], gp.predict(users, books), rtol=1e-12)
    forecast = gp.forecast(gp.known_readers, [200, 0, 200, 0], np.array(books) - 1)
    np.testing.assert_allclose(got["deviation"], forecast.deviation, rtol=1e-12)
    assert ((got["stars"] >= 1) & (got["stars"] <= 5)).all()


@pytest.mark.parametrize(
    "content",
    [
        "item;user;rating\n 9 ;1200;5\n1;1000;\n",
        "\ufeffBook ID\tUser\r\n9\t1200\r\n1\t1000\r\n",
        "user_id,book_id\n1200,9\n1000,1",
    ],
)
def test_however_they_are_written(gp: RatingModel, tmp_path: Path, content: str) -> None:
    got = predict_pairs(gp, pairs_file(tmp_path, content))
    np.testing.assert_allclose(got["stars"], gp.predict([1200, 1000], [9, 1]), rtol=1e-12)


def test_a_model_without_variance_leaves_the_deviation_empty(small: Callable[[str], Model], tmp_path: Path) -> None:
    got = predict_pairs(small("bias"), pairs_file(tmp_path, "user_id,book_id\n1000,1\n"))
    assert got["deviation"].to_list() == [None]
    write_predictions(got, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == f"user_id,book_id,stars,deviation\n1000,1,{got['stars'][0]!r},\n"


def test_a_stranger_s_books(gp: RatingModel, tmp_path: Path) -> None:
    reader = Readers.stranger(gp.catalogue, gp.scale, {3: 5, 8: 1})
    got = predict_stranger(gp, reader, pairs_file(tmp_path, "book_id\n7\n3\n"))
    forecast = gp.forecast(reader, [0, 0], [6, 2])
    assert got.columns == ["book_id", "stars", "deviation"]
    np.testing.assert_allclose(got["stars"], np.clip(forecast.stars, 1, 5), rtol=1e-12)
    np.testing.assert_allclose(got["deviation"], forecast.deviation, rtol=1e-12)


def test_predictions_are_written_whole_and_read_back(gp: RatingModel, tmp_path: Path) -> None:
    got = predict_pairs(gp, pairs_file(tmp_path, "user_id,book_id\n1000,1\n1001,2\n"))
    (tmp_path / "out.csv").write_text("old")
    write_predictions(got, tmp_path / "out.csv")
    again = pl.read_csv(tmp_path / "out.csv")
    np.testing.assert_array_equal(again["stars"], got["stars"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "pairs.csv"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("user_id,book_id\n1000,1\n1000,99\n", r"pairs\.csv, line 3: book '99' is not among the 40 known books"),
        ("user_id,book_id\n7,1\n", r"pairs\.csv, line 2: user '7' is not among the 300 known users"),
        ("user_id,book_id\n01000,1\n", "line 2: user '01000' is not among"),
        ("user_id,book_id\n,1\n", "line 2: user None is not among"),
        (
            "user_id,book_id\n1000,Bok 7\n",
            r"book 'Bok 7' is not among the 40 known books; the nearest titles are 'Book 7' \(id 7\)",
        ),
        ("user_id,book_id\n1000,\n", "line 2: book None is not among the 40 known books$"),
    ],
)
def test_unknown_ids(gp: RatingModel, tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(UnknownIdError, match=sentence):
        predict_pairs(gp, pairs_file(tmp_path, content))


@pytest.mark.parametrize("content", ["", "user_id,book_id\n", "user_id\n1000\n", "a,b\n1,2\n"])
def test_no_pairs(gp: RatingModel, tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match=r"pairs\.csv"):
        predict_pairs(gp, pairs_file(tmp_path, content))


def test_a_ranker_predicts_no_stars(small: Callable[[str], Model], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="ease ranks books and predicts no stars; train a gp"):
        predict_pairs(small("ease"), pairs_file(tmp_path, "user_id,book_id\n1000,1\n"))
