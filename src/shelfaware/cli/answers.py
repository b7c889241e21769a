"""A list of books in the forms that `recommend` can show: a table, JSON, CSV, a page."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shelfaware.cli import libraries
from shelfaware.cli.showing import SIMULATED, console, note, number, put_json, put_table

if TYPE_CHECKING:
    from shelfaware.library.library import Library
    from shelfaware.models.base import Model
    from shelfaware.recommending.recommendations import Recommendation, Recommendations, Why


@dataclass(frozen=True)
class Answer:
    """Books with the model that chose them and the library that they are for, None for a user of the dataset."""

    title: str
    books: "Recommendations"
    model: "Model"
    library: "Library | None"

    def json(self) -> dict[str, Any]:
        answered = {"model_version": self.model.version, "simulated": self.model.simulated}
        library = libraries.as_json(self.library) if self.library is not None else {"library": None, "unmatched": []}
        return {**answered, "recommendations": self.books.to_json(), **library}

    def csv(self) -> str:
        """Safe to open in a spreadsheet."""
        from shelfaware.data.spreadsheet import guarded_frame

        return guarded_frame(self.books.to_frame()).write_csv()

    def html(self) -> str:
        from shelfaware.recommending.page import page
        from shelfaware.recommending.strangers import known_share

        scale = self.model.scale
        notes = [known_share(self.library)] if self.library is not None else []
        notes += [SIMULATED] if self.model.simulated else []
        return page(self.title, notes, self.books, (scale.min, scale.max))

    def show(self, showing: Mapping[str, bool], *, why: bool) -> None:
        """On stdout, in the form that was asked for."""
        if showing["as_json"]:
            put_json(self.json())
        elif showing["as_csv"]:
            sys.stdout.write(self.csv())
        elif showing["as_html"]:
            sys.stdout.write(self.html())
        else:
            self._put(why=why)

    def put_notes(self, report: Path | None) -> None:
        """What a person should know beside the list, on stderr."""
        if self.library is not None:
            libraries.put_notes(self.library, report)
        if self.model.simulated:
            note(SIMULATED)

    def _put(self, *, why: bool) -> None:
        rows = [
            (str(place), book.title, ", ".join(book.authors), number(book.stars, 1), _between(book), f"{book.n_ratings:,}")
            for place, book in enumerate(self.books, 1)
        ]
        put_table(self.title, (">", "title", "authors", ">stars", ">80 % between", ">ratings"), rows)
        for place, book in enumerate(self.books if why else [], 1):
            if book.why is not None:
                console().print(f"{place}. {_reasons(book.title, book.why)}", soft_wrap=True, markup=False)


def _between(book: "Recommendation") -> str:
    return "-" if book.low is None else f"{number(book.low, 1)} and {number(book.high, 1)}"


def _reasons(title: str, why: "Why") -> str:
    """The sum in words: base, shelves, the largest shares for and against, and the rest."""
    pros, cons = why.strongest()
    named = [*pros, *cons]
    lines = [f"{title}: {why.base:.2f} as its readers rate it", f"{why.shelves:+.2f} from the books you have taken up"]
    lines += [f"{share.share:+.2f} because you gave {share.stars:g} to {share.title}" for share in named]
    n_rest = len(why.books) + why.n_rest - len(named)
    if n_rest:
        rest = sum(share.share for share in why.books) + why.rest - sum(share.share for share in named)
        lines.append(f"{rest:+.2f} from {n_rest:,} other {'book' if n_rest == 1 else 'books'}")
    return "\n   ".join(lines)
