"""A list of books shows itself: as text, as a table, as a page on which no title is markup."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from shelfaware.recommending.page import page, table
from shelfaware.recommending.recommendations import Recommendation, Recommendations, Share, Why

WHY = Why(
    3.9, 0.1, [Share(1, "Dune", 5, 0.4), Share(2, "Emma", 2, -0.2), Share(3, "It", 4, 0.1), Share(4, "V", 4, 0.0)], 0.05, 9
)
BOOK = Recommendation(
    book_id=7,
    title="Kindred",
    authors=["Octavia E. Butler"],
    stars=4.35,
    low=3.2,
    high=5.0,
    deviation=0.9,
    n_ratings=1,
    score=-1.5,
    why=WHY,
)
BARE = replace(BOOK, book_id="x", title="Beloved", authors=[], stars=None, low=None, high=None, deviation=None, why=None)
BOOKS = Recommendations([BOOK, BARE])


class Texts(HTMLParser):
    """The tags of a document, and its text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_is_a_sequence() -> None:
    assert (len(BOOKS), BOOKS[0], BOOKS[-1], list(BOOKS)) == (2, BOOK, BARE, [BOOK, BARE])
    assert BOOKS[:1] == Recommendations([BOOK]) != BOOKS
    assert repr(BOOKS) == "1. Kindred: 4.3\n2. Beloved"


def test_as_a_frame() -> None:
    frame = BOOKS.to_frame()
    assert frame.columns == [
        "place", "book_id", "title", "authors", "stars", "low", "high", "deviation", "n_ratings", "score",
    ]  # fmt: skip
    assert frame.row(0) == (1, "7", "Kindred", "Octavia E. Butler", 4.35, 3.2, 5.0, 0.9, 1, -1.5)
    assert frame.row(1) == (2, "x", "Beloved", "", None, None, None, None, 1, -1.5)
    assert Recommendations([]).to_frame().schema == frame.schema


def test_as_json() -> None:
    first, second = BOOKS.to_json()
    assert first["why"]["books"][1] == {"book_id": 2, "title": "Emma", "stars": 2, "share": -0.2}
    assert (first["why"]["rest"], first["why"]["n_rest"], second["why"]) == (0.05, 9, None)


def test_as_a_table_with_reasons() -> None:
    shown = Texts(table(BOOKS))
    assert "Because you gave 5 to Dune, +0.40 and 4 to It, +0.10. Against it: you gave 2 to Emma, -0.20." in shown.text
    assert "we would guess 4.3, and 80 % of the time you would give 3.2 to 5.0" in shown.text
    assert shown.tags.count("li") == 2
    assert shown.tags.count("svg") == 1
    assert "No book is left to recommend." in Texts(table(Recommendations([]))).text
    assert Recommendations([BOOK])._repr_html_() == table(Recommendations([BOOK]))


def test_the_bar_is_on_the_scale() -> None:
    assert 'x="55.0" y="2" width="45.0"' in table(BOOKS, (1, 5))
    assert 'x="32.0" y="2" width="18.0"' in table(BOOKS, (0, 10))


def test_titles_are_text_whatever_they_hold() -> None:
    hostile = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"
    why = replace(WHY, books=[Share(1, hostile, 5, 0.4)])
    books = Recommendations([replace(BOOK, title=hostile, authors=[hostile], why=why)])
    document = page(hostile, [hostile], books, (1, 5))
    shown = Texts(document)
    assert "script" not in shown.tags
    assert "img" not in shown.tags
    assert shown.text.count(hostile) == 6
    assert "http" not in document
