"""The service as whoever runs it sees it: processes, a port, signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import httpx2

SHELFAWARE = Path(sys.executable).with_name("shelfaware")
PATIENCE = 60.0
"""Seconds that a start may take on a machine that is busy."""


class Service:
    """`shelfaware serve` in processes of its own, on a free port."""

    def __init__(self, model: Path, url: str, *options: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.command = [str(SHELFAWARE), "serve", str(model), "--port", str(self.port), "--database", url, *options]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self._wait()

    def client(self, **headers: str) -> httpx2.Client:
        return httpx2.Client(base_url=self.address, headers={"Sec-Fetch-Site": "none", **headers}, timeout=PATIENCE)

    def members(self) -> list[int]:
        """Every process of this service that lives."""
        return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit() and _session(one) == self.process.pid]

    def kill(self) -> None:
        """As a crash of the machine: all at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        self._wait_until_gone()

    def stop(self, by: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """The exit code, and all that was said."""
        self.process.send_signal(by)
        said, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said

    def _wait(self) -> None:
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up and self.process.poll() is None:
            try:
                if httpx2.get(f"{self.address}/readyz", timeout=5).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        self.process.kill()
        raise RuntimeError(f"the service does not start: {self.process.communicate()[0]}")

    def _wait_until_gone(self) -> None:
        while self.members():
            time.sleep(0.01)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process.poll() is None:
            self.kill()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _session(process: Path) -> int:
    """Of a process that lives; 0 for one that has ended."""
    try:
        state, _, _, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return 0
    return 0 if state == "Z" else int(session)
