"""How the service runs. Workers are processes of their own, so that all of it travels as plain text."""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from shelfaware.errors import DataError

MAX_BODY = 10 * 2**20
NAME = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")
ANYWHERE = ("", "0.0.0.0", "::")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Settings:
    """One service.

    model     model folder, followed: a new one written there is taken up
    database  SQLAlchemy address
    host, port  to listen at
    names     what the Host header may say, beside the loopback's names where it listens there alone
    token_file  hashes of the tokens that are let in; None only on the loopback
    keep_days  anonymous profiles unused for so long are deleted
    salt      hides addresses in the rate limits; the same for all workers
    """

    model: str
    database: str
    host: str = "127.0.0.1"
    port: int = 8000
    names: tuple[str, ...] = ()
    token_file: str | None = None
    keep_days: int = 90
    salt: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        if not self.is_local and self.token_file is None:
            raise DataError(f"{self.host} can be reached by others: a service there needs --token-file FILE")
        for name in self.names:
            if not NAME.fullmatch(name):
                raise DataError(f"{name!r} is no host name; write --name as it stands in the address bar, without a port")
        if self.host in ANYWHERE and not self.names:
            raise DataError(f"{self.host} is every address of this machine: say with --name HOST what people call it")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def allowed_hosts(self) -> list[str]:
        """What the Host header may say, without a port."""
        address = f"[{self.host}]" if ":" in self.host else self.host
        return [*(LOOPBACK_NAMES if self.is_local else ()), address, *self.names]

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Settings:
        given = json.loads(text)
        return cls(**{**given, "names": tuple(given["names"])})


def default_database() -> str:
    """SQLite in the person's own data folder."""
    import platformdirs

    folder = Path(platformdirs.user_data_dir("shelfaware"))
    return f"sqlite:///{folder / 'shelfaware.db'}"
