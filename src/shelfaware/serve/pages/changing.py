"""The forms: each changes one thing and goes back to the page where it stood."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Form, UploadFile
from fastapi.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from shelfaware.errors import DataError
from shelfaware.serve.accounts import Account
from shelfaware.serve.limits import UPLOADS, limited
from shelfaware.serve.pages.looking import QUESTIONS
from shelfaware.serve.pages.reading import start_content
from shelfaware.serve.pages.visit import PROFILE, Here, Visit
from shelfaware.serve.schemas import State
from shelfaware.serve.storage.records import Entry

router = APIRouter()

BookId = Annotated[str, Form(min_length=1, max_length=200)]
Back = Annotated[str, Form(max_length=2000)]
Version = Annotated[int, Form(ge=0, le=2**53 - 1)]

DONE: dict[State, str] = {
    "read": "is on your shelves as read",
    "to-read": "is on your to-read shelf",
    "currently-reading": "is what you are reading now",
    "did-not-finish": "is on your shelves as not finished",
    "other": "is on your shelves",
    "not-for-me": "will not be shown again",
    "not-read": "is noted as not read",
}


@router.post("/rate")
def rate(here: Here, book_id: BookId, back: Back = "", stars: Annotated[str, Form(max_length=20)] = "") -> Response:
    """Stars for a book; without stars it is only read."""
    title, given = _title(here, book_id), _stars(stars)
    profile = _put(here, Entry(book_id, given, "read"))
    text = f"“{title}” {DONE['read']}" if given is None else f"You gave “{title}” {given:g}"
    return here.back(back, profile, "done", f"{text}.")


@router.post("/shelve")
def shelve(here: Here, book_id: BookId, state: Annotated[State, Form()], back: Back = "") -> Response:
    """A book on a shelf; stars that it has, it keeps."""
    title, there = _title(here, book_id), here.entries.get(book_id)
    profile = _put(here, Entry(book_id, there.stars if there else None, state))
    return here.back(back, profile, "done", f"“{title}” {DONE[state]}.")


@router.post("/answer")
def answer(
    here: Here,
    book_id: BookId,
    asked: Annotated[int, Form(ge=0, le=QUESTIONS)] = 0,
    stars: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """The answer to a question; without stars it is "haven't read it"."""
    _title(here, book_id)
    given = _stars(stars)
    profile = _put(here, Entry(book_id, given, "not-read" if given is None else "read"))
    return here.back(f"/questions?asked={asked + 1}" if asked + 1 < QUESTIONS else "/for-you", profile)


@router.post("/remove")
def remove(here: Here, book_id: BookId, back: Back = "") -> Response:
    if here.profile is None:
        return here.back(back, None)
    here.desk.store.remove(here.profile, [book_id], request_id=secrets.token_hex(16))
    return here.back(back, here.profile, "done", "It is off your shelves.")


@router.post("/undo")
def undo(here: Here, version: Version, back: Back = "") -> Response:
    """Takes back the last change before `version`: a button that is pressed twice undoes one."""
    if here.profile is None:
        return here.back(back, None)
    here.desk.store.undo(here.profile, request_id=f"undo {version}")
    return here.back(back, here.profile, "note", "Your last change is taken back.")


@router.post("/confirm")
def confirm(here: Here, line: Annotated[int, Form(ge=1, le=2**31 - 1)], book_id: BookId, back: Back = "") -> Response:
    """The row of this line is this book."""
    title = _title(here, book_id)
    if here.profile is not None:
        here.desk.store.confirm(here.profile, line, book_id, request_id=secrets.token_hex(16))
    return here.back(back, here.profile, "done", f"Line {line} is “{title}”.")


@router.post("/upload")
async def upload(here: Here, file: UploadFile) -> Response:
    """A file that cannot be read changes nothing; the sentence that says why stands at the form."""
    raw = await file.read()
    try:
        if not raw:
            raise DataError("No file was chosen, or it is empty. Choose the file that your book site exported.")
        await run_in_threadpool(limited(UPLOADS), here.request)
        account, profile = await _bring(here, raw)
    except DataError as error:
        return await run_in_threadpool(_refused, here, str(error))
    return here.back("/for-you", profile, "file", _sentence(account))


async def _bring(here: Visit, raw: bytes) -> tuple[Account, str]:
    """Reads the file before a newcomer's profile is made, so that a bad file leaves nothing behind."""
    account = await here.desk.read(raw)
    profile = await run_in_threadpool(here.kept)
    await run_in_threadpool(here.desk.keep, profile, account, secrets.token_hex(16))
    return account, profile


def _refused(here: Visit, problem: str) -> HTMLResponse:
    return here.page("start.html", 422, **start_content(here, problem))


def _sentence(account: Account) -> str:
    known = f"We know {account.known:,} of the {account.books:,} books in your file."
    return " ".join([known, *account.notes])


@router.get("/delete")
def ask_to_delete(here: Here) -> Response:
    if here.profile is None:
        return RedirectResponse("/library", 303)
    return here.page("delete.html", n=len(here.theirs.shelf.entries))


@router.post("/delete")
def delete(here: Here) -> Response:
    if here.profile is not None:
        here.desk.store.delete(here.profile)
    answer = here.back("/", None, "note", "Everything that was kept of you is deleted.")
    answer.delete_cookie(PROFILE, path="/", httponly=True, samesite="lax")
    return answer


def _put(here: Visit, entry: Entry) -> str:
    """Checks before a profile is made for it."""
    here.desk.check(here.theirs.loaded, [entry])
    profile = here.kept()
    here.desk.put(profile, [entry], secrets.token_hex(16))
    return profile


def _title(here: Visit, book_id: str) -> str:
    loaded = here.theirs.loaded
    return loaded.model.catalogue.title(here.desk.index_of(loaded, book_id))


def _stars(written: str) -> float | None:
    try:
        return float(written) if written else None
    except ValueError:
        raise DataError(f"{written!r} is no number of stars") from None
