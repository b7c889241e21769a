"""The protocols of evaluation, by plain loops; and what evaluation refuses."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.importers import import_matrices
from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split, split
from shelfaware.errors import EvaluationError, ModelError
from shelfaware.evaluation.protocol import decile_rows, deciles, evaluate, forecasts
from shelfaware.models.base import Forecast, Model, RatingModel
from shelfaware.models.baselines import Bias, Mean, Popularity
from shelfaware.models.picking import scores
from shelfaware.models.readers import Readers
from shelfaware.training.loop import Run

KEYS = {"mse", "rmse", "mae", "n", "ndcg_at_10", "ndcg_at_10_unshelved", "catalogue_coverage_at_10"} | {
    "coverage_90",
    "spearman",
    "auc",
}
MORE = {"intervals", "recall_at_10", "mrr_at_10", "ndcg_at_10_interval"}


def by_plain_loops(model: Model, train: Interactions, test: Interactions, *, shelved_too: bool) -> dict[str, float]:
    """nDCG, recall, MRR and coverage at 10, with nothing but dictionaries."""
    score = scores(model, model.known_readers)
    held: dict[int, set[int]] = {}
    for user, book, stars in zip(test.user_index.tolist(), test.book_index.tolist(), test.stars.tolist(), strict=True):
        if stars >= 4:
            held.setdefault(user, set()).add(book)
    taken: dict[int, set[int]] = {}
    for user, book, stars in zip(train.user_index.tolist(), train.book_index.tolist(), train.stars.tolist(), strict=True):
        if shelved_too or not math.isnan(stars):
            taken.setdefault(user, set()).add(book)
    ndcg, recall, mrr, shown = [], [], [], set()
    for user, relevant in held.items():
        candidates = [book for book in range(train.n_books) if book not in taken.get(user, set())]
        best = sorted(candidates, key=lambda book: (-score[user, book], book))[:10]
        hits = [rank for rank, book in enumerate(best, 1) if book in relevant]
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(10, len(relevant)) + 1))
        ndcg.append(sum(1 / math.log2(rank + 1) for rank in hits) / ideal)
        recall.append(len(hits) / len(relevant))
        mrr.append(1 / hits[0] if hits else 0.0)
        shown |= set(best)
    means = {"ndcg": ndcg, "recall": recall, "mrr": mrr}
    return {name: sum(of) / len(of) for name, of in means.items()} | {"coverage": len(shown) / train.n_books}


@pytest.mark.parametrize("name", ["gp", "ease", "popularity", "bias"])
def test_both_protocols_by_a_plain_loop(small: Callable[[str], Model], planted_split: Split, name: str) -> None:
    model, (train, test) = small(name), planted_split
    figures = evaluate(model, test)
    a = by_plain_loops(model, train, test, shelved_too=False)
    b = by_plain_loops(model, train, test, shelved_too=True)
    assert figures["ndcg_at_10"] == pytest.approx(a["ndcg"], rel=1e-12)
    assert figures["recall_at_10"] == pytest.approx(a["recall"], rel=1e-12)
    assert figures["mrr_at_10"] == pytest.approx(a["mrr"], rel=1e-12)
    assert figures["catalogue_coverage_at_10"] == pytest.approx(a["coverage"], rel=1e-12)
    assert figures["ndcg_at_10_unshelved"] == pytest.approx(b["ndcg"], rel=1e-12)
    assert a["ndcg"] != b["ndcg"]
    low, high = figures["ndcg_at_10_interval"]
    assert low < a["ndcg"] < high


def test_the_errors_by_a_plain_loop(small: Callable[[str], Model], planted_split: Split) -> None:
    model, test = small("bias"), planted_split[1]
    assert isinstance(model, RatingModel)
    predicted = model.predict((test.user_index + 1000).tolist(), (test.book_index + 1).tolist())
    errors = [float(stars) - float(guess) for stars, guess in zip(test.stars, predicted, strict=True)]
    figures = evaluate(model, test)
    assert figures["n"] == len(test) == 265
    assert figures["mse"] == pytest.approx(sum(e * e for e in errors) / 265, rel=1e-9)
    assert figures["rmse"] == pytest.approx(math.sqrt(sum(e * e for e in errors) / 265), rel=1e-9)
    assert figures["mae"] == pytest.approx(sum(abs(e) for e in errors) / 265, rel=1e-9)
    for key, (low, high) in figures["intervals"].items():
        assert low < figures[key] < high


@dataclass(kw_only=True, eq=False)
class Table(RatingModel):
    """Expects what it is told to expect of each book."""

    name: ClassVar[str] = "table"
    of_book: Floats
    deviation: float | None = None

    def _fit(self, train: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        return {"center": np.array([3.0])}

    def _expect(self, readers: Readers) -> Floats:
        return np.tile(self.of_book, (len(readers), 1))

    def _forecast(self, readers: Readers, reader: AnyArray, book_index: AnyArray) -> Forecast:
        stars = self.of_book[book_index]
        return Forecast(stars, None if self.deviation is None else np.full(len(stars), self.deviation))


def tiny() -> Split:
    """Two users of 12 books; user 1 rated books 1 and 2, user 2 book 1; held out are (1, 3), (1, 4) and (2, 12)."""
    rows = [(1, 1, 5.0), (1, 2, 1.0), (2, 1, 3.0), (1, 3, 5.0), (1, 4, 2.0), (2, 12, 4.0)]
    rows += [(3, book, 1.0) for book in range(1, 13)]
    columns = zip(*rows, strict=True)
    data = Interactions.from_frame(pl.DataFrame(dict(zip(("user_id", "book_id", "stars"), columns, strict=True))))
    held = np.array([(u, b) in {(0, 2), (0, 3), (1, 11)} for u, b in zip(data.user_index, data.book_index, strict=True)])
    return data.take(~held), data.take(held)


def test_by_hand() -> None:
    """Stars 5, 2, 4 against 5.5 (clipped to 5), 1, 3: squared errors 0, 1, 1. The ranker is popularity."""
    train, test = tiny()
    of_book = np.full(12, 3.0)
    of_book[[2, 3]] = 5.5, 1.0
    model = Table(of_book=of_book, deviation=0.5).fit(train)
    model.ranker, model.star_weight = Popularity().fit(train), 0.0
    figures = evaluate(model, test)
    assert figures["mse"] == pytest.approx(2 / 3)
    assert figures["mae"] == pytest.approx(2 / 3)
    # Within 1.645 * 0.5 = 0.82 of the unclipped 5.5, 1 and 3: only the first, 0.5 away.
    assert figures["coverage_90"] == pytest.approx(1 / 3)
    assert figures["spearman"] is None
    assert figures["auc"] is None
    # User 1's list is 3, 4, ... 12: loved book 3 is first. User 2's is 2, 3, ... 11: loved book 12 is eleventh.
    assert figures["ndcg_at_10"] == pytest.approx(0.5)
    assert figures["mrr_at_10"] == pytest.approx(0.5)
    assert figures["catalogue_coverage_at_10"] == pytest.approx(11 / 12)
    assert figures["ndcg_at_10_unshelved"] is None


def test_what_a_model_lacks_is_null(small: Callable[[str], Model], planted_split: Split) -> None:
    lacks: dict[str, set[str]] = {
        "gp": set(),
        "bias": {"coverage_90", "spearman", "auc"},
        "popularity": {"mse", "rmse", "mae", "coverage_90", "spearman", "auc"},
    }
    for name, missing in lacks.items():
        figures = evaluate(small(name), planted_split[1])
        assert {key for key, value in figures.items() if value is None} == missing
        assert figures.keys() >= KEYS
        assert figures.keys() <= KEYS | MORE


def test_without_shelves_there_is_no_protocol_b(planted: Interactions) -> None:
    train, test = split(planted.ratings(), "random:0.1")
    assert evaluate(Mean().fit(train), test)["ndcg_at_10_unshelved"] is None


def test_never_a_nan(planted_split: Split, planted: Interactions) -> None:
    """One held-out rating, none loved, one user, everything the same: figures that cannot be told are null."""
    train, test = planted_split
    model = Mean().fit(train)
    parts = [
        test.take(np.arange(len(test)) == 0),
        test.take(test.stars < 4),
        test.take(test.stars == 5),
        test.take(test.user_index == test.user_index[0]),
    ]
    for part in parts:
        for judged in (model, Bias().fit(train), Popularity().fit(train)):
            figures = evaluate(judged, part)
            json.dumps(figures, allow_nan=False)
            assert figures.keys() >= KEYS
            assert figures["n"] == len(part)
    figures = evaluate(model, parts[0])
    assert figures["intervals"] == {"mse": None, "rmse": None, "mae": None}


def test_train_and_test_may_not_overlap(planted_split: Split, planted: Interactions) -> None:
    train, test = planted_split
    model = Mean().fit(train)
    mixed = planted.take(np.isin(planted.pair_keys, np.concatenate([test.pair_keys, train.ratings().pair_keys[:3]])))
    with pytest.raises(EvaluationError, match="3 of the 268 held-out pairs are in the training data too"):
        evaluate(model, mixed)


def test_a_held_out_book_may_not_be_on_the_shelf(planted_split: Split, planted: Interactions) -> None:
    """Whoever finds the held-out book on the shelf knows that it was taken up."""
    test = planted_split[1]
    stars = np.where(np.isin(planted.pair_keys, test.pair_keys), np.nan, planted.stars).astype(np.float32)
    leaking = Interactions(planted.user_index, planted.book_index, stars, planted.shelf, planted.users, planted.books)
    with pytest.raises(EvaluationError, match="265 of the 265"):
        evaluate(Mean().fit(leaking), test)


def test_an_unscored_pair_is_refused(planted_split: Split) -> None:
    of_book = np.full(40, 3.0)
    model = Table(of_book=of_book).fit(planted_split[0])
    of_book[5] = np.nan
    n = int((planted_split[1].book_index == 5).sum())
    assert n > 1
    with pytest.raises(EvaluationError, match=f"table has no score for {n} held-out pairs"):
        evaluate(model, planted_split[1])


def test_nothing_to_judge(planted_split: Split, planted: Interactions) -> None:
    model = Mean().fit(planted_split[0])
    for nothing in (planted.take(np.zeros(len(planted), bool)), planted.take(~planted.rated)):
        with pytest.raises(EvaluationError, match="nothing was held out, so there is nothing to evaluate on"):
            evaluate(model, nothing)
    with pytest.raises(ModelError, match="loaded without its users"):
        evaluate(Mean(), planted_split[1])


def test_deciles_share_the_pairs(small: Callable[[str], Model], planted_split: Split) -> None:
    model, (train, test) = small("gp"), planted_split
    assert isinstance(model, RatingModel)
    held = forecasts(model, test)
    parts = deciles(held, model.known_readers)
    mse = evaluate(model, test)["mse"]
    for of, rows in parts.items():
        assert sum(row.n for row in rows) == 265
        assert sum(row.n * row.mean.mean for row in rows) / 265 == pytest.approx(mse)
        counts = train.user_ratings()[test.user_index] if of == "user" else train.book_ratings()[test.book_index]
        assert (rows[0].least, rows[-1].most) == (counts.min(), counts.max())
    as_json: dict[str, list[dict[str, Any]]] = json.loads(json.dumps(decile_rows(parts)))
    assert as_json["user"][0].keys() == {"least", "most", "n", "mean"}


def test_popularity_on_the_original_s_split(real_data: Path) -> None:
    """Recorded beforehand: nDCG@10 .375 under protocol A, .391 under protocol B, of 7,702 users."""
    folder = real_data / "goodreads-fantasy"
    names = ("rating", "isRead", "shelved")
    data = import_matrices(*(folder / f"{name}_matrix_shrunk.npz" for name in names))[0]
    train, test = split(data, "notebook")
    assert len(np.unique(test.user_index[test.stars >= 4])) == 7702
    figures = evaluate(Popularity().fit(train), test)
    assert figures["ndcg_at_10"] == pytest.approx(0.375, abs=0.0005)
    assert figures["ndcg_at_10_unshelved"] == pytest.approx(0.391, abs=0.0005)
