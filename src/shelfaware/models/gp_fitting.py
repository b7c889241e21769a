"""How `gp` learns its tables, from memory or from parts, and how it finds how far to hold vectors back, and to trust them."""

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
from shelfaware.models.gp import GP, Decay, table_of
from shelfaware.models.gp_trust import LEAST_TRUST, Plain, Trusted, best_trust, toward_bias, whole_trust, with_unrated
from shelfaware.models.readers import Readers
from shelfaware.models.source import Source
from shelfaware.seeding import generator
from shelfaware.training.history import EpochRecord, Scores
from shelfaware.training.loop import Run, train
from shelfaware.training.processes import exchanged, is_first

OnEpoch = Callable[[EpochRecord], object]

PRIOR_COUNT = 10.0
"""Ratings of the general mean that stand before a book's own when its mean is first guessed."""

FEW_A_BOOK, MANY_A_READER = 50, 10
"""Ratings, on average: with fewer a book, or more a reader, a fit without a tenth of them says how far vectors are held back.

Of few a book a point estimate of its vector learns noise; of many a reader each is one among many that explain the rest.
"""

ENOUGH = 20_000_000
"""Ratings by which the choice is made, where the data comes in parts and has more."""

JUDGES = 3
"""Parts whose held-out ratings judge: some hundred thousand tell as much as millions, and each takes a forecast."""


class Means(NamedTuple):
    """The mean of all stars; of each book, as if PRIOR_COUNT ratings of that stood before its own; and counts."""

    center: float
    of_books: Floats  # [n_books]
    n_ratings: Positions  # [n_books]
    n_raters: int
    of_parts: tuple[int, ...]  # ratings

    @classmethod
    def of(cls, source: Source) -> Means:
        total, n, n_raters, of_parts = 0.0, np.zeros(source.n_books, np.int64), 0, []
        for part in source:
            total += float(part.stars[part.rated].astype(np.float64).sum())
            n += part.book_ratings()
            n_raters += int(np.count_nonzero(part.user_ratings()))
            of_parts.append(part.n_ratings)
        if not n.sum():
            raise DataError("there is not one rating to learn from")
        center, excess = total / int(n.sum()), np.zeros(source.n_books)
        for part in source:
            stars = part.stars[part.rated].astype(np.float64)
            excess += np.bincount(part.book_index[part.rated], stars - center, source.n_books)
        return cls(center, center + excess / (n + PRIOR_COUNT), n, n_raters, tuple(of_parts))

    @property
    def sparse(self) -> bool:
        """Whether books have few ratings."""
        return few_a_book(int(self.n_ratings.sum()), int(np.count_nonzero(self.n_ratings)))

    @property
    def heavy(self) -> bool:
        """Whether readers have many."""
        return many_a_reader(int(self.n_ratings.sum()), self.n_raters)


class Start(NamedTuple):
    """What a fit starts from."""

    decay: Decay
    means: Means


def few_a_book(n_ratings: int, n_books: int) -> bool:
    return n_ratings < FEW_A_BOOK * n_books


def many_a_reader(n_ratings: int, n_readers: int) -> bool:
    return n_ratings > MANY_A_READER * n_readers


def fitted(model: GP, source: Source, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
    """The arrays of `model`; it gets its history. Where a decay, or trust, is to be found, other fits come first."""
    means = Means.of(source)
    decays = model.decays if means.sparse or means.heavy else model.decays[:1]
    if len(decays) == 1 and not means.sparse:
        arrays = learned(model, source, validation, run, Start(decays[0], means))
    else:
        kept = Kept(run.checkpoint, f"{model.name} {model.config} {source.identity}")
        tried = _tried(model, _enough_of(source, means, model.seed), run, (decays, kept), sparse=means.sparse)
        best = max(range(len(tried)), key=lambda i: tried[i].gain)
        last = replace(run, on_epoch=_of_several(run.on_epoch, len(decays), len(decays) + 1))
        arrays = learned(model, source, validation, last, Start(decays[best], means))
        if means.sparse:
            arrays = toward_bias(arrays, Plain.of(source), tried[best].trust)
        if len(decays) > 1:
            arrays["decay"] = np.array(decays[best])
        kept.remove()
    return with_unrated(arrays, source.books, means.n_ratings > 0)


def learned(model: GP, source: Source, validation: Interactions | None, run: Run, start: Start) -> dict[str, AnyArray]:
    """The tables as they are. Ratings are watched only where the source is in memory."""
    from shelfaware.models.gp_batches import Batches
    from shelfaware.models.gp_learner import GPLearner
    from shelfaware.training import devices

    (decay, means), readers = start, source.readers()
    batches = Batches(model, source.n_books, readers, source.n_parts, devices.own_blocks)
    if not batches.n_steps:
        raise DataError("gp needs users with at least two ratings to learn from, and there is none")
    watched = None if validation is None else validation.ratings()

    def score(books: Floats, scalars: Floats) -> Scores:
        assert watched is not None
        table = table_of(model.named(books, scalars, means.center))
        return Scores.of_errors(model.errors(table, readers(0), watched))

    learner = GPLearner(model, decay, batches, means.of_books, means.center, score if watched else None)
    identity = f"{model.name} {model.config} {decay} {source.identity} {validation.fingerprint if validation else None}"
    (books, scalars), model.history = train(learner, run, identity=identity, patience=model.patience, max_redraws=0)
    return model.named(books, scalars, means.center)


def _tried(model: GP, source: Source, run: Run, choice: tuple[tuple[Decay, ...], Kept], *, sparse: bool) -> list[Trusted]:
    """What each decay is worth that was tried, the usual one first, until a stronger one is worse than the one before.

    Learned of nine tenths, judged by the last; how far to trust it is asked where books have few ratings.
    """
    (decays, kept), cuts = choice, _cuts(source, model.seed)
    most = replace(source, read=lambda i: cuts[i]()[0], identity=f"{source.identity} without a tenth")
    if not any((Readers.of(part).n_ratings > 1).any() for part in most):
        return [Trusted(LEAST_TRUST, 0.0)]
    tried = _of_first(kept.read() if run.resume else [])
    plain, means = Plain.of(most), Means.of(most)
    while len(tried) < len(decays) and (len(tried) < 2 or tried[-1].gain > tried[-2].gain):
        i = len(tried)
        checkpoint = run.checkpoint and run.checkpoint.with_name(f"{run.checkpoint.name}.{i}")
        first = replace(run, checkpoint=checkpoint, on_epoch=_of_several(run.on_epoch, i, len(decays) + 1))
        arrays = learned(model, most, None, first, Start(decays[i], means))
        found = (best_trust if sparse else whole_trust)(model, arrays, plain, cuts[:JUDGES])
        tried = _of_first([*tried, found])
        kept.write(tried)
    return tried


def _of_first(tried: list[Trusted]) -> list[Trusted]:
    """What the first process found: machines round differently, and all have to choose alike."""
    return [Trusted(*one) for one in exchanged(tried)[0]]


def _enough_of(source: Source, means: Means, seed: int) -> Source:
    """The source, or of a large one so many random parts, which are whole readers, that a choice can be made by them."""
    order = generator(seed, "parts to choose by").permutation(source.n_parts)
    before = np.cumsum(np.array(means.of_parts)[order]) - np.array(means.of_parts)[order]
    some = np.sort(order[before < ENOUGH]).tolist()
    return replace(source, read=lambda i: source.read(some[i]), n_parts=len(some))


def _cuts(source: Source, seed: int) -> list[Callable[[], Split]]:
    """Each part without a tenth of its ratings, and that tenth; done once where there is one part."""

    def cut(i: int) -> Split:
        return split(source.read(i), "random:0.1", seed=int(generator(seed, "part", i).integers(2**62)) if i else seed)

    if source.n_parts == 1:
        only = cut(0)
        return [lambda: only]
    return [partial(cut, i) for i in range(source.n_parts)]


def _of_several(on_epoch: OnEpoch | None, i: int, n: int) -> OnEpoch | None:
    """`on_epoch` told of fit i of n as of a part of one."""
    if on_epoch is None:
        return None
    return lambda record: on_epoch(replace(record, epoch=record.epoch + i * record.epochs, epochs=record.epochs * n))


@dataclass(frozen=True)
class Kept:
    """What was tried, in a file beside the checkpoint: a run that goes on does not try it again."""

    checkpoint: Path | None
    identity: str

    @property
    def path(self) -> Path | None:
        return self.checkpoint and self.checkpoint.with_name(self.checkpoint.name + ".tried")

    def read(self) -> list[Trusted]:
        """Nothing where there is none of this run."""
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            about = json.loads(self.path.read_bytes()) if self.path else {}
            return [Trusted(*map(float, one)) for one in about["tried"]] if about["identity"] == self.identity else []
        return []

    def write(self, tried: list[Trusted]) -> None:
        text = json.dumps({"identity": self.identity, "tried": tried}) + "\n"
        if self.path and is_first():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self.path, lambda path: path.write_text(text, encoding="utf-8"))

    def remove(self) -> None:
        if self.path and is_first():
            self.path.unlink(missing_ok=True)
