"""What to read next: in order, never a book they have, with reasons that sum to the stars."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shelfaware.data.ids import Id
from shelfaware.data.interactions import TO_READ, Interactions
from shelfaware.data.splits import Split
from shelfaware.errors import DataError, ModelError, UnknownIdError
from shelfaware.models.base import Model, RatingModel
from shelfaware.models.baselines import Mean, Popularity
from shelfaware.models.folder import load_model
from shelfaware.models.picking import scores
from shelfaware.models.readers import Readers
from shelfaware.recommending.answer import Recommendation, recommend

NAMES = ["gp", "gmf", "bias", "mean", "popularity", "ease"]


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest, small: Callable[[str], Model]) -> Model:
    return small(request.param)


@pytest.fixture
def gp(small: Callable[[str], Model]) -> RatingModel:
    model = small("gp")
    assert isinstance(model, RatingModel)
    return model


def shelf_of(data: Interactions, user: int) -> set[Id]:
    return {data.books.ids.id_of(b) for b in data.book_index[data.user_index == user]}


def test_never_a_book_they_have_nor_one_twice(model: Model, planted_split: Split) -> None:
    train = planted_split[0]
    for user in range(0, 300, 23):
        got = [book.book_id for book in recommend(model, 1000 + user, n=40)]
        assert len(got) == len(set(got))
        assert set(got) == set(range(1, 41)) - shelf_of(train, user)


def test_the_order_is_the_score_s_and_ties_are_the_id_s(model: Model) -> None:
    books = recommend(model, 1004, n=40)
    places = [(-book.score, book.book_id) for book in books]
    assert places == sorted(places)
    for n in (1, 3, 10):
        assert recommend(model, 1004, n) == books[:n]
    score = scores(model, model.reader(1004))[0]
    assert [book.score for book in books] == [score[int(book.book_id) - 1] for book in books]


def test_equal_scores_come_in_the_order_of_their_ids(planted_split: Split) -> None:
    model = Popularity().fit(planted_split[0])
    model.arrays = {"count": np.array([7.0, 9.0] * 20)}
    got = [book.book_id for book in recommend(model, {}, n=40)]
    assert got == [*range(2, 41, 2), *range(1, 40, 2)]


@pytest.mark.parametrize("name", ["gp", "bias", "mean", "gmf"])
def test_the_reasons_sum_to_the_stars(small: Callable[[str], Model], name: str) -> None:
    model = small(name)
    assert isinstance(model, RatingModel)
    for user in range(1000, 1300, 29):
        reader = model.reader(user)
        for book in recommend(model, user, n=40):
            assert book.why
            assert book.stars is not None
            total = book.why.base + book.why.shelves + sum(share.share for share in book.why.books)
            index = np.array([int(book.book_id) - 1])
            assert total == pytest.approx(model.forecast(reader, [0], index).stars[0], abs=1e-5)
            assert book.stars == pytest.approx(np.clip(total, 1, 5), abs=1e-5)


def test_the_reasons_are_the_rated_books_largest_first(gp: RatingModel, planted_split: Split) -> None:
    train = planted_split[0]
    for user in (3, 50):
        rows = (train.user_index == user) & train.rated
        given = {int(book) + 1: float(stars) for book, stars in zip(train.book_index[rows], train.stars[rows], strict=True)}
        for book in recommend(gp, 1000 + user, n=3):
            assert book.why
            assert {share.book_id: share.stars for share in book.why.books} == given
            sizes = [abs(share.share) for share in book.why.books]
            assert sizes == sorted(sizes, reverse=True)
            assert book.why.shelves != 0
            assert book.deviation is not None
            assert 0 < book.deviation < 5


def test_rankers_have_no_stars_to_tell(small: Callable[[str], Model]) -> None:
    for name in ("ease", "popularity"):
        for book in recommend(small(name), 1000):
            assert (book.stars, book.deviation, book.why) == (None, None, None)
            assert np.isfinite(book.score)


@pytest.mark.parametrize("name", ["gp", "bias", "mean", "popularity", "ease"])
def test_a_stranger_is_the_known_user_of_the_same_history(
    small: Callable[[str], Model], planted_split: Split, name: str
) -> None:
    model, train = small(name), planted_split[0]
    for user in (0, 7, 120):
        rows = train.user_index == user
        ratings: dict[Id, float] = {}
        shelves: dict[int, list[Id]] = {0: [], 1: []}
        for book, stars, shelf in zip(train.book_index[rows], train.stars[rows], train.shelf[rows], strict=True):
            if np.isnan(stars):
                shelves[int(shelf)].append(int(book) + 1)
            else:
                ratings[int(book) + 1] = float(stars)
        stranger = Readers.stranger(train.books, train.scale, ratings, read=shelves[0], to_read=shelves[TO_READ])
        same(recommend(model, stranger, n=40), recommend(model, 1000 + user, n=40))
        if not any(shelves.values()):
            same(recommend(model, ratings, n=40), recommend(model, 1000 + user, n=40))


def same(a: list[Recommendation], b: list[Recommendation]) -> None:
    assert [book.book_id for book in a] == [book.book_id for book in b]
    for one, other in zip(a, b, strict=True):
        assert one.score == pytest.approx(other.score, rel=1e-6)
        for mine, theirs in ((one.stars, other.stars), (one.deviation, other.deviation)):
            assert mine == theirs or mine == pytest.approx(theirs, rel=1e-6)


def test_a_stranger_names_books_by_id_or_title(gp: RatingModel) -> None:
    assert recommend(gp, {"Book 7": 5, 3: 2}) == recommend(gp, {"7": 5, "book 3": 2}) == recommend(gp, {3: 2.0, 7: 5.0})
    assert recommend(gp, {"Book 7": 5, 3: 2}) != recommend(gp, {"Book 7": 1, 3: 2})


def test_more_books_than_there_are(model: Model) -> None:
    assert len(recommend(model, {}, n=10**6)) == 40


def test_whoever_has_every_book_gets_none(model: Model) -> None:
    assert recommend(model, {book: 1 + book % 5 for book in range(1, 41)}) == []
    assert len(recommend(model, {book: 1 + book % 5 for book in range(1, 40)})) == 1


def test_a_book_without_a_finite_score_is_not_recommended(planted_split: Split) -> None:
    model = Popularity().fit(planted_split[0])
    model.arrays = {"count": np.where(np.arange(40) < 38, -np.inf, 1.0)}
    assert [book.book_id for book in recommend(model, {})] == [39, 40]


def test_what_is_no_question(gp: RatingModel) -> None:
    for n in (0, -3):
        with pytest.raises(DataError, match=f"{n} books cannot be recommended; ask for 1 or more"):
            recommend(gp, 1000, n)
    with pytest.raises(DataError, match="recommendations are for one reader, not 2"):
        recommend(gp, gp.known_readers.take(np.array([0, 1])))
    with pytest.raises(UnknownIdError, match="user 5 is not among the 300 known users"):
        recommend(gp, 5)
    with pytest.raises(UnknownIdError, match="no book is titled 'Bok 7'; the nearest titles are 'Book 7'"):
        recommend(gp, {"Bok 7": 5})
    with pytest.raises(DataError, match="has 6 stars, which is not on the scale"):
        recommend(gp, {7: 6})
    with pytest.raises(DataError, match="'Book 7' is rated twice"):
        recommend(gp, {7: 5, "Book 7": 5})


def test_a_saved_model_knows_nobody_until_told(gp: RatingModel, planted_split: Split, tmp_path: Path) -> None:
    gp.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    with pytest.raises(ModelError, match="was loaded without its users; give it their ratings"):
        recommend(loaded, 1000)
    same(recommend(loaded, {7: 5}), recommend(gp, {7: 5}))
    same(recommend(loaded.know(planted_split[0]), 1000), recommend(gp, 1000))


def test_other_books_are_refused(planted: Interactions, small: Callable[[str], Model]) -> None:
    other = replace(planted.take(planted.book_index < 39), books=planted.books.take(np.arange(40) < 39))
    with pytest.raises(ModelError, match="the data's books are not the 40 that the model was trained on"):
        Mean().fit(planted).know(other)


ANSWER = """
import sys
from shelfaware import load_model, recommend
model = load_model(sys.argv[1])
assert len(recommend(model, {1: 5, 2: 3})) == 10
assert model.similar_books(1)
print([name for name in sys.modules if name.partition(".")[0] in ("jax", "jaxlib", "matplotlib", "typer", "optax")])
"""


@pytest.mark.parametrize("name", ["gp", "gmf"])
def test_answering_never_loads_jax(small: Callable[[str], Model], tmp_path: Path, name: str) -> None:
    small(name).save(tmp_path / "model")
    done = subprocess.run([sys.executable, "-c", ANSWER, tmp_path / "model"], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
