"""The pages in a real browser: walked through, looked at, with and without JavaScript, on a desk and on a phone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed; pip install 'shelfaware[dev]'")

from browsing import CHROMIUM, FLAGS, PAYLOADS, Visitor, goodreads_export, new_context, serving
from clusters import new_folder
from playwright.sync_api import Browser, sync_playwright

from shelfaware.models.folder import load_model

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="no chromium here; apt-get install chromium")

DESK, PHONE = (1200, 900), (360, 780)
PICTURES = Path(__file__).parents[2] / "build/screenshots"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(model_folder: Path) -> Iterator[str]:
    folder = new_folder()
    with serving(model_folder, folder) as address:
        yield address
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def export(model_folder: Path) -> bytes:
    return goodreads_export(load_model(model_folder).catalogue)


@pytest.fixture
def desk(browser: Browser, address: str) -> Iterator[Visitor]:
    """Somebody at a desk, who meets no trouble."""
    context = new_context(browser, DESK)
    visitor = Visitor(context, address)
    yield visitor
    context.close()
    assert visitor.trouble == []


def bring(visitor: Visitor, export: bytes) -> None:
    visitor.go("/")
    visitor.page.set_input_files("#file", {"name": "goodreads.csv", "mimeType": "text/csv", "buffer": export})
    visitor.settled("/for-you")


def first_title(visitor: Visitor) -> str:
    return visitor.page.locator(".card h2").first.inner_text()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_reader_walks_through_every_page(
    browser: Browser, address: str, export: bytes, size: tuple[int, int], scheme: str
) -> None:
    pictures = PICTURES / f"{'desk' if size == DESK else 'phone'}-{scheme}"
    pictures.mkdir(parents=True, exist_ok=True)
    context = new_context(browser, size, scheme)
    visitor = Visitor(context, address, pictures)
    page = visitor.page
    for name, path in (("start", "/"), ("for-you-empty", "/for-you"), ("library-empty", "/library")):
        visitor.go(path)
        visitor.look(name)
    bring(visitor, export)
    assert "We know 60 of the 63 books" in page.inner_text("#told")
    page.locator(".why summary").first.click()
    assert "What readers give it" in page.locator(".sum").first.inner_text()
    page.locator(".have summary").nth(1).click()
    visitor.look("for-you", full=False)
    ask(visitor)
    take_and_refuse(visitor)
    mend_the_library(visitor)
    look_around(visitor)
    leave(visitor)
    assert visitor.trouble == []
    assert all(cookie["name"] != "profile" for cookie in context.cookies())
    context.close()


def ask(visitor: Visitor) -> None:
    """The dial and the filters."""
    page, before = visitor.page, visitor.page.locator(".shelf").inner_text()
    page.focus("#adventure")
    page.keyboard.press("End")
    page.wait_for_url("**adventure=2**")
    visitor.page.wait_for_selector("main:not([aria-busy])")
    assert page.evaluate("document.activeElement.id") == "adventure"
    assert page.locator(".shelf").inner_text() != before
    page.locator(".filters summary").click()
    page.fill("[name=author]", "agatha")
    page.click("#show")
    page.wait_for_url("**author=agatha**")
    page.wait_for_selector("main:not([aria-busy])")
    assert set(page.locator(".card .by").all_inner_texts()) == {"Agatha Christie"}
    visitor.look("for-you-filtered", full=False)
    page.fill("[name=author]", "zzzz")
    page.click("#show")
    page.wait_for_selector(".wishes .problem")
    visitor.look("for-you-problem", full=False)


def take_and_refuse(visitor: Visitor) -> None:
    """Not for me and its undo; have it, with stars, by the keyboard alone."""
    page = visitor.page
    visitor.go("/for-you")
    title = first_title(visitor)
    page.locator(".card button", has_text="Not for me").first.click()
    page.wait_for_selector("#told button")
    assert title not in page.locator(".card h2").all_inner_texts()
    visitor.look("for-you-undo", full=False)
    page.locator("#told button").click()
    visitor.hears("taken back")
    assert first_title(visitor) == title
    page.locator(".have summary").first.focus()
    for key in ("Enter", "Tab", "ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    visitor.hears("You gave")
    assert f"You gave “{title}” 4." in page.inner_text("#told")
    assert title not in page.locator(".card h2").all_inner_texts()


def mend_the_library(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/library")
    page.locator(".edit summary").nth(2).click()
    visitor.look("library", full=False)
    page.click("text=Your file")
    visitor.settled("/library/file")
    visitor.look("library-file")
    page.locator(".meant button", has_text="The Hobbit").click()
    visitor.hears("The Hobbit")
    assert "The Hobit" not in page.inner_text(".rows")


def look_around(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/map")
    visitor.look("map")
    page.keyboard.press("+")
    page.wait_for_url("**/map?zoom=1**")
    page.wait_for_selector("main:not([aria-busy])")
    page.click("[data-key='+']")
    page.wait_for_url("**/map?zoom=2**")
    page.wait_for_selector("main:not([aria-busy])")
    visitor.look("map-closer")
    page.go_back()
    page.wait_for_selector("a[data-key='-'][href='/map']")
    page.keyboard.press("-")
    visitor.settled("/map")
    for name, path in (("book-rated", "/books/7"), ("book", "/books/12"), ("about", "/about"), ("question", "/questions")):
        visitor.go(path)
        visitor.look(name)
    for name, path in (("browse", "/browse?query=the"), ("not-like", "/for-you?question=dislike"), ("missing", "/books/none")):
        visitor.go(path)
        visitor.look(name, full=False)


def leave(visitor: Visitor) -> None:
    visitor.go("/library")
    visitor.page.click("text=Delete everything")
    visitor.page.wait_for_url("**/delete")
    visitor.look("delete")
    visitor.page.click("main button.danger")
    visitor.page.wait_for_url(visitor.address + "/")
    assert "deleted" in visitor.page.inner_text("#told")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_everything_works_without_javascript(browser: Browser, address: str, export: bytes, size: tuple[int, int]) -> None:
    context = new_context(browser, size, script=False)
    visitor = Visitor(context, address)
    page = visitor.page
    visitor.go("/")
    page.set_input_files("#file", {"name": "goodreads.csv", "mimeType": "text/csv", "buffer": export})
    page.click("text=Bring these books")
    page.wait_for_url("**/for-you")
    title = first_title(visitor)
    page.locator(".card button", has_text="Not for me").first.click()
    assert title not in page.locator(".card h2").all_inner_texts()
    page.click("#told button")
    assert first_title(visitor) == title
    page.locator(".have summary").first.click()
    page.locator(".have input[value='2']").first.check(force=True)
    page.locator(".have button.main").first.click()
    assert f"You gave “{title}” 2." in page.inner_text("#told")
    page.locator("#adventure").fill("1")
    page.click("#show")
    page.wait_for_url("**adventure=1**")
    visitor.go("/questions")
    page.click("#not-read")
    page.wait_for_url("**/questions?asked=1")
    visitor.go("/map")
    page.click("[data-key='+']")
    page.wait_for_url("**/map?zoom=1**")
    visitor.go("/library/file")
    page.locator(".meant button", has_text="The Hobbit").click()
    assert "The Hobbit" in page.inner_text("#told")
    visitor.go("/delete")
    page.click("main button.danger")
    page.wait_for_url(address + "/")
    assert visitor.trouble == []
    context.close()


def test_a_file_that_cannot_be_used_is_told_at_the_form_without_a_reload(desk: Visitor) -> None:
    page = desk.page
    desk.go("/")
    page.set_input_files("#file", {"name": "x.csv", "mimeType": "text/csv", "buffer": b"\x00\x01"})
    desk.hears("no column", "#file-problem")
    page.set_input_files("#file", {"name": "x.csv", "mimeType": "text/csv", "buffer": b"x" * (11 * 2**20)})
    desk.hears("more than 10 MiB", "#file-problem")


def test_what_a_form_may_not_do_is_told_where_it_was_tried(desk: Visitor, export: bytes) -> None:
    page = desk.page
    bring(desk, export)
    n = page.locator(".card").count()
    page.evaluate("document.querySelector('.card form[action=\"/shelve\"] [name=book_id]').value = 'nope'")
    page.locator(".card form[action='/shelve'] button").first.click()
    desk.hears("No book has the id 'nope' here.")
    assert (page.url, page.locator(".card").count()) == (desk.address + "/for-you", n)
    assert page.evaluate("document.activeElement.id") == "told"
    page.evaluate("document.querySelector('.card .rate [value=\"3\"]').value = '9'")
    page.locator(".have summary").first.click()
    page.locator(".card .rate [value='9']").first.check(force=True)
    page.locator(".card .rate .main").first.click()
    desk.hears("9 stars are not on the scale 1 to 5.")
    assert page.locator("main[aria-busy]").count() == 0
    assert page.locator(".card .rate [value='9']").first.is_checked()


def drop(visitor: Visitor, text: str) -> float:
    """Drops a file on the start page; the seconds until the first recommendation is there."""
    visitor.go("/")
    visitor.page.evaluate(
        """text => {
            const carried = new DataTransfer();
            carried.items.add(new File([text], "library.csv", { type: "text/csv" }));
            const place = document.querySelector(".drop");
            place.dispatchEvent(new DragEvent("dragover", { dataTransfer: carried, bubbles: true, cancelable: true }));
            place.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
        }""",
        text,
    )
    started = time.perf_counter()
    visitor.page.wait_for_selector(".card")
    return time.perf_counter() - started


def test_a_file_can_be_dropped_and_the_first_books_are_there_in_two_seconds(desk: Visitor, export: bytes) -> None:
    rows = [b'%d,"Some Other Book %d",Somebody,3,read,' % (i, i) for i in range(1000 - export.count(b"\n") + 1)]
    text = (export + b"\r\n".join(rows)).decode()
    seconds = [drop(desk, text) for _ in range(3)]
    assert "We know 60 of the 1,000 books" in desk.page.inner_text("#told")
    assert min(seconds) <= 2, seconds


def test_a_service_that_is_gone_is_told_and_the_page_stays(browser: Browser, address: str) -> None:
    context = new_context(browser, DESK)
    visitor = Visitor(context, address)
    visitor.go("/browse")
    context.set_offline(True)
    visitor.page.click("text=Search")
    visitor.hears("does not answer")
    assert visitor.page.locator(".tile").count() == 24
    context.close()


def test_sixty_titles_that_would_be_scripts_run_nowhere(browser: Browser, hostile_folder: Path) -> None:
    folder = new_folder()
    with serving(hostile_folder, folder) as address:
        context = new_context(browser, PHONE)
        visitor = Visitor(context, address)
        visitor.go("/books/1")
        for book in (1, 2, 3):
            visitor.go(f"/books/{book}")
            visitor.page.locator("#stars-own-5").check(force=True)
            visitor.page.click("#rate-own")
            visitor.hears("You gave")
        paths = ["/for-you", "/for-you?question=dislike", "/library", "/questions", "/map", "/map?zoom=2", "/about"]
        paths += [f"/browse?page={page}" for page in (1, 2, 3)] + ["/covers/1.svg", "/covers/21.svg", "/covers/41.svg"]
        books = [1 + i + 20 * (i % 3) for i in range(20)]  # each script once, out of each of its cages in turn
        for path in (*paths, *(f"/books/{book}" for book in books)):
            visitor.go(path)
            visitor.look(path)
        assert len(PAYLOADS) == 60
        assert visitor.trouble == []
        context.close()
    shutil.rmtree(folder)
