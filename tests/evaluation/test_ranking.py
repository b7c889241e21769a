import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import ndcg_score

from shelfaware.errors import EvaluationError
from shelfaware.evaluation.ranking import Relevant, catalogue_coverage, ndcg, recall, reciprocal_rank, top_n

RANKED = np.array([[3, 1, 4, -1], [0, 2, 5, 1], [2, 3, 0, 1], [5, 4, 3, 2]], np.int32)
RELEVANT = Relevant.of_pairs([2, 0, 0, 1, 1, 1, 0], [0, 4, 3, 5, 2, 4, 4], n_users=4)
"""User 0 loves 3, 4 (ranks 1, 3), user 1 loves 2, 4, 5 (ranks 2, none, 3), user 2 loves 0 (rank 3), user 3 nothing."""


def test_relevant_books_are_rows_without_repeats() -> None:
    assert RELEVANT.counts.tolist() == [2, 3, 1, 0]
    assert RELEVANT.books.tolist() == [3, 4, 2, 4, 5, 0]


def test_hits_by_hand() -> None:
    hits = [[True, False, True, False], [False, True, True, False], [False, False, True, False], [False] * 4]
    assert RELEVANT.hits(RANKED).tolist() == hits


def test_padding_never_hits_the_last_book_of_the_row_before() -> None:
    ranked = np.array([[0], [-1]], np.int32)
    assert not Relevant.of_pairs([0, 1], [5, 4], n_users=2).hits(ranked).any()


def test_ndcg_by_hand() -> None:
    second, third = 1 / math.log2(3), 1 / 2
    expected = [(1 + third) / (1 + second), (second + third) / (1 + second + third), third, np.nan]
    np.testing.assert_allclose(ndcg(RANKED, RELEVANT), expected)
    np.testing.assert_allclose(ndcg(RANKED, RELEVANT, n=2), [1 / (1 + second), second / (1 + second), 0, np.nan])


def test_recall_by_hand() -> None:
    np.testing.assert_allclose(recall(RANKED, RELEVANT), [1, 2 / 3, 1, np.nan])
    np.testing.assert_allclose(recall(RANKED, RELEVANT, n=2), [1 / 2, 1 / 3, 0, np.nan])


def test_reciprocal_rank_by_hand() -> None:
    np.testing.assert_allclose(reciprocal_rank(RANKED, RELEVANT), [1, 1 / 2, 1 / 3, np.nan])
    np.testing.assert_allclose(reciprocal_rank(RANKED, RELEVANT, n=2), [1, 1 / 2, 0, np.nan])


def test_catalogue_coverage_by_hand() -> None:
    assert catalogue_coverage(RANKED, n_books=8) == 6 / 8
    assert catalogue_coverage(RANKED, n_books=8, n=1) == 4 / 8
    assert catalogue_coverage(np.full((2, 3), -1, np.int32), n_books=8) == 0


def test_a_list_that_flatters_is_refused() -> None:
    with pytest.raises(EvaluationError, match="twice"):
        ndcg(np.array([[3, 3], [0, 1]], np.int32), Relevant.of_pairs([0], [3], n_users=2))
    with pytest.raises(EvaluationError, match="1 ranked lists for 4 users"):
        ndcg(RANKED[:1], RELEVANT)


@pytest.mark.parametrize("n", [1, 5, 10, 40])
def test_ndcg_agrees_with_scikit_learn(n: int) -> None:
    rng = np.random.default_rng(0)
    scores, gains = rng.permuted(np.tile(np.arange(40.0), (60, 1)), axis=1), rng.random((60, 40)) < 0.2
    gains[:, 7] = True
    ranked = top_n(scores, np.ones_like(gains), n)
    ours = ndcg(ranked, Relevant.of_pairs(*np.nonzero(gains), n_users=60), n)
    theirs = [ndcg_score(gains[[u]], scores[[u]], k=n) for u in range(60)]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_top_n_by_hand() -> None:
    scores = np.array([[1.0, 3.0, 3.0, -np.inf, 2.0], [np.nan, 0.0, 9.0, 0.0, 0.0]])
    candidates = np.array([[True] * 5, [True, True, False, True, True]])
    assert top_n(scores, candidates, 2).tolist() == [[1, 2], [1, 3]]
    assert top_n(scores, candidates, 6).tolist() == [[1, 2, 4, 0, -1, -1], [1, 3, 4, -1, -1, -1]]


def test_top_n_of_nothing() -> None:
    assert top_n(np.ones((2, 3)), np.zeros((2, 3), bool), 2).tolist() == [[-1, -1], [-1, -1]]
    assert top_n(np.ones((0, 3)), np.ones((0, 3), bool), 2).shape == (0, 2)
    assert top_n(np.ones((2, 0)), np.ones((2, 0), bool), 1).tolist() == [[-1], [-1]]


SCORES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 12)),
    elements=st.sampled_from([-np.inf, np.nan, -1.0, -0.0, 0.0, 0.5, 2.0, np.inf]),
)


@given(SCORES, st.integers(1, 14), st.integers(0, 2**32))
def test_top_n_is_the_sort_by_score_then_index(scores: np.ndarray, n: int, seed: int) -> None:
    candidates = np.random.default_rng(seed).random(scores.shape) < 0.7
    before = scores.copy()
    for row, allowed, ranked in zip(scores, candidates, top_n(scores, candidates, n), strict=True):
        able = [book for book in range(len(row)) if allowed[book] and row[book] > -np.inf]
        best = sorted(able, key=lambda book: (-row[book], book))[:n]
        assert ranked.tolist() == best + [-1] * (n - len(best))
    np.testing.assert_array_equal(scores, before)
