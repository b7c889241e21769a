"""What to read next: in order, never a book they have, with reasons that sum to the stars."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

from shelfaware.data.books import Books
from shelfaware.data.ids import Id
from shelfaware.data.interactions import TO_READ, Interactions
from shelfaware.data.splits import Split
from shelfaware.errors import DataError, ModelError, UnknownIdError
from shelfaware.models.base import Model, RatingModel
from shelfaware.models.baselines import Mean, Popularity
from shelfaware.models.folder import load_model
from shelfaware.models.picking import scores
from shelfaware.models.readers import Readers
from shelfaware.models.registry import create
from shelfaware.recommending.answer import rank_to_read, recommend, would_dislike
from shelfaware.recommending.recommendations import Recommendations
from shelfaware.recommending.wishes import Wishes

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
    model.arrays = model.arrays | {"count": np.array([7.0, 9.0] * 20)}
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
            total = book.why.base + book.why.shelves + sum(share.share for share in book.why.books) + book.why.rest
            index = np.array([int(book.book_id) - 1])
            assert total == pytest.approx(model.forecast(reader, [0], index).stars[0], abs=1e-5)
            assert book.stars == pytest.approx(np.clip(total, 1, 5), abs=1e-5)


def test_the_reasons_are_the_rated_books_largest_first(gp: RatingModel, planted_split: Split) -> None:
    train = planted_split[0]
    for user in (3, 50):
        rows = (train.user_index == user) & train.rated
        given = {int(book) + 1: float(stars) for book, stars in zip(train.book_index[rows], train.stars[rows], strict=True)}
        for book in recommend(gp, 1000 + user, n=3, reasons=None):
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


def same(a: Recommendations, b: Recommendations) -> None:
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
    assert len(recommend(model, {book: 1 + book % 5 for book in range(1, 41)})) == 0
    assert len(recommend(model, {book: 1 + book % 5 for book in range(1, 40)})) == 1


def test_a_book_without_a_finite_score_is_not_recommended(planted_split: Split) -> None:
    model = Popularity().fit(planted_split[0])
    model.arrays = model.arrays | {"count": np.where(np.arange(40) < 38, -np.inf, 1.0)}
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


@pytest.fixture(scope="module")
def shelved(planted_split: Split) -> RatingModel:
    """A gp of the planted ratings whose books know more: 1 and 2 are one work, 3 to 6 a series, 7 and 8 by one author."""
    train = planted_split[0]
    n = len(train.books)
    more = {
        "work_id": ["w", "w", *[None] * (n - 2)],
        "series": [None, None, *["Saga"] * 4, *[None] * (n - 6)],
        "series_position": [None, None, 1.0, 2.0, 3.0, 4.0, *[None] * (n - 6)],
        "authors": [[], [], *[["Ann"]] * 4, ["Bo"], ["Bo"], *[[]] * (n - 8)],
    }
    table = train.books.table.with_columns(pl.Series(name, values) for name, values in more.items())
    fitted = create("gp", {"factors": 4, "block_size": 16, "batch_size": 128}).fit(replace(train, books=Books.of(table)))
    assert isinstance(fitted, RatingModel)
    return fitted


def ids(books: Recommendations) -> list[Id]:
    return [book.book_id for book in books]


def test_an_edition_of_what_they_have_is_what_they_have(shelved: RatingModel) -> None:
    assert not {1, 2} & set(ids(recommend(shelved, {1: 5}, n=40)))
    assert not {1, 2} & set(ids(recommend(shelved, {2: 5}, n=40)))
    everything = ids(recommend(shelved, {20: 5}, n=40, wishes=Wishes(in_order=False, per_author=0)))
    assert len({1, 2} & set(everything)) == 1
    assert len(everything) == 38


def test_a_series_comes_from_its_start(shelved: RatingModel) -> None:
    free = Wishes(per_author=0)
    assert {3, 4, 5, 6} & set(ids(recommend(shelved, {20: 5}, 40, free))) == {3}
    assert {3, 4, 5, 6} & set(ids(recommend(shelved, {3: 5, 20: 5}, 40, free))) == {4}
    assert {3, 4, 5, 6} & set(ids(recommend(shelved, {20: 5}, 40, Wishes(per_author=0, in_order=False)))) == {3, 4, 5, 6}
    to_read = Readers.stranger(shelved.catalogue, shelved.scale, {20: 5}, to_read=[3])
    assert not {3, 4, 5, 6} & set(ids(recommend(shelved, to_read, 40, free)))


def test_not_too_many_by_one_author(shelved: RatingModel) -> None:
    assert len({7, 8} & set(ids(recommend(shelved, {20: 5}, 40, Wishes(per_author=1))))) == 1
    assert len({7, 8} & set(ids(recommend(shelved, {20: 5}, 40)))) == 2


def test_only_by_the_authors_asked_for(shelved: RatingModel) -> None:
    assert set(ids(recommend(shelved, {20: 5}, 40, Wishes(authors=("bo",))))) == {7, 8}


def test_the_interval_is_the_middle_80_percent_of_a_normal_on_the_scale(gp: RatingModel) -> None:
    for book in recommend(gp, 1004, n=40):
        assert book.stars is not None
        assert book.deviation is not None
        index = np.array([int(book.book_id) - 1])
        mean = float(gp.forecast(gp.reader(1004), [0], index).stars[0])
        for bound, share in ((book.low, 0.1), (book.high, 0.9)):
            assert bound == pytest.approx(np.clip(NormalDist(mean, book.deviation).inv_cdf(share), 1, 5))


def test_how_many_rated_each_book(model: Model, planted_split: Split) -> None:
    counts = planted_split[0].book_ratings()
    for book in recommend(model, 1004, n=40):
        assert book.n_ratings == counts[int(book.book_id) - 1] > 0


def test_adventure_adds_deviations_to_the_score(gp: RatingModel) -> None:
    plain = {book.book_id: book for book in recommend(gp, 1004, n=40)}
    for adventure in (-1.5, 2.0):
        for book in recommend(gp, 1004, 40, Wishes(adventure=adventure)):
            assert book.deviation is not None
            moved = plain[book.book_id].score + adventure * book.deviation
            assert book.score == pytest.approx(moved)


def test_a_model_that_is_never_unsure_has_no_adventures(small: Callable[[str], Model]) -> None:
    with pytest.raises(ModelError, match="bias does not know how sure it is"):
        recommend(small("bias"), {1: 5}, wishes=Wishes(adventure=1))
    with pytest.raises(ModelError, match="ease ranks books and predicts no stars"):
        recommend(small("ease"), {1: 5}, wishes=Wishes(adventure=1))


def test_their_own_to_read_shelf_in_the_order_of_the_stars(gp: RatingModel) -> None:
    reader = Readers.stranger(gp.catalogue, gp.scale, {1: 5, 2: 1, 3: 4}, read=[4], to_read=[10, 20, 30, 11])
    books = rank_to_read(gp, reader)
    assert set(ids(books)) == {10, 20, 30, 11}
    expected = gp.forecast(reader, np.zeros(4, int), np.array([int(book) - 1 for book in ids(books)])).stars
    assert (np.diff(expected) <= 0).all()
    assert [book.score for book in books] == pytest.approx(expected)
    assert len(rank_to_read(gp, Readers.stranger(gp.catalogue, gp.scale, {1: 5}))) == 0
    with pytest.raises(ModelError, match="popularity ranks books"):
        rank_to_read(Popularity().fit(gp_data(gp)), reader)


def gp_data(gp: RatingModel) -> Interactions:
    rows = pl.DataFrame({"user_id": [1] * 40, "book_id": range(1, 41), "stars": [3.0] * 40})
    return Interactions.from_frame(rows, books=gp.catalogue)


def test_books_they_would_dislike_are_the_worst_expected_first(gp: RatingModel) -> None:
    books = would_dislike(gp, 1004, n=40)
    liked = recommend(gp, 1004, n=40)
    assert set(ids(books)) == set(ids(liked))
    stars = [book.score for book in books]
    assert stars == sorted(stars)
    assert ids(would_dislike(gp, 1004, n=3)) == ids(books)[:3]


def test_of_many_reasons_the_smallest_are_summed(gp: RatingModel) -> None:
    ratings: dict[Id, float] = {book: 1 + book % 5 for book in range(1, 31)}
    short, whole = (recommend(gp, ratings, n=2, reasons=reasons) for reasons in (5, None))
    for brief, full in zip(short, whole, strict=True):
        assert brief.why
        assert full.why
        assert brief.why.books == full.why.books[:5]
        assert (brief.why.n_rest, full.why.n_rest, full.why.rest) == (25, 0, 0.0)
        assert brief.why.rest == pytest.approx(sum(share.share for share in full.why.books[5:]))
