"""The table reader: every dialect, and what it says of files that are not right."""

import csv
import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shelfaware.data.dialects import FORMATS, named_columns
from shelfaware.data.importers import import_table
from shelfaware.data.table import read_table
from shelfaware.errors import DataError

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def read(path: Path, kind: str = "table") -> list[tuple[object, ...]]:
    rows, _ = read_table([path], FORMATS[kind])
    return rows.select("line", "user_id", "book_id", "stars", "shelf", "time").rows()


def test_plain_table(write: Write) -> None:
    path = write("t.csv", "user,book,rating\n7,a,5\n8,b,2.5\n")
    assert read(path) == [(2, 7, "a", 5.0, "read", None), (3, 8, "b", 2.5, "read", None)]


@pytest.mark.parametrize("header", ["userId,itemId,stars", "User ID,Book-Id,My Rating", '"user","book","score"'])
def test_header_names_are_matched_without_case_and_punctuation(write: Write, header: str) -> None:
    assert read(write("t.csv", f"{header}\n1,2,3\n"))[0][1:4] == (1, 2, 3.0)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(write: Write, separator: str, end: str) -> None:
    text = end.join(["book,user,rating", "5,1,4", "6,1,3"]).replace(",", separator)
    assert [row[:4] for row in read(write("t.csv", text))] == [(2, 1, 5, 4.0), (3, 1, 6, 3.0)]


def test_bom_and_gzip(write: Write) -> None:
    text = b"\xef\xbb\xbfuser,book,rating\n1,2,3\n"
    assert read(write("t.csv", text)) == read(write("t.csv.gz", gzip.compress(text)))


def test_lines_are_those_of_an_editor(write: Write) -> None:
    """Blank lines before and between, and a value of three lines."""
    path = write("t.csv", '\nuser,book,rating,note\n1,2,3,"a\nb\nc"\n\n1,4,5,\n')
    assert [row[0] for row in read(path)] == [3, 7]


def test_times(write: Write) -> None:
    texts = {
        "86400": datetime(1970, 1, 2),
        "881250949.5": datetime(1997, 12, 4, 15, 55, 49, 500000),
        "1366359315000": datetime(2013, 4, 19, 8, 15, 15),
        "2013-04-19": datetime(2013, 4, 19),
        "2013/04/19": datetime(2013, 4, 19),
        "2013-04-19 08:15:15": datetime(2013, 4, 19, 8, 15, 15),
        "2013-04-19T08:15:15Z": datetime(2013, 4, 19, 8, 15, 15),
        "2013-04-19T01:15:15.25-07:00": datetime(2013, 4, 19, 8, 15, 15, 250000),
        "": None,
    }
    rows = "".join(f"1,{i},5,{text}\n" for i, text in enumerate(texts))
    path = write("t.csv", "user,book,rating,timestamp\n" + rows)
    assert [row[5] for row in read(path)] == list(texts.values())


def test_shelves(write: Write) -> None:
    path = write(
        "t.csv", "user,book,rating,shelf\n1,1,5,abandoned\n1,2,,Read\n1,3,,to-read\n1,4,,Want to Read\n1,5,,wishes\n1,6,,\n"
    )
    rows, drops = read_table([path], FORMATS["table"])
    assert rows.select("book_id", "stars", "shelf").rows() == [
        (1, 5.0, "read"),
        (2, None, "read"),
        (3, None, "to_read"),
        (4, None, "to_read"),
    ]
    assert [(d.reason, d.rows, d.example) for d in drops] == [
        ("on a shelf that is neither read nor to-read", 1, "t.csv, line 6"),
        ("neither stars nor a shelf", 1, "t.csv, line 7"),
    ]


def test_a_table_of_shelves_needs_no_stars(write: Write) -> None:
    assert read(write("t.csv", "user,book,is_read\n1,2,true\n1,3,0\n"))[1][3:5] == (None, "to_read")


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    noon = datetime(2020, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    frame = pl.DataFrame(
        {"user": [1.0, 2.0], "book": ["a", "b"], "rating": [4.0, None], "is_read": [True, False], "time": [noon, None]}
    )
    frame.write_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet") == [
        (1, 1, "a", 4.0, "read", datetime(2020, 1, 1, 10)),
        (2, 2, "b", None, "to_read", None),
    ]


def test_parquet_dates(tmp_path: Path) -> None:
    pl.DataFrame({"user": [1], "book": [2], "rating": [3], "date": [date(2001, 2, 3)]}).write_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet")[0][5] == datetime(2001, 2, 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("u.data", "196\t242\t3\t881250949\n196\t302\t5\t891717742\n"),
        ("ratings.dat", "196::242::3::881250949\n196::302::5::891717742\n"),
        ("ratings.csv", "userId,movieId,rating,timestamp\n196,242,3.0,881250949\n196,302,5.0,891717742\n"),
    ],
)
def test_movielens_in_its_three_shapes(write: Write, name: str, content: str) -> None:
    path = write(name, content)
    second = datetime.fromtimestamp(891717742, UTC).replace(tzinfo=None)
    assert read(path, "movielens")[1][1:] == (196, 302, 5.0, "read", second)
    assert read(path, "movielens")[0][0] == (2 if name.endswith("csv") else 1)
    data, _ = import_table([path], FORMATS["movielens"])
    assert data.scale.step == (0.5 if name.endswith("csv") else 1)


def test_recbole_with_and_without_ratings(write: Write) -> None:
    path = write("a.inter", 'user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\ti"1\t4.0\t86400.0\n')
    assert read(path, "recbole") == [(2, "u1", 'i"1', 4.0, "read", datetime(1970, 1, 2))]
    path = write("b.inter", "user_id:token\titem_id:token\nu1\ti1\n")
    assert read(path, "recbole") == [(2, "u1", "i1", None, "read", None)]


def test_book_crossing(write: Write) -> None:
    path = write("BX.csv", '"User-ID";"ISBN";"Book-Rating"\n"8";"034545104X";"0"\n"9";"\\"b\xe9\\"";"10"\n'.encode("latin-1"))
    assert read(path, "bookcrossing") == [(2, 8, "034545104X", None, "read", None), (3, 9, "b\xe9", 10.0, "read", None)]
    data, _ = import_table([path], FORMATS["bookcrossing"])
    assert data.scale.max == 10
    assert read(write("Ratings.csv", "User-ID,ISBN,Book-Rating\n8,1,7\n"), "bookcrossing")[0][3] == 7.0


def test_goodbooks(write: Write) -> None:
    ratings = write("ratings.csv", "user_id,book_id,rating\n1,10,5\n1,20,3\n2,30,3\n")
    shelves = write("to_read.csv", "user_id,book_id\n1,20\n2,10\n")
    books = write(
        "books.csv",
        "book_id,goodreads_book_id,best_book_id,work_id,isbn,isbn13,authors,original_publication_year,"
        "original_title,title,language_code,num_pages\n"
        '10,77,7,900,306406152,9.78030640615e+12,"A. Writer, B  Drawer",-380.0,Le  Nom,"The Name (The Series, #2)",en-US,96\n'
        "30,79,79,,,,,,,Bare,,0\n"
        "99,78,78,901,,,Nobody,,,Not rated,eng,\n",
    )
    data, report = import_table([books, ratings, shelves], FORMATS["goodbooks"])
    assert (data.n_users, data.n_books, data.n_ratings, len(data)) == (2, 3, 3, 4)
    assert data.shelf.tolist() == [0, 0, 1, 0]
    assert [(d.reason, d.rows, d.example) for d in report.drops] == [
        ("to-read mark of a book that was read", 1, "to_read.csv, line 2")
    ]
    assert data.books.table.row(0, named=True) == {
        "book_id": 10,
        "work_id": "900",
        "title": "The Name",
        "authors": ["A. Writer", "B Drawer"],
        "year": -380,
        "isbn13": "9780306406157",
        "series": "The Series",
        "series_position": 2.0,
        "genres": [],
        "goodreads_ids": [7, 77],
        "original_title": "Le Nom",
        "language": "en",
        "pages": 96,
    }
    assert data.books.title(1) == "Book 20"
    more = data.books.table.select("goodreads_ids", "original_title", "language", "pages")
    assert more.rows() == [([7, 77], "Le Nom", "en", 96), ([], None, None, None), ([79], None, None, None)]


def test_real_goodbooks(real_data: Path) -> None:
    folder = real_data / "goodbooks-10k"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    names = ("sample_ratings.csv", "sample_to_read.csv", "books.csv")
    data, report = import_table([folder / name for name in names], FORMATS["goodbooks"])
    assert (report.rows_read, data.n_ratings, len(data)) == (198, 99, 198)
    with (folder / "books.csv").open(encoding="utf-8", newline="") as file:
        titles = [row["title"] for row in csv.DictReader(file) if int(row["book_id"]) in set(data.books.ids.ids)]
    assert len(titles) == data.n_books
    assert data.books.table["series"].count() == sum("#" in title for title in titles) > 0
    assert data.books.table["goodreads_ids"].list.len().is_between(1, 2).all()
    assert set(data.books.table["language"].drop_nulls()) >= {"en"}


def test_columns_by_the_names_a_person_gives(write: Write) -> None:
    path = write("t.csv", "Wer;Größe;Sterne;user\na;b;0;z\na;c;2;z\n")
    dialects = named_columns({"user_id": "wer", "book_id": "Größe", "stars": "Sterne"}, separator=";", zero_is_unrated=True)
    rows, drops = read_table([path], dialects)
    assert rows.select("user_id", "book_id", "stars").rows() == [("a", "c", 2.0)]
    assert drops[0].reason == "neither stars nor a shelf"
    with pytest.raises(DataError, match="no column for the time"):
        read_table([path], named_columns({"user_id": "wer", "book_id": "Größe", "stars": "Sterne", "time": "wann"}))


@pytest.mark.parametrize("separator", ["ab", '"', "é"])
def test_a_separator_is_one_plain_character(separator: str) -> None:
    with pytest.raises(DataError, match="one character"):
        named_columns({}, separator=separator)


GOOD = "user,book,rating\n1,2,3\n"
BAD: list[tuple[str, str | bytes, str, str]] = [
    # kind, content, place, words
    ("table", "", "t.csv", "is empty"),
    ("table", " \n\n", "t.csv", "is empty"),
    ("table", b"\xef\xbb\xbf", "t.csv", "is empty"),
    ("table", "user,book,rating\n", "t.csv", "no rows"),
    ("table", "user,book\n1,2\n", "t.csv", "no column for the rating"),
    ("table", "name,book,rating\n1,2,3\n", "t.csv", "no column for the user .* 'name'"),
    ("table", "user,user,book,rating\n1,1,2,3\n", "t.csv", "two columns for the user"),
    ("table", '"user,book,rating"\n"1,2,3"\n', "t.csv", "no column for the user"),
    ("table", GOOD + "1,3,nan\n", "t.csv, line 3", "'nan' is not a number"),
    ("table", GOOD + "1,3,inf\n", "t.csv, line 3", "'inf' is not a number"),
    ("table", GOOD + "1,3,1_0\n", "t.csv, line 3", "'1_0' is not a number"),
    ("table", GOOD + "1,3,٤\n", "t.csv, line 3", "'٤' is not a number"),
    ("table", GOOD + '1,3,"4,5"\n', "t.csv, line 3", "'4,5' is not a number"),
    ("table", GOOD + "1,3,0x4\n", "t.csv, line 3", "not a number"),
    ("table", GOOD + "1,3," + "9" * 5000 + "\n", "t.csv, line 3", "not a number"),
    ("table", GOOD + "1,3,6\n", "t.csv, line 3", "6 stars are not on the scale 1 to 5"),
    ("table", GOOD + "1,3,-1\n", "t.csv, line 3", "-1 stars are not on the scale"),
    ("table", GOOD + "1,3,0\n", "t.csv, line 3", "0 stars are not on the scale"),
    ("table", GOOD + "1,3,3.25\n", "t.csv, line 3", "3.25 stars are not on the scale"),
    ("table", GOOD + ",3,4\n", "t.csv, line 3", "user id is missing"),
    ("table", GOOD + "1,  ,4\n", "t.csv, line 3", "book id is missing"),
    ("table", GOOD + "1\n", "t.csv, line 3", "book id is missing"),
    ("table", GOOD + "1,3,4,5\n", "t.csv, line 3", "has 4 values where the first line has 3"),
    ("table", GOOD + '1,"3,4\n1,4,5\n', "t.csv, line 3", "quote is opened and never closed"),
    ("table", GOOD + '1,"3"x,4\n', "t.csv, line 3", "quote is closed too early"),
    ("table", GOOD + '1,"3\n4",4\n', "t.csv, line 3", "control character"),
    ("table", GOOD + "1," + "x" * 300 + ",4\n", "t.csv, line 3", "longer than 200"),
    ("table", GOOD.encode() + b"1,\xe9,4\n", "t.csv, line 3", "not UTF-8"),
    ("table", GOOD.encode() + b"1,\0,4\n", "t.csv, line 3", "NUL"),
    ("table", GOOD.encode("utf-16"), "t.csv", "UTF-16"),
    ("table", GOOD + "9007199254740992,3,4\n", "t.csv, line 3", "beyond 2.53"),
    ("table", GOOD + "1,123456789012345678901234567890,4\n", "t.csv, line 3", "beyond 2.53"),
    ("table", GOOD + "1,2,4\n", "t.csv, line 2 and t.csv, line 3", "user 1, book 2 stands twice and differs"),
    ("table", "user,book,rating,time\n1,2,3,yesterday\n", "t.csv, line 2", "'yesterday' is not a date"),
    ("table", "user,book,rating,time\n1,2,3,99999999999999999\n", "t.csv, line 2", "is not a date"),
    ("table", gzip.compress(GOOD.encode() * 99, mtime=0)[:-12], "t.csv", "middle of its gzip stream"),
    ("table", gzip.compress(GOOD.encode(), mtime=0)[:10] + b"no gzip at all", "t.csv", "damaged gzip"),
    ("table", b"PAR1 and nothing more", "t.csv", "damaged Parquet"),
    ("table", '{"user": 1, "book": 2, "rating": 3}\n{"user": 1,\n', "t.csv, line 2", "not a JSON object"),
    ("table", '{"user": 1, "book": 2, "rating": 3}\n\n{"user": 1, "book": [2], "rating": null}\n[]\n', "t.csv, line 4", "JSON"),
    ("table", '{"user": 1, "book": 2, "rating": 3}\n\n{"user": 1, "rating": 3}\n', "t.csv, line 3", "book id is missing"),
    ("movielens", "userId,movieId,rating,timestamp\n1_0,2,3,4\n", "t.csv, line 2", "user id '1_0' is not a whole number"),
    ("movielens", "1::2::3::4\n1::٣::3::4\n", "t.csv, line 2", "book id '.*' is not a whole number"),
    ("movielens", "1\t2\t3\t4\n-1\t3\t3\t4\n", "t.csv, line 2", "user id '-1' is not a whole number"),
    ("movielens", "1\t2\t3\t4\n1\t3\t3.5\t4\n", "t.csv, line 2", "3.5 stars are not on the scale"),
    ("movielens", "1\t2\t3\n", "t.csv", "no column for the user"),
    ("recbole", "user_id:token,item_id:token\n1,2\n", "t.csv", "no column for the book"),
    ("bookcrossing", '"User-ID";"ISBN"\n"1";"2"\n', "t.csv", "no column for the rating"),
    (
        "bookcrossing",
        '"User-ID";"ISBN";"Book-Rating"\n"1";"2";"11"\n',
        "t.csv, line 2",
        "11 stars are not on the scale 1 to 10",
    ),
    ("goodbooks", "user_id,book_id,score\n1,2,3\n", "t.csv", "no column for the rating"),
    ("goodbooks", "book_id,title\n1,Only books\n", "", "at least one table of ratings"),
]


@pytest.mark.parametrize(("kind", "content", "place", "words"), BAD)
def test_bad_files_get_one_sentence_with_the_place(
    write: Write, kind: str, content: str | bytes, place: str, words: str
) -> None:
    path = write("t.csv", content)
    with pytest.raises(DataError, match=words) as caught:
        import_table([path], FORMATS[kind])
    sentence = str(caught.value)
    assert sentence.startswith(place)
    assert "\n" not in sentence
    assert len(sentence) < 300


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read_table([tmp_path / "none.csv"], FORMATS["table"])
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_table([tmp_path], FORMATS["table"])


def test_bad_parquet_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"user": [1, 1], "book": [[1], [2]], "rating": [1, 2]}).write_parquet(path)
    with pytest.raises(DataError, match=r"t\.parquet: column 'book' holds List"):
        read_table([path], FORMATS["table"])
    pl.DataFrame({"user": [1, 1], "book": [1, 2], "rating": [1.0, float("nan")]}).write_parquet(path)
    with pytest.raises(DataError, match=r"t\.parquet, row 2: rating 'NaN' is not a number"):
        read_table([path], FORMATS["table"])


def test_a_gzip_bomb_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shelfaware.data.reading.UNPACKED_FREE", 1000)
    with pytest.raises(DataError, match="100 times its size"):
        read_table([write("t.csv.gz", gzip.compress(b"0" * 10**6))], FORMATS["table"])


def test_places_name_the_file_among_several(write: Write) -> None:
    first, second = write("a.csv", "user,book,rating\n1,2,3\n"), write("b.csv", "user,book,rating\n9,9,9\n")
    with pytest.raises(DataError, match=r"b\.csv, line 2: 9 stars"):
        import_table([first, second], FORMATS["table"])


def test_ids_are_numbers_only_if_all_files_say_so(write: Write) -> None:
    paths = [write("a.csv", "user,book,rating\n2,10,3\n10,9,3\n"), write("b.csv", "user,book,rating\nx,9,3\n")]
    assert import_table(paths[:1], FORMATS["table"])[0].users.ids.to_list() == [2, 10]
    assert import_table(paths, FORMATS["table"])[0].users.ids.to_list() == ["10", "2", "x"]


cells = st.tuples(st.integers(0, 20), st.integers(0, 20))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), pairs=st.lists(cells, min_size=1, unique=True))
def test_permuted_rows_have_the_same_fingerprint(write: Write, data: st.DataObject, pairs: list[tuple[int, int]]) -> None:
    lines = [f"{user},{book},{1 + (user + book) % 5}" for user, book in pairs]
    shuffled = data.draw(st.permutations(lines))
    texts = ["\n".join(["user,book,rating", *some]) for some in (lines, shuffled)]
    prints = [import_table([write(f"{i}.csv", text)], FORMATS["table"])[0].fingerprint for i, text in enumerate(texts)]
    assert prints[0] == prints[1]


SEEDS = [
    ("table", b'user,book,rating,time\n1,2,3,2013-01-01\n"2","x y",5,\n'),
    ("movielens", b"1::2::3::881250949\n2::3::4::881250949\n"),
    ("movielens", b"1\t2\t3\t881250949\n"),
    ("bookcrossing", b'"User-ID";"ISBN";"Book-Rating"\n"1";"034";"5"\n'),
    ("recbole", b"user_id:token\titem_id:token\trating:float\n1\t2\t3\n"),
    ("goodbooks", b"book_id,title,isbn\n1,a (b, #1),2\n"),
    ("table", b'{"user": 1, "book": "2", "rating": 3}\n'),
]
splices = st.one_of(
    st.binary(max_size=4),
    st.sampled_from(
        [b'"', b"\n", b"\r", b"\0", b"nan", b"1_0", "٣".encode(), b"\\ud800", b"x" * 200_000, b"9" * 5000, b"PAR1"]
    ),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.sampled_from(SEEDS), changes=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9), splices), max_size=4))
def test_any_bytes_are_read_or_refused_with_one_sentence(
    write: Write, seed: tuple[str, bytes], changes: list[tuple[int, int, bytes]]
) -> None:
    kind, content = seed
    for start, length, splice in changes:
        content = content[:start] + splice + content[start + length :]
    try:
        data, report = import_table([write("t.csv", content)], FORMATS[kind])
    except DataError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert report.rows_read == len(data) + sum(drop.rows for drop in report.drops)
    assert "\n" not in sentence
    assert len(sentence) < 400
