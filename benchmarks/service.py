"""How many answers the service gives, how soon, and what an upload every second does to that: real processes, a real socket.

And how long somebody who drops an export of 1,000 rows waits for their first books, in a real browser.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from first_model import write_export
from results import Figure
from timings import SHELFAWARE, in_fresh_process

SECONDS = 60
CONNECTIONS = 16
ATTEMPTS = 5
"""Of a browser, each by somebody new."""
FEW_ROWS = 1000
PROFILES = 100
N_BOOKS = 10_000
RATINGS = 50
OWN = {"Sec-Fetch-Site": "none"}

TURNS = """
local paths = { %s }
local turn = 0
request = function()
  turn = turn %% #paths + 1
  return wrk.format("GET", paths[turn])
end
"""


class Load(NamedTuple):
    """What wrk saw: requests a second, the 99th percentile in ms, errors; memory in MB that the service grew by."""

    rate: float
    p99: float
    errors: int
    growth: float


@dataclass
class Brought:
    """Files that came every second: the seconds until each account, how many came back in time, what went wrong."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def service(books: Path, seconds: int = SECONDS) -> list[Figure]:
    """`books` is goodbooks' books.csv: the served catalogue, and what the uploads are made of."""
    with TemporaryDirectory() as folder:
        here = Path(folder)
        in_fresh_process(fit_known, books, here / "model")
        write_export(books, here / "export.csv")
        with served(here / "model", here) as running:
            paints = [*running.first_paints(head(here / "export.csv", FEW_ROWS))]
            paths = running.people()
            same = running.load(paths[:1], seconds)
            many = running.load(paths, seconds)
            anew = running.load([path.replace("n=10", f"n={n}") for n in range(6, 15) for path in paths], seconds)
            with running.uploads(here / "export.csv") as brought:
                busy = running.load(paths, seconds)
                in_time = len(brought.seconds)
    loads = (same, many, anew, busy)
    return [
        Figure("recommendations, one shelf: requests a second", [same.rate], 500, None, "/s"),
        Figure("recommendations, one shelf: 99th percentile", [same.p99], None, 50, "ms"),
        Figure("recommendations, 100 shelves: requests a second", [many.rate], 500, None, "/s"),
        Figure("recommendations, 100 shelves: 99th percentile", [many.p99], None, 50, "ms"),
        Figure("recommendations, each computed anew: requests a second", [anew.rate], unit="/s"),
        Figure("recommendations, each computed anew: 99th percentile", [anew.p99], unit="ms"),
        Figure("recommendations beside uploads: requests a second", [busy.rate], unit="/s"),
        Figure("recommendations beside uploads: 99th percentile", [busy.p99], None, 250, "ms"),
        Figure("files of 10,000 rows brought beside, a second", [in_time / (seconds + seconds // 10)], 0.95, None, "/s"),
        Figure("the slowest of these files", [max(brought.seconds, default=0.0)], unit="s"),
        Figure("errors of all loads", [sum(load.errors for load in loads) + len(brought.errors)], None, 0),
        Figure("memory that one load added", [max(load.growth for load in loads[1:3])], None, 20, "MB"),
        Figure("For you after an export of 1,000 rows: first paint", paints, None, 2, "s"),
    ]


def fit_known(books: Path, folder: Path) -> None:
    """A gp of 64 factors after one epoch on simulated ratings of real books: time and size do not depend on what it learned."""
    import shelfaware
    from shelfaware.data.dialects import BOOKS
    from shelfaware.data.table import open_sheet
    from shelfaware.data.titles import books_of

    sheet = open_sheet(books, (BOOKS,))
    model = shelfaware.GP(epochs=1, factors=64).fit(shelfaware.simulate(books_of(sheet, sheet.rows["book_id"])).data)
    model.star_weight = 0.2  # At 0 the stars of the whole catalogue would not be computed, and a reader would wait less.
    model.save(folder)


def head(export: Path, n_rows: int) -> bytes:
    with export.open("rb") as file:
        return b"".join(itertools.islice(file, n_rows + 1))


PAINTED = """
text => new Promise(done => {
  const carried = new DataTransfer();
  carried.items.add(new File([text], "library.csv", { type: "text/csv" }));
  const started = performance.now();
  new MutationObserver((_, watching) => {
    if (!document.querySelector(".card")) return;
    watching.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => done((performance.now() - started) / 1000)));
  }).observe(document.body, { childList: true, subtree: true });
  document.querySelector(".drop").dispatchEvent(
    new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
})
"""
"""Seconds from the drop to the frame after the one in which the first card was drawn."""


class Running:
    """A service that answers, and what is asked of it."""

    def __init__(self, port: int, process: int) -> None:
        self.port, self.process = port, process

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body or None, {**OWN, **headers})
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path.split('/')[1]} answered {answer.status}: {told.decode()}")
        return told

    def person(self, address: str) -> str:
        told = json.loads(self.ask("POST", "/v1/profiles", **{"X-Forwarded-For": address}))
        return f"/v1/profiles/{told['profile']}"

    def people(self) -> list[str]:
        """Where each of PROFILES people who rated RATINGS books asks for ten."""
        rng, paths = np.random.default_rng(0), []
        for i in range(PROFILES):
            me = self.person(f"10.0.0.{i}")
            chosen, stars = 1 + rng.choice(N_BOOKS, RATINGS, replace=False), rng.integers(1, 6, RATINGS)
            rows = [f"{book},{star}" for book, star in zip(chosen, stars, strict=True)]
            self.bring(me, "\n".join(["book_id,rating", *rows]).encode(), f"10.0.1.{i}")
            paths.append(f"{me}/recommendations?n=10")
        return paths

    def bring(self, me: str, raw: bytes, address: str) -> float:
        """Seconds until the file's account came back."""
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="list.csv"\r\n\r\n'.encode()
        kind = f"multipart/form-data; boundary={boundary}"
        started = time.perf_counter()
        body = head + raw + f"\r\n--{boundary}--\r\n".encode()
        self.ask("POST", f"{me}/library", body, **{"Content-Type": kind, "X-Forwarded-For": address})
        return time.perf_counter() - started

    def load(self, paths: list[str], seconds: int) -> Load:
        """Keeps CONNECTIONS busy with the paths in turn, after as much again of a tenth that is not counted."""
        script = TURNS % ", ".join(f'"{path}"' for path in paths)
        with TemporaryDirectory() as folder:
            turns = Path(folder) / "turns.lua"
            turns.write_text(script)
            self._wrk(turns, max(1, seconds // 10))
            before = self.megabytes()
            told = self._wrk(turns, seconds)
        rate = float(re.findall(r"Requests/sec:\s+([0-9.]+)", told)[0])
        number, unit = re.findall(r"99%\s+([0-9.]+)(us|ms|s)", told)[0]
        p99 = float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
        refused = re.findall(r"Non-2xx or 3xx responses: ([0-9]+)", told)
        broken = re.findall(r"Socket errors: connect ([0-9]+), read ([0-9]+), write ([0-9]+), timeout ([0-9]+)", told)
        errors = sum(map(int, refused)) + sum(map(int, broken[0] if broken else ()))
        return Load(rate, p99, errors, self.megabytes() - before)

    def _wrk(self, script: Path, seconds: int) -> str:
        options = [
            "--threads",
            "1",
            "--connections",
            str(CONNECTIONS),
            "--duration",
            f"{seconds}s",
            "--timeout",
            "10s",
            "--latency",
        ]
        command = ["wrk", *options, "--script", str(script), f"http://127.0.0.1:{self.port}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @contextmanager
    def uploads(self, export: Path) -> Iterator[Brought]:
        """Somebody new brings the export every second, whether or not the one before them is done."""
        brought, raw, stop = Brought(), export.read_bytes(), threading.Event()

        def bring(turn: int) -> None:
            try:
                brought.seconds.append(self.bring(self.person(f"10.0.2.{turn}"), raw, f"10.0.3.{turn}"))
            except (RuntimeError, OSError) as error:
                brought.errors.append(str(error))

        def each_second() -> None:
            due = time.monotonic()
            for turn in itertools.count():
                if stop.wait(max(0.0, due - time.monotonic())):
                    return
                people.submit(bring, turn % 250)
                due += 1

        with ThreadPoolExecutor(16) as people:
            bringing = threading.Thread(target=each_second)
            bringing.start()
            try:
                yield brought
            finally:
                stop.set()
                bringing.join()

    def first_paints(self, export: bytes) -> Iterator[float]:
        """Seconds until somebody who drops the export on the start page sees books."""
        from playwright.sync_api import sync_playwright

        flags = ["--headless", "--no-sandbox", "--disable-gpu"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium") or "chromium", args=flags)
            for _ in range(ATTEMPTS):
                page = browser.new_page()
                page.goto(f"http://127.0.0.1:{self.port}/")
                yield float(page.evaluate(PAINTED, export.decode()))
                page.context.close()
            browser.close()

    def megabytes(self) -> float:
        """Memory that the serving process holds."""
        status = Path(f"/proc/{self.process}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6


@contextmanager
def served(model: Path, folder: Path) -> Iterator[Running]:
    """One worker on a free port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    database = f"sqlite:///{folder / 'data' / 'serve.db'}"
    process = subprocess.Popen([SHELFAWARE, "serve", str(model), "--port", str(port), "--database", database])
    running = Running(port, process.pid)
    try:
        while True:
            try:
                running.ask("GET", "/readyz")
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit("the service does not start") from None
                time.sleep(0.1)
        yield running
    finally:
        process.terminate()
        process.wait()
