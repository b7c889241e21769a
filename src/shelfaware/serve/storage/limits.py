"""Rate limits that every worker shares: one number for each key, changed by one statement."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, text

from shelfaware.serve.storage.records import Limit
from shelfaware.serve.storage.tables import Buckets

TAKE = text("""
    INSERT INTO buckets (key_hash, full_at) VALUES (:key, :now + :pause)
    ON CONFLICT (key_hash) DO UPDATE
    SET full_at = CASE WHEN buckets.full_at > :now THEN buckets.full_at ELSE :now END + :pause
    WHERE buckets.full_at <= :now + :slack
    RETURNING key_hash
""")


def take(connection: Connection, key_hash: str, limit: Limit, now: float) -> bool:
    """Whether one more request fits; a refused one costs nothing.

    A full bucket of `burst` refills by one each pause = seconds / burst. It is kept as the time at which it will be full
    (the generic cell rate algorithm, ITU-T I.371): a request fits while that is at most (burst - 1) pauses ahead, and
    moves it one pause on.
    """
    pause = limit.seconds / limit.burst
    slack = pause * (limit.burst - 1)
    given = {"key": key_hash, "now": float(now), "pause": float(pause), "slack": float(slack)}
    return connection.execute(TAKE, given).first() is not None


def sweep(connection: Connection, now: float) -> None:
    """Deletes what is full again and so says nothing; rows that another worker holds are left to it."""
    full = select(Buckets.key_hash).where(Buckets.full_at < now).with_for_update(skip_locked=True)
    connection.execute(delete(Buckets).where(Buckets.key_hash.in_(full)))
