"""The pages about the books and the model: search, questions, covers, and what the answers come from."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from shelfaware.models.card import FIGURES
from shelfaware.serve.covers import cover
from shelfaware.serve.desk import Desk, facts
from shelfaware.serve.pages import charts
from shelfaware.serve.pages.visit import Here
from shelfaware.serve.standing import standing

router = APIRouter()

ON_A_PAGE = 24
QUESTIONS = 12
"""Books that a newcomer is asked about."""
BOARDS = {
    "mse": "Mean squared error of its stars, stars²; less is better",
    "ndcg_at_10": "nDCG@10 of its lists: how many loved books stand on them, and how far up; more is better",
}
BESIDE = {
    "mean": "the same stars for every book and everybody",
    "bias": "what a book gets, and how harsh a reader is",
    "popularity": "the most rated books, for everybody",
}
VERDICTS = {"best": "best", "not distinguishable": "not to be told from the best", "worse": "worse"}
FOREVER = "public, max-age=31536000, immutable"


@router.get("/browse")
def browse(
    here: Here, query: Annotated[str, Query(max_length=200)] = "", page: Annotated[int, Query(ge=1, le=100_000)] = 1
) -> HTMLResponse:
    loaded = here.theirs.loaded
    found = loaded.search(query)
    first = (page - 1) * ON_A_PAGE
    books = [facts(loaded, int(i)) for i in found[first : first + ON_A_PAGE]]
    last = -(-len(found) // ON_A_PAGE)
    return here.page("browse.html", query=query, books=books, n=len(found), page=page, last=last)


@router.get("/questions")
def questions(here: Here, asked: Annotated[int, Query(ge=0, le=QUESTIONS)] = 0) -> Response:
    """`asked`: how many were answered in this sitting."""
    found = here.desk.questions(here.theirs, 1).tolist() if asked < QUESTIONS else []
    if not found:
        return RedirectResponse("/for-you", 303)
    return here.page("questions.html", book=facts(here.theirs.loaded, found[0]), asked=asked, most=QUESTIONS)


@router.get("/about")
def about(here: Here) -> HTMLResponse:
    loaded = here.theirs.loaded
    found = standing(loaded)
    sure = found.calibration
    content: dict[str, Any] = {
        "model": loaded.model,
        "metrics": loaded.metrics,
        "figures": FIGURES,
        "standing": found,
        "curve": charts.learning_curve(found.epochs),
        "deviations": charts.promised_deviations(sure) if sure else None,
        "shares": charts.promised_shares(sure) if sure else None,
        "boards": {figure: charts.places(board) for figure, board in found.leaderboard.items()},
        "SIDE": charts.SIDE,
        "BOARDS": BOARDS,
        "BESIDE": BESIDE,
        "VERDICTS": VERDICTS,
        "keep_days": here.request.app.state.settings.keep_days,
    }
    return here.page("about.html", **content)


@router.get("/covers/{book_id:path}.svg")
def drawn_cover(request: Request, book_id: str) -> Response:
    """The address holds the model's version, so a browser may keep it."""
    desk: Desk = request.app.state.desk
    loaded = desk.engine.current
    svg = cover(loaded.model.catalogue, desk.index_of(loaded, book_id))
    return Response(svg, 200, {"Cache-Control": FOREVER}, "image/svg+xml")
