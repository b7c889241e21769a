"""The pages without a browser: what they say, what their forms do, and that what is in a book stays text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from browsing import PAYLOADS, goodreads_export
from clusters import new_folder
from fastapi import FastAPI
from starlette.testclient import TestClient

from shelfaware.serve.app import create_app
from shelfaware.serve.pages.visit import own_path
from shelfaware.serve.settings import Settings
from shelfaware.serve.tokens import make_token

PAGES = (
    "/",
    "/for-you",
    "/for-you?question=to-read",
    "/for-you?question=dislike",
    "/books/7",
    "/library",
    "/questions",
    "/browse",
)
PAGES += ("/browse?query=the&page=2", "/map", "/map?zoom=3&x=0.4&y=0.6", "/about")
HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


class Parsed(HTMLParser):
    """Tags with their attributes, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def reader(new_client: Callable[[], TestClient]) -> TestClient:
    client = new_client()
    client.headers.update(HTML)
    return client


@pytest.fixture
def member(reader: TestClient, app: FastAPI) -> TestClient:
    """Somebody who brought a library."""
    bring(reader, app)
    return reader


def bring(client: TestClient, app: FastAPI) -> None:
    export = goodreads_export(app.state.desk.engine.current.model.catalogue)
    answer = client.post("/upload", files={"file": ("library.csv", export)})
    assert answer.url.path == "/for-you", answer.text


def entries(client: TestClient) -> dict[str, dict[str, object]]:
    found = client.get(f"/v1/profiles/{client.cookies['profile']}?limit=500").json()
    return {one["book_id"]: one for one in found["books"]}


def is_clean(html: str) -> bool:
    """Nothing that the content security policy would stop."""
    for tag, attributes in Parsed(html).tags:
        if tag in ("style", "iframe", "object", "base") or (tag == "script" and not attributes.get("src")):
            return False
        for name, value in attributes.items():
            if name == "style" or name.startswith("on"):
                return False
            if name in ("href", "src", "action") and not (value or "").startswith(("/", "#", "?")):
                return False
    return True


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_for_a_newcomer_who_is_given_no_cookie(reader: TestClient, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert is_clean(answer.text)
    assert "simulated" in Parsed(answer.text).text


def test_every_page_is_there_for_somebody_with_a_library(member: TestClient) -> None:
    for path in (*PAGES, "/library/file", "/library/file?outcome=", "/library?shelf=to-read", "/library?page=2", "/delete"):
        answer = member.get(path)
        assert (path, answer.status_code) == (path, 200)
        assert is_clean(answer.text)


def test_every_heading_label_and_target_is_there_for_a_screen_reader(member: TestClient) -> None:
    for path in PAGES:
        parsed = Parsed(member.get(path).text)
        tags = [tag for tag, _ in parsed.tags]
        assert tags.count("h1") == 1
        assert tags.count("main") == 1
        ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
        assert len(set(ids)) == len(ids)
        assert all("alt" in attributes for tag, attributes in parsed.tags if tag == "img")


def test_the_first_thing_that_is_kept_makes_a_profile_in_a_safe_cookie(reader: TestClient) -> None:
    answer = reader.post("/rate", data={"book_id": "7", "stars": "4", "back": "/books/7"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/books/7")
    cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("profile="))
    assert re.match(r"profile=[0-9a-f]{32};", cookie)
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert entries(reader)["7"]["stars"] == 4


def test_over_https_the_cookie_stays_on_https(app: FastAPI) -> None:
    client = TestClient(app, "https://127.0.0.1", headers=HTML, client=("10.9.9.9", 1))
    answer = client.post("/rate", data={"book_id": "7", "stars": "4"}, follow_redirects=False)
    assert "Secure" in next(one for one in answer.headers.get_list("set-cookie") if one.startswith("profile="))


def test_what_is_refused_makes_no_profile(reader: TestClient) -> None:
    for path, data in (("/rate", {"book_id": "7", "stars": "9"}), ("/rate", {"book_id": "no", "stars": "3"})):
        assert reader.post(path, data=data).status_code in (404, 422)
    assert reader.post("/upload", files={"file": ("x.csv", b"\0\1\2")}).status_code == 422
    assert "profile" not in reader.cookies


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nX: y", ""]
)
def test_no_form_leads_to_a_foreign_address(reader: TestClient, back: str) -> None:
    answer = reader.post("/rate", data={"book_id": "7", "stars": "4", "back": back}, follow_redirects=False)
    assert answer.headers["location"] == "/for-you"


def test_a_path_of_ours_is_kept_with_its_query() -> None:
    assert own_path("/for-you?question=dislike&n=24") == "/for-you?question=dislike&n=24"


@pytest.mark.parametrize(
    "path", ["/rate", "/shelve", "/answer", "/remove", "/undo", "/confirm", "/upload", "/delete", "/enter"]
)
def test_a_foreign_page_can_send_no_form(app: FastAPI, path: str) -> None:
    client = TestClient(app, "http://127.0.0.1", headers={**HTML, "Sec-Fetch-Site": "cross-site"})
    answer = client.post(path, data={"book_id": "7", "stars": "4", "state": "read"})
    assert answer.status_code == 403
    assert "not come from this site" in Parsed(answer.text).text


def test_rating_shelving_and_taking_off_do_what_they_say_and_can_be_undone(reader: TestClient) -> None:
    assert "You gave" in Parsed(reader.post("/rate", data={"book_id": "7", "stars": "4", "back": "/library"}).text).text
    assert "to-read shelf" in Parsed(reader.post("/shelve", data={"book_id": "9", "state": "to-read"}).text).text
    reader.post("/shelve", data={"book_id": "7", "state": "not-for-me"})
    assert (entries(reader)["7"]["stars"], entries(reader)["7"]["state"]) == (4, "not-for-me")
    reader.post("/remove", data={"book_id": "9"})
    assert set(entries(reader)) == {"7"}
    version = re.search(r'name="version" value="(\d+)"', reader.get("/library").text)
    assert version
    for _ in range(2):  # pressed twice, the button undoes one change
        reader.post("/undo", data={"version": version[1]})
        assert set(entries(reader)) == {"7", "9"}


def test_what_was_done_is_said_once(reader: TestClient) -> None:
    said = "You gave “"
    assert said in Parsed(reader.post("/rate", data={"book_id": "7", "stars": "4", "back": "/library"}).text).text
    assert said not in Parsed(reader.get("/library").text).text


def test_a_book_that_they_have_or_do_not_want_is_no_longer_recommended(member: TestClient) -> None:
    def shown() -> list[str]:
        return re.findall(r'<h2><a href="/books/(\d+)">', member.get("/for-you").text)

    first, second = shown()[:2]
    member.post("/rate", data={"book_id": first, "stars": "5"})
    member.post("/shelve", data={"book_id": second, "state": "not-for-me"})
    assert not {first, second} & set(shown())


def test_the_sum_of_reasons_adds_up_on_the_page(member: TestClient) -> None:
    html = member.get("/for-you").text
    table = re.findall(r'<table class="sum">.*?</table>', html, re.S)[0]
    parts = [float(cell.replace("−", "-")) for cell in re.findall(r"<td>([^<]+)</td>", table)]
    assert len(parts) > 3
    assert sum(parts[:-1]) == pytest.approx(parts[-1], abs=0.006 * len(parts))


def test_the_dial_and_the_filters_change_the_list(member: TestClient) -> None:
    plain = re.findall(r'<h2><a href="/books/(\d+)">', member.get("/for-you").text)
    bold = re.findall(r'<h2><a href="/books/(\d+)">', member.get("/for-you?adventure=2&diversity=0.5&author=&first_year=").text)
    assert plain != bold
    filtered = Parsed(member.get("/for-you?author=christie").text).text
    assert "Agatha Christie" in filtered
    assert "Rowling" not in filtered.partition("Filters")[2]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("adventure=9", "The dial cannot be '9'"),
        ("first_year=soon", "The first year cannot be 'soon'"),
        ("author=zzzz", "No author here is called 'zzzz'"),
        ("languages=fr", "does not know the language of any book"),
        ("question=why", "The tab cannot be 'why'"),
        ("n=1000000", "The number of books cannot be"),
    ],
)
def test_a_wish_that_cannot_be_is_told_where_it_was_made(member: TestClient, query: str, sentence: str) -> None:
    answer = member.get(f"/for-you?{query}")
    assert answer.status_code == 422
    assert sentence in Parsed(answer.text).text
    assert 'id="wishes"' in answer.text


def test_only_what_the_catalogue_knows_can_be_asked_for(member: TestClient) -> None:
    html = member.get("/for-you").text
    assert 'name="author"' in html
    assert 'name="first_year"' in html
    assert 'name="languages"' not in html
    assert 'name="max_pages"' not in html


def test_a_dozen_questions_are_asked_and_not_read_is_an_answer(reader: TestClient) -> None:
    asked = []
    for i in range(12):
        html = reader.get(f"/questions?asked={i}").text
        assert f"Book {i + 1} of 12" in Parsed(html).text
        book = re.search(r'name="book_id" value="(\d+)"', html)
        assert book
        asked.append(book[1])
        answer = reader.post(
            "/answer", data={"book_id": book[1], "asked": i, "stars": "" if i % 2 else "5"}, follow_redirects=False
        )
    assert answer.headers["location"] == "/for-you"
    assert len(set(asked)) == 12
    states = [one["state"] for one in entries(reader).values()]
    assert (states.count("read"), states.count("not-read")) == (6, 6)


def test_an_upload_is_accounted_for_and_a_suggestion_can_be_confirmed(member: TestClient) -> None:
    html = member.get("/library/file").text
    assert "63 rows were read" in Parsed(html).text
    assert "A Novel That Nobody Wrote" in html
    form = re.search(r'name="line" value="(\d+)"><input type="hidden" name="book_id" value="(\d+)"', html)
    assert form
    answer = member.post("/confirm", data={"line": form[1], "book_id": form[2], "back": "/library/file"})
    assert answer.url.path == "/library/file"
    assert "The Hobit" not in answer.text
    assert entries(member)[form[2]]["stars"] == 4
    report = member.get("/library/file.csv").text.splitlines()
    assert len(report) == 1 + 63
    assert "a private word" not in "".join(report)


def test_an_export_is_read_again_whole(member: TestClient, new_client: Callable[[], TestClient]) -> None:
    exported = member.get("/library/export.csv")
    assert "attachment" in exported.headers["content-disposition"]
    other = new_client()
    other.headers.update(HTML)
    other.post("/upload", files={"file": ("again.csv", exported.content)})
    assert {k: (v["stars"], v["state"]) for k, v in entries(other).items()} == {
        k: (v["stars"], v["state"]) for k, v in entries(member).items()
    }


@pytest.mark.parametrize(("content", "sentence"), [(b"", "empty"), (b"\x00\x01", "no column"), (b"a,b\n1,2\n", "no column")])
def test_a_file_that_cannot_be_read_is_told_at_the_form(reader: TestClient, content: bytes, sentence: str) -> None:
    answer = reader.post("/upload", files={"file": ("x.csv", content)})
    assert answer.status_code == 422
    alert = re.search(r'id="file-problem"[^>]*>([^<]+)<', answer.text)
    assert alert
    assert sentence in alert[1]


def test_a_file_that_is_too_large_is_told_on_a_page(reader: TestClient) -> None:
    answer = reader.post("/upload", files={"file": ("x.csv", b"x" * (11 * 2**20))})
    assert answer.status_code == 413
    assert "More than 10 MiB" in answer.text
    assert 'type="file"' in answer.text


def test_the_report_of_a_file_is_kept_until_they_leave(member: TestClient) -> None:
    """Whatever they do meanwhile; another file takes its place."""
    before = member.get("/library/file.csv").text
    member.post("/rate", data={"book_id": "7", "stars": "5"})
    member.post("/upload", files={"file": ("x.csv", b"no list")})
    version = re.search(r'name="version" value="(\d+)"', member.get("/library").text)
    assert version
    member.post("/undo", data={"version": version[1]})
    assert member.get("/library/file.csv").text == before
    assert len(before.splitlines()) == 1 + 63
    member.post("/upload", files={"file": ("y.csv", b"title,author,rating\nEmma,Jane Austen,4\n")})
    assert len(member.get("/library/file.csv").text.splitlines()) == 1 + 1
    profile = member.cookies["profile"]
    member.post("/delete")
    assert member.get(f"/v1/profiles/{profile}/library").status_code == 404
    assert len(member.get("/library/file.csv").text.splitlines()) == 1


def test_deleting_asks_once_and_then_nothing_is_left(member: TestClient) -> None:
    profile = member.cookies["profile"]
    assert "Delete everything?" in member.get("/delete").text
    assert member.get(f"/v1/profiles/{profile}").status_code == 200
    answer = member.post("/delete")
    assert answer.url.path == "/"
    assert "deleted" in Parsed(answer.text).text
    assert "profile" not in member.cookies
    assert member.get(f"/v1/profiles/{profile}").status_code == 404


def test_a_profile_that_is_gone_is_a_newcomer(reader: TestClient) -> None:
    reader.cookies.set("profile", "0" * 32)
    for path in PAGES:
        assert reader.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/nowhere", "/books/nope", "/books/", "/covers/nope.svg", "/map?zoom=99", "/browse?page=0"])
def test_errors_are_pages_for_a_browser_and_problems_for_a_program(reader: TestClient, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"].startswith("text/html")
    assert is_clean(answer.text)
    problem = reader.get(path, headers={"Accept": "application/json"})
    assert problem.headers["content-type"] == "application/problem+json"
    assert reader.get("/v1/books/nope").headers["content-type"] == "application/problem+json"


def test_covers_are_kept_by_browsers_and_are_the_same_for_editions_of_a_work(reader: TestClient) -> None:
    answer = reader.get("/covers/7.svg?v=1")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "immutable" in answer.headers["cache-control"]
    assert ElementTree.fromstring(answer.text).attrib["viewBox"] == "0 0 200 300"


@pytest.fixture(scope="module")
def hostile(hostile_folder: Path) -> Iterator[TestClient]:
    app = create_app(Settings(str(hostile_folder), f"sqlite:///{new_folder()}/serve.db"))
    with TestClient(app, "http://127.0.0.1", headers=HTML) as client:
        for book in range(1, 40):
            client.post("/rate", data={"book_id": str(book), "stars": str(1 + book % 5), "back": "/about"})
        yield client


def test_hostile_titles_are_text_on_every_page_and_cover(hostile: TestClient) -> None:
    assert len(PAYLOADS) == 60
    for path in (*PAGES, "/browse?page=2", "/browse?query=script", "/library?shelf=read"):
        answer = hostile.get(path)
        assert answer.status_code == 200
        assert is_clean(answer.text), path
    for book, payload in enumerate(PAYLOADS, 1):
        assert payload in Parsed(hostile.get(f"/books/{book}").text).words
        tags = {
            element.tag.rpartition("}")[2] for element in ElementTree.fromstring(hostile.get(f"/covers/{book}.svg").text).iter()
        }
        assert tags <= {"svg", "g", "rect", "text"}


def test_a_service_with_tokens_lets_in_who_has_one(model_folder: Path, tmp_path: Path) -> None:
    token = make_token(tmp_path / "tokens")
    settings = Settings(str(model_folder), f"sqlite:///{tmp_path}/serve.db", token_file=str(tmp_path / "tokens"))
    with TestClient(create_app(settings), "http://127.0.0.1", headers=HTML) as client:
        assert client.get("/for-you").url.path == "/enter"
        wrong = client.post("/enter", data={"token": "wrong"})
        assert wrong.status_code == 401
        assert "not one of this service" in wrong.text
        right = client.post("/enter", data={"token": token}, follow_redirects=False)
        cookie = right.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
        assert client.get("/for-you").url.path == "/for-you"
