"""The tables. What a person has is kept as spans of versions, so a change is taken back by closing and opening spans."""

from __future__ import annotations

import datetime

from sqlalchemy import BigInteger, Boolean, Date, Double, ForeignKey, Integer, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

OPEN = 0
"""The `until` of what holds now."""


class Base(DeclarativeBase):
    """Text is compared byte by byte on both databases; `float` is 64 bits wide."""

    type_annotation_map = {str: Text, float: Double, datetime.date: Date}  # noqa: RUF012


class Profiles(Base):
    """One person. `version` counts their requests; `seen` is the day of the last."""

    __tablename__ = "profiles"

    id: Mapped[str] = mapped_column(primary_key=True)
    created: Mapped[datetime.date]
    seen: Mapped[datetime.date] = mapped_column(index=True)
    version: Mapped[int] = mapped_column(BigInteger)


class Owned:
    """A row that goes when its profile goes."""

    profile_id: Mapped[str] = mapped_column(ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True, sort_order=-2)


class Changes(Owned, Base):
    """One request and the version it made; `undoable` while its step may be taken back."""

    __tablename__ = "changes"
    __table_args__ = (UniqueConstraint("profile_id", "request_id", name="changes_request"),)

    version: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    request_id: Mapped[str]
    undoable: Mapped[bool] = mapped_column(Boolean)


class Spanned(Owned):
    """What holds from the version `since` until the version `until`; at most one is open for a key."""

    until: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, sort_order=-1)
    since: Mapped[int] = mapped_column(BigInteger)


class Entries(Spanned, Base):
    """A book of a person."""

    __tablename__ = "entries"

    book_id: Mapped[str] = mapped_column(primary_key=True)
    stars: Mapped[float | None]
    state: Mapped[str]
    source: Mapped[str]


class FileRows(Spanned, Base):
    """A row of the file they brought last."""

    __tablename__ = "file_rows"

    line: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    outcome: Mapped[str]
    reason: Mapped[str]
    title: Mapped[str]
    author: Mapped[str]
    book_id: Mapped[str | None]
    stars: Mapped[float | None]
    state: Mapped[str]


class Buckets(Base):
    """A rate limit: `full_at` is when the key may again send a whole burst, in seconds since 1970."""

    __tablename__ = "buckets"

    key_hash: Mapped[str] = mapped_column(primary_key=True)
    full_at: Mapped[float] = mapped_column(index=True)
