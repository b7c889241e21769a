"""Files in blocks: nothing lost, nothing twice, every line known by its number; and the short way to values."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shelfaware.data.cleaning import check_scale
from shelfaware.data.dialects import FORMATS
from shelfaware.data.interactions import Scale
from shelfaware.data.streaming import blocks
from shelfaware.data.streaming.blocks import Block, blocks_of, open_source
from shelfaware.data.streaming.typed import short_way
from shelfaware.data.table import Sheet, values
from shelfaware.data.ucsd import INTERACTIONS
from shelfaware.errors import DataError

HEADER = "user_id,book_id,is_read,rating,is_reviewed\n"
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

lines = st.lists(
    st.sampled_from(["1,2,1,3,0", '"a\nb",2,1,3,0', '"x""y",2,1,3,0', "", '"\n\n",2,0,0,0']), min_size=1, max_size=20
)


@QUICK
@given(
    lines=lines,
    size=st.integers(1, 60),
    packed=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    start=st.sampled_from(["", "\ufeff", "\n\n"]),
)
def test_blocks_are_the_file(
    lines: list[str], size: int, packed: bool, end: str, start: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("blocks") / "f.csv"
    text = (start + HEADER + "\n".join(lines)).replace("\n", end).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", size)
        source = open_source(path, [INTERACTIONS])
        found = list(blocks_of(source, source.start))
        assert written(found) == [line for line in "\n".join(lines).split("\n") if line]
        for i, block in enumerate(found):
            assert bytes(block.content).count(b'"') % 2 == 0  # type: ignore[arg-type]
            before = text[: block.after.offset - len(block.content)]
            assert block.first == before.count(b"\n") + 1
            assert written(blocks_of(source, block.after)) == written(found[i + 1 :])


def written(found: Iterable[Block]) -> list[str]:
    """The lines of blocks, without the empty ones, which may be left out between two blocks."""
    return [line for block in found for line in bytes(block.content).decode().splitlines() if line]  # type: ignore[arg-type]


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 50)
    monkeypatch.setattr(blocks, "LONGEST_ROW", 100)
    (tmp_path / "f.csv").write_text(HEADER + "1,2,1,3,0\n" * 4 + '1,"2,1,3,0\n' + "5,6,1,3,0\n" * 40)
    source = open_source(tmp_path / "f.csv", [INTERACTIONS])
    contents = [block.content for block in blocks_of(source, source.start)]
    assert b'1,"2,1,3,0\n' in contents
    assert b"".join(contents).count(b"\n") == 45  # type: ignore[arg-type]


def test_a_line_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 50)
    monkeypatch.setattr(blocks, "LONGEST_ROW", 100)
    (tmp_path / "f.csv").write_text(HEADER + "1,2,1,3,0\n" + "9" * 1000)
    source = open_source(tmp_path / "f.csv", [INTERACTIONS])
    with pytest.raises(DataError, match=r"f\.csv, line 3: the line never ends"):
        list(blocks_of(source, source.start))


odd = st.one_of(st.integers(-3, 2**64).map(str), st.sampled_from(["", "007", "+7", " 7", "7.0", "1e3", "x", '"5"', "-0", "٣"]))
plain = st.integers(0, 10**12).map(str)
stars = st.sampled_from(["0", "1", "5", "3", "03", "6"])


@QUICK
@given(
    data=st.data(),
    ids=st.sampled_from([plain, plain, plain, odd]),
    flags=st.sampled_from([st.sampled_from(["0", "1"]), st.sampled_from(["0", "1", "2", "01"])]),
    stars=st.sampled_from([st.sampled_from(["0", "1", "5"]), stars]),
    end=st.sampled_from(["\n", "\n", "\r\n", "\n\n"]),
    last=st.booleans(),
)
def test_the_short_way_gives_what_the_careful_way_gives_or_declines(
    data: st.DataObject,
    ids: st.SearchStrategy[str],
    flags: st.SearchStrategy[str],
    stars: st.SearchStrategy[str],
    end: str,
    last: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rows = data.draw(st.lists(st.tuples(ids, ids, flags, stars, st.just("0")), min_size=1, max_size=6))
    path = tmp_path_factory.mktemp("short") / "f.csv"
    path.write_text(HEADER + end.join(",".join(row) for row in rows) + (end if last else ""), newline="")
    source = open_source(path, [INTERACTIONS])
    for block in blocks_of(source, source.start):
        short = short_way(block, Scale())
        if short is not None:
            sieve = values(Sheet.of(block.file(), source.dialect, source.columns))
            check_scale(sieve.rows, Scale())
            careful = sieve.rows.with_columns(pl.col("user_id", "book_id").cast(pl.Int64))
            assert short.select(sorted(short.columns)).equals(careful.select(sorted(short.columns)))
            assert sieve.drops == []
            ids = short.select(pl.col("user_id", "book_id").cast(pl.String)).rows()
            assert all(f"{user},{book}," in block.content.decode() for user, book in ids)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("dialects", "text"),
    [
        ([INTERACTIONS], HEADER + "12,34,1,5,0\n0,34,0,0,0\n"),
        (FORMATS["goodbooks"], "user_id,book_id,rating\n1,2,3\n"),
        (FORMATS["goodbooks"], "user_id,book_id\n1,2\n"),
        (FORMATS["table"], "user\tbook\trating\ttime\n1\t2\t3\t86400\n"),
    ],
)
def test_plain_numbers_take_the_short_way(tmp_path: Path, dialects: list[object], text: str) -> None:
    """Or an import of 55 million rows would take minutes."""
    (tmp_path / "f.csv").write_text(text)
    source = open_source(tmp_path / "f.csv", dialects)  # type: ignore[arg-type]
    (block,) = blocks_of(source, source.start)
    assert short_way(block, Scale()) is not None


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shelfaware.data import reading

    monkeypatch.setattr(reading, "UNPACKED_FREE", 1000)
    (tmp_path / "f.gz").write_bytes(gzip.compress(HEADER.encode() + b"1,2,1,3,0\n" * 100_000))
    source = open_source(tmp_path / "f.gz", [INTERACTIONS])
    with pytest.raises(DataError, match="unpacks to more than 100 times its size"):
        list(blocks_of(source, source.start))
