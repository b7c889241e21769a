"""Recommendations as HTML: a table that a notebook shows, and a page of its own. No script, nothing from elsewhere."""

from __future__ import annotations

from html import escape

from shelfaware.recommending.recommendations import Recommendation, Recommendations, Why

STYLE = """
.shelfaware { font: 1rem/1.5 system-ui, sans-serif; color: #1d2129; background: #faf8f4; max-width: 44rem; padding: 1px 16px }
.shelfaware ol { list-style: none; margin: 16px 0; padding: 0 }
.shelfaware li { display: grid; grid-template-columns: 2rem 1fr 9rem; column-gap: 8px; padding: 16px 0;
  border-top: 1px solid #d9d5cc }
.shelfaware .place { color: #555b66; text-align: right; font-variant-numeric: tabular-nums }
.shelfaware h2 { font: 600 1.25rem/1.3 "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; margin: 0 }
.shelfaware p { margin: 0; font-size: .875rem; color: #555b66 }
.shelfaware .why { grid-column: 2 / 4; margin-top: 8px; max-width: 68ch }
.shelfaware .why i { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif }
.shelfaware .stars { text-align: right; font-size: 1.25rem; font-variant-numeric: tabular-nums }
.shelfaware .small { text-align: right; margin-top: 4px }
.shelfaware svg { display: block; width: 100%; height: 10px; margin-top: 4px }
.shelfaware .range { fill: #e69f00 } .shelfaware .scale { fill: #d9d5cc } .shelfaware .guess { fill: #1d2129 }
@media (max-width: 30rem) { .shelfaware li { grid-template-columns: 1.5rem 1fr 5rem } }
@media (prefers-color-scheme: dark) {
  .shelfaware { color: #e8e6e1; background: #15171c } .shelfaware p, .shelfaware .place { color: #a7a9ad }
  .shelfaware li { border-color: #34373e } .shelfaware .scale { fill: #34373e } .shelfaware .guess { fill: #e8e6e1 } }
"""
"""Colours and sizes of the house; the same by day and by night."""

FIRST, LAST = 1.0, 5.0


def table(books: Recommendations, scale: tuple[float, float] = (FIRST, LAST)) -> str:
    """The list with bars from the lowest to the highest tenth on the star scale, and a reason in a sentence."""
    rows = "".join(_row(place, book, scale) for place, book in enumerate(books, 1))
    return f'<style>{STYLE}</style><div class="shelfaware"><ol>{rows or "<li>No book is left to recommend.</li>"}</ol></div>'


def page(title: str, notes: list[str], books: Recommendations, scale: tuple[float, float]) -> str:
    """A whole document; `notes` stand below the title."""
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>body {{ margin: 0 auto; max-width: 46rem; background: #faf8f4 }}"
        "@media (prefers-color-scheme: dark) { body { background: #15171c } }</style></head>"
        f'<body><div class="shelfaware"><h1>{escape(title)}</h1>{said}</div>{table(books, scale)}</body></html>\n'
    )


def _row(place: int, book: Recommendation, scale: tuple[float, float]) -> str:
    authors = escape(", ".join(book.authors))
    rated = f"{book.n_ratings:,} ratings" if book.n_ratings != 1 else "1 rating"
    stars = "" if book.stars is None else f"{book.stars:.1f}"
    between = "" if book.low is None else f"{book.low:.1f} to {book.high:.1f}<br>"
    return (
        f'<li><div class="place">{place}</div><div><h2>{escape(book.title)}</h2><p>{authors}</p></div>'
        f'<div><div class="stars">{stars}</div>{_bar(book, scale)}<p class="small">{between}{rated}</p></div>'
        f"{_reason(book.why)}</li>"
    )


def _bar(book: Recommendation, scale: tuple[float, float]) -> str:
    """The star scale, the 80 % interval on it and our guess."""
    if book.stars is None or book.low is None or book.high is None:
        return ""
    low, stars, high = (100 * (value - scale[0]) / (scale[1] - scale[0]) for value in (book.low, book.stars, book.high))
    said = f"we would guess {book.stars:.1f}, and 80 % of the time you would give {book.low:.1f} to {book.high:.1f}"
    return (
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{said}"><title>{said}</title>'
        f'<rect class="scale" x="0" y="4" width="100" height="2"/>'
        f'<rect class="range" x="{low:.1f}" y="2" width="{high - low:.1f}" height="6"/>'
        f'<rect class="guess" x="{max(stars - 1, 0):.1f}" y="0" width="2" height="10"/></svg>'
    )


def _reason(why: Why | None) -> str:
    """The books that count most for it, and the one that counts most against, in a sentence."""
    if why is None or not why.books:
        return ""
    given, against = (
        [f"{one.stars:g} to <i>{escape(one.title)}</i>, {one.share:+.2f}" for one in books] for books in why.strongest()
    )
    parts = ["Because you gave " + " and ".join(given)] if given else []
    parts += ["Against it: you gave " + against[0]] if against else []
    return f'<p class="why">{". ".join(parts)}.</p>' if parts else ""
