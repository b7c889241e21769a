"""How a page is made of a template: escaped, in the layout, with the words and links that all of them share."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from langcodes import Language
from langcodes.tag_parser import LanguageTagError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from shelfaware import __version__
from shelfaware.data.ids import Id
from shelfaware.data.interactions import Scale
from shelfaware.serve.engine import Loaded
from shelfaware.serve.settings import MAX_BODY

TOLD = "told"
"""The cookie that carries a sentence to the next page: kind and text, for a few seconds."""
LONGEST_TOLD = 450

NO_STEP = 11
"""A scale of more values is a list to choose from, not a row of stars."""

STATES = {
    "read": "read",
    "to-read": "to read",
    "currently-reading": "reading now",
    "did-not-finish": "not finished",
    "other": "on a shelf of yours",
    "not-for-me": "not for you",
    "not-read": "not read",
}


def book_path(book_id: Id) -> str:
    return f"/books/{quote(str(book_id), safe='')}"


def signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def sentence(text: str) -> str:
    """An error's words as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) or not text else ".")


@lru_cache(maxsize=1000)
def language_name(code: str) -> str:
    """`fr` as `French`; what is the code of no language stays as it is."""
    try:
        language = Language.get(code)
    except LanguageTagError:
        return code
    return language.display_name() if language.is_valid() else code


def percent_of(value: float, scale: Scale) -> float:
    """Where a value stands on the star scale, in per cent of its length."""
    return round(100 * (value - scale.min) / (scale.max - scale.min), 2)


def star_pieces(scale: Scale) -> list[tuple[float, float, float]]:
    """For each value of the scale the part of a star, from and to, that its button shows."""
    pieces = []
    for value in scale.values.tolist():
        whole = -(-(value - 1e-9) // 1) - 1
        pieces.append((value, max(value - scale.step - whole, 0.0) if scale.step < 1 else 0.0, value - whole))
    return pieces


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "book_path": book_path,
        "language_name": language_name,
        "signed": signed,
        "percent_of": percent_of,
        "star_pieces": star_pieces,
        "sentence": sentence,
    }
    made.globals |= {"STATES": STATES, "NO_STEP": NO_STEP, "MAX_BODY": MAX_BODY, "release": __version__}
    return made


ENVIRONMENT = _environment()


def page(request: Request, template: str, status: int = 200, **content: Any) -> HTMLResponse:
    """A page in the layout; what the last page wanted to tell is told on it, once."""
    told = request.cookies.get(TOLD, "")
    kind, _, text = unquote(told).partition("|")
    loaded: Loaded = request.app.state.desk.engine.current
    about = {"path": request.url.path, "here": _here(request), "kind": kind, "told": text, "scale": loaded.model.scale}
    html = ENVIRONMENT.get_template(template).render(
        **about, model_version=loaded.version, simulated=loaded.model.simulated, **content
    )
    answer = HTMLResponse(html, status)
    if told:
        answer.delete_cookie(TOLD, httponly=True, samesite="lax")
    return answer


def tell(answer: Response, kind: str, text: str) -> None:
    """Has the next page say something. `kind`: "done", which can be undone, "file" or "note"."""
    answer.set_cookie(
        TOLD, quote(f"{kind}|{text}"[:LONGEST_TOLD]), timedelta(seconds=20).seconds, httponly=True, samesite="lax"
    )


def error_page(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> HTMLResponse:
    """What went wrong, in the layout; nothing in it needs the database."""
    is_file = request.url.path == "/upload"
    title = {404: "This is not here", 413: "This file is too large", 429: "A moment, please", 503: "Not now"}
    answer = page(
        request, "problem.html", status, title=title.get(status, "This did not work"), problem=detail, is_file=is_file
    )
    answer.headers.update(headers or {})
    return answer


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page, which is told of errors by pages."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")


def _here(request: Request) -> str:
    """Where a form brings the person back to."""
    query = request.url.query
    return quote(request.url.path) + (f"?{query}" if query else "") if request.method == "GET" else "/for-you"
