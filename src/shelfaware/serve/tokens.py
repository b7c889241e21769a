"""Tokens of 256 bits: told once, kept as a hash, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from shelfaware.data.folder import write_file
from shelfaware.errors import DataError

HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Tokens:
    """The hashes of the tokens that are let in."""

    hashes: tuple[str, ...]

    def holds(self, token: str) -> bool:
        given, found = _hash(token), False
        for one in self.hashes:  # all of them: no hash is told by time
            found |= hmac.compare_digest(given, one)
        return found


def read_tokens(path: Path) -> Tokens:
    """A file of hashes, one a line. Raises DataError for anything else."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise DataError(f"{path} cannot be read as a file of tokens") from None
    if not lines or not all(HASH.fullmatch(line) for line in lines):
        raise DataError(f"{path} is no file of tokens: every line is the SHA-256 of one; remove it to make a new one")
    return Tokens(tuple(lines))


def make_token(path: Path) -> str:
    """Writes the hash of a new token and returns the token, which is kept nowhere."""
    token = secrets.token_urlsafe(32)
    write_file(path, lambda temporary: temporary.write_text(_hash(token) + "\n", encoding="ascii"))
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
