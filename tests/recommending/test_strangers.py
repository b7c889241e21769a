"""Ratings that a stranger brings in a file of their own."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shelfaware.data.books import Books
from shelfaware.data.interactions import Interactions, Scale
from shelfaware.errors import DataError, ShelfawareError
from shelfaware.models.base import Model
from shelfaware.models.baselines import Mean
from shelfaware.models.readers import Readers
from shelfaware.recommending.strangers import Unmatched, known_share, read_stranger, unmatched_rows

TITLES = ["Dune", "Emma", "Persuasion", "Nineteen Eighty-Four", "Dracula", "Emma"]


@pytest.fixture(scope="module")
def model() -> Model:
    """Books 10, 20, ... 60; two are called Emma."""
    books = Books.of(pl.DataFrame({"book_id": [10 * i for i in range(1, 7)], "title": TITLES}))
    rows = pl.DataFrame({"user_id": [1, 1, 2], "book_id": [10, 20, 30], "stars": [5.0, 4.0, 3.0]})
    return Mean().fit(Interactions.from_frame(rows, books=books))


def read(content: str | bytes, model: Model, folder: Path) -> tuple[dict[int, float], list[Unmatched]]:
    """Stars by book id, and what was not matched."""
    path = folder / "mine.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    reader, unmatched = read_stranger(path, model)
    assert len(reader) == 1
    ids = [int(model.catalogue.ids.id_of(b)) for b in reader.book_index]
    return dict(zip(ids, reader.stars.tolist(), strict=True)), unmatched


MESSY = {
    "plain": "book_id,rating\n10,5\n30,2\n",
    "other names": "Book,Stars\n10,5\n30,2\n",
    "a byte order mark": b"\xef\xbb\xbfbook_id,rating\n10,5\n30,2\n",
    "semicolons": "book_id;rating\n10;5\n30;2\n",
    "tabs": "book_id\trating\n10\t5\n30\t2\n",
    "line ends of Windows": "book_id,rating\r\n10,5\r\n30,2\r\n",
    "spaces": "book_id , rating\n 10 , 5 \n30,2\n",
    "decimals": "book_id,rating\n10,5.0\n30,2.00\n",
    "no last line end": "book_id,rating\n10,5\n30,2",
    "empty lines": "book_id,rating\n\n10,5\n\n30,2\n\n",
    "the same row again": "book_id,rating\n10,5\n30,2\n10,5\n10,5\n",
    "titles": "title,rating\nDune,5\npersuasion,2\n",
    "titles in quotes": 'Title,My Rating\n"Dune",5\n" Persuasion ",2\n',
    "more columns": 'title,author,rating,review\nDune,"Herbert, Frank",5,"a line\nand another"\nPersuasion,Austen,2,\n',
    "ids and titles": "book_id,title,rating\n10,whatever,5\n,Persuasion,2\n",
    "an id of elsewhere": "book_id,title,rating\n777,Dune,5\n30,Persuasion,2\n",
}


@pytest.mark.parametrize("content", MESSY.values(), ids=MESSY)
def test_however_it_is_written(content: str | bytes, model: Model, tmp_path: Path) -> None:
    assert read(content, model, tmp_path) == ({10: 5.0, 30: 2.0}, [])


def test_books_that_the_model_does_not_know(model: Model, tmp_path: Path) -> None:
    known, unmatched = read("title,rating\nDune,5\nDunne,4\nXyzzy Qwv,3\nEmma,2\n", model, tmp_path)
    assert known == {10: 5.0}
    assert [(one.line, one.book) for one in unmatched] == [(3, "Dunne"), (4, "Xyzzy Qwv"), (5, "Emma")]
    assert unmatched[0].suggestions[0] == "Dune"
    assert unmatched[1].suggestions == []
    assert unmatched_rows(unmatched)[1] == {
        "line": 4,
        "book": "Xyzzy Qwv",
        "reason": "no book is titled 'Xyzzy Qwv'",
        "suggestions": [],
    }


def test_a_row_that_names_no_book(model: Model, tmp_path: Path) -> None:
    known, unmatched = read("title,rating\n,5\nDune,4\n", model, tmp_path)
    assert known == {10: 4.0}
    assert unmatched == [Unmatched(2, "", "it names no book", [])]


def test_how_many_are_known_in_words(model: Model, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("book_id,rating\n10,5\n11,5\n12,5\n")
    assert known_share(*read_stranger(tmp_path / "f.csv", model)) == "We know 1 of your 3 books."


def test_a_stranger_of_a_file_is_one_of_a_mapping(model: Model, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("title,rating\nPersuasion,1\nDune,4\n")
    reader = read_stranger(tmp_path / "f.csv", model)[0]
    other = Readers.stranger(model.catalogue, Scale(), {"Dune": 4, 30: 1})
    for field in ("indptr", "book_index", "stars", "shelf", "user_index"):
        np.testing.assert_array_equal(getattr(reader, field), getattr(other, field))


BAD = {
    "book_id,rating\n10,5\n20,6\n": r"mine\.csv, line 3: rating 6 is not on the scale 1 to 5 by 1",
    "book_id,rating\n10,4.5\n": r"line 2: rating 4\.5 is not on the scale",
    "book_id,rating\n10,0\n": "line 2: rating 0 is not on the scale",
    "book_id,rating\n\n10,5\n20,nan\n": "line 4: rating 'nan' is not a number",
    "book_id,rating\n10,\n": "line 2: rating None is not a number",
    "book_id,rating\n10,1_0\n": "line 2: rating '1_0' is not a number",
    "book_id,rating\n10,٥\n": "line 2: rating '٥' is not a number",
    "book_id,rating\n10,five\n": "line 2: rating 'five' is not a number",
    "book_id,rating\n10,inf\n": "line 2: rating 'inf' is not a number",
    f"book_id,rating\n10,{'9' * 5000}\n": r"line 2: rating '9{39} is not a number",
    "book_id,rating\n10,5\n20,4\n10,4\n": r"mine\.csv, lines 2 and 4: one book has two different ratings",
    "book_id,title,rating\n10,,5\n,Dune,4\n": "lines 2 and 3: one book has two different ratings",
    "book_id,rating\n": r"mine\.csv has no rows",
    "": r"mine\.csv is empty",
    "book_id\n10\n": r"mine\.csv",
    "a,b\n1,2\n": r"mine\.csv",
    'book_id,rating\n"10,5\n': "a quote is opened and never closed",
    "book_id,rating\n10,5,7,8\n": "line 2 has 4 values where the first line has 2",
}


@pytest.mark.parametrize(("content", "sentence"), BAD.items(), ids=range(len(BAD)))
def test_what_is_no_list_of_ratings(content: str, sentence: str, model: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=sentence) as refusal:
        read(content, model, tmp_path)
    assert "\n" not in str(refusal.value)


def test_no_file(model: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read_stranger(tmp_path / "none.csv", model)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_stranger(tmp_path, model)


CELL = st.one_of(
    st.sampled_from(["10", "30", "Dune", "5", "1e2", "-1", '"', "", "٣", "\x00", "é", "a\nb", "{x}"]), st.text(max_size=6)
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=5), header=st.sampled_from(["book_id,rating", "title;stars"])
)
def test_any_file_is_read_or_refused_with_one_sentence(
    rows: list[list[str]], header: str, model: Model, tmp_path: Path
) -> None:
    separator = "," if "," in header else ";"
    content = "\n".join([header, *(separator.join(row) for row in rows)]).encode("utf-8", "surrogatepass")
    with contextlib.suppress(ShelfawareError):
        stars, unmatched = read(content, model, tmp_path)
        assert set(stars.values()) <= {1.0, 2.0, 3.0, 4.0, 5.0}
        assert len(stars) + len(unmatched) <= content.count(b"\n") + content.count(b"\r") + 1
