"""Puts until it is killed: the books a, b and c get 1 star, then 2, ... and each acknowledged number is written to stdout."""

import sys
from itertools import count

from shelfaware.serve.storage import Entry, open_store

if __name__ == "__main__":
    url, profile = sys.argv[1:]
    store = open_store(url)
    start = store.version(profile) + 1
    for number in count(start):
        store.put(profile, [Entry(book, float(number)) for book in "abc"], request_id=f"put {number}")
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
