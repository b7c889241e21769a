"""What the service remembers of a person, on SQLite or PostgreSQL: `open_store(url)` and its verbs."""

from shelfaware.serve.storage.records import Entry, FileRow, Limit, Shelf
from shelfaware.serve.storage.store import Store, open_store

__all__ = ["Entry", "FileRow", "Limit", "Shelf", "Store", "open_store"]
