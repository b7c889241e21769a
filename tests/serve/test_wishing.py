"""The form of wishes: names of languages, how many books by one author, whether a series begins at its start."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from browsing import goodreads_export
from clusters import new_folder
from starlette.testclient import TestClient

from shelfaware.data.books import Books
from shelfaware.models.folder import load_model
from shelfaware.serve.app import create_app
from shelfaware.serve.looks import language_name
from shelfaware.serve.settings import Settings


@dataclass(frozen=True)
class Form:
    """A member of a service whose books have languages, few authors, and series of three."""

    client: TestClient
    books: Books

    def html(self, query: str = "") -> str:
        return self.client.get(f"/for-you?{query}").text

    def shown(self, query: str) -> list[int]:
        found = re.findall(r'<h2><a href="/books/(\d+)">', self.html(query))
        return [self.books.index_of(int(one)) for one in found]


@pytest.fixture(scope="module")
def form(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Form]:
    model = load_model(model_folder)
    n = len(model.catalogue)
    number = pl.int_range(n, eager=True)
    model.books = Books.of(
        model.catalogue.table.with_columns(
            language=pl.Series(["en", "fr", "fil", None] * (n // 4) + ["en"] * (n % 4)),
            authors=pl.Series([[f"Author {i // 3 % 9}"] for i in range(n)]),
            series=pl.select(pl.format("Series {}", number // 3)).to_series(),
            series_position=(number % 3 + 1).cast(pl.Float64),
        )
    )
    folder = tmp_path_factory.mktemp("models") / "model"
    model.save(folder)
    app = create_app(Settings(str(folder), f"sqlite:///{new_folder()}/serve.db"))
    with TestClient(app, "http://127.0.0.1", headers={"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}) as client:
        client.post("/upload", files={"file": ("library.csv", goodreads_export(model.books))})
        yield Form(client, model.books)


def test_a_language_has_its_name_and_what_is_none_stays() -> None:
    assert [language_name(code) for code in ("fr", "fil", "zh-TW")] == ["French", "Filipino", "Chinese (Taiwan)"]
    assert [language_name(code) for code in ("xx", "<script>", "")] == ["xx", "<script>", ""]


def test_languages_are_chosen_and_shown_by_name(form: Form) -> None:
    options = re.findall(r'<option value="(\w+)"[^>]*>([^<]+)</option>', form.html().partition('name="languages"')[2])
    assert options[:3] == [("en", "English"), ("fil", "Filipino"), ("fr", "French")]
    assert 'value="fr" selected' in form.html("languages=fr")
    shown = form.shown("languages=fr")
    assert shown
    assert set(form.books.table["language"].gather(shown)) == {"fr"}
    french = form.books.ids.id_of(shown[0])
    page = form.client.get(f"/books/{french}").text
    assert "· French" in page
    assert "· fr<" not in page


@pytest.mark.parametrize(
    ("query", "most"), [("per_author=1&in_order=false", 1), ("in_order=false", 3), ("per_author=0&in_order=false", 12)]
)
def test_so_many_books_by_one_author(form: Form, query: str, most: int) -> None:
    by_author = Counter(form.books.authors(i)[0] for i in form.shown(query))
    assert max(by_author.values()) <= most
    assert len(by_author) == (9 if most == 1 else len(by_author))


def test_any_number_by_one_author_is_more_than_the_usual(form: Form) -> None:
    counts = [
        max(Counter(form.books.authors(i)[0] for i in form.shown(f"n=60&in_order=false{more}")).values())
        for more in ("", "&per_author=0")
    ]
    assert counts[0] == 3 < counts[1]


def test_a_series_from_its_start_or_any_book_of_it(form: Form) -> None:
    """The member has every third book, the first of each series: in order comes the second before the third."""
    positions = [
        set(form.books.table["series_position"].gather(form.shown(query)).to_list())
        for query in ("n=40", "n=40&in_order=false")
    ]
    assert 3.0 not in positions[0]
    assert 3.0 in positions[1]


def test_the_form_says_what_was_chosen(form: Form) -> None:
    html = form.html("per_author=7&in_order=false")
    assert '<option value="7" selected>7 at most</option>' in html
    assert '<option value="false" selected>any book of it</option>' in html
    assert '<details class="filters" open>' in html
    assert '<details class="filters">' in form.html()
    assert '<option value="">3 at most</option>' in form.html()
    assert 'name="per_author"' not in form.html("question=dislike")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("per_author=-1", "The number of books by one author cannot be &#39;-1&#39;"),
        ("in_order=maybe", "The order of a series cannot be &#39;maybe&#39;"),
    ],
)
def test_what_cannot_be_is_said_at_the_form(form: Form, query: str, sentence: str) -> None:
    assert sentence in form.html(query)
    assert form.client.get(f"/for-you?{query}").status_code == 422


def test_where_no_book_is_of_a_series_none_is_asked_for(client: TestClient) -> None:
    """The sample's books have authors and no pages."""
    client.headers["Accept"] = "text/html"
    client.post("/rate", data={"book_id": "7", "stars": "5"})
    html = client.get("/for-you").text
    assert 'name="per_author"' in html
    assert 'name="max_pages"' not in html
