"""`/v1`: everything that a page shows, as JSON."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool

from shelfaware.data.spreadsheet import guarded
from shelfaware.recommending.taste import BookMap
from shelfaware.serve import schemas as s
from shelfaware.serve.desk import Asked, Desk, Theirs, as_json, facts, taste_json
from shelfaware.serve.engine import Loaded
from shelfaware.serve.limits import UPLOADS, WRITES, limited
from shelfaware.serve.problems import RESPONSES
from shelfaware.serve.standing import JUDGED, Standing, standing
from shelfaware.serve.storage.records import Entry, FileRow

router = APIRouter(prefix="/v1", responses=RESPONSES)

SIMILAR = 8


async def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def request_id(idempotency_key: Annotated[str | None, Header(max_length=200, min_length=1)] = None) -> str:
    """The same Idempotency-Key again changes nothing; without one every request is its own."""
    return idempotency_key or secrets.token_hex(16)


At = Annotated[Desk, Depends(desk_of)]
Once = Annotated[str, Depends(request_id)]
After = Annotated[int, Query(ge=0, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=1, le=500)]
Line = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/model", summary="What the answers come from")
def model(desk: At) -> s.ModelOut:
    loaded = desk.engine.current
    scale = loaded.model.scale
    return s.ModelOut(
        model=loaded.model.name,
        version=loaded.version,
        simulated=loaded.model.simulated,
        n_books=len(loaded.model.catalogue),
        n_ratings=loaded.model.origin.n_ratings,
        scale=[scale.min, scale.max, scale.step],
        metrics=loaded.metrics and {name: one for name, one in loaded.metrics.items() if name not in JUDGED},
    )


@router.get("/model/standing", summary="How it learned, how sure it may be, and who stands beside it")
def model_standing(desk: At) -> Standing:
    return standing(desk.engine.current)


@router.get("/books", summary="Search titles and authors")
def books(
    desk: At,
    query: Annotated[str, Query(max_length=200)] = "",
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> s.BooksOut:
    loaded = desk.engine.current
    found = loaded.search(query)
    page = [_book(loaded, int(i)) for i in found[after : after + limit]]
    end = after + len(page)
    return s.BooksOut(model_version=loaded.version, n=len(found), books=page, next=end if end < len(found) else None)


@router.get("/books/{book_id}", summary="A book and those like it")
def book(desk: At, book_id: str) -> s.BookPageOut:
    loaded = desk.engine.current
    index = desk.index_of(loaded, book_id)
    similar = [s.SimilarOut(book=_book(loaded, i), similarity=cosine) for i, cosine in desk.similar(loaded, index, SIMILAR)]
    return s.BookPageOut(model_version=loaded.version, book=_book(loaded, index), similar=similar)


@router.post("/recommendations", response_model=s.RecommendationsOut, summary="Books for an anonymous list, nothing is kept")
def anonymous(desk: At, asked: s.Anonymous, _: Annotated[None, Depends(limited(WRITES))]) -> Response:
    loaded, shelf = desk.engine.current, asked.shelf()
    desk.check(loaded, shelf.entries)
    found = desk.answer(Theirs.of(loaded, shelf), Asked("next", asked.n, asked.wishes.wishes()))
    return _answer(as_json(loaded, found))


@router.post("/profiles", status_code=201, summary="A new, empty profile")
def create_profile(desk: At, _: Annotated[None, Depends(limited(WRITES))]) -> s.ProfileOut:
    return s.ProfileOut(profile=desk.store.create_profile())


@router.get("/profiles/{profile}", summary="A shelf, page by page")
def shelf(desk: At, profile: str, after: Annotated[str, Query(max_length=200)] = "", limit: Limit = 100) -> s.ShelfOut:
    loaded, found = desk.engine.current, desk.store.shelf(profile)
    rest = [entry for entry in found.entries if entry.book_id > after]
    page = [_entry(loaded, entry) for entry in rest[:limit]]
    return s.ShelfOut(
        model_version=loaded.version,
        version=found.version,
        n=len(found.entries),
        books=page,
        next=page[-1].book_id if len(rest) > limit else None,
    )


@router.delete("/profiles/{profile}", status_code=204, summary="Delete everything of a person")
def delete_profile(desk: At, profile: str) -> None:
    desk.store.delete(profile)


@router.put("/profiles/{profile}/books/{book_id}", summary="Rate a book, or put it on a shelf")
def put_book(desk: At, profile: str, book_id: str, entry: s.EntryIn, once: Once) -> s.VersionOut:
    return s.VersionOut(version=desk.put(profile, [Entry(book_id, entry.stars, entry.state)], once))


@router.delete("/profiles/{profile}/books/{book_id}", summary="Take a book off the shelf")
def remove_book(desk: At, profile: str, book_id: str, once: Once) -> s.VersionOut:
    return s.VersionOut(version=desk.store.remove(profile, [book_id], request_id=once))


@router.post("/profiles/{profile}/undo", summary="Take back the last change")
def undo(desk: At, profile: str, once: Once) -> s.VersionOut:
    return s.VersionOut(version=desk.store.undo(profile, request_id=once))


@router.get(
    "/profiles/{profile}/recommendations",
    response_model=s.RecommendationsOut,
    summary="Books to read next, a to-read shelf in order, or what to avoid",
)
async def recommendations(desk: At, profile: str, asking: Annotated[s.Asking, Query()]) -> Response:
    return _answer(await desk.recommendations(profile, Asked(asking.question, asking.n, asking.wishes())))


@router.get("/profiles/{profile}/books/{book_id}", summary="What this person would give a book, and why")
def guess(desk: At, profile: str, book_id: str) -> s.GuessOut:
    theirs = desk.theirs(profile)
    found = desk.book(theirs, desk.index_of(theirs.loaded, book_id))
    about = {"model_version": theirs.loaded.version, "shelf_version": theirs.shelf.version}
    return s.GuessOut.model_validate({**about, "book": found}, from_attributes=True)


@router.get("/profiles/{profile}/questions", summary="Books to ask a newcomer about")
def questions(desk: At, profile: str, n: Annotated[int, Query(ge=1, le=20)] = 1) -> s.QuestionsOut:
    theirs = desk.theirs(profile)
    asked = [_book(theirs.loaded, int(i)) for i in desk.questions(theirs, n)]
    return s.QuestionsOut(model_version=theirs.loaded.version, books=asked)


@router.get("/profiles/{profile}/taste", summary="How harsh a rater somebody is, and which ratings surprise")
def taste(desk: At, profile: str) -> s.TasteOut:
    theirs = desk.theirs(profile)
    return s.TasteOut(model_version=theirs.loaded.version, **taste_json(desk.taste(theirs)))


@router.get("/profiles/{profile}/map", summary="Books in two dimensions, this person's marked")
def taste_map(desk: At, profile: str) -> s.MapOut:
    theirs = desk.theirs(profile)
    return _map(theirs, desk.book_map(theirs))


@router.post("/profiles/{profile}/library", status_code=201, summary="Bring an export or a list of books")
async def bring(
    desk: At, profile: str, file: UploadFile, once: Once, _: Annotated[None, Depends(limited(UPLOADS))]
) -> s.AccountOut:
    await run_in_threadpool(desk.store.version, profile)
    account = await desk.bring(profile, await file.read(), once)
    outcomes = await run_in_threadpool(desk.store.outcomes, profile)
    return s.AccountOut(
        model_version=account.model_version, outcomes=outcomes, known=account.known, books=account.books, notes=account.notes
    )


@router.get("/profiles/{profile}/library", summary="What became of each row of the last file")
async def rows(
    desk: At, profile: str, outcome: Annotated[str | None, Query(max_length=40)] = None, after: After = 0, limit: Limit = 100
) -> s.RowsOut:
    found = await run_in_threadpool(desk.store.rows, profile, outcome, after, limit + 1)
    outcomes = await run_in_threadpool(desk.store.outcomes, profile)
    loaded = desk.engine.current
    shown = [_row(loaded, row, meant) for row, meant in await desk.with_suggestions(loaded, found[:limit])]
    end = shown[-1].line if len(found) > limit else None
    return s.RowsOut(model_version=loaded.version, outcomes=outcomes, rows=shown, next=end)


@router.post("/profiles/{profile}/library/{line}", summary="Say which book a row is")
def confirm(desk: At, profile: str, line: Line, chosen: s.Confirm, once: Once) -> s.VersionOut:
    desk.index_of(desk.engine.current, chosen.book_id)
    return s.VersionOut(version=desk.store.confirm(profile, line, chosen.book_id, request_id=once))


@router.get("/profiles/{profile}/export", summary="Everything of a person, as CSV", response_class=Response)
def export(desk: At, profile: str) -> Response:
    headers = {"Content-Disposition": 'attachment; filename="shelfaware-library.csv"'}
    return Response(export_csv(desk.engine.current, desk.store.shelf(profile).entries), 200, headers, "text/csv; charset=utf-8")


def export_csv(loaded: Loaded, entries: tuple[Entry, ...]) -> str:
    """A plain list that this service, or any other shelfaware, reads again."""
    import csv
    import io

    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["book_id", "title", "author", "rating", "shelf"])
    for entry in entries:
        row, index = _entry(loaded, entry), loaded.places.get(entry.book_id)
        author = "" if index is None else next(iter(loaded.model.catalogue.authors(index)), "")
        stars = "" if entry.stars is None else f"{entry.stars:g}"
        table.writerow([guarded(entry.book_id), guarded(row.title or ""), guarded(author), stars, entry.state])
    return out.getvalue()


def _answer(body: bytes) -> Response:
    """JSON that is already written goes out as it is; `response_model` only documents it."""
    return Response(body, media_type="application/json")


def _book(loaded: Loaded, index: int) -> s.BookOut:
    return s.BookOut(**facts(loaded, index))


def _entry(loaded: Loaded, entry: Entry) -> s.EntryOut:
    index = loaded.places.get(entry.book_id)
    title = None if index is None else loaded.model.catalogue.title(index)
    return s.EntryOut(book_id=entry.book_id, title=title, stars=entry.stars, state=entry.state, source=entry.source)


def _row(loaded: Loaded, row: FileRow, meant: list[int]) -> s.RowOut:
    suggestions = [_book(loaded, index) for index in meant]
    return s.RowOut(
        line=row.line,
        outcome=row.outcome,
        reason=row.reason,
        title=row.title,
        author=row.author,
        book_id=row.book_id,
        suggestions=suggestions,
    )


def _map(theirs: Theirs, found: BookMap) -> s.MapOut:
    books = theirs.loaded.model.catalogue
    stars = dict(zip(found.mine.tolist(), found.stars.tolist(), strict=True))
    places = [
        s.PlaceOut(book_id=books.ids.id_of(b), title=books.title(b), x=x, y=y, stars=stars.get(i))
        for i, (b, (x, y)) in enumerate(zip(found.book_index.tolist(), found.place.tolist(), strict=True))
    ]
    here = None if found.here is None else found.here.tolist()
    return s.MapOut(model_version=theirs.loaded.version, spread=found.spread.tolist(), here=here, books=places)
