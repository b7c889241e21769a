"""Bytes as text: encodings, limits, and files that are no list at all."""

import gzip
import io
import random
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfaware.errors import DataError
from shelfaware.library.exports import parse_export
from shelfaware.library.reading import LARGEST, text_of

TEXT = "title,rating\nCrème brûlée — “fin”,5\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(encoding: str, end: str) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    assert text_of(mark + TEXT.replace("\n", end).encode(encoding), "x") == TEXT


def test_the_five_bytes_that_cp1252_leaves_open() -> None:
    assert text_of(b"title\n\x80\x81\x8d\x8f\x90\x9d\xe9\n", "x") == "title\n€\x81\x8d\x8f\x90\x9dé\n"


def test_one_damaged_letter_does_not_spoil_the_others() -> None:
    raw = "title\nCrème brûlée à la fin\n".encode()
    assert text_of(raw.replace("è".encode(), b"\xc3"), "x") == "title\nCr\ufffdme brûlée à la fin\n"
    assert text_of("title\nÉté é".encode()[:-1], "x") == "title\nÉté \ufffd"


def test_nul_bytes_go_and_surrogates_never_come() -> None:
    assert text_of(b"ti\0tle\nDu\0ne\n", "x") == "title\nDune\n"
    assert text_of("title\nDune\n".encode("utf-16-le"), "x") == "title\nDune\n"
    assert text_of(b"title\n\xed\xa0\x80\n", "x").encode()
    assert text_of(b"\xff\xfet\0\n\0\x00\xd8\n\0", "x").encode()


@given(st.binary(max_size=200))
def test_any_bytes_are_text_that_can_be_stored_or_are_refused(raw: bytes) -> None:
    for mark in (b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"):
        try:
            text = text_of(mark + raw, "x")
        except DataError:
            continue
        assert text.encode().decode() == text
        assert "\0" not in text
        assert "\r" not in text


def test_limits_of_size() -> None:
    line = b"Dune,Herbert and some more,5\n"
    exact = b"title,author,rating\n" + line * ((LARGEST - 20) // len(line))
    exact += b"x" * (LARGEST - len(exact))
    with pytest.raises(DataError, match="more than 50,000 rows"):
        parse_export(exact, "x.csv")
    with pytest.raises(DataError, match=r"^x\.csv is larger than 10 MiB; split it into smaller files$"):
        parse_export(exact + b"x", "x.csv")
    with pytest.raises(DataError, match="unpacks to more than 10 MiB"):
        parse_export(gzip.compress(random.Random(0).randbytes(200_000) + b" " * LARGEST), "x.csv")


def test_limit_of_rows() -> None:
    header, row = b"title,rating\n", b"Dune,5\n\n"
    assert len(parse_export(header + row * 50_000, "x.csv").rows) == 50_000
    with pytest.raises(DataError, match=r"^x\.csv has more than 50,000 rows; split it into smaller files$"):
        parse_export(header + row * 50_001, "x.csv")


def test_limit_of_columns() -> None:
    names = ["title", *(f"c{i}" for i in range(199))]
    assert parse_export(f"{','.join(names)}\nDune\n".encode(), "x").rows[0].title == "Dune"
    with pytest.raises(DataError, match=r"^x has 201 columns; a list of books has at most 200$"):
        parse_export(f"{','.join(names)},one\nDune\n".encode(), "x")


def test_gzip() -> None:
    packed = gzip.compress(TEXT.encode())
    assert text_of(packed, "x") == TEXT
    for raw, sentence in {
        packed + packed: "x is gzipped with something after its first file",
        packed[:-9]: "x ends in the middle of its gzip stream",
        packed[:12] + b"\xff\xff" + packed[14:]: "x is a damaged gzip file",
        gzip.compress(TEXT.encode() + b" " * 10**6): "x unpacks to more than 100 times its size",
        gzip.compress(bytes(10**8)): "x unpacks to more than",
        gzip.compress(gzip.compress(TEXT.encode())): "x has no column",
    }.items():
        with pytest.raises(DataError, match=f"^{sentence}"):
            parse_export(raw, "x")


def archive(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as file:
            file.writestr("a.csv", TEXT)
    else:
        with tarfile.open(fileobj=out, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("title"))
    return out.getvalue()


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (archive("zip"), "a spreadsheet or a zip archive"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\xef\xbb\xbf\n <!doctype html><html>", "a web page"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "a spreadsheet"),
        (b'{"title": "Dune"}', "JSON"),
        (b"PAR1title", "a Parquet file"),
    ],
)
def test_files_of_another_kind(raw: bytes, what: str) -> None:
    with pytest.raises(DataError, match=f"^x is {what}, not CSV; .* save it as CSV$"):
        parse_export(raw, "x")


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"\xef\xbb\xbf", b" \r\n", b"\0\0", b"\xff\xfe"])
def test_empty(raw: bytes) -> None:
    with pytest.raises(DataError, match=r"^x is empty$"):
        parse_export(raw, "x")


def test_nothing_below_the_header() -> None:
    with pytest.raises(DataError, match=r"^x lists no books"):
        parse_export(b"title,rating\n\n", "x")


@pytest.mark.parametrize("raw", [b"Dune,Frank Herbert,5\nEmma,Jane Austen,4\n", archive("tar"), b"a;b\n1;2\n"])
def test_a_header_that_names_no_book(raw: bytes) -> None:
    with pytest.raises(
        DataError, match=r"^x has no column for the title, the id or the ISBN of a book; its first line reads '"
    ):
        parse_export(raw, "x")
