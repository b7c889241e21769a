"""A service that really listens, a browser that really looks, and what a reader would bring."""

from __future__ import annotations

import csv
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page

from shelfaware.data.books import Books
from shelfaware.serve.app import create_app
from shelfaware.serve.settings import Settings

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

STRANGE = (
    ("The Hobit", "J. R. R. Tolkein", 4),
    ("A Novel That Nobody Wrote", "Nemo Nobody", 3),
    ("Prde and Prejudise", "Jane Austin", 5),
)
"""Rows that no catalogue has just so."""


@contextmanager
def serving(model: Path, folder: Path) -> Iterator[str]:
    """The address of a service of its own."""
    app = create_app(Settings(str(model), f"sqlite:///{folder}/serve.db"))
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # connections wait until the server is up
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def goodreads_export(books: Books, n: int = 60) -> bytes:
    """Every third book of a catalogue as Goodreads writes it, some to be read, and rows that will not be found."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["Book Id", "Title", "Author", "My Rating", "Exclusive Shelf", "My Review"])
    for i in range(0, min(3 * n, len(books)), 3):
        stars = 0 if i % 15 == 6 else (5, 4, 5, 3, 4, 2)[i // 3 % 6]
        author = next(iter(books.authors(i)), "")
        table.writerow([90_000_000 + i, books.title(i), author, stars, "read" if stars else "to-read", "a private word"])
    for title, author, stars in STRANGE:
        table.writerow(["", title, author, stars, "read", ""])
    return out.getvalue().encode()


class Visitor:
    """A page of a browser that notes what must not happen."""

    def __init__(self, context: BrowserContext, address: str, pictures: Path | None = None) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.address, self.pictures = address, pictures
        self.trouble: list[str] = []
        self.page.on("dialog", lambda dialog: (self.trouble.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.trouble.append(f"script {error}"))
        self.page.on("console", self._note)
        self.page.on("request", self._watch)

    def _note(self, message: object) -> None:
        kind, text = message.type, message.text  # type: ignore[attr-defined]
        if kind in ("error", "warning") and "Failed to load resource" not in text:
            self.trouble.append(f"console {text}")

    def _watch(self, request: object) -> None:
        if not request.url.startswith(self.address):  # type: ignore[attr-defined]
            self.trouble.append(f"asked {request.url}")  # type: ignore[attr-defined]

    def go(self, path: str) -> None:
        self.page.goto(self.address + path, wait_until="domcontentloaded")

    def settled(self, path: str) -> None:
        """Waits until the address is this path and the page is whole."""
        self.page.wait_for_url(self.address + path)
        self.page.wait_for_selector("main:not([aria-busy])")

    def hears(self, words: str, where: str = "#told") -> None:
        """Waits until the page says something."""
        self.page.wait_for_selector(f'{where}:has-text("{words}")')

    def look(self, name: str, full: bool = True) -> None:
        """A picture of the whole page; nothing may stand out to the side."""
        wide = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        if wide[0] > wide[1]:
            self.trouble.append(f"{name} is {wide[0]} pixels wide on a screen of {wide[1]}")
        if self.pictures is not None:
            self.page.screenshot(path=self.pictures / f"{name}.png", full_page=full)


def new_context(browser: Browser, size: tuple[int, int], scheme: str = "light", script: bool = True) -> BrowserContext:
    width, height = size
    return browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=script,
        reduced_motion="reduce",
        accept_downloads=True,
    )


SCRIPTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "javascript:alert(1)",
    "<a href=javascript:alert(1)>book</a>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<math><mi xlink:href=javascript:alert(1)>",
    "{{ 7 * 7 }}{% if 1 %}alert(1){% endif %}",
    "<style>@import '//evil.example'</style>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0;url=javascript:alert(1)>",
    "<object data=javascript:alert(1)>",
    "<noscript><p title=</noscript><img src=x onerror=alert(1)>>",
    "<template><script>alert(1)</script></template>",
    "<link rel=stylesheet href=//evil.example>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
)
ESCAPES = ("{}", "\"'>{}", "]]></text></svg></title></textarea>--><!--{}")
PAYLOADS = [escape.replace("{}", script) for escape in ESCAPES for script in SCRIPTS]
"""60 titles that would be scripts, if they were not text: bare, out of an attribute, out of an element."""
