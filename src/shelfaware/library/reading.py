"""Bytes that a person brings, as text: limits first, then the encoding, then one kind of line end."""

from __future__ import annotations

import codecs
import zlib
from pathlib import Path

from shelfaware.errors import DataError

LARGEST, RATIO = 10 * 2**20, 100
"""Bytes of text, and how many times its own size a gzipped file may unpack to."""

GZIP = b"\x1f\x8b"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or a zip archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "a database",
    b"<": "a web page",
    b"{": "JSON",
    b"[{": "JSON",
}
"""How files begin that are no text of rows, and what they are."""

CP1252 = "".join(bytes([one]).decode("cp1252", "ignore") or chr(one) for one in range(256))
"""The letter of each byte; the five that cp1252 leaves open are those of latin-1."""


def read_file(path: Path) -> bytes:
    """The bytes of a file, of which no more are read than may be one too many."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        raise DataError(f"there is no file {shown(str(path))}") from None
    except OSError as error:
        raise DataError(f"{shown(str(path))} cannot be read: {error.strerror}") from None


def text_of(raw: bytes, name: str) -> str:
    """The text of a file: no NUL, no lone surrogate, lines end with LF. Raises DataError for what is no text within limits."""
    if len(raw) > LARGEST:
        raise DataError(f"{name} is larger than {LARGEST // 2**20} MiB; split it into smaller files")
    raw = _unpacked(raw, name) if raw.startswith(GZIP) else raw
    start = raw.removeprefix(codecs.BOM_UTF8)[:64].lstrip()
    for begins, what in FOREIGN.items():
        if start.startswith(begins):
            raise DataError(f"{name} is {what}, not CSV; open it where it comes from and export or save it as CSV")
    text = _decoded(raw).replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise DataError(f"{name} is empty")
    return text


def shown(name: str) -> str:
    """A file name from anywhere as a sentence may show it; it is never opened."""
    visible = "".join(letter if letter.isprintable() else "?" for letter in name[-200:])
    return visible or "the file"


def _unpacked(raw: bytes, name: str) -> bytes:
    limit = min(LARGEST, RATIO * len(raw))
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = stream.decompress(raw, limit + 1)
    except zlib.error:
        raise DataError(f"{name} is a damaged gzip file; fetch it again") from None
    if len(text) > limit:
        most = f"{LARGEST // 2**20} MiB" if limit == LARGEST else f"{RATIO} times its size"
        raise DataError(f"{name} unpacks to more than {most}; split it into smaller files and leave them unpacked")
    if not stream.eof:
        raise DataError(f"{name} ends in the middle of its gzip stream; fetch it again")
    if stream.unused_data:
        raise DataError(f"{name} is gzipped with something after its first file; unpack it yourself first")
    return text


def _decoded(raw: bytes) -> str:
    """UTF-16 where a byte order mark says so; else UTF-8 unless most of what is not ASCII only makes sense as cp1252.

    So one damaged byte, or a file cut off in the middle of a letter, does not spoil every other letter.
    """
    if raw.startswith(UTF16):
        return raw.decode("utf-16", errors="replace")
    raw = raw.removeprefix(codecs.BOM_UTF8)
    text = raw.decode("utf-8", errors="replace")
    damaged = text.count("\N{REPLACEMENT CHARACTER}")
    if not damaged:
        return text
    n_ascii = len(raw.translate(None, delete=bytes(range(128, 256))))
    sound = len(text) - n_ascii - damaged
    return text if sound >= damaged else codecs.charmap_decode(raw, "strict", CP1252)[0]
