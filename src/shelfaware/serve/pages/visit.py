"""Who looks at a page: a random profile in a cookie, made with the first thing that must be kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from shelfaware.errors import UnknownProfileError
from shelfaware.serve import looks
from shelfaware.serve.desk import Desk, Theirs
from shelfaware.serve.limits import WRITES, limited
from shelfaware.serve.storage.records import Entry, Shelf

PROFILE = "profile"
OWN_PATH = re.compile(r"/(?![/\\])[^\x00-\x20\\\x7f]{0,2000}")
"""A path of this very site: no other host, no line break."""


@dataclass(frozen=True)
class Visit:
    """One request of one person. `profile` None: nothing is kept of them yet."""

    request: Request
    desk: Desk
    profile: str | None
    theirs: Theirs

    @property
    def entries(self) -> dict[str, Entry]:
        """What is on their shelf, by book id."""
        return {entry.book_id: entry for entry in self.theirs.shelf.entries}

    @property
    def knows_them(self) -> bool:
        """Whether a model is told anything of them."""
        return len(self.theirs.person.reader.book_index) > 0

    def page(self, template: str, status: int = 200, **content: Any) -> HTMLResponse:
        shelf = self.theirs.shelf
        return looks.page(self.request, template, status, entries=self.entries, shelf_version=shelf.version, **content)

    def kept(self) -> str:
        """Their profile; a newcomer is given one. Answers 429 to who makes too many."""
        if self.profile is not None:
            return self.profile
        limited(WRITES)(self.request)
        return self.desk.store.create_profile()

    def back(self, to: str, profile: str | None, kind: str = "", text: str = "") -> RedirectResponse:
        """To the page where the person was; it says what was done."""
        answer = RedirectResponse(own_path(to), 303)
        if profile is not None:
            self._remember(answer, profile)
        if text:
            looks.tell(answer, kind, text)
        return answer

    def _remember(self, answer: Response, profile: str) -> None:
        days = timedelta(days=self.request.app.state.settings.keep_days)
        secure = self.request.url.scheme == "https"
        seconds = int(days.total_seconds())
        answer.set_cookie(PROFILE, profile, seconds, path="/", httponly=True, samesite="lax", secure=secure)


def visit(request: Request) -> Visit:
    desk: Desk = request.app.state.desk
    given = request.cookies.get(PROFILE)
    if given is not None:
        try:
            return Visit(request, desk, given, desk.theirs(given))
        except UnknownProfileError:  # deleted or expired: they begin anew
            pass
    return Visit(request, desk, None, Theirs.of(desk.engine.current, Shelf(0, ())))


def own_path(path: str) -> str:
    """The path, if it is one of this site, else the recommendations."""
    return path if OWN_PATH.fullmatch(path) else "/for-you"


Here = Annotated[Visit, Depends(visit)]
