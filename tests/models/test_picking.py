"""The weight of stars beside a pick: planted choices, and scores by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split
from shelfaware.errors import ModelError
from shelfaware.models.base import Model, Ranker, RatingModel
from shelfaware.models.baselines import Mean
from shelfaware.models.picking import conditional_logit, fit_ranker, fit_star_weight, scores
from shelfaware.models.readers import Readers
from shelfaware.training.loop import Run


def planted_choices(weights: list[float], n: int) -> tuple[Floats, NDArray[np.bool_], Floats, NDArray[np.int64]]:
    """n readers who each choose one of 20 books by the planted weights; a chosen book is no other's alternative."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, 20, len(weights)))
    utility = features @ weights + rng.gumbel(size=(n, 20))
    choice = utility.argmax(axis=1)
    candidates = np.ones((n, 20), bool)
    candidates[np.arange(n), choice] = False
    return features, candidates, features[np.arange(n), choice], np.arange(n)


def test_planted_weights_are_found() -> None:
    found = conditional_logit(*planted_choices([1.5, -0.7], 4000))
    np.testing.assert_allclose(found, [1.5, -0.7], atol=0.1)


def test_the_likelihood_has_its_maximum_there() -> None:
    features, candidates, chosen, owner = planted_choices([0.8, 0.5], 50)

    def likelihood(w: AnyArray) -> float:
        total = 0.0
        for i, of in enumerate(owner):
            others = sum(np.exp(features[of, j] @ w) for j in range(20) if candidates[of, j])
            own = np.exp(chosen[i] @ w)
            total += np.log(own / (own + others))
        return float(total)

    best = conditional_logit(features, candidates, chosen, owner)
    for step in ([0.01, 0.0], [-0.01, 0.0], [0.0, 0.01], [0.0, -0.01]):
        assert likelihood(best) > likelihood(best + step)


def test_whoever_has_every_book_chose_nothing() -> None:
    features, candidates, chosen, owner = planted_choices([1.0, 1.0], 60)
    without = candidates[:50], owner[:50]
    candidates[50:] = False
    all_of_them = conditional_logit(features, candidates, chosen, owner)
    np.testing.assert_allclose(all_of_them, conditional_logit(features[:50], without[0], chosen[:50], without[1]), atol=1e-4)


@dataclass(kw_only=True, eq=False)
class Oracle(RatingModel):
    """Knows what everybody thinks of every book: `liking` [n_users, n_books]."""

    name: ClassVar[str] = "oracle"
    liking: Floats
    sign: float = 1.0

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        return {}

    def _expect(self, readers: Readers) -> Floats:
        return np.asarray(3 + self.sign * self.liking[readers.user_index])

    def _left_out(self, readers: Readers) -> Floats:
        return np.asarray(self._expect(readers)[readers.owner[readers.rated], readers.book_index[readers.rated]])


@dataclass(kw_only=True, eq=False)
class Indifferent(Ranker):
    """Scores that somebody gave."""

    name: ClassVar[str] = "indifferent"
    given: Floats

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        return {}

    def _scores(self, readers: Readers) -> Floats:
        return self.given[readers.user_index]


@pytest.fixture
def chosen_by_stars() -> tuple[Readers, Floats, Floats]:
    """200 readers of 30 books who rated, with 5 stars, the 5 books of the highest log pick + 0.8 stars + noise."""
    rng = np.random.default_rng(3)
    liking, pick = rng.normal(size=(200, 30)).clip(-1.9, 1.9), rng.uniform(0.01, 1, size=(200, 30))
    taken = np.sort((-(np.log(pick) + 0.8 * liking + rng.gumbel(size=(200, 30)))).argsort(axis=1)[:, :5], axis=1)
    n = taken.size
    readers = Readers(
        np.arange(0, n + 1, 5), taken.ravel().astype(np.int32), np.full(n, 5.0), np.zeros(n, np.int8), np.arange(200)
    )
    return readers, liking, pick


def test_stars_that_matter_have_a_weight(chosen_by_stars: tuple[Readers, Floats, Floats]) -> None:
    readers, liking, pick = chosen_by_stars
    weight = fit_star_weight(Oracle(liking=liking), Indifferent(given=pick), readers)
    assert weight == pytest.approx(0.8, abs=0.25)


def test_stars_that_mislead_have_none(chosen_by_stars: tuple[Readers, Floats, Floats]) -> None:
    readers, liking, pick = chosen_by_stars
    assert fit_star_weight(Oracle(liking=liking, sign=-1.0), Indifferent(given=pick), readers) == 0.0


def test_nobody_loved_anything(chosen_by_stars: tuple[Readers, Floats, Floats]) -> None:
    readers, liking, pick = chosen_by_stars
    bored = Readers(readers.indptr, readers.book_index, np.full(1000, 3.0), readers.shelf, readers.user_index)
    assert fit_star_weight(Oracle(liking=liking), Indifferent(given=pick), bored) == 0.0


def test_a_model_that_cannot_leave_out_has_no_weight(small: Callable[[str], Model]) -> None:
    for name in ("mean", "gmf"):
        model = small(name)
        assert isinstance(model, RatingModel)
        assert model.left_out(model.known_readers) is None
        assert model.star_weight == 0.0


def test_one_rating_each_is_too_few(planted: Interactions, small: Callable[[str], Model]) -> None:
    first = np.concatenate([[True], np.diff(planted.user_index) > 0]) & planted.rated
    readers = Readers.of(planted.take(first))
    bias, ease = small("bias"), small("ease")
    assert isinstance(bias, RatingModel)
    assert isinstance(ease, Ranker)
    assert fit_star_weight(bias, ease, readers) == 0.0


def test_the_score_by_hand(planted_split: Split) -> None:
    model = Mean().fit(planted_split[0])
    model.arrays = {"center": np.array([5.7])}
    pick = np.array([[0.5, 1e-9, -2.0, 3.0]])
    model.ranker, model.star_weight = Indifferent(given=pick), 0.25
    model.books = planted_split[0].books.take(np.arange(40) < 4)
    reader = Readers(np.array([0, 0]), np.empty(0, np.int32), np.empty(0), np.empty(0, np.int8), np.array([0]))
    by_hand = [np.log(0.5) + 1.25, np.log(0.001) + 1.25, np.log(0.001) + 1.25, np.log(3) + 1.25]
    np.testing.assert_allclose(scores(model, reader)[0], by_hand)
    model.star_weight = 0.0
    np.testing.assert_allclose(scores(model, reader)[0], np.array(by_hand) - 1.25)


def test_a_ranker_scores_for_itself(small: Callable[[str], Model]) -> None:
    ease = small("ease")
    assert isinstance(ease, Ranker)
    some = ease.known_readers.take(np.arange(5))
    np.testing.assert_array_equal(scores(ease, some), ease.scores(some))


def test_without_a_ranker_nothing_is_recommended(planted_split: Split) -> None:
    model = Mean().fit(planted_split[0])
    model.ranker = None
    with pytest.raises(ModelError, match="this mean has no ranker, so it cannot recommend; train it again"):
        scores(model, model.known_readers)


def test_the_ranker_is_ease(planted: Interactions) -> None:
    assert fit_ranker(planted).name == "ease"
