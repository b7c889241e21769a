"""Folders that are whole or not there: written under a temporary name, synced, then swapped in by one rename."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from shelfaware.errors import DataError

Writer = Callable[[Path], object]
"""Writes one file at the path it is given."""

AT_FDCWD, RENAME_EXCHANGE = -100, 2

RUST_OS_ERROR = re.compile(r"\(os error ([0-9]+)\)")
"""How safetensors and polars, which raise errors of their own, name an error of the disk."""


def write_folder(folder: Path, files: Mapping[str, Writer], *, owns: str) -> None:
    """Writes `files` as `folder`, replacing a folder that has a file `owns`; any other folder there is refused.

    A kill at any moment leaves the old folder whole or the new one. Files are 0600, the folder 0700.
    """
    folder = folder.absolute()
    refuse_foreign(folder, owns=owns)
    with translated_disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            for name, write in files.items():
                (temporary / name).parent.mkdir(mode=0o700, exist_ok=True)
                write(temporary / name)
                (temporary / name).chmod(0o600)
                _sync(temporary / name)
            for inner in {(temporary / name).parent for name in files}:
                _sync(inner)
            _sync(temporary)
            _swap(temporary, folder)
            _sync(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def refuse_foreign(folder: Path, *, owns: str) -> None:
    """Raises DataError where `write_folder` would replace something that is not its own."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DataError(f"{folder} is in the way: it is not a folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / owns).exists():
        raise DataError(f"{folder} holds other files (no {owns}); choose a new folder")


def write_file(path: Path, write: Writer) -> None:
    """One file by the same rule: the old one whole, or the new one."""
    path = path.absolute()
    with translated_disk_errors(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def translated_disk_errors(where: Path) -> Iterator[None]:
    """Turns an error of the disk into one sentence."""
    try:
        yield
    except Exception as error:
        number = RUST_OS_ERROR.search(str(error))
        if not number and not isinstance(error, OSError):
            raise
        reason = os.strerror(int(number[1])) if number else getattr(error, "strerror", None) or str(error)
        raise DataError(f"could not write {where}: {reason}; what was there before is untouched") from error


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap(new: Path, place: Path) -> None:
    """Puts `new` at `place` in one step. What stood there is left under the name `new`."""
    if not place.exists():
        new.rename(place)
        return
    if not _exchange(new, place):
        # No atomic exchange here (not Linux, or a file system without it): two renames, the old folder kept between them.
        aside = new.with_name(new.name + ".old")
        place.rename(aside)
        new.rename(place)
        aside.rename(new)


def _exchange(a: Path, b: Path) -> bool:
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE) == 0)
