"""Text of rows as records with their lines; a quote that is never closed costs its own line and no other."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from shelfaware.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
NO_SEPARATOR = "\x1f"
"""Of a file with one column, in whose values commas are commas."""

MOST_ROWS, MOST_COLUMNS, MOST_TORN = 50_000, 200, 100
LONGEST_HEADER = 2**16
LONGEST_RECORD = 2**18
"""Characters of a record over several lines: a value may have 131,072 (Python's csv), a review at Goodreads 20,000."""

EMPTY_LINES = re.compile("\n*")
SEPARATOR_NAMED = re.compile(r"sep=([,;|\t])\n")
"""What Excel reads, and writes, as the first line."""

TORN = "a quote is opened and never closed"
TOO_LONG = "a value is longer than 131,072 characters"


class Record(NamedTuple):
    """`values` are as many as the header has; none where `fault` says why the record cannot be used."""

    line: int
    values: list[str]
    fault: str = ""


class Lines:
    """Feeds csv.reader from a text; knows its place, and can go back to the second line of the record it is in."""

    def __init__(self, text: str) -> None:
        self.text = text if text.endswith("\n") else text + "\n"
        self.at = self.record_at = 0
        self.line = self.record_line = 1

    def __iter__(self) -> Lines:
        return self

    def begin(self) -> bool:
        """Goes over empty lines to the next record; False at the end."""
        start = EMPTY_LINES.match(self.text, self.at).end()  # type: ignore[union-attr] # it matches nothing at least
        self.line += start - self.at
        self.at = self.record_at = start
        self.record_line = self.line
        return start < len(self.text)

    def __next__(self) -> str:
        """The next line; inside a quote everything up to the line of the next quote, which alone can matter."""
        inside = self.at > self.record_at
        look = self.text.find('"', self.at) if inside else self.at
        end = self.text.find("\n", look) + 1 if look >= 0 else 0
        if not end or (inside and end - self.record_at > LONGEST_RECORD):
            raise StopIteration
        start, self.at = self.at, end
        self.line += self.text.count("\n", start, end)
        return self.text[start:end]

    def first_again(self) -> str:
        """The first line of the record; reading goes on after it."""
        self.at = self.text.find("\n", self.record_at) + 1
        self.line = self.record_line + 1
        return self.text[self.record_at : self.at]

    @property
    def many(self) -> bool:
        """Whether the record goes over several lines."""
        return self.line > self.record_line + 1


@dataclass(frozen=True)
class Shape:
    """How a file separates its values, and whether each of its rows is wrapped in quotes as a whole."""

    separator: str
    wrapped: bool

    @classmethod
    def of(cls, header: str, separators: Sequence[str]) -> Shape:
        """What separates the most names; a line that is one quoted value holding separators is wrapped."""
        whole = next(csv.reader([header]), [])
        wrapped = header.startswith('"') and len(whole) == 1 and any(one in whole[0] for one in separators)
        names = whole[0] if wrapped else header
        widths = {one: len(next(csv.reader([names], delimiter=one), [])) for one in separators}
        separator = max(widths, key=widths.__getitem__)
        return cls(separator if widths[separator] > 1 else NO_SEPARATOR, wrapped)

    def alone(self, line: str, width: int) -> list[str] | str:
        """The values of one line read tolerantly, or what is wrong with it."""
        try:
            records = list(csv.reader([line, "\n"], delimiter=self.separator))
        except csv.Error:
            return TOO_LONG
        if len(records) > 1:  # else the quote is still open, and the second line is inside
            return self.unwrapped(records[0])
        unquoted = line.rstrip("\n").split("\t")
        return unquoted if self.separator == "\t" and len(unquoted) == width else TORN

    def unwrapped(self, values: list[str]) -> list[str]:
        if not self.wrapped or len(values) != 1:
            return values
        try:
            inside = list(csv.reader([values[0]], delimiter=self.separator))
        except csv.Error:
            return values
        return inside[0] if len(inside) == 1 else values


def read_table(text: str, name: str) -> tuple[list[str], Iterator[Record]]:
    """The header and, read as they are asked for, the records. Raises DataError for what is no table within limits."""
    lines = Lines(text)
    named = SEPARATOR_NAMED.match(lines.text)
    if named:
        lines.at, lines.line = named.end(), 2
    lines.begin()
    first = lines.text[lines.at : lines.at + LONGEST_HEADER].partition("\n")[0]
    if len(first) == LONGEST_HEADER:
        raise DataError(f"{name} has a first line of more than {LONGEST_HEADER:,} characters; it must name the columns")
    records = Records(lines, Shape.of(first, named.groups() if named else SEPARATORS), name)
    header = records.next()
    if isinstance(header, str):
        raise DataError(f"{name}, line {lines.record_line}: {header}; the first line must name the columns")
    if len(header) > MOST_COLUMNS:
        raise DataError(f"{name} has {len(header):,} columns; a list of books has at most {MOST_COLUMNS}")
    records.width = len(header)
    return header, iter(records)


class Records:
    """The records below a header of `width` values (0: not known yet)."""

    def __init__(self, lines: Lines, shape: Shape, name: str) -> None:
        self.lines, self.shape, self.name = lines, shape, name
        self.reader = csv.reader(lines, delimiter=shape.separator, strict=True)
        self.width = 0
        self.torn: list[int] = []
        self.piece_of = 0

    def __iter__(self) -> Iterator[Record]:
        n_rows = 0
        while self.lines.begin():
            n_rows += 1
            if n_rows > MOST_ROWS:
                raise DataError(f"{self.name} has more than {MOST_ROWS:,} rows; split it into smaller files")
            values, line = self.next(), self.lines.record_line
            yield self._whole(line, values) if isinstance(values, list) else self._broken(line, values)

    def next(self) -> list[str] | str:
        """The values of the next record, or what is wrong with its first line.

        A strict reader tells where quotes do not match; then the first line is read alone.
        """
        try:
            values = self.shape.unwrapped(next(self.reader))
            if not self.lines.many or not self.width or self._fits(values):
                return values
        except csv.Error:
            pass
        return self.shape.alone(self.lines.first_again(), self.width)

    def _fits(self, values: list[str]) -> bool:
        return len(values) >= self.width and not any(islice(values, self.width, None))

    def _whole(self, line: int, values: list[str]) -> Record:
        """Filled up or cut to the width. What is short after a torn line is a piece of it, until a row is whole."""
        if self._fits(values):
            self.piece_of = 0
            return Record(line, values[: self.width])
        if len(values) > self.width:
            return Record(line, [], f"it has {len(values):,} values where the header has {self.width:,}")
        if self.piece_of:
            return Record(line, [], f"it looks like a piece of line {self.piece_of}, where a quote is never closed")
        return Record(line, values + [""] * (self.width - len(values)))

    def _broken(self, line: int, fault: str) -> Record:
        if fault == TORN:
            self.torn.append(line)
            self.piece_of = line
        if len(self.torn) > MOST_TORN:
            first = self.torn[0]
            raise DataError(f"{self.name} is damaged: {TORN} on {MOST_TORN} lines, first on line {first}; export it again")
        return Record(line, [], fault)
