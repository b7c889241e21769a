"""How many answers the service gives, how soon, and what an upload every second does to that: real processes, a real socket."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from first_model import write_export
from results import Figure
from timings import N_BOOKS, SHELFAWARE, fit_large, in_fresh_process

SECONDS = 60
CONNECTIONS = 16
PROFILES = 100
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


def service(books: Path, seconds: int = SECONDS) -> list[Figure]:
    """`books` is goodbooks' books.csv, of which the uploads are made."""
    with TemporaryDirectory() as folder:
        here = Path(folder)
        in_fresh_process(fit_large, here / "model")
        write_export(books, here / "export.csv")
        with served(here / "model", here) as running:
            paths = running.people()
            same = running.load(paths[:1], seconds)
            many = running.load(paths, seconds)
            anew = running.load([path.replace("n=10", f"n={n}") for n in range(6, 15) for path in paths], seconds)
            with running.uploads(here / "export.csv") as brought:
                busy = running.load(paths, seconds)
    loads = (same, many, anew, busy)
    return [
        Figure("recommendations, one shelf: requests a second", [same.rate], 500, None, "/s"),
        Figure("recommendations, one shelf: 99th percentile", [same.p99], None, 50, "ms"),
        Figure("recommendations, 100 shelves: requests a second", [many.rate], 500, None, "/s"),
        Figure("recommendations, 100 shelves: 99th percentile", [many.p99], None, 50, "ms"),
        Figure("recommendations, each computed anew: requests a second", [anew.rate], unit="/s"),
        Figure("recommendations, each computed anew: 99th percentile", [anew.p99], unit="ms"),
        Figure("recommendations beside uploads: 99th percentile", [busy.p99], None, 250, "ms"),
        Figure("files of 10,000 rows brought beside, a second", [len(brought) / seconds], unit="/s"),
        Figure("the slowest of these files", [max(brought, default=0.0)], unit="s"),
        Figure("errors of all loads", [sum(load.errors for load in loads)], None, 0),
        Figure("memory that one load added", [max(load.growth for load in loads[1:3])], None, 20, "MB"),
    ]


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
            chosen, stars = rng.choice(N_BOOKS, RATINGS, replace=False), rng.integers(1, 6, RATINGS)
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
    def uploads(self, export: Path) -> Iterator[list[float]]:
        """Brings the export every second; gives the seconds that each took."""
        took: list[float] = []
        stop, raw, me = threading.Event(), export.read_bytes(), self.person("10.0.2.0")

        def bring() -> None:
            turn, due = 0, time.monotonic()
            while not stop.wait(max(0.0, due - time.monotonic())):
                turn, due = turn + 1, due + 1
                took.append(self.bring(me, raw, f"10.0.3.{turn % 250}"))

        bringing = threading.Thread(target=bring)
        bringing.start()
        try:
            yield took
        finally:
            stop.set()
            bringing.join()

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
