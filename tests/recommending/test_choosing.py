"""From scores to lists: order, authors, variety."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfaware.arrays import Floats
from shelfaware.data.books import Books
from shelfaware.recommending.choosing import choose
from shelfaware.recommending.wishes import Wishes

AUTHORS = [["Ann"], ["Ann"], ["Bo"], ["Ann"], [], []]
BOOKS = Books.of(pl.DataFrame({"book_id": range(6), "authors": AUTHORS}, schema_overrides={"authors": pl.List(pl.String)}))
VECTORS = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, -3.0], [1.0, 1.0], [0.0, 0.0]])


def chosen(score: list[float], n: int, wishes: Wishes) -> list[int]:
    return choose(BOOKS, np.array(score), n, wishes, lambda: VECTORS).tolist()


def test_the_highest_score_first_and_ties_by_id() -> None:
    assert chosen([1, 3, 2, 3, 0, -1], 4, Wishes(per_author=0)) == [1, 3, 2, 0]


def test_no_more_by_one_author_than_asked_and_nobody_s_books_are_no_one_s() -> None:
    score = [9.0, 8, 7, 6, 5, 4]
    assert chosen(score, 6, Wishes(per_author=1)) == [0, 2, 4, 5]
    assert chosen(score, 6, Wishes(per_author=2)) == [0, 1, 2, 4, 5]
    assert chosen(score, 6, Wishes(per_author=0)) == [0, 1, 2, 3, 4, 5]
    assert chosen(score, 6, Wishes(per_author=1, diversity=0.5)) != chosen(score, 6, Wishes(per_author=0, diversity=0.5))


def test_what_is_no_candidate_is_not_chosen() -> None:
    assert chosen([-np.inf, 1, -np.inf, 0, -np.inf, -np.inf], 6, Wishes(per_author=0)) == [1, 3]
    assert chosen([-np.inf] * 6, 3, Wishes(diversity=0.5)) == []


def test_marginal_relevance_worked_out_by_hand() -> None:
    # Relevance 1, .9, .5, .4, .2, 0. Book 1 points where book 0 does, so at diversity .5 the second place goes to
    # book 2 with .25, since book 1 has .45 - .5 and book 3 .2; book 3 is opposite to book 2 and then has .2 - 0.
    score = [10.0, 9, 5, 4, 2, 0]
    assert chosen(score, 4, Wishes(per_author=0, diversity=0.5)) == [0, 2, 3, 5]
    assert chosen(score, 3, Wishes(per_author=0, diversity=0.01)) == [0, 1, 2]


def test_a_model_is_asked_for_vectors_only_where_variety_is_wanted() -> None:
    def none() -> Floats:
        raise AssertionError

    choose(BOOKS, np.arange(6.0), 3, Wishes(), none)
    with pytest.raises(AssertionError):
        choose(BOOKS, np.arange(6.0), 3, Wishes(diversity=0.1), none)


@given(
    st.lists(st.one_of(st.just(-np.inf), st.floats(-5, 5)), min_size=6, max_size=6),
    st.integers(1, 8),
    st.floats(0, 1),
    st.integers(0, 3),
)
def test_every_list_is_of_different_candidates(score: list[float], n: int, diversity: float, per_author: int) -> None:
    wishes = Wishes(diversity=diversity, per_author=per_author)
    books = chosen(score, n, wishes)
    assert len(books) == len(set(books)) <= n
    assert all(np.isfinite(score[book]) for book in books)
    by_ann = sum(AUTHORS[book] == ["Ann"] for book in books)
    assert not per_author or by_ann <= per_author
    if not per_author:
        assert len(books) == min(n, sum(map(np.isfinite, score)))
