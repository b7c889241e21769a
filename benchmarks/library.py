"""How well rows of a reader's list find their books: on rows made from a table of real books, a third of them traps."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results import SEEDS, Figure

if TYPE_CHECKING:
    from shelfaware.data.books import Books
    from shelfaware.library.matching import Matcher

ROWS = 9000
SUGGESTED = 5000


def matching(real_data: Path) -> list[Figure]:
    """Precision and recall with and without ids and ISBNs, suggestions for mistyped rows, and the seconds of both."""
    table = real_data / "goodbooks-10k" / "books.csv"
    trials = [Trial(table, seed) for seed in SEEDS]
    build, suggest = (list(seconds) for seconds in zip(*(trial.seconds() for trial in trials), strict=True))
    figures = []
    for name, numbers in (("by title and author alone", False), ("with ids and ISBNs", True)):
        precision, recall = zip(*(trial.judge(numbers=numbers) for trial in trials), strict=True)
        figures += [
            Figure(f"matching {name}: precision", precision, 0.995, seeds=SEEDS),
            Figure(f"matching {name}: recall", recall, 0.95, seeds=SEEDS),
        ]
    hits = [trial.suggestions() for trial in trials]
    return [
        *figures,
        Figure("one or two typing errors: right work among three suggestions", hits, 0.9, seeds=SEEDS),
        Figure("building the matcher", build, None, 0.25, "s", "median"),
        Figure(f"suggestions for {SUGGESTED:,} rows", suggest, None, 5, "s", "median"),
    ]


@dataclass
class Trial:
    """One seed's rows and catalogue."""

    table: Path
    seed: int

    def __post_init__(self) -> None:
        from shelfaware.library.matching import Matcher

        self.rows: Any = _labelled_rows()
        self.books, self.cases = self.rows.labelled(self.table, ROWS, self.seed)
        self.matcher: Matcher = Matcher(self.books)

    def judge(self, *, numbers: bool) -> tuple[float, float]:
        """Precision and recall."""
        rows = [case.row if numbers else self.rows.without_numbers(case.row) for case in self.cases]
        found = _ids(self.books, [self.matcher.find(row).book_index for row in rows])
        wanted = [case.book_id for case in self.cases]
        right = sum(one == other for one, other in zip(found, wanted, strict=True) if one is not None)
        return right / sum(one is not None for one in found), right / sum(one is not None for one in wanted)

    def suggestions(self) -> float:
        """The share of mistyped rows whose work is suggested."""
        cases = [case for case in self.cases if case.book_id is not None]
        wanted = self.matcher.works[self.books.ids.index_of([case.book_id for case in cases])]
        suggested = self.matcher.suggest(self._mistyped(cases))
        return float(np.mean([work in self.matcher.works[some] for work, some in zip(wanted, suggested, strict=True)]))

    def seconds(self) -> tuple[float, float]:
        """Of building a matcher, and of suggestions for the first rows, most of them mistyped."""
        start = time.perf_counter()
        type(self.matcher)(self.books)
        built = time.perf_counter()
        self.matcher.suggest(self._mistyped(self.cases[:SUGGESTED]))
        return built - start, time.perf_counter() - built

    def _mistyped(self, cases: Sequence[Any]) -> list[Any]:
        rng = np.random.default_rng(self.seed)
        return [self.rows.mistyped(self.rows.without_numbers(case.row), rng) for case in cases]


def _ids(books: Books, indices: Sequence[int]) -> list[int | None]:
    return [int(books.table["book_id"][index]) if index >= 0 else None for index in indices]


def _labelled_rows() -> Any:
    """The module that makes the rows: the tests' own."""
    tests = str(Path(__file__).parents[1] / "tests" / "library")
    if tests not in sys.path:
        sys.path.append(tests)
    import labelled

    return labelled
