"""How often one address may ask for what costs something; counted in the database, so for all workers together."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable

from fastapi import HTTPException, Request

from shelfaware.serve.storage.records import Limit

WRITES = Limit(120, 60)
"""Profiles made and anonymous lists answered."""
UPLOADS = Limit(20, 60)


def limited(limit: Limit) -> Callable[[Request], None]:
    """A dependency that answers 429 to an address that asks too often. The database keeps a salted hash of the address."""

    def check(request: Request) -> None:
        address = request.client.host if request.client else ""
        key = hashlib.blake2b(f"{limit} {address}".encode(), key=request.app.state.salt, digest_size=16).hexdigest()
        if not request.app.state.desk.store.allow(key, limit, time.time()):
            wait = math.ceil(limit.seconds / limit.burst)
            raise HTTPException(429, "that was too often; wait a moment", {"Retry-After": str(wait)})

    return check
