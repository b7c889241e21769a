"""Known answers: a small file of each service, every byte written by hand."""

import gzip
from pathlib import Path

import pytest
from making import (
    FORMATS,
    GOODREADS_23,
    GOODREADS_24,
    GOODREADS_31,
    GOODREADS_ENHANCED,
    MAKERS,
    PRIVATE,
    STYLES,
    Style,
    made_books,
    western,
)
from making import goodreads as goodreads_table

from shelfaware.errors import DataError
from shelfaware.library.exports import parse_export, read_export
from shelfaware.library.rows import Export, Row

DUNE, DUNE_10 = "9780441013593", "0441013597"


def rows(text: str, scale: tuple[float, float] | None = None) -> list[Row]:
    return list(parse_export(text.encode(), "mine.csv", scale).rows)


def only(text: str) -> Row:
    (row,) = rows(text)
    return row


def test_goodreads() -> None:
    header = "Book Id,Title,Author,Author l-f,Additional Authors,ISBN,ISBN13,My Rating,Date Read,Bookshelves,Exclusive Shelf"
    text = f'''{header},My Review
234225,"Dune (Dune, #1)",Frank   Herbert,"Herbert, Frank","Brian Herbert, A. B.","=""0441013597""",="9780441013593",5,,,read,"so
good, ""really"""
5,Emma,Jane Austen,"Austen, Jane",,="",="",0,2019/01/01,to-read,to-read,
6,Ulysses,James Joyce,"Joyce, James",,=B00ABCDEFG,="",2,,"gave-up, fantasy",gave-up,
'''
    assert rows(text) == [
        Row(2, "Dune (Dune, #1)", ("Frank Herbert", "Brian Herbert", "A. B."), "", "234225", (DUNE,), 5.0, "read"),
        Row(4, "Emma", ("Jane Austen",), "", "5", (), None, "to-read"),
        Row(5, "Ulysses", ("James Joyce",), "", "6", (), 2.0, "other", "gave-up"),
    ]


@pytest.mark.parametrize("shelf", ["wishlist", "tbr", "want-to-read", "dnf", "abandoned", "maybe"])
def test_a_custom_shelf_of_goodreads_is_kept_and_never_to_read(shelf: str) -> None:
    row = only(f"Book Id,Title,Exclusive Shelf\n1,Emma,{shelf}\n")
    assert (row.state, row.shelf) == ("other", shelf)


@pytest.mark.parametrize(
    ("shelves", "stars", "state", "shelf"),
    [
        ("fantasy, to-read", 0, "to-read", ""),
        ("to-read", 4, "to-read", ""),
        ("", 4, "read", ""),
        ("", 0, "", ""),
        ("fantasy, own", 3, "other", "fantasy"),
    ],
)
def test_goodreads_without_its_exclusive_shelf(shelves: str, stars: int, state: str, shelf: str) -> None:
    row = only(f'Book Id,Title,My Rating,Bookshelves\n1,Emma,{stars},"{shelves}"\n')
    assert (row.state, row.shelf) == (state, shelf)


def test_goodreads_with_only_the_sorted_author() -> None:
    assert only('Title,Author l-f,Additional Authors\nEmma,"Austen, Jane",Ann Other\n').authors == ("Jane Austen", "Ann Other")


def test_storygraph() -> None:
    text = (
        "Title,Authors,Contributors,ISBN/UID,Format,Read Status,Date Added,Last Date Read,Star Rating,Review,Owned?\r\n"
        'Dune,"Frank Herbert, Sammy Davis, Jr.",Someone (Narrator),9780441013593,,read,2021/05/10,"",4.75,"",No\r\n'
        "Emma,Jane Austen,,B00ABCDEFG,,did-not-finish,2021/05/10,,0.25,,No\r\n"
        "Kim,Rudyard Kipling,,,,to-read,2021/05/10,,,,No\r\n"
    )
    assert parse_export(text.encode(), "sg.csv") == Export(
        "sg.csv",
        "StoryGraph",
        (0.25, 5),
        (
            Row(2, "Dune", ("Frank Herbert", "Sammy Davis, Jr."), isbns=(DUNE,), stars=4.75, state="read"),
            Row(3, "Emma", ("Jane Austen",), stars=0.25, state="did-not-finish"),
            Row(4, "Kim", ("Rudyard Kipling",), state="to-read"),
        ),
    )


def test_storygraph_without_stars() -> None:
    assert only("Title,Authors,Read Status\nDune,Frank Herbert,read\n") == Row(2, "Dune", ("Frank Herbert",), state="read")


LIBRARYTHING = "Book Id\tTitle\tPrimary Author\tSecondary Author\tRating\tDate Read\tCollections\tISBN\tISBNs\n"


def test_librarything() -> None:
    text = LIBRARYTHING + (
        "5498194\tMarelle\tCortázar, Julio\tKing, Martin Luther, Jr.|Bataillon, Laure\t4.5\t\tYour library\t[2070291340]\t"
        "2070291340, 9782070291342\n"
        '7\t"Who Could That Be?" he asked\tAusten, Jane\t\t\t\tYour library\t[]\t\n'
        '8\t"An open quote\tPlato\t\t\t[2007-05-08]\tTo read\t[]\t\n'
    )
    export = parse_export(text.encode("latin-1"), "lt.tsv")
    assert (export.format, export.scale) == ("LibraryThing", (0.5, 5))
    first, second, third = export.rows
    authors = ("Julio Cortázar", "Martin Luther King Jr.", "Laure Bataillon")
    assert first == Row(2, "Marelle", authors, isbns=("2070291340",), stars=4.5, state="read")
    assert (second.title, second.state, second.shelf) == ("Who Could That Be? he asked", "other", "Your library")
    assert (third.title, third.authors, third.state) == ('"An open quote', ("Plato",), "read")


@pytest.mark.parametrize(
    ("collections", "state", "shelf"),
    [
        ("Your library", "other", "Your library"),
        ("To read", "to-read", ""),
        ("Your library, Wishlist", "to-read", ""),
        ("Read but unowned", "read", ""),
        ("Currently reading", "currently-reading", ""),
        ("", "", ""),
    ],
)
def test_collections_of_librarything(collections: str, state: str, shelf: str) -> None:
    row = only(f"{LIBRARYTHING}1\tEmma\tAusten, Jane\t\t\t\t{collections}\t[]\t\n")
    assert (row.state, row.shelf) == (state, shelf)
    assert only(f"{LIBRARYTHING}1\tEmma\tAusten, Jane\t\t4\t\t{collections}\t[]\t\n").state == "read"


def test_hardcover() -> None:
    text = """Title,Author,Series,Status,Hardcover Book ID,ISBN 10,ISBN 13,Rating
Hyperion,"Helena Fraga (Translator), Dan Simmons",Cantos (#1.0),Read,1,,9780441013593,4.5
Emma,Ann Other (Editor),,Want to Read,2,0441013597,,
Kim,Rudyard Kipling,,Stopped,3,,,0.5
Ulysses,James Joyce,,Currently Reading,4,,,0.25
"""
    assert rows(text) == [
        Row(2, "Hyperion", ("Dan Simmons",), isbns=(DUNE,), stars=4.5, state="read"),
        Row(3, "Emma", ("Ann Other",), isbns=(DUNE_10,), state="to-read"),
        Row(4, "Kim", ("Rudyard Kipling",), stars=0.5, state="did-not-finish"),
        Row(
            5,
            "Ulysses",
            ("James Joyce",),
            "",
            "",
            (),
            None,
            "currently-reading",
            "",
            "rejected",
            "rating '0.25' is outside 0.5 to 5",
        ),
    ]


def test_bookwyrm() -> None:
    text = """title,author_text,remote_id,goodreads_key,isbn_10,isbn_13,rating,review_content,shelf,shelf_name
Dune,"Frank Herbert, Ann Other",https://example.com/2,234225,0441013597,,3,hm,read,Read
Emma,Jane Austen,,,,,0,,reading,Currently Reading
Kim,Rudyard Kipling,,,,,,,stopped-reading,Stopped
Pies,Ann Other,,,,,,,cooking,Cooking
"""
    assert rows(text) == [
        Row(2, "Dune", ("Frank Herbert", "Ann Other"), "", "234225", (DUNE_10,), 3.0, "read"),
        Row(3, "Emma", ("Jane Austen",), state="currently-reading"),
        Row(4, "Kim", ("Rudyard Kipling",), state="did-not-finish"),
        Row(5, "Pies", ("Ann Other",), state="other", shelf="cooking"),
    ]


def test_open_library() -> None:
    text = """Work ID,Title,Authors,First Publish Year,Edition ID,Bookshelf,My Ratings
OL1W,Good Omens,Terry Pratchett | Neil Gaiman,1990,OL2M,Already Read,5
OL2W,Emma,Jane Austen,1815,,Want to Read,
"""
    assert rows(text) == [
        Row(2, "Good Omens", ("Terry Pratchett", "Neil Gaiman"), stars=5.0, state="read"),
        Row(3, "Emma", ("Jane Austen",), state="to-read"),
    ]


def test_open_library_of_old_names_no_book() -> None:
    with pytest.raises(DataError, match=r"mine\.csv has no column for the title.*reads 'Work Id', 'Edition Id', 'Bookshelf'$"):
        rows("Work Id,Edition Id,Bookshelf\nOL1W,,Currently Reading\n")


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("title,author,rating\nDune,Frank Herbert,5\n", Row(2, "Dune", ("Frank Herbert",), stars=5.0, state="read")),
        ("My Rating,TITLE\n4,Dune\n", Row(2, "Dune", stars=4.0, state="read")),
        ("title\nDune, Messiah; part | two\n", Row(2, "Dune, Messiah; part | two", state="read")),
        ("title,rating\nDune,\n", Row(2, "Dune", state="read")),
        ("book_id,rating\n42,3\n", Row(2, book_id="42", stars=3.0, state="read")),
        ("Book,Stars\n42,3\n", Row(2, "42", book_id="42", stars=3.0, state="read")),
        ("item,title\n42,Dune\n", Row(2, "Dune", book_id="42", state="read")),
        ("isbn,rating\n0-441-01359-7,3\n", Row(2, isbns=(DUNE_10,), stars=3.0, state="read")),
        ("title,status\nDune,DNF\n", Row(2, "Dune", state="did-not-finish")),
        ("title,shelf\nDune,Want to read\n", Row(2, "Dune", state="to-read")),
        ("title,shelf\nDune,by the bed\n", Row(2, "Dune", state="other", shelf="by the bed")),
        ("title,shelf\nDune,\n", Row(2, "Dune")),
    ],
)
def test_by_hand(text: str, row: Row) -> None:
    assert only(text) == row


@pytest.mark.parametrize(
    ("written", "authors"),
    [
        ("Herbert, Frank", ("Frank Herbert",)),
        ("Neil Gaiman, Terry Pratchett", ("Neil Gaiman", "Terry Pratchett")),
        ("Neil Gaiman & Terry Pratchett", ("Neil Gaiman", "Terry Pratchett")),
        ("Gaiman, Neil; Pratchett, Terry", ("Neil Gaiman", "Terry Pratchett")),
        ("Leo Sand and Ann Brand", ("Leo Sand", "Ann Brand")),
        ("Plato", ("Plato",)),
        (" ", ()),
    ],
)
def test_authors_by_hand(written: str, authors: tuple[str, ...]) -> None:
    assert only(f'title,author\nX,"{written}"\n').authors == authors


@pytest.mark.parametrize(
    ("stars", "scale"),
    [("1 2 5", (1, 5)), ("4 5.5", (1, 10)), ("3 10", (1, 10)), ("3 11", (0, 100)), ("x 5 5000", (1, 5)), ("0", (1, 5))],
)
def test_the_scale_of_a_list_by_hand_is_told_by_its_largest_rating(stars: str, scale: tuple[float, float]) -> None:
    text = "title,rating\n" + "".join(f"Dune,{one}\n" for one in stars.split())
    assert parse_export(text.encode(), "a.csv").scale == scale


def test_a_scale_can_be_given() -> None:
    text = "title,rating\nDune,6\nEmma,3\nKim,0\n"
    assert [(row.stars, row.outcome) for row in rows(text, (1, 5))] == [(None, "rejected"), (3.0, ""), (None, "")]
    assert parse_export(text.encode(), "a.csv", (1, 10)).scale == (1, 10)
    with pytest.raises(DataError, match="from its lowest to its highest"):
        rows(text, (5, 1))


@pytest.mark.parametrize("header", [GOODREADS_31, GOODREADS_24, GOODREADS_23, GOODREADS_ENHANCED], ids=len)
def test_every_age_of_goodreads_says_the_same(header: list[str]) -> None:
    books = made_books(40, seed=1)
    table = goodreads_table(books, header)
    if header == GOODREADS_23:
        table = [
            [f"{cell}.0" if name == "My Rating" and cell.isdigit() else cell for name, cell in zip(header, row, strict=True)]
            for row in table
        ]
    export = parse_export(Style().bytes(table), "g.csv")
    assert export.format == "Goodreads"
    assert [(row.goodreads_id, row.stars or 0, row.state, row.title) for row in export.rows] == [
        (str(book.number), book.stars, book.shelf, book.title) for book in books
    ]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("style", STYLES)
def test_every_format_however_it_was_saved(form: str, style: str) -> None:
    books = made_books(25, seed=2)
    expected = [(book.title, book.author, book.stars or None) for book in books]
    export = parse_export(STYLES[style].bytes(MAKERS[form](books)), "x.csv")
    assert export.format == form
    assert [(row.title, row.authors[0], row.stars) for row in export.rows] == expected
    assert [row.outcome for row in export.rows] == [""] * 25


@pytest.mark.parametrize("form", FORMATS)
def test_cp1252(form: str) -> None:
    books = [western(book) for book in made_books(60, seed=3)]
    export = parse_export(Style(encoding="cp1252").bytes(MAKERS[form](books)), "x.csv")
    assert [row.title for row in export.rows] == [book.title for book in books]
    assert any("ü" in row.title for row in export.rows)


@pytest.mark.parametrize("form", FORMATS)
def test_columns_in_any_order_and_any_subset(form: str) -> None:
    table = MAKERS[form](made_books(10, seed=4))
    text = Style().bytes([row[::-1] for row in table])
    assert parse_export(text, "x.csv") == parse_export(Style().bytes(table), "x.csv")
    assert parse_export(
        Style().bytes([[row[table[0].index(next(n for n in table[0] if n.lower() == "title"))]] for row in table]), "x"
    ).rows


@pytest.mark.parametrize("form", FORMATS)
def test_reviews_notes_and_people_are_never_kept(form: str) -> None:
    raw = Style().bytes(MAKERS[form](made_books(30, seed=5)))
    if form not in ("Open Library", "plain list"):
        assert PRIVATE.encode() in raw
    assert PRIVATE not in repr(parse_export(raw, "x.csv"))


def test_a_file_on_disk_gzipped_or_not(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("title,rating\nDune,5\n")
    (tmp_path / "b.csv").write_bytes(gzip.compress(b"title,rating\nDune,5\n"))
    assert read_export(tmp_path / "a.csv").rows == read_export(tmp_path / "b.csv").rows
    with pytest.raises(DataError, match=r"there is no file .*c\.csv"):
        read_export(tmp_path / "c.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_export(tmp_path)


def test_a_name_from_outside_is_only_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = "../../etc/passwd\ud800\n\x00"
    assert parse_export(b"title\nDune\n", name).name == "../../etc/passwd???"
    with pytest.raises(DataError, match=r"^the file is empty$"):
        parse_export(b"", "")
    assert list(tmp_path.iterdir()) == []


def test_what_our_own_report_guarded_comes_back() -> None:
    row = only('title,author,book_id\n"\'=1+1","\'@ann",\'-x\n')
    assert (row.title, row.authors, row.book_id) == ("=1+1", ("@ann",), "-x")
