"""Made exports of every service: seeded, fast, with the quirks of the real ones and none of their people."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


def _names(header: str) -> list[str]:
    return header.split(",")


GOODREADS_31 = _names(
    "Book Id,Title,Author,Author l-f,Additional Authors,ISBN,ISBN13,My Rating,Average Rating,Publisher,Binding,Number of Pages,"
    "Year Published,Original Publication Year,Date Read,Date Added,Bookshelves,Bookshelves with positions,Exclusive Shelf,"
    "My Review,Spoiler,Private Notes,Read Count,Recommended For,Recommended By,Owned Copies,Original Purchase Date,"
    "Original Purchase Location,Condition,Condition Description,BCID"
)
GOODREADS_24 = [*GOODREADS_31[:23], "Owned Copies"]
GOODREADS_23 = [name for name in GOODREADS_24 if name != "Average Rating"]
GOODREADS_ENHANCED = [*GOODREADS_24, "read_dates", "genres"]
STORYGRAPH = _names(
    "Title,Authors,Contributors,ISBN/UID,Format,Read Status,Date Added,Last Date Read,Dates Read,Read Count,Moods,Pace,"
    "Character- or Plot-Driven?,Strong Character Development?,Loveable Characters?,Diverse Characters?,Flawed Characters?,"
    "Star Rating,Review,Content Warnings,Content Warning Description,Tags,Owned?"
)
LIBRARYTHING = _names(
    "Book Id,Title,Sort Character,Primary Author,Primary Author Role,Secondary Author,Secondary Author Roles,Publication,Date,"
    "Review,Rating,Comment,Private Comment,Summary,Media,Physical Description,Weight,Height,Thickness,Length,Dimensions,"
    "Page Count,LCCN,Acquired,Date Started,Date Read,Barcode,BCID,Tags,Collections,Languages,Original Languages,"
    "LC Classification,ISBN,ISBNs,Subjects,Dewey Decimal,Dewey Wording,Other Call Number,Copies,Source,Entry Date,From Where,"
    "OCLC,Work id,Lending Patron,Lending Status,Lending Start,Lending End"
)
HARDCOVER = _names(
    "Title,Author,Series,Status,Privacy,Hardcover Book ID,Hardcover Edition ID,ISBN 10,ISBN 13,ASIN,Media,Country Code,"
    "Language Code,Binding,Pages,Duration in Seconds,Publish Date,Publisher,Genres,Moods,Tags,Content Warnings,Lists,"
    "Date Added,Date Started,Date Finished,Rating,Review,Review Contains Spoilers,Sponsored Review,Review Date,Review URL,"
    "Review Media URL,Private Notes,Owned,Compilation,Review Slate"
)
BOOKWYRM = _names(
    "title,author_text,remote_id,openlibrary_key,inventaire_id,librarything_key,goodreads_key,bnf_id,viaf,wikidata,asin,aasin,"
    "isfdb,isbn_10,isbn_13,oclc_number,start_date,finish_date,stopped_date,rating,review_name,review_cw,review_content,"
    "review_published,shelf,shelf_name,shelf_date"
)
OPEN_LIBRARY = _names(
    "Work ID,Title,Authors,First Publish Year,Edition ID,Edition Count,Bookshelf,My Ratings,Ratings Average,Ratings Count,"
    "Has Ebook,Subjects,Subject People,Subject Places,Subject Times"
)

PRIVATE = "a private word"
"""Stands in every review, note and name of a person that these files hold; nothing read from them may repeat it."""
FORMATS = ("Goodreads", "StoryGraph", "LibraryThing", "Hardcover", "BookWyrm", "Open Library", "plain list")
SHELVES = ("read", "to-read", "currently-reading", "did-not-finish")
WORDS = _names("river,salt,winter,garden,king,daughter,stone,night,Müller,été,last,history,bone,glass,tower,wind,O'Hara,東京")
NAMES = [a + b for a in _names("Ad,Br,Chik,Dor,Em,Fat,Gust,Han,Im,Jun") for b in _names("a,am,en,el")]
SURNAMES = [a + b for a in _names("Quill,Okaf,Lindqv,Sat,Nová,Abar,Thorn,Ferr,Whit,Mor") for b in _names("er,ist,or,eau")]


@dataclass(frozen=True)
class Book:
    """What a person did with a made book; stars 0: unrated."""

    number: int
    title: str
    first: str
    last: str
    isbn13: str
    stars: int
    shelf: str
    review: str

    @property
    def author(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def isbn10(self) -> str:
        total = sum((10 - i) * int(digit) for i, digit in enumerate(self.isbn13[3:12]))
        check = -total % 11
        return self.isbn13[3:12] + ("X" if check == 10 else str(check))


def made_books(n: int, seed: int = 0, review: int = 300) -> list[Book]:
    """`n` made books; about a fifth without an ISBN, a third with a series, some reviews over several lines."""
    rng = random.Random(seed)
    return [_book(i, rng, review) for i in range(1, n + 1)]


def _book(number: int, rng: random.Random, review: int) -> Book:
    title = " ".join(rng.choices(WORDS, k=rng.randint(1, 4))).capitalize() + f" {number}"
    if rng.random() < 0.32:
        title += f" ({rng.choice(WORDS).title()}, #{rng.randint(1, 9)})"
    shelf = rng.choices(SHELVES, (70, 20, 5, 5))[0]
    stars = rng.choice([0, 3, 4, 4, 5, 5]) if shelf == "read" else 0
    body = f"978{rng.randrange(10**9):09d}"
    check = -sum(int(digit) * (1, 3)[i % 2] for i, digit in enumerate(body)) % 10
    isbn = "" if rng.random() < 0.22 else f"{body}{check}"
    words = (
        f'{PRIVATE}, "quoted", and a sentence that goes on for as long as a sentence of a review does. ' * (1 + review // 80)
    )[:review]
    words = words[: review // 2] + "\n\n" + words[review // 2 :] if review and rng.random() < 0.5 else ""
    return Book(number, title, rng.choice(NAMES), rng.choice(SURNAMES), isbn, stars, shelf, words)


def goodreads(books: Iterable[Book], header: Sequence[str] = GOODREADS_24) -> list[list[str]]:
    return _table(header, [_goodreads(book) for book in books])


def _goodreads(book: Book) -> dict[str, str]:
    isbn10 = book.isbn10 if book.isbn13 else ""
    return {
        "Book Id": str(book.number),
        "Title": book.title,
        "Author": f"{book.first}   {book.last}",
        "Author l-f": f"{book.last}, {book.first}",
        "ISBN": f'="{isbn10}"',
        "ISBN13": f'="{book.isbn13}"',
        "My Rating": str(book.stars),
        "Average Rating": "3.87",
        "Publisher": "A House",
        "Binding": "Paperback",
        "Number of Pages": "321",
        "Year Published": "2004",
        "Date Read": "2019/03/07" if book.shelf == "read" and book.number % 5 else "",
        "Date Added": "2019/01/02",
        "Bookshelves": "" if book.shelf == "read" else book.shelf,
        "Exclusive Shelf": book.shelf,
        "My Review": book.review,
        "Private Notes": PRIVATE if book.review else "",
        "Recommended By": PRIVATE if book.review else "",
        "Read Count": "1",
    }


def storygraph(books: Iterable[Book]) -> list[list[str]]:
    return _table(STORYGRAPH, [_storygraph(book) for book in books])


def _storygraph(book: Book) -> dict[str, str]:
    return {
        "Title": book.title,
        "Authors": book.author,
        "Contributors": PRIVATE,
        "ISBN/UID": book.isbn13 or f"B0{book.number:08d}",
        "Read Status": book.shelf,
        "Last Date Read": "2021/05/10" if book.shelf == "read" else "",
        "Star Rating": f"{book.stars}.0" if book.stars else "",
        "Review": book.review,
    }


def librarything(books: Iterable[Book]) -> list[list[str]]:
    return _table(LIBRARYTHING, [_librarything(book) for book in books])


def _librarything(book: Book) -> dict[str, str]:
    filed = {"read": "Read but unowned", "to-read": "To read", "currently-reading": "Currently reading"}
    return {
        "Book Id": str(book.number + 5_000_000),
        "Title": book.title,
        "Primary Author": f"{book.last}, {book.first}",
        "Review": book.review.replace("\n", " ").replace('"', ""),
        "Private Comment": PRIVATE,
        "Rating": str(book.stars) if book.stars else "",
        "Collections": f"Your library, {filed.get(book.shelf, 'Did not finish')}",
        "ISBN": f"[{book.isbn10}]" if book.isbn13 else "[]",
        "ISBNs": f"{book.isbn10}, {book.isbn13}" if book.isbn13 else "",
        "Lending Patron": PRIVATE,
    }


def hardcover(books: Iterable[Book]) -> list[list[str]]:
    return _table(HARDCOVER, [_hardcover(book) for book in books])


def _hardcover(book: Book) -> dict[str, str]:
    status = {"to-read": "Want to Read", "currently-reading": "Currently Reading", "did-not-finish": "Did Not Finish"}
    return {
        "Title": book.title,
        "Author": f"Ann Other (Narrator), {book.author}",
        "Status": status.get(book.shelf, "Read"),
        "Hardcover Book ID": str(book.number + 7_000_000),
        "ISBN 10": book.isbn10 if book.isbn13 else "",
        "ISBN 13": book.isbn13,
        "Rating": f"{book.stars}.0" if book.stars else "",
        "Review": book.review,
        "Private Notes": PRIVATE,
    }


def bookwyrm(books: Iterable[Book]) -> list[list[str]]:
    return _table(BOOKWYRM, [_bookwyrm(book) for book in books])


def _bookwyrm(book: Book) -> dict[str, str]:
    shelf = {"currently-reading": "reading", "did-not-finish": "stopped-reading"}.get(book.shelf, book.shelf)
    return {
        "title": book.title,
        "author_text": book.author,
        "goodreads_key": str(book.number),
        "isbn_10": book.isbn10 if book.isbn13 else "",
        "isbn_13": book.isbn13,
        "rating": f"{book.stars}.00" if book.stars else "",
        "review_content": book.review,
        "shelf": shelf,
        "shelf_name": shelf.title(),
    }


def open_library(books: Iterable[Book]) -> list[list[str]]:
    return _table(OPEN_LIBRARY, [_open_library(book) for book in books])


def _open_library(book: Book) -> dict[str, str]:
    shelf = {"read": "Already Read", "to-read": "Want to Read", "currently-reading": "Currently Reading"}
    return {
        "Work ID": f"OL{book.number}W",
        "Title": book.title,
        "Authors": book.author,
        "First Publish Year": "1969",
        "Edition ID": f"OL{book.number}M",
        "Bookshelf": shelf.get(book.shelf, "Stopped reading"),
        "My Ratings": str(book.stars) if book.stars else "",
    }


def plain_list(books: Iterable[Book]) -> list[list[str]]:
    rows = [[book.title, book.author, str(book.stars) if book.stars else "", book.shelf] for book in books]
    return [["title", "author", "rating", "shelf"], *rows]


MAKERS = dict(zip(FORMATS, (goodreads, storygraph, librarything, hardcover, bookwyrm, open_library, plain_list), strict=True))


def _table(header: Sequence[str], rows: Iterable[dict[str, str]]) -> list[list[str]]:
    return [list(header), *([row.get(name, "") for name in header] for row in rows)]


@dataclass(frozen=True)
class Style:
    """How a table becomes bytes: what services do, and what spreadsheets do to it when it is saved again."""

    separator: str = ","
    line_end: str = "\n"
    encoding: str = "utf-8"
    wrapped: bool = False

    def text(self, table: Iterable[Sequence[str]]) -> str:
        text = self._written(table)
        if not self.wrapped:
            return text
        lines = [
            self._written([row]).rstrip("\r\n") for row in csv.reader(io.StringIO(text, newline=""), delimiter=self.separator)
        ]
        return "".join('"' + line.replace('"', '""') + '"' + self.line_end for line in lines)

    def bytes(self, table: Iterable[Sequence[str]]) -> bytes:
        return self.text(table).encode(self.encoding, errors="replace")

    def _written(self, table: Iterable[Sequence[str]]) -> str:
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=self.separator, lineterminator=self.line_end).writerows(table)
        return out.getvalue()


STYLES = {
    "plain": Style(),
    "byte order mark": Style(encoding="utf-8-sig"),
    "Windows": Style(line_end="\r\n"),
    "old Mac": Style(line_end="\r"),
    "semicolons": Style(separator=";"),
    "tabs": Style(separator="\t"),
    "bars": Style(separator="|"),
    "UTF-16": Style(encoding="utf-16"),
    "Excel's Unicode text": Style(separator="\t", line_end="\r\n", encoding="utf-16"),
    "wrapped whole": Style(wrapped=True),
}


def western(book: Book) -> Book:
    """With the letters of cp1252 alone."""
    return replace(book, title=book.title.encode("cp1252", "replace").decode("cp1252"), last=book.last.replace("á", "a"))
