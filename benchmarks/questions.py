"""Whether our dozen questions tell more of a stranger than the dozen most rated books do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from results import SEEDS, Figure

if TYPE_CHECKING:
    from shelfaware import GP, Interactions, Readers
    from shelfaware.arrays import Floats, Mask
    from shelfaware.evaluation.metrics import Interval

DOZEN = 12
STRANGERS = 2000
"""Users who are kept from the model, each with two ratings or more."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Squared errors [n] after our questions and after the most rated books, on the same ratings, and whose they are [n]."""

    ours: Floats
    most_rated: Floats
    stranger: Floats

    @property
    def difference(self) -> Interval:
        """Ours less the most rated books', with its interval over strangers."""
        from shelfaware.evaluation.metrics import paired_difference

        return paired_difference(self.ours, self.most_rated, groups=self.stranger)


def questions(dataset: Path) -> list[Figure]:
    """Strangers answer from their own ratings, "not read" where they have none; what they rate besides is predicted.

    That is, for `later`, a random half of each one's ratings: they had not read those books when they were asked. For `never
    asked` every rating answers, and those that neither dozen asked for are predicted.
    """
    import shelfaware

    real = shelfaware.load(dataset)
    sample = [shelfaware.simulate(shelfaware.load_catalogue(), seed=seed).data for seed in SEEDS]
    return [*_figures("simulated strangers", sample), *_figures("original data's strangers", [real] * len(SEEDS))]


def _figures(of: str, data: Sequence[Interactions]) -> list[Figure]:
    runs = [dict(run(one, seed)) for one, seed in zip(data, SEEDS, strict=True)]
    figures = []
    for name in runs[0]:
        outcomes = [outcome[name] for outcome in runs]
        intervals = [outcome.difference for outcome in outcomes]
        figures += [
            Figure(f"{of}, {name}: MSE after our 12 questions", [float(one.ours.mean()) for one in outcomes], seeds=SEEDS),
            Figure(f"{of}, {name}: after the most rated 12", [float(one.most_rated.mean()) for one in outcomes], seeds=SEEDS),
            Figure(f"{of}, {name}: difference", [one.mean for one in intervals], seeds=SEEDS),
            Figure(f"{of}, {name}: upper end of its 95 % interval", [one.high for one in intervals], None, 0, seeds=SEEDS),
        ]
    return figures


def run(data: Interactions, seed: int) -> Iterator[tuple[str, Outcome]]:
    """What came of asking the strangers of one model, by name."""
    from shelfaware import GP, Readers
    from shelfaware.recommending.questions import next_question
    from shelfaware.seeding import generator

    several = np.flatnonzero(data.user_ratings() > 1)
    who = np.sort(generator(seed, "strangers").choice(several, STRANGERS, replace=False))
    model = GP(seed=seed).fit(data.take(~np.isin(data.user_index, who)))
    strangers = Readers.of(data).take(who).ratings()
    later = generator(seed, "later").random(len(strangers.book_index)) < 0.5
    at_once = next_question(model, {}, n=DOZEN)
    ways = {"one by one": lambda one: one_by_one(model, one), "all at once": lambda _: at_once}
    for way, ask in ways.items():
        yield f"{way}, later", compared(model, strangers, later, ask)
        yield f"{way}, never asked", compared(model, strangers, np.zeros(len(later), bool), ask)


def compared(model: GP, strangers: Readers, later: Mask, ask: Callable[[Readers], Sequence[int]]) -> Outcome:
    """Our questions beside the most rated books; `later` [n ratings] are not read yet, none: predict what neither asked."""
    most_rated = np.argsort(-model.n_ratings, kind="stable")[:DOZEN]
    ours, popular = (asked(strangers.only(~later), model, way) for way in (ask, lambda _: most_rated))
    predicted = later if later.any() else ~(ours | popular)[strangers.owner, strangers.book_index]
    squares = (errors(model, strangers, ~later, books)[predicted] for books in (ours, popular))
    return Outcome(*squares, strangers.owner[predicted])


def one_by_one(model: GP, stranger: Readers) -> list[int]:
    """Our questions, each after the answer to the one before."""
    from shelfaware.recommending.questions import next_question

    questions: list[int] = []
    for _ in range(DOZEN):
        answers = stranger.only(np.isin(stranger.book_index, questions))
        questions += next_question(model, answers, questions).tolist()
    return questions


def asked(strangers: Readers, model: GP, ask: Callable[[Readers], Sequence[int]]) -> Mask:
    """Which books each stranger is asked about [n_strangers, n_books]."""
    books = np.zeros((len(strangers), len(model.catalogue)), bool)
    for i in range(len(strangers)):
        books[i, ask(strangers.take(np.array([i])))] = True
    return books


def errors(model: GP, strangers: Readers, read: Mask, books: Mask) -> Floats:
    """The squared error of each rating [n], after the answers to `books` out of those that they have `read` [n]."""
    answers = strangers.only(read & books[strangers.owner, strangers.book_index])
    stars = model.forecast(answers, strangers.owner, strangers.book_index).stars
    return (model.scale.clip(stars) - strangers.stars) ** 2
