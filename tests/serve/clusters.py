"""A PostgreSQL server that the tests start, kill and stop."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "panic",
    "log_min_error_statement": "panic",
}


class Cluster:
    """A PostgreSQL server on a socket in its own folder, so that it takes no port from anybody."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.numbers = count()
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        command = self._as_user("initdb", "-D", self.data, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        self.start()

    def start(self) -> None:
        """Starts the server and waits until it answers; after a kill the old backends must be gone first."""
        settings = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        command = self._as_user("postgres", "-D", self.data, "-k", self.folder, *settings)
        for _ in range(100):
            self.server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while self.server.poll() is None:
                if self._answers():
                    return
        raise RuntimeError("PostgreSQL does not start")

    def kill(self) -> None:
        """As a crash: nothing is written any more."""
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def stop(self) -> None:
        """At once: writing everything out would serve nobody."""
        self.server.send_signal(signal.SIGQUIT)
        self.server.wait()

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://{self.user}@/{name}?host={self.folder}"

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"test{next(self.numbers)}"
        self.ask(f"CREATE DATABASE {name}")
        return self.url(name)

    def ask(self, statement: str, name: str = "postgres") -> None:
        engine = create_engine(self.url(name), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def _answers(self) -> bool:
        try:
            self.ask("SELECT 1")
        except OperationalError:
            return False
        return True

    def _as_user(self, program: str, *arguments: str | Path) -> list[str]:
        command = [str(BINARIES[-1] / program), *map(str, arguments)]
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        return [*drop, *command] if os.geteuid() == 0 else command


def new_folder() -> Path:
    """In memory where there is room: a killed process loses nothing there that it would keep on a disk."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 4 * 2**30
    return Path(tempfile.mkdtemp(prefix="shelfaware-", dir=memory if roomy else None))
