"""The pages about one person: where they start, what to read next, what they have."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from shelfaware.errors import DataError
from shelfaware.library.library import OUTCOMES
from shelfaware.serve.desk import Asked, Theirs, facts
from shelfaware.serve.pages import wishing
from shelfaware.serve.pages.visit import Here, Visit
from shelfaware.serve.schemas import Asking
from shelfaware.serve.storage.records import Entry, FileRow

router = APIRouter()

ON_A_PAGE = 40
"""Books or rows of a library on one page."""

Page = Annotated[int, Query(ge=1, le=10_000)]


@router.get("/")
def start(here: Here) -> HTMLResponse:
    return here.page("start.html", **start_content(here))


def start_content(here: Visit, problem: str = "") -> dict[str, Any]:
    """What the start page shows; `problem` stands at the file."""
    model = here.theirs.loaded.model
    return {"problem": problem, "n_books": len(model.catalogue), "n_rated": len(rated(here.theirs))}


def rated(theirs: Theirs) -> list[Entry]:
    return [entry for entry in theirs.shelf.entries if entry.stars is not None]


@router.get("/for-you")
async def for_you(here: Here) -> HTMLResponse:
    query, books = here.request.query_params, here.theirs.loaded.model.catalogue
    shown: dict[str, Any] = {"known": wishing.known(books), "query": query, "problem": "", "more": None}
    shown |= {"usual": Asking(), "by_one_author": wishing.BY_ONE_AUTHOR}
    try:
        asking = wishing.asked(query, books)
        found = await _answer(here, asking)
    except DataError as error:
        content = {**shown, "asking": Asking(), "books": [], "problem": str(error), "empty": not here.knows_them}
        return await run_in_threadpool(here.page, "for_you.html", 422, **content)
    if len(found) == asking.n and (n := wishing.more(asking)):
        shown["more"] = urlencode([(name, value) for name, value in query.multi_items() if name != "n"] + [("n", n)])
    shown |= {"asking": asking, "books": found, "empty": not here.knows_them}
    return await run_in_threadpool(here.page, "for_you.html", **shown)


async def _answer(here: Visit, asking: Asking) -> list[dict[str, Any]]:
    if here.profile is None or not here.knows_them:
        return []
    answer = json.loads(await here.desk.recommendations(here.profile, Asked(asking.question, asking.n, asking.wishes())))
    books: list[dict[str, Any]] = answer["recommendations"]
    return books


@router.get("/books/{book_id:path}")
def book(here: Here, book_id: str) -> HTMLResponse:
    desk, theirs = here.desk, here.theirs
    index = desk.index_of(theirs.loaded, book_id)
    similar = [facts(theirs.loaded, i) for i, _ in desk.similar(theirs.loaded, index, 6)]
    guess, about = desk.book(theirs, index).__dict__, facts(theirs.loaded, index)
    guess["why"] = guess["why"] and {**guess["why"].__dict__, "books": [one.__dict__ for one in guess["why"].books]}
    return here.page("book.html", book=about, guess_of=guess, similar=similar, mine=here.entries.get(str(about["book_id"])))


@router.get("/library")
def library(here: Here, page: Page = 1, shelf: Annotated[str, Query(max_length=40)] = "") -> HTMLResponse:
    books, places = here.theirs.loaded.model.catalogue, here.theirs.loaded.places
    chosen: list[dict[str, Any]] = [
        {"entry": entry, "title": None if place is None else books.title(place), "place": place}
        for entry in here.theirs.shelf.entries
        if not shelf or entry.state == shelf
        for place in [places.get(entry.book_id)]
    ]
    chosen.sort(key=lambda one: (one["title"] or "").casefold())
    shown = chosen[(page - 1) * ON_A_PAGE : page * ON_A_PAGE]
    for one in shown:
        one["author"] = "" if one["place"] is None else next(iter(books.authors(one["place"])), "")
    about: dict[str, Any] = {"books": shown, "page": page, "last": -(-len(chosen) // ON_A_PAGE), "shelf": shelf}
    return here.page("library.html", **about, **library_content(here))


def library_content(here: Visit, problem: str = "") -> dict[str, Any]:
    """What every page of the library shows; `problem` stands at the file."""
    theirs = here.theirs
    counts = Counter(entry.state for entry in theirs.shelf.entries)
    outcomes = here.desk.store.outcomes(here.profile) if here.profile else {}
    return {
        "problem": problem,
        "counts": counts,
        "n_rated": len(rated(theirs)),
        "outcomes": {name: outcomes[name] for name in OUTCOMES if name in outcomes},
        "taste": here.desk.taste(theirs) if theirs.person.reader.rated.any() else None,
    }


@router.get("/library/file")
async def library_file(
    here: Here,
    outcome: Annotated[str, Query(max_length=40)] = "unmatched",
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> Response:
    if here.profile is None:
        return RedirectResponse("/library", 303)
    content = await run_in_threadpool(library_content, here)
    found = await run_in_threadpool(here.desk.store.rows, here.profile, outcome or None, after, ON_A_PAGE + 1)
    loaded = here.theirs.loaded
    rows = await here.desk.with_suggestions(loaded, found[:ON_A_PAGE])
    shown = [(row, [facts(loaded, i) for i in meant]) for row, meant in rows]
    following = found[ON_A_PAGE - 1].line if len(found) > ON_A_PAGE else None
    return here.page("file.html", rows=shown, outcome=outcome, following=following, **content)


@router.get("/library/file.csv")
def library_file_csv(here: Here) -> Response:
    rows = here.desk.store.rows(here.profile, limit=2**31 - 1) if here.profile else []
    return _csv("shelfaware-report.csv", report_csv(rows))


@router.get("/library/export.csv")
def export(here: Here) -> Response:
    from shelfaware.serve.api import export_csv

    return _csv("shelfaware-library.csv", export_csv(here.theirs.loaded, here.theirs.shelf.entries))


def report_csv(rows: list[FileRow]) -> str:
    """What became of each row of a file, safe to open in a spreadsheet."""
    import csv
    import io

    from shelfaware.data.spreadsheet import guarded

    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["line", "outcome", "reason", "title", "author", "book_id"])
    for row in rows:
        texts = (row.outcome, row.reason, row.title, row.author, row.book_id or "")
        table.writerow([row.line, *(guarded(text) for text in texts)])
    return out.getvalue()


def _csv(name: str, text: str) -> Response:
    return Response(text, 200, {"Content-Disposition": f'attachment; filename="{name}"'}, "text/csv; charset=utf-8")
