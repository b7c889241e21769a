"""What goes over the wire, typed: checked on the way in, documented on the way out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shelfaware.errors import DataError
from shelfaware.recommending.wishes import Wishes
from shelfaware.serve.desk import MOST
from shelfaware.serve.storage.records import Entry, Shelf

BookId = Annotated[str, Field(min_length=1, max_length=200)]
Stars = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Words = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=50)]
Year = Annotated[int, Field(ge=-10_000, le=10_000)]
Count = Annotated[int, Field(ge=1, le=MOST)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


class WishesIn(Strict):
    """What may stand on a list, how bold and how varied it is; see `shelfaware.Wishes`."""

    adventure: Annotated[float, Field(ge=-3, le=3, allow_inf_nan=False)] = 0.0
    diversity: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    per_author: Annotated[int, Field(ge=0, le=MOST)] = 3
    in_order: bool = True
    authors: Words = []
    languages: Words = []
    genres: Words = []
    first_year: Year | None = None
    last_year: Year | None = None
    max_pages: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    def wishes(self) -> Wishes:
        return Wishes.of(self.model_dump(include=set(WishesIn.model_fields)))


class Asking(WishesIn):
    """The query of a list of books."""

    question: Literal["next", "to-read", "dislike"] = "next"
    n: Count = 10


class Rated(Strict):
    book_id: BookId
    stars: Stars


class Anonymous(Strict):
    """Somebody's ratings and shelves, for one answer; nothing of it is kept."""

    ratings: Annotated[list[Rated], Field(max_length=50_000)] = []
    read: Annotated[list[BookId], Field(max_length=50_000)] = []
    to_read: Annotated[list[BookId], Field(max_length=50_000)] = []
    n: Count = 10
    wishes: WishesIn = WishesIn()

    def shelf(self) -> Shelf:
        """The same as if it had been put on a shelf: a rated book is read, and a read one is no longer to be read."""
        entries = {book_id: Entry(book_id, None, "to-read") for book_id in self.to_read}
        entries |= {book_id: Entry(book_id) for book_id in self.read}
        rated = {one.book_id: Entry(one.book_id, one.stars) for one in self.ratings}
        for one in self.ratings:
            if rated[one.book_id].stars != one.stars:
                raise DataError(f"book {one.book_id!r} has two different ratings")
        return Shelf(0, tuple((entries | rated).values()))


State = Literal["read", "to-read", "currently-reading", "did-not-finish", "other", "not-for-me", "not-read"]


class EntryIn(Strict):
    stars: Stars | None = None
    state: State = "read"


class EntryOut(BaseModel):
    book_id: str
    title: str | None
    stars: float | None
    state: State
    source: Literal["import", "click"]


class ShelfOut(BaseModel):
    """A page of a shelf; `next` is the `after` of the page behind it. Titles are as the model's books have them."""

    model_version: str
    version: int
    n: int
    books: list[EntryOut]
    next: str | None


class ProfileOut(BaseModel):
    """Whoever knows the id has the profile: keep it to yourself."""

    profile: str


class VersionOut(BaseModel):
    version: int


class Confirm(Strict):
    book_id: BookId


class ShareOut(BaseModel):
    book_id: int | str
    title: str
    stars: float
    share: float


class WhyOut(BaseModel):
    """base + shelves + the shares + rest = the stars before they are brought to the scale."""

    base: float
    shelves: float
    books: list[ShareOut]
    rest: float
    n_rest: int


class RecommendationOut(BaseModel):
    """low to high: 80 % of new ratings."""

    book_id: int | str
    title: str
    authors: list[str]
    stars: float | None
    low: float | None
    high: float | None
    deviation: float | None
    n_ratings: int
    score: float
    why: WhyOut | None


class RecommendationsOut(BaseModel):
    model_version: str
    simulated: bool
    shelf_version: int | None = None
    recommendations: list[RecommendationOut]


class BookOut(BaseModel):
    """`stars`: how often it was given each value of the scale."""

    book_id: int | str
    title: str
    authors: list[str]
    work_id: str | None
    original_title: str | None
    year: int | None
    isbn13: str | None
    series: str | None
    series_position: float | None
    genres: list[str]
    language: str | None
    pages: int | None
    goodreads_ids: list[int]
    n_ratings: int
    stars: dict[str, int]


class BooksOut(BaseModel):
    """A page of a search, most rated first; `next` is the `after` of the page behind it."""

    model_version: str
    n: int
    books: list[BookOut]
    next: int | None


class SimilarOut(BaseModel):
    book: BookOut
    similarity: float


class BookPageOut(BaseModel):
    model_version: str
    book: BookOut
    similar: list[SimilarOut]


class GuessOut(BaseModel):
    """What we would guess that this person gives the book, with every reason."""

    model_version: str
    shelf_version: int
    book: RecommendationOut


class AccountOut(BaseModel):
    """What became of a file: how many rows ended how, and how many books of theirs are known."""

    model_version: str
    outcomes: dict[str, int]
    known: int
    books: int
    notes: list[str]


class RowOut(BaseModel):
    line: int
    outcome: str
    reason: str
    title: str
    author: str
    book_id: str | None
    suggestions: list[BookOut] = []


class RowsOut(BaseModel):
    """A page of the rows of the last file; `next` is the `after` of the page behind it."""

    model_version: str
    outcomes: dict[str, int]
    rows: list[RowOut]
    next: int | None


class QuestionsOut(BaseModel):
    model_version: str
    books: list[BookOut]


class SurpriseOut(BaseModel):
    book_id: int | str
    title: str
    stars: float
    expected: float


class TasteOut(BaseModel):
    model_version: str
    n_ratings: int
    mean: float
    others: float
    share_loved: float
    others_loved: float
    harshness: float
    surprises: list[SurpriseOut]


Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class PlaceOut(BaseModel):
    book_id: int | str
    title: str
    x: float
    y: float
    stars: float | None


class MapOut(BaseModel):
    """Books in two dimensions; `stars` are this person's. `here`: the middle of the books they loved."""

    model_version: str
    spread: Pair
    here: Pair | None
    books: list[PlaceOut]


class ModelOut(BaseModel):
    model: str
    version: str
    simulated: bool
    n_books: int
    n_ratings: int
    scale: Annotated[list[float], Field(min_length=3, max_length=3)]
    metrics: dict[str, Any] | None
