"""Which rounds of fitting and judging a comparison is made of: one split, a split drawn several times, or k folds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import folds, split
from shelfaware.errors import EvaluationError

HOLDOUT = "random:0.1"


class Round(NamedTuple):
    """`test` are the ratings held out of `train`; models are fitted with `seed`."""

    seed: int
    train: Interactions
    test: Interactions


@dataclass(frozen=True)
class Plan:
    """A plan is the same for every model, so that they are judged on the same ratings.

    holdout   what is held out, by name (`splits.split`)
    seed      of the one split; of the cut into folds
    repeats   the split is drawn so many times, with seeds seed + 1 to seed + repeats, if above 1
    folds     instead of a holdout: every rating is held out once, in one of so many folds, if above 0
    """

    holdout: str = HOLDOUT
    seed: int = 0
    repeats: int = 1
    folds: int = 0

    def __post_init__(self) -> None:
        if self.folds and self.repeats > 1:
            raise EvaluationError("folds and repeats are two plans; choose one")
        if self.folds and self.holdout != HOLDOUT:
            raise EvaluationError("folds hold out every rating in turn; leave out the holdout")
        if self.repeats > 1 and self.holdout.partition(":")[0] not in ("random", "user"):
            raise EvaluationError(f"the split {self.holdout!r} is the same every time; repeat a random or a user split")

    @property
    def seeds(self) -> list[int]:
        """The seed of each round."""
        if self.folds:
            return [self.seed] * self.folds
        return [self.seed] if self.repeats == 1 else [self.seed + 1 + i for i in range(self.repeats)]

    def rounds(self, data: Interactions) -> Iterator[Round]:
        """Raises EvaluationError for a split that holds nothing out."""
        if self.folds:
            yield from (Round(self.seed, *parts) for parts in folds(data, self.folds, seed=self.seed))
            return
        for seed in self.seeds:
            train, test = split(data, self.holdout, seed=seed)
            if not len(test):
                raise EvaluationError(
                    f"the split {self.holdout!r} holds nothing out of {data.n_ratings:,} ratings, so nothing can be compared"
                )
            yield Round(seed, train, test)

    def __str__(self) -> str:
        """In a few words: `5 folds, seed 0`, `random:0.1, seeds 1 to 5`."""
        if self.folds:
            return f"{self.folds} folds, seed {self.seed}"
        several = f", seeds {self.seeds[0]} to {self.seeds[-1]}" if self.repeats > 1 else ""
        return self.holdout + several
