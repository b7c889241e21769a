"""The parts of the report that show figures, each from the findings to HTML; empty where there is nothing to show.

Of ratings that are not simulated only figures of many ratings are written, and no title.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from shelfaware.data.dataset import describe
from shelfaware.evaluation import board_plots, calibration, html, plots, segment_plots
from shelfaware.evaluation.beyond import STRATA
from shelfaware.evaluation.html import Cell
from shelfaware.evaluation.protocol import deciles
from shelfaware.evaluation.report import Findings, share_of_top
from shelfaware.evaluation.segments import (
    LEAST_BOOKS,
    LEAST_RATINGS,
    LEAST_USERS,
    LEVEL,
    Segment,
    coverage_by_decile,
    systematic_errors,
    titles_apart,
)
from shelfaware.evaluation.svg import inline
from shelfaware.models.readers import Readers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPACE = "\N{NO-BREAK SPACE}"
INTERVALS = f"with 95{SPACE}% intervals"
NOT_WORSE = "In bold: the best, and all that cannot be told from it."


def the_ratings(findings: Findings) -> str:
    data, facts = findings.data, describe(findings.data)
    shares = {float(stars): share / 100 for stars, share in facts["stars_percent"].items()}
    subtitle = f"{facts['ratings']:,} {kind(findings)}ratings, mean {facts['mean_stars']:.2f}"
    stars = plots.rating_histogram(np.array([*shares]), np.array([*shares.values()]), subtitle)
    books, shelved = data.book_ratings().tolist(), facts["shelves"]["to_read"] + facts["read_unrated"]
    rated, rating = f"{facts['books_rated']:,} books that are rated", f"{facts['users_who_rated']:,} readers who rated"
    said = (
        f"The most rated tenth of the books has {100 * share_of_top(books):.0f}{SPACE}% of all ratings. "
        f"Of all pairs of a reader and a book {100 * facts['density']:.2f}{SPACE}% are rated; "
        f"{shelved:,} more are on a shelf without stars."
    )
    return (
        _drawn(stars, "stars")
        + html.paragraph(said)
        + _drawn(segment_plots.spread(data.user_ratings().tolist(), rating, of="reader"), "readers")
        + _drawn(segment_plots.spread(books, rated, of="book"), "books")
    )


def leaderboard(findings: Findings) -> str:
    rows, holdout = [findings.row(name) for name in findings.raters], findings.board["holdout"]
    subtitle = f"Paired differences {INTERVALS}; held out: {holdout}; right of 0 is worse"
    drawn = _drawn(board_plots.differences(findings.board, subtitle), "differences") if len(rows) > 1 else ""
    columns = ("Model", "Against the best", ">MSE, stars²", ">Mean miss, stars", ">Inside 90 %", ">Fit, s", ">MB")
    cells = [
        (
            row["model"],
            row["verdicts"]["mse"],
            Cell(number(row["mse"]), _between(row["intervals"]["mse"])),
            number(row["mae"], 2),
            _percent(row["coverage_90"]),
            number(row["fit_seconds"], 1),
            number(row["peak_mb"], 0),
        )
        for row in rows
    ]
    return drawn + html.table(f"Models that predict stars. {NOT_WORSE}", columns, cells, _not_worse(rows, "mse"))


def cost(findings: Findings) -> str:
    if len(findings.raters) < 2:
        return ""
    rows = [findings.row(name) for name in findings.raters]
    subtitle = f"One fit, in a process of its own, whose memory is all of the process; held out: {findings.board['holdout']}"
    text = "The line joins the models that no other beats in both. What lies above it costs more, or errs more, than it need."
    return html.paragraph(text) + _drawn(board_plots.cost(rows, subtitle), "cost")


def with_more_data(findings: Findings) -> str:
    names = {
        "ratings": ("a tenth of the ratings", "all of them", "share of the training data"),
        "users": ("a tenth of the readers", "all of them", "share of the readers that it learned the books from"),
    }
    drawn = ""
    for what, (first, last, x) in names.items():
        if models := findings.curves.get(what):
            title = board_plots.falls(models, first, last)
            drawn += _drawn(board_plots.against_data(models, judged_on(findings), title=title, x=x, shares=True), what)
    return drawn and html.paragraph("Where a curve still falls at its right end, more ratings would help.") + drawn


def new_ones(findings: Findings) -> str:
    names = {
        "cold users": ("reader", "ratings that a new reader has brought"),
        "cold books": ("book", "ratings that a new book has"),
    }
    drawn = ""
    for what, (of, x) in names.items():
        if models := findings.curves.get(what):
            title = board_plots.falls(models, f"a new {of} without ratings", "one with 20")
            subtitle = f"{of.capitalize()}s held out of training whole; every point is of the same ratings; {INTERVALS}"
            drawn += _drawn(board_plots.against_data(models, subtitle, title=title, x=x), what.replace(" ", "-"))
    return drawn


def how_sure(findings: Findings) -> str:
    sure = [name for name in findings.raters if findings.held(name).forecast.deviation is not None]
    if not sure:
        return ""
    held, subtitle = findings.held(sure[0]), f"{sure[0]} on {judged_on(findings)}"
    assert held.forecast.deviation is not None
    judged, users = (held.test.stars, held.clipped, held.forecast.deviation), held.test.user_index
    curve, bins = calibration.coverage_curve(*judged, groups=users), calibration.reliability(*judged, groups=users)
    parts = coverage_by_decile(held, Readers.of(findings.first.train))
    text = (
        "Each guess comes with how far off it may be. Left: a promise is kept where the points lie on the broken line. "
        "Right: where we say that we are less sure, we should err more. "
        "Below: the promise should hold for every kind of reader and book; the band is 85 to 95 %."
    )
    return (
        html.paragraph(text)
        + _drawn(plots.calibration(curve, bins, subtitle), "calibration")
        + _drawn(segment_plots.coverage_by_decile(parts, subtitle), "coverage")
    )


def for_whom(findings: Findings) -> str:
    train = Readers.of(findings.first.train)
    parts = {name: deciles(findings.held(name), train) for name in findings.told}
    users, books = ({name: rows[of] for name, rows in parts.items()} for of in ("user", "book"))
    subtitle = judged_on(findings)
    by_user = _drawn(plots.error_by_activity(users, subtitle, of="user"), "by-user")
    return by_user + _drawn(plots.error_by_activity(books, subtitle, of="book"), "by-book")


def what_is_wrong(findings: Findings) -> str:
    text = (
        "Kinds of ratings that a model guesses too low or too high on average, the farthest first; none where chance alone "
        f"could do it ({100 * LEVEL:.0f}{SPACE}% intervals). A kind is looked at if it has {LEAST_RATINGS} ratings of "
        f"{LEAST_USERS} readers and {LEAST_BOOKS} books or more."
    )
    train = Readers.of(findings.first.train)
    return html.paragraph(text) + "".join(_wrong_of(findings, name, train) for name in findings.raters)


def _wrong_of(findings: Findings, name: str, train: Readers) -> str:
    held = findings.held(name)
    written = html.heading(3, name)
    if found := systematic_errors(held, train):
        written += _errors("", "Kind of rating", found)
    else:
        written += html.paragraph("Nothing stands out: no kind of rating is guessed too low or too high beyond chance.")
    if books := titles_apart(held):
        written += _errors("Books of the simulated sample", "Book", books)
    return written


def _errors(caption: str, what: str, found: Sequence[Segment]) -> str:
    rows = []
    for one in found:
        low, high = sorted((abs(one.error.low), abs(one.error.high)))
        way = "too low" if one.error.mean > 0 else "too high"
        guess = Cell(f"{abs(one.error.mean):.2f} {way}", f"{low:.2f} to {high:.2f}")
        rows.append((one.name, guess, f"{one.n:,}", f"{one.mse:.2f}"))
    return html.table(caption, (what, ">The guess is", ">Ratings", ">MSE, stars²"), rows)


def ten_books(findings: Findings) -> str:
    rows = [row for row in findings.board["models"] if row["ndcg_at_10"] is not None]
    if not rows:
        return ""
    rows.sort(key=lambda row: -float(row["ndcg_at_10"]))
    columns = ("Model", "Against the best, A", ">nDCG, A", ">nDCG, B", *(f">{name.capitalize()} books" for name in STRATA))
    hits = [
        (
            row["model"],
            row["verdicts"]["ndcg_at_10"],
            Cell(number(row["ndcg_at_10"]), _between(row["ndcg_at_10_interval"])),
            number(row["ndcg_at_10_unshelved"]),
            *(number(row["ndcg_at_10_by_popularity"][name]) for name in STRATA),
        )
        for row in rows
    ]
    text = (
        "Guessing stars well is one thing, choosing ten books well another. "
        "Rare, middle and popular books have a third of all ratings each; there A counts books of the one kind alone."
    )
    caption = f"The first ten books of a list. {NOT_WORSE}"
    return html.paragraph(text) + html.table(caption, columns, hits, _not_worse(rows, "ndcg_at_10")) + _beside(rows)


def _beside(rows: Sequence[dict[str, Any]]) -> str:
    columns = ("Model", ">Books shown to anyone", ">Novelty, bits", ">Diversity")
    cells = [
        (
            row["model"],
            _percent(row["catalogue_coverage_at_10"]),
            number(row["novelty_at_10"], 1),
            number(row["diversity_at_10"], 2),
        )
        for row in rows
    ]
    return html.table("What else a list is worth", columns, cells)


def kind(findings: Findings) -> str:
    return "simulated " if findings.data.simulated else ""


def judged_on(findings: Findings) -> str:
    return f"{len(findings.first.test):,} held-out {kind(findings)}ratings ({first_split(findings)}), {INTERVALS}"


def first_split(findings: Findings) -> str:
    """The round that the details are about."""
    plan = findings.compared.plan
    return f"the first of {plan.folds} folds" if plan.folds else f"{plan.holdout}, seed {findings.first.seed}"


def number(value: float | None, decimals: int = 3) -> str:
    return "\N{EN DASH}" if value is None else f"{value:,.{decimals}f}"


def _percent(share: float | None) -> str:
    return "\N{EN DASH}" if share is None else f"{100 * share:.1f}{SPACE}%"


def _between(bounds: Sequence[float] | None) -> str:
    return f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else ""


def _not_worse(rows: Sequence[dict[str, Any]], figure: str) -> list[bool]:
    return [row["verdicts"][figure] != "worse" for row in rows]


def _drawn(figure: Figure, name: str) -> str:
    return html.figure(inline(figure, name))
