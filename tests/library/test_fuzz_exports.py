"""Any bytes are a list or are refused in one sentence, in time and in memory."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from hostile import HOSTILE
from hypothesis import given
from hypothesis import strategies as st
from making import FORMATS, MAKERS, STYLES, made_books

from shelfaware.data.books import Books
from shelfaware.data.interactions import Scale
from shelfaware.errors import DataError
from shelfaware.library.exports import parse_export
from shelfaware.library.library import hold_against
from shelfaware.library.matching import Matcher
from shelfaware.library.report import report
from shelfaware.library.rows import Export

SECONDS, MIB = 2, 200
MATCHER = Matcher(
    Books.of(
        pl.DataFrame(
            {"book_id": range(3), "title": ["Dune", "Emma", "名前"], "authors": [["Frank Herbert"], ["Jane Austen"], []]}
        )
    )
)
INSERTED = [
    b'"',
    b'""',
    b"\0",
    b"\r",
    b"\n",
    b",",
    b";",
    b"\t",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xd8\x00",
    b"'=",
    b'"\n"',
    "٣".encode(),
    b"\x1f\x8b",
]


def mutated(rng: random.Random) -> bytes:
    """A made export with a few accidents of bytes."""
    table = MAKERS[rng.choice(FORMATS)](made_books(rng.randint(0, 12), rng.randrange(10**6), rng.choice([0, 60])))
    if rng.random() < 0.3:
        order = rng.sample(range(len(table[0])), rng.randint(1, len(table[0])))
        table = [[row[i] for i in order] for row in table]
    raw = bytearray(STYLES[rng.choice(list(STYLES))].bytes(table))
    for _ in range(rng.choice([0, 1, 1, 2, 5, 30])):
        at = rng.randrange(len(raw) + 1)
        match rng.randrange(6):
            case 0 if at < len(raw):
                raw[at] ^= 1 << rng.randrange(8)
            case 1:
                del raw[at:]
            case 2:
                raw[at:at] = rng.choice(INSERTED)
            case 3:
                raw[at:at] = bytes([rng.choice(b'x9",\n')]) * rng.choice([10, 5_000, 140_000])
            case 4:
                del raw[at : at + rng.randrange(40)]
            case _:
                raw[at:at] = raw[at : at + rng.randrange(400)]
    return bytes(raw)


def read(raw: bytes) -> Export | str:
    """What is read, or the sentence; nothing else may happen, and both are sound."""
    try:
        export = parse_export(raw, "x.csv")
    except DataError as error:
        sentence = str(error)
        assert sentence.startswith("x.csv")
        assert len(sentence.encode()) < 1_000
        return sentence
    assert repr(export).encode()
    lines = [row.line for row in export.rows]
    assert lines == sorted(set(lines))
    assert lines[-1] <= 1 + raw.count(b"\n") + raw.count(b"\r")
    low, high = export.scale
    assert all(row.stars is None or low <= row.stars <= high for row in export.rows)
    assert all(row.title or row.book_id or row.goodreads_id or row.isbns for row in export.rows if not row.outcome)
    return export


def account(export: Export) -> None:
    """Every row of it has an outcome, and a line in the report."""
    library = hold_against(MATCHER, [export], Scale())
    assert sum(library.counts.values()) == len(export.rows) == len(report(library))


def fuzz(seeds: range) -> None:
    n_read = 0
    for seed in seeds:
        raw = mutated(random.Random(seed))
        start = time.process_time()
        answer = read(raw)
        if isinstance(answer, Export):
            account(answer)
            n_read += 1
        assert time.process_time() - start < SECONDS, seed
    assert 0.5 < n_read / len(seeds) < 0.99


@pytest.mark.parametrize("batch", range(10))
def test_mutated_files(batch: int) -> None:
    fuzz(range(100 * batch, 100 * batch + 100))


@pytest.mark.slow
def test_10_000_mutated_files() -> None:
    fuzz(range(1_000, 11_000))


@given(st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from(",;\t|\"\n\r='0123456789")))
def test_any_text_below_a_header(text: str) -> None:
    read(b"title,rating,isbn\n" + text.encode())


@given(st.binary())
def test_any_bytes(raw: bytes) -> None:
    read(raw)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_cost_little_time(name: str) -> None:
    start = time.process_time()
    read(HOSTILE[name])
    assert time.process_time() - start < SECONDS


HEAVY = [
    "one line of separators",
    "letters of four bytes",
    "one quote, no other",
    "UTF-16 without sense",
    "reviews of many lines",
]
MEMORY = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from hostile import HOSTILE
from shelfaware.data.books import Books
from shelfaware.data.interactions import Scale
from shelfaware.errors import DataError
from shelfaware.evaluation.compare import peak_megabytes
from shelfaware.library.exports import parse_export
before = peak_megabytes()
for name in {HEAVY!r}:
    try:
        parse_export(HOSTILE[name], "x")
    except DataError:
        pass
sys.stdout.write(str(peak_megabytes() - before))
"""


def test_hostile_files_cost_little_memory() -> None:
    """The peak of a fresh process above what it held before it read the first."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert float(done.stdout) < MIB * 2**20 / 1e6


def test_the_same_bytes_say_the_same() -> None:
    for seed in range(50):
        raw = mutated(random.Random(seed))
        assert read(raw) == read(raw)
