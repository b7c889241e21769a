"""`gp` from a dataset in parts: the same tables as from memory, every user once an epoch, and no more than its parts."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from shelfaware.data import dataset, part_writer
from shelfaware.data.interactions import Interactions
from shelfaware.data.parts import Parts
from shelfaware.errors import DataError
from shelfaware.models.baselines import Popularity
from shelfaware.models.gp import GP
from shelfaware.models.gp_batches import Batches, books_of_steps
from shelfaware.models.gp_parts import fit_parts, rank_by_popularity
from shelfaware.models.picking import fit_star_weight
from shelfaware.models.readers import Readers
from shelfaware.training.interrupts import TrainingInterruptedError
from shelfaware.training.loop import Run

CONFIG = {"factors": 3, "epochs": 3, "block_size": 16, "batch_size": 64}


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


def test_one_part_is_the_fit_in_memory(whole: Path, planted: Interactions) -> None:
    model = fit_parts(GP(**CONFIG), Parts.open(whole))
    other = GP(**CONFIG)._learned(planted, None, Run())
    for name, array in other.items():
        np.testing.assert_array_equal(model.arrays[name], array, strict=name != "center", err_msg=name)
    assert model.know(planted).n_ratings.tolist() == planted.book_ratings().tolist()


def test_several_parts_learn_what_one_does(whole: Path, parted: Path, planted: Interactions) -> None:
    """Another order of users, the same likelihood: the loss of the last epoch is the same within a hundredth."""
    parts = Parts.open(parted)
    assert len(parts) > 3
    one, several = (fit_parts(GP(**CONFIG), some).history for some in (Parts.open(whole), parts))
    assert one is not None
    assert several is not None
    assert several.loss[-1] == pytest.approx(one.loss[-1], rel=0.02)
    again = fit_parts(GP(**CONFIG), parts)
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
        for steps in batches.epoch(epoch):
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
    read.clear()
    for asked, _ in enumerate(batches.epoch(0), 1):
        assert asked <= len(read) <= asked + 1


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


def test_popularity_ranks_and_stars_have_a_weight_beside_it(parted: Path, planted: Interactions) -> None:
    model = rank_by_popularity(fit_parts(GP(**CONFIG), Parts.open(parted)), Parts.open(parted))
    assert model.ranker is not None
    np.testing.assert_array_equal(model.ranker.arrays["count"], planted.book_ratings())
    first = Readers.of(Parts.open(parted).part(0))
    assert model.star_weight == fit_star_weight(model, Popularity().fit(planted), first)
    assert model.known_readers.n_ratings.sum() == first.n_ratings.sum() > 0


def test_nobody_to_weigh_stars_by(planted: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The readers of the first part have one rating each."""
    first = np.concatenate([[True], np.diff(planted.user_index) > 0])
    monkeypatch.setattr(part_writer, "PART_ROWS", 10)
    few = planted.take(planted.rated & np.where(planted.user_index < planted.user_index.max() // 2, first, True))
    dataset.save(few, tmp_path / "dataset")
    parts = Parts.open(tmp_path / "dataset")
    assert (Readers.of(parts.part(0)).n_ratings <= 1).all()
    assert rank_by_popularity(fit_parts(GP(**CONFIG | {"epochs": 1}), parts), parts).star_weight == 0


def test_the_books_of_a_step_by_hand() -> None:
    """Twenty books, a step of four places: each named once, others behind them, every place found again."""
    places = [np.array([[[7, 3], [7, -1]], [[19, 0], [-1, -1]]], np.int32)]
    rows, (found,) = books_of_steps([places[0].copy()], 20)
    assert all(len(set(row)) == len(row) for row in rows.tolist())
    assert rows.shape == (2, 2)
    for i in range(2):
        np.testing.assert_array_equal(np.where(found[i] < 0, -1, rows[i][found[i]]), places[0][i])
