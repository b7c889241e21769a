"""Small pieces of a page as HTML. Every text that comes in is escaped here; what comes out is not to be escaped again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple


class Cell(NamedTuple):
    """A cell of a table: its text, and a smaller line below it."""

    text: str
    small: str = ""


def paragraph(text: str, kind: str = "") -> str:
    return f"<p{_kind(kind)}>{escape(text)}</p>"


def heading(level: int, text: str, name: str = "") -> str:
    return f"<h{level}{f' id={chr(34)}{name}{chr(34)}' if name else ''}>{escape(text)}</h{level}>"


def command(text: str) -> str:
    """A command that breaks between its words alone."""
    return "<p><code>" + " ".join(f"<span>{escape(word)}</span>" for word in text.split()) + "</code></p>"


def figure(svg: str) -> str:
    return f"<figure>{svg}</figure>"


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str | Cell]], best: Sequence[bool] = ()) -> str:
    """A table, a list on a narrow screen. The first column names a row; one whose name starts with `>` holds numbers."""
    head = "".join(f'<th scope="col"{_kind("n" if name[:1] == ">" else "")}>{escape(name.strip(">"))}</th>' for name in columns)
    shown = [
        f"<tr{_kind('best' if place < len(best) and best[place] else '')}>{_cells(columns, row)}</tr>"
        for place, row in enumerate(rows)
    ]
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<table class="wide">{said}<thead><tr>{head}</tr></thead><tbody>{"".join(shown)}</tbody></table>'


def _cells(columns: Sequence[str], row: Sequence[str | Cell]) -> str:
    first, *rest = (cell if isinstance(cell, Cell) else Cell(cell) for cell in row)
    named = f'<th scope="row">{_content(first)}</th>'
    return named + "".join(
        f'<td{_kind("n" if name[:1] == ">" else "")} data-name="{escape(name.strip(">"))}"><span>{_content(cell)}</span></td>'
        for name, cell in zip(columns[1:], rest, strict=True)
    )


def _content(cell: Cell) -> str:
    return escape(cell.text) + (f' <span class="small">{escape(cell.small)}</span>' if cell.small else "")


def definitions(words: Mapping[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in words.items()) + "</dl>"


def bullets(texts: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def links(names: Mapping[str, str]) -> str:
    """The parts of a page, by id."""
    items = "".join(f'<li><a href="#{name}">{escape(text)}</a></li>' for name, text in names.items())
    return f"<nav><ul>{items}</ul></nav>"


def document(title: str, style: str, body: str) -> str:
    """A whole page that loads nothing."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _kind(name: str) -> str:
    return f' class="{name}"' if name else ""
