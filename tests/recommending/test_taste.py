"""What a reader's ratings say of them, worked out by hand on the planted data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shelfaware.data.ids import Id
from shelfaware.data.splits import Split
from shelfaware.errors import DataError, ModelError
from shelfaware.models.base import Model, RatingModel
from shelfaware.models.readers import Readers
from shelfaware.recommending.taste import book_map, taste


@pytest.fixture
def gp(small: Callable[[str], Model]) -> RatingModel:
    model = small("gp")
    assert isinstance(model, RatingModel)
    return model


RATINGS: dict[Id, float] = {3: 1, 7: 5, 9: 4, 20: 2}


def test_harshness_is_what_others_give_the_same_books_more(gp: RatingModel, planted_split: Split) -> None:
    train = planted_split[0].ratings()
    others = [train.stars[train.book_index == int(book) - 1] for book in RATINGS]
    found = taste(gp, RATINGS)
    assert (found.n_ratings, found.mean) == (4, 3.0)
    assert found.others == pytest.approx(np.mean([stars.mean() for stars in others]))
    assert found.harshness == pytest.approx(found.others - 3)
    assert found.share_loved == 0.5
    assert found.others_loved == pytest.approx(np.mean([(stars >= 4).mean() for stars in others]))


def test_surprises_are_what_the_other_books_did_not_say(gp: RatingModel) -> None:
    found = taste(gp, RATINGS, n=4).surprises
    gaps = [abs(one.stars - one.expected) for one in found]
    assert gaps == sorted(gaps, reverse=True)
    assert {one.book_id: one.stars for one in found} == RATINGS
    for one in found:
        others: dict[Id, float] = {book: stars for book, stars in RATINGS.items() if book != one.book_id}
        reader = Readers.stranger(gp.catalogue, gp.scale, others)
        expected = gp.forecast(reader, [0], np.array([int(one.book_id) - 1])).stars[0]
        assert one.expected == pytest.approx(np.clip(expected, 1, 5))
    assert taste(gp, RATINGS, n=1).surprises == found[:1]


def test_taste_takes_a_rating_and_a_model_of_stars(gp: RatingModel, small: Callable[[str], Model]) -> None:
    with pytest.raises(DataError, match="taste takes a rated book that the model knows"):
        taste(gp, {})
    with pytest.raises(ModelError, match="ease ranks books"):
        taste(small("ease"), RATINGS)
    assert taste(small("mean"), RATINGS).surprises == []


def test_the_map_is_the_principal_components_of_the_book_vectors(gp: RatingModel) -> None:
    from sklearn.decomposition import PCA

    shown = book_map(gp, RATINGS, n=25)
    popular = np.argsort(-gp.n_ratings, kind="stable")[:25]
    oracle = PCA(2).fit(gp.vectors()[popular])
    expected = oracle.transform(gp.vectors()[shown.book_index])
    signs = np.sign(np.sum(expected * shown.place, axis=0))
    np.testing.assert_allclose(shown.place, expected * signs, atol=1e-8)
    np.testing.assert_allclose(shown.spread, oracle.explained_variance_ratio_)
    assert set(popular) <= set(shown.book_index)
    assert sorted(shown.book_index[shown.mine] + 1) == sorted(RATINGS)
    assert dict(zip(shown.book_index[shown.mine] + 1, shown.stars, strict=True)) == RATINGS
    assert shown.here is not None
    loved = [list(shown.book_index).index(int(book) - 1) for book in (7, 9)]
    np.testing.assert_allclose(shown.here, shown.place[loved].mean(axis=0))


def test_a_map_without_a_reader_and_one_who_loves_nothing(gp: RatingModel, small: Callable[[str], Model]) -> None:
    assert book_map(gp).here is None
    assert len(book_map(gp).book_index) == 40
    assert book_map(gp, {3: 1}).here is None
    with pytest.raises(ModelError, match="bias has no book vectors"):
        book_map(small("bias"))
