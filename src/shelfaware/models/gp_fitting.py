"""How `gp` learns its tables, from memory or from parts; where books have few ratings, how far they are trusted."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shelfaware.arrays import AnyArray, Floats, Positions
from shelfaware.data.folder import write_file
from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split, split
from shelfaware.errors import DataError
from shelfaware.models.gp import GP, table_of
from shelfaware.models.gp_trust import LEAST_TRUST, Plain, best_trust, toward_bias, with_unrated
from shelfaware.models.readers import Readers
from shelfaware.models.source import Source
from shelfaware.seeding import generator
from shelfaware.training.history import EpochRecord, Scores
from shelfaware.training.loop import Run, train
from shelfaware.training.processes import exchanged, is_first

OnEpoch = Callable[[EpochRecord], object]

PRIOR_COUNT = 10.0
"""Ratings of the general mean that stand before a book's own when its mean is first guessed."""

ENOUGH = 50
"""Ratings a book, on average, from which on a point estimate of its vector is trusted without being checked."""


class Means(NamedTuple):
    """The mean of all stars; of each book, as if PRIOR_COUNT ratings of that stood before its own; and how many those are."""

    center: float
    of_books: Floats  # [n_books]
    n_ratings: Positions  # [n_books]

    @classmethod
    def of(cls, source: Source) -> Means:
        total, n = 0.0, np.zeros(source.n_books, np.int64)
        for part in source:
            total += float(part.stars[part.rated].astype(np.float64).sum())
            n += part.book_ratings()
        if not n.sum():
            raise DataError("there is not one rating to learn from")
        center, excess = total / int(n.sum()), np.zeros(source.n_books)
        for part in source:
            stars = part.stars[part.rated].astype(np.float64)
            excess += np.bincount(part.book_index[part.rated], stars - center, source.n_books)
        return cls(center, center + excess / (n + PRIOR_COUNT), n)


def fitted(model: GP, source: Source, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
    """The arrays of `model`; it gets its history. Where books have few ratings a fit without a tenth of them comes first."""
    means = Means.of(source)
    rated = means.n_ratings > 0
    if means.n_ratings.sum() >= ENOUGH * np.count_nonzero(rated):
        return with_unrated(learned(model, source, validation, run, means), source.books, rated)
    kept = Kept(run.checkpoint, f"{model.name} {model.config} {source.identity}")
    known: float | None = exchanged(kept.read() if run.resume else None)[0]
    trust: float = known or exchanged(_trust(model, source, run))[0]
    kept.write(trust)
    run = replace(run, on_epoch=_of_two(run.on_epoch, model.epochs))
    arrays = toward_bias(learned(model, source, validation, run, means), Plain.of(source), trust)
    kept.remove()
    return with_unrated(arrays, source.books, rated)


def learned(
    model: GP, source: Source, validation: Interactions | None, run: Run, means: Means | None = None
) -> dict[str, AnyArray]:
    """The tables as they are. Ratings are watched only where the source is in memory."""
    from shelfaware.models.gp_batches import Batches
    from shelfaware.models.gp_learner import GPLearner

    means, readers = means or Means.of(source), source.readers()
    batches = Batches(model, source.n_books, readers, source.n_parts)
    if not batches.n_steps:
        raise DataError("gp needs users with at least two ratings to learn from, and there is none")
    watched = None if validation is None else validation.ratings()

    def score(books: Floats, scalars: Floats) -> Scores:
        assert watched is not None
        table = table_of(model.named(books, scalars, means.center))
        return Scores.of_errors(model.errors(table, readers(0), watched))

    learner = GPLearner(model, batches, means.of_books, means.center, score if watched else None)
    identity = f"{model.name} {model.config} {source.identity} {validation.fingerprint if validation else None}"
    (books, scalars), model.history = train(learner, run, identity=identity, patience=model.patience, max_redraws=0)
    return model.named(books, scalars, means.center)


def _trust(model: GP, source: Source, run: Run) -> float:
    """How far to trust what is learned of all: as far as what is learned of nine tenths is best for the last (`gp_trust`)."""
    cuts = _cuts(source, model.seed)
    most = replace(source, read=lambda i: cuts[i]()[0], identity=f"{source.identity} without a tenth")
    if not any((Readers.of(part).n_ratings > 1).any() for part in most):
        return LEAST_TRUST
    checkpoint = run.checkpoint and run.checkpoint.with_name(run.checkpoint.name + ".first")
    first = replace(run, checkpoint=checkpoint, on_epoch=_of_two(run.on_epoch, model.epochs, first=True))
    return best_trust(model, learned(model, most, None, first), Plain.of(most), cuts)


def _cuts(source: Source, seed: int) -> list[Callable[[], Split]]:
    """Each part without a tenth of its ratings, and that tenth; done once where there is one part."""

    def cut(i: int) -> Split:
        return split(source.read(i), "random:0.1", seed=int(generator(seed, "part", i).integers(2**62)) if i else seed)

    if source.n_parts == 1:
        only = cut(0)
        return [lambda: only]
    return [partial(cut, i) for i in range(source.n_parts)]


def _of_two(on_epoch: OnEpoch | None, epochs: int, *, first: bool = False) -> OnEpoch | None:
    """`on_epoch` told of a fit as of the first or second half of one."""
    if on_epoch is None:
        return None
    return lambda record: on_epoch(
        replace(record, epoch=record.epoch + (0 if first else epochs), epochs=record.epochs + epochs)
    )


@dataclass(frozen=True)
class Kept:
    """The trust that was found, in a file beside the checkpoint: a run that goes on has no second first fit."""

    checkpoint: Path | None
    identity: str

    @property
    def path(self) -> Path | None:
        return self.checkpoint and self.checkpoint.with_name(self.checkpoint.name + ".trust")

    def read(self) -> float | None:
        """None where there is none of this run."""
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            about = json.loads(self.path.read_bytes()) if self.path else {}
            return float(about["trust"]) if about["identity"] == self.identity else None
        return None

    def write(self, trust: float) -> None:
        text = json.dumps({"identity": self.identity, "trust": trust}) + "\n"
        if self.path and is_first():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self.path, lambda path: path.write_text(text, encoding="utf-8"))

    def remove(self) -> None:
        if self.path and is_first():
            self.path.unlink(missing_ok=True)
