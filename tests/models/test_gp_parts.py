"""`gp` from a dataset in parts: the same tables as from memory, every user once an epoch, and no more than its parts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shelfaware.data import dataset, part_writer
from shelfaware.data.interactions import Interactions
from shelfaware.data.parts import Parts
from shelfaware.errors import DataError
from shelfaware.models import gp_fitting, gp_trust
from shelfaware.models.baselines import Popularity
from shelfaware.models.ease import EASE
from shelfaware.models.gp import DECAYS, GP
from shelfaware.models.gp_batches import Batches, books_of_steps
from shelfaware.models.gp_fitting import Means, Start, learned
from shelfaware.models.gp_learner import GPLearner
from shelfaware.models.gp_parts import fit_parts, rank_parts
from shelfaware.models.gp_trust import Plain, Trusted
from shelfaware.models.picking import fit_star_weight
from shelfaware.models.readers import Readers
from shelfaware.models.source import Source
from shelfaware.training.history import EpochRecord
from shelfaware.training.interrupts import TrainingInterruptedError
from shelfaware.training.loop import Run

CONFIG: dict[str, Any] = {"factors": 3, "epochs": 3, "block_size": 16, "batch_size": 64, "weight_decay": 0.0}


@pytest.fixture(scope="module")
def whole(planted: Interactions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "dataset"
    dataset.save(planted, folder)
    return folder


@pytest.fixture(scope="module")
def parted(planted: Interactions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parted") / "dataset"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part_writer, "PART_ROWS", 1 + len(planted) // 4)
        dataset.save(planted, folder)
    return folder


@pytest.fixture(scope="module")
def sparse(planted: Interactions) -> Interactions:
    """A third of the rows, fewer than fifty ratings a book, and one book that nobody rated."""
    few = planted.take((np.arange(len(planted)) % 3 == 0) & ~((planted.book_index == 7) & planted.rated))
    assert few.n_ratings < 50 * 39
    assert few.book_ratings()[7] == 0
    return few


def written(data: Interactions, folder: Path, part_rows: int) -> Parts:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part_writer, "PART_ROWS", part_rows)
        dataset.save(data, folder)
    return Parts.open(folder)


@pytest.mark.parametrize(
    ("which", "config"),
    [("planted", {}), ("sparse", {}), ("sparse", {"weight_decay": None}), ("sparse", {"shelves": False, "seed": 5})],
    ids=str,
)
def test_one_part_is_the_fit_in_memory(
    planted: Interactions, sparse: Interactions, tmp_path: Path, which: str, config: dict[str, Any]
) -> None:
    """Tables, trust where books have few ratings, books that nobody rated, ranker and weight of stars: bit for bit."""
    data = {"planted": planted, "sparse": sparse}[which]
    whole, parts = GP(**CONFIG | config).fit(data), written(data, tmp_path / "dataset", 10**6)
    model = rank_parts(fit_parts(GP(**CONFIG | config), parts), parts)
    assert model.all_arrays().keys() == whole.all_arrays().keys()
    for name, array in whole.all_arrays().items():
        np.testing.assert_array_equal(model.all_arrays()[name], array, strict=True, err_msg=name)
    assert model.star_weight == whole.star_weight
    assert model.version == whole.version
    assert model.know(data).n_ratings.tolist() == data.book_ratings().tolist()


def test_where_books_have_few_ratings_several_parts_are_trusted_as_one(
    sparse: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is found best, the tables lie between those of `bias`, which are the same in parts, and what was learned."""
    parts = written(sparse, tmp_path / "dataset", 150)
    assert len(parts) > 3
    source = Source.of_parts(parts, tmp_path, shelves=True)
    one, several = Plain.of(Source.of(sparse)), Plain.of(source)
    np.testing.assert_allclose(several.means, one.means, rtol=1e-9)
    assert several.noise == pytest.approx(one.noise, rel=1e-9)
    trusts: list[float] = []

    def noted(arrays: dict[str, Any], plain: Plain, trust: float) -> dict[str, Any]:
        trusts.append(trust)
        return gp_trust.toward_bias(arrays, plain, trust)

    monkeypatch.setattr(gp_fitting, "toward_bias", noted)
    model = fit_parts(GP(**CONFIG), parts)
    assert trusts[0] in (gp_trust.LEAST_TRUST, *gp_trust.TRUSTS)
    table = gp_trust.toward_bias(
        learned(GP(**CONFIG), source, None, Run(), Start(DECAYS[0], Means.of(source))), several, trusts[0]
    )
    rated = sparse.book_ratings() > 0
    np.testing.assert_array_equal(model.arrays["book_means"][rated], table["book_means"][rated])
    np.testing.assert_array_equal(model.arrays["noise"], table["noise"])
    assert {path.name for path in tmp_path.iterdir()} == {"dataset"}


def test_of_every_part_a_tenth_is_held_out_and_never_learned(
    sparse: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = written(sparse, tmp_path / "dataset", 150)
    pairs: list[tuple[Interactions, Interactions]] = []

    def noted(model: GP, arrays: Any, plain: Plain, cuts: Any) -> Trusted:
        pairs.extend(cut() for cut in cuts)
        return Trusted(0.5, 0.0)

    monkeypatch.setattr(gp_fitting, "best_trust", noted)
    monkeypatch.setattr(gp_fitting, "JUDGES", len(parts))
    fit_parts(GP(**CONFIG), parts)
    assert len(pairs) == len(parts)
    for part, (kept, held) in zip(parts, pairs, strict=True):
        assert len(held) == held.n_ratings == part.n_ratings // 10
        assert sorted([*kept.pair_keys, *held.pair_keys]) == part.pair_keys.tolist()
    places = [np.flatnonzero(np.isin(part.pair_keys, held.pair_keys)) for part, (_, held) in zip(parts, pairs, strict=True)]
    assert len({tuple(x) for x in places}) == len(parts)


def test_several_parts_learn_what_one_does(whole: Path, parted: Path, planted: Interactions) -> None:
    """Another order of users and, since the last step of a part is not full, some more steps: nearly the same last loss."""
    parts = Parts.open(parted)
    assert len(parts) > 3
    settled = CONFIG | {"epochs": 12}
    one, several = (fit_parts(GP(**settled), some).history for some in (Parts.open(whole), parts))
    assert one is not None
    assert several is not None
    assert several.loss[-1] == pytest.approx(one.loss[-1], rel=0.05)
    again = fit_parts(GP(**settled), parts)
    assert again.history is not None
    assert again.history.loss == several.loss


def test_an_epoch_holds_every_user_of_every_part(parted: Path, planted: Interactions) -> None:
    parts = Parts.open(parted)
    read: list[int] = []

    def readers(i: int) -> Readers:
        read.append(i)
        return Readers.of(parts.part(i))

    batches = Batches(GP(**CONFIG), parts.n_books, readers, len(parts))
    np.testing.assert_array_equal(batches.n_ratings, planted.book_ratings())
    np.testing.assert_array_equal(batches.n_shelved, np.bincount(planted.book_index, minlength=parts.n_books))
    read.clear()
    for epoch in range(3):
        numbers, n = [], 0
        for steps in (batches.steps(epoch, leg) for leg in range(batches.legs)):
            assert len(steps.number) == max(batches.steps_of_part)
            numbers += steps.number[: steps.n].tolist()
            n += int((steps.batch.owner[: steps.n] >= 0).sum())
        assert numbers == list(range(epoch * batches.n_steps + 1, (epoch + 1) * batches.n_steps + 1))
        assert n > 0.9 * np.minimum(planted.user_ratings(), 16).sum()
    orders = [tuple(read[i : i + len(parts)]) for i in range(0, len(read), len(parts))]
    assert [sorted(order) for order in orders] == [list(range(len(parts)))] * 3
    assert len(set(orders)) > 1


def test_one_part_is_read_ahead_and_no_more(parted: Path) -> None:
    parts = Parts.open(parted)
    read: list[int] = []

    def readers(i: int) -> Readers:
        read.append(i)
        return Readers.of(parts.part(i))

    batches = Batches(GP(**CONFIG), parts.n_books, readers, len(parts))
    learner = GPLearner(GP(**CONFIG), GP().decays[0], batches, np.full(parts.n_books, 3.5), 3.5)
    read.clear()
    for leg in range(batches.legs):
        learner.coming(0, leg)
        assert leg + 1 <= len(read) <= leg + 2


def test_interrupted_and_resumed_is_the_same_run(parted: Path, tmp_path: Path) -> None:
    parts = Parts.open(parted)
    with pytest.raises(TrainingInterruptedError):
        fit_parts(GP(**CONFIG), parts, Run(lambda record: os.kill(os.getpid(), signal.SIGINT), tmp_path / "run"))
    resumed = fit_parts(GP(**CONFIG), parts, Run(checkpoint=tmp_path / "run", resume=True))
    assert resumed.version == fit_parts(GP(**CONFIG), parts).version


def test_nobody_with_two_ratings_is_an_error(planted: Interactions, tmp_path: Path) -> None:
    first = np.concatenate([[True], np.diff(planted.user_index) > 0])
    dataset.save(planted.take(first & planted.rated), tmp_path / "dataset")
    with pytest.raises(DataError, match="at least two ratings"):
        fit_parts(GP(**CONFIG), Parts.open(tmp_path / "dataset"))


def test_two_fits_are_told_as_one_and_go_on_where_they_were(sparse: Interactions, tmp_path: Path) -> None:
    """Stopped in the first fit, and then in the second, which needs no first one any more."""
    parts, told, run = written(sparse, tmp_path / "dataset", 150), list[tuple[int, int]](), tmp_path / "run" / "checkpoint"
    plain = fit_parts(GP(**CONFIG), parts, Run(lambda record: told.append((record.epoch, record.epochs))))
    assert told == [(epoch, 6) for epoch in range(1, 7)]
    assert [record.epoch for record in plain.history.records] == [1, 2, 3]

    def stopping(at: int) -> Callable[[EpochRecord], None]:
        told.clear()
        return lambda record: (told.append((record.epoch, 6)), record.epoch == at and os.kill(os.getpid(), signal.SIGINT))

    for at, first, files in ((2, 1, {"checkpoint.0"}), (5, 3, {"checkpoint", "checkpoint.tried"})):
        with pytest.raises(TrainingInterruptedError, match="--resume to go on"):
            fit_parts(GP(**CONFIG), parts, Run(stopping(at), run, resume=at > 2))
        assert [epoch for epoch, _ in told] == list(range(first, at + 1))
        assert {path.name for path in run.parent.iterdir()} == files
    resumed = fit_parts(GP(**CONFIG), parts, Run(stopping(0), run, resume=True))
    assert told == [(6, 6)]
    assert resumed.version == plain.version
    assert list(run.parent.iterdir()) == []


def test_of_many_ratings_some_parts_are_enough_to_choose_by(
    parted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source.of_parts(Parts.open(parted), tmp_path, shelves=True)
    means, pairs = Means.of(source), [part.pair_keys.tolist() for part in source]
    assert sum(means.of_parts) == sum(part.n_ratings for part in source) == means.n_ratings.sum()
    assert gp_fitting._enough_of(source, means, 0).n_parts == source.n_parts
    monkeypatch.setattr(gp_fitting, "ENOUGH", means.of_parts[0] + 1)
    chosen = [gp_fitting._enough_of(source, means, seed) for seed in range(9)]
    assert {some.n_parts for some in chosen} <= {1, 2, 3}
    read = [[pairs.index(part.pair_keys.tolist()) for part in some] for some in chosen]
    assert all(order == sorted(set(order)) for order in read)
    assert len({tuple(order) for order in read}) > 2


def test_what_was_tried_is_not_tried_again(sparse: Interactions, tmp_path: Path) -> None:
    """Stopped in the second fit of those that choose a decay; each choosing one has a checkpoint of its own."""
    parts, run, told = written(sparse, tmp_path / "dataset", 150), tmp_path / "run" / "checkpoint", list[int]()
    config = CONFIG | {"weight_decay": None}
    plain = fit_parts(GP(**config), parts, Run(lambda record: told.append(record.epoch)))
    n = len(told) // 3
    assert told[-3:] == [13, 14, 15]
    assert 3 <= n <= 5
    with pytest.raises(TrainingInterruptedError):
        fit_parts(GP(**config), parts, Run(lambda record: record.epoch == 4 and os.kill(os.getpid(), signal.SIGINT), run))
    assert {path.name for path in run.parent.iterdir()} == {"checkpoint.1", "checkpoint.tried"}
    before, told = told, []
    resumed = fit_parts(GP(**config), parts, Run(lambda record: told.append(record.epoch), run, resume=True))
    assert told == before[4:]
    assert resumed.version == plain.version
    assert list(run.parent.iterdir()) == []


def test_a_trust_of_other_settings_is_found_anew(sparse: Interactions, tmp_path: Path) -> None:
    parts, run, told = written(sparse, tmp_path / "dataset", 150), tmp_path / "checkpoint", list[int]()
    for text in ('{"identity": "of something else", "tried": [[0.9, 1.0]]}', "[]"):
        run.with_name("checkpoint.tried").write_text(text)
        told.clear()
        fit_parts(GP(**CONFIG), parts, Run(lambda record: told.append(record.epoch), run, resume=True))
        assert told == [1, 2, 3, 4, 5, 6]


def test_from_parts_it_ranks_as_from_memory(parted: Path, planted: Interactions, tmp_path: Path) -> None:
    """Of the same stars: `know` and the tables are those of the fit in memory."""
    whole, parts = GP(**CONFIG).fit(planted), Parts.open(parted)
    model = GP(**CONFIG).fit_stars(planted)
    rank_parts(model, parts, Run(checkpoint=tmp_path / "run"))
    assert isinstance(model.ranker, EASE)
    for name, array in whole.ranker.arrays.items():
        np.testing.assert_allclose(model.ranker.arrays[name], array, atol=1e-6, err_msg=name)
    assert model.star_weight == pytest.approx(whole.star_weight, rel=1e-3)
    assert model.known_readers.n_ratings.sum() == parts.part(0).n_ratings > 0
    assert list(tmp_path.iterdir()) == []


def test_popularity_ranks_and_stars_have_a_weight_beside_it(parted: Path, planted: Interactions) -> None:
    model = rank_parts(fit_parts(GP(**CONFIG), Parts.open(parted)), Parts.open(parted), by_popularity=True)
    assert model.ranker is not None
    np.testing.assert_array_equal(model.ranker.arrays["count"], planted.book_ratings())
    assert model.star_weight == fit_star_weight(model, Popularity().fit(planted), Readers.of(planted))


def test_nobody_to_weigh_stars_by(planted: Interactions, tmp_path: Path) -> None:
    """Whoever rated two books loved none of them."""
    stars = np.where(planted.rated, np.minimum(planted.stars, 3), np.nan).astype(np.float32)
    parts = written(replace(planted, stars=stars), tmp_path / "dataset", 500)
    assert rank_parts(fit_parts(GP(**CONFIG), parts), parts).star_weight == 0


def test_the_books_of_a_step_by_hand() -> None:
    """Twenty books, a step of four places: each named once, others behind them, every place found again."""
    places = [np.array([[[7, 3], [7, -1]], [[19, 0], [-1, -1]]], np.int32)]
    rows, (found,) = books_of_steps([places[0].copy()], 20)
    assert all(len(set(row)) == len(row) for row in rows.tolist())
    assert rows.shape == (2, 2)
    for i in range(2):
        np.testing.assert_array_equal(np.where(found[i] < 0, -1, rows[i][found[i]]), places[0][i])
