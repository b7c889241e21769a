"""The folder in which a long import works, beside the one that it will write: what is finished in it survives a kill.

A finished table is `NAME.ipc` and, written after it, `NAME.json`, the facts of it. Nothing is synced: what a power cut
leaves may be torn, so after a restart of the machine an import begins anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from shelfaware.data.streaming.blocks import HEAD_BYTES
from shelfaware.errors import DataError

BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Workshop:
    folder: Path

    @classmethod
    @contextlib.contextmanager
    def at(cls, out: Path) -> Iterator[Workshop]:
        """The workshop of `out`: kept if the process is killed or interrupted, removed otherwise. One process at a time."""
        import fcntl

        shop = cls(out.parent / f".{out.name}.import")
        shop.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (shop.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DataError(f"another import is writing {out}; wait for it, or choose a new folder") from None
            try:
                yield shop
            except Exception:
                shutil.rmtree(shop.folder, ignore_errors=True)
                raise
            shutil.rmtree(shop.folder, ignore_errors=True)

    def resume(self, files: Sequence[Path], reading: str, cleaning: str) -> None:
        """Keeps what an interrupted import of the same files left.

        What was read is kept if it would be read in the same way, what was cleaned if it would be cleaned so too. Raises
        DataError if a file has changed meanwhile.
        """
        boot = BOOT.read_text() if BOOT.exists() else ""
        states = {str(one.absolute()): _state(one) for one in files}
        reading = f"shelfaware {version('shelfaware')}: {reading}"
        now = {"boot": boot, "files": states, "reading": reading, "cleaning": cleaning}
        plan = self.folder / "import.json"
        then = json.loads(plan.read_text(encoding="utf-8")) if plan.exists() else {}
        again = all(then.get(what) == now[what] for what in ("boot", "reading")) and list(then["files"]) == list(states)
        if again:
            self._refuse_changed(then["files"], states)
        if not again:
            self._clear("*")
        elif then["cleaning"] != cleaning:
            self._clear("cleaned-*")
        unfinished = plan.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(now), encoding="utf-8")
        unfinished.replace(plan)

    def keep(self, name: str, rows: pl.DataFrame, facts: dict[str, Any]) -> None:
        """Finishes a table whose last column is the time, which is left out where no row has one."""
        rows = rows if rows["time"].count() else rows.drop("time")
        for end, write in (
            (".ipc", rows.write_ipc),
            (".json", lambda path: path.write_text(json.dumps(facts), encoding="utf-8")),
        ):
            unfinished = self.folder / f"{name}.unfinished"
            write(unfinished)
            unfinished.replace(self.folder / (name + end))

    def has(self, name: str) -> bool:
        return (self.folder / f"{name}.json").exists()

    def facts(self, name: str) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        return facts

    def scan(self, name: str) -> pl.LazyFrame:
        """A finished table; a slice or a column of it is read alone."""
        table = pl.scan_ipc(self.folder / f"{name}.ipc")
        timed = "time" in table.collect_schema()
        return table if timed else table.with_columns(pl.lit(None, pl.Datetime("us")).alias("time"))

    def column(self, name: str, column: str) -> pl.Series:
        return self.scan(name).select(column).collect().to_series()

    def emptied(self, name: str) -> Path:
        """A folder within, empty."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / name).mkdir(mode=0o700)
        return self.folder / name

    def _clear(self, pattern: str) -> None:
        for path in self.folder.glob(pattern):
            if path.is_file() and path.name != "lock":
                path.unlink()

    def _refuse_changed(self, then: dict[str, Any], now: dict[str, Any]) -> None:
        for path, state in now.items():
            if then[path] != state:
                raise DataError(
                    f"{path} has changed since its import was interrupted, so what was read of it is thrown away; "
                    "import again to begin anew"
                )


def _state(path: Path) -> list[Any]:
    """Size, time of change and head of a file."""
    try:
        about = path.stat()
        with path.open("rb") as file:
            return [about.st_size, about.st_mtime_ns, hashlib.sha256(file.read(HEAD_BYTES)).hexdigest()]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
