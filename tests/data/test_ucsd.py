"""The UCSD Book Graph: CSV and JSON lines, both releases."""

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shelfaware.data.importers import import_ucsd
from shelfaware.data.report import Drop
from shelfaware.data.table import checked, open_sheet
from shelfaware.data.ucsd import INTERACTIONS, with_one_time
from shelfaware.errors import DataError

NOON = "Fri Apr 19 08:15:15 -0700 2013"
UTC_NOON = datetime(2013, 4, 19, 15, 15, 15)


def line(user: str, book: str, rating: int, *, read: bool = True, flag: str = "is_read", **more: Any) -> dict[str, Any]:
    return {"user_id": user, "book_id": book, "review_id": "r", flag: read, "rating": rating, "date_added": NOON} | more


def dump(path: Path, *lines: dict[str, Any]) -> Path:
    text = "".join(json.dumps(one) + "\n" for one in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def read_ucsd(path: Path) -> tuple[pl.DataFrame, list[Drop]]:
    return checked([with_one_time(open_sheet(path, [INTERACTIONS]))])


@pytest.mark.parametrize("flag", ["is_read", "isRead"])
@pytest.mark.parametrize("name", ["fantasy.json", "fantasy.json.gz"])
def test_json_lines_of_both_releases(tmp_path: Path, flag: str, name: str) -> None:
    path = dump(
        tmp_path / name,
        line("a" * 32, "10", 5, flag=flag, date_updated="Sat Apr 20 08:15:15 -0700 2013", review_text_incomplete="x"),
        line("a" * 32, "9", 0, flag=flag, date_updated=""),
        line("b" * 32, "9", 0, read=False, flag=flag),
        line("b" * 32, "10", 4, read=False, flag=flag, date_added=""),
    )
    rows, drops = read_ucsd(path)
    assert drops == []
    assert rows.select("line", "book_id", "stars", "shelf", "time").rows() == [
        (1, 10, 5.0, "read", datetime(2013, 4, 20, 15, 15, 15)),
        (2, 9, None, "read", UTC_NOON),
        (3, 9, None, "to_read", UTC_NOON),
        (4, 10, 4.0, "read", None),
    ]


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "goodreads_interactions.csv"
    path.write_text("user_id,book_id,is_read,rating,is_reviewed\n0,948,1,5,0\n0,947,1,0,1\n1,947,0,0,0\n")
    rows, _ = read_ucsd(path)
    assert rows.select("user_id", "book_id", "stars", "shelf", "time").rows() == [
        (0, 948, 5.0, "read", None),
        (0, 947, None, "read", None),
        (1, 947, None, "to_read", None),
    ]


def test_titles(tmp_path: Path) -> None:
    path = dump(tmp_path / "i.json.gz", line("u", "10", 5), line("u", "9", 3))
    books = dump(
        tmp_path / "goodreads_books.json.gz",
        {
            "isbn": "",
            "series": ["1"],
            "book_id": "10",
            "work_id": "77",
            "title": "Name (Saga, #1)",
            "title_without_series": "Name (Saga, #1)",
            "authors": [{"author_id": "5", "role": ""}],
            "isbn13": "9780306406157",
            "publication_year": "2001",
            "language_code": "fre",
            "num_pages": "",
        },
        {"book_id": "8", "work_id": "77", "title": "Nom (Saga, #1)", "language_code": "fre", "num_pages": "210"},
        {"book_id": "9", "work_id": "", "title": "Alone", "language_code": "", "num_pages": "99"},
        {
            "isbn": "",
            "series": [],
            "book_id": "3",
            "work_id": "",
            "title": "",
            "authors": [],
            "isbn13": "",
            "publication_year": "",
        },
    )
    table = import_ucsd([path], books)[0].books.table
    columns = ("book_id", "work_id", "title", "series", "series_position", "year", "isbn13", "authors")
    assert table.select(columns).rows() == [
        (9, None, "Alone", None, None, None, None, []),
        (10, "77", "Name", "Saga", 1.0, 2001, "9780306406157", []),
    ]
    assert table.select("goodreads_ids", "language", "pages").rows() == [([9], None, 99), ([8, 10], "fr", None)]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"rating": 6}, r"d\.json, line 2: 6 stars are not on the scale"),
        ({"rating": "NaN"}, r"d\.json, line 2: rating 'NaN' is not a number"),
        ({"user_id": None}, r"d\.json, line 2: the user id is missing"),
        ({"date_added": "2013-04-19"}, r"d\.json, line 2: time .* is not a date"),
        ({"date_added": "Fri Apr 31 08:15:15 -0700 2013"}, r"d\.json, line 2: time .* is not a date"),
        ({"user_id": "u", "book_id": "10"}, r"d\.json, line 1 and d\.json, line 2: user 'u', book 10 stands twice"),
    ],
)
def test_bad_lines(tmp_path: Path, second: dict[str, Any], words: str) -> None:
    path = dump(tmp_path / "d.json", line("u", "10", 5), line("v", "11", 4) | second)
    with pytest.raises(DataError, match=words):
        import_ucsd([path])


def test_truncated_gzip_and_foreign_csv(tmp_path: Path) -> None:
    path = dump(tmp_path / "d.json.gz", *(line(f"u{i}", "10", 5) for i in range(200)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"d\.json\.gz ends in the middle of its gzip stream"):
        import_ucsd([path])
    (tmp_path / "r.csv").write_text("user_id,book_id,rating\n1,2,3\n")
    with pytest.raises(DataError, match=r"no column for the shelf \(such as isread\)"):
        import_ucsd([tmp_path / "r.csv"])


def test_books_file_with_a_book_twice(tmp_path: Path) -> None:
    path = dump(tmp_path / "i.json", line("u", "10", 5))
    books = dump(tmp_path / "b.json", {"book_id": "10", "title": "A"}, {"book_id": "10", "title": "B"})
    with pytest.raises(DataError, match=r"b\.json, line 2: book '10' stands twice"):
        import_ucsd([path], books)
