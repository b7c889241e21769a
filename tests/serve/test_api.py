"""The API, route by route, against answers worked out by hand or asked of the library itself."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from answers import ok, problem, shelf
from starlette.testclient import TestClient

import shelfaware
from shelfaware.models.base import RatingModel
from shelfaware.serve.desk import Desk
from shelfaware.serve.schemas import BookOut
from shelfaware.serve.storage.records import Entry

GONE = "nothing is kept under this address: it was deleted, has expired or never was; start anew"


def rate(client: TestClient, me: str, ratings: dict[str, float]) -> None:
    for book_id, stars in ratings.items():
        ok(client.put(f"{me}/books/{book_id}", json={"stars": stars}))


def test_model_names_what_answers(client: TestClient, model: RatingModel) -> None:
    told = ok(client.get("/v1/model"))
    assert (told["model"], told["simulated"], told["scale"]) == ("gp", True, [1, 5, 1])
    assert told["version"] == model.version
    assert told["n_books"] == len(model.catalogue)
    assert told["n_ratings"] == int(model.n_ratings.sum())


def test_search_is_paged_most_rated_first(client: TestClient, model: RatingModel) -> None:
    n = len(model.catalogue)
    first = ok(client.get("/v1/books", params={"limit": 3}))
    assert (first["n"], len(first["books"]), first["next"]) == (n, 3, 3)
    assert first["model_version"] == model.version
    counts = [book["n_ratings"] for book in first["books"]]
    assert counts == sorted(model.n_ratings.tolist(), reverse=True)[:3]
    second = ok(client.get("/v1/books", params={"limit": 3, "after": 3}))
    assert not {one["book_id"] for one in first["books"]} & {one["book_id"] for one in second["books"]}
    last = ok(client.get("/v1/books", params={"limit": 100, "after": n - 2}))
    assert (len(last["books"]), last["next"]) == (2, None)
    beyond = ok(client.get("/v1/books", params={"after": n + 5}))
    assert (beyond["books"], beyond["next"]) == ([], None)


def test_search_finds_every_word_in_title_or_author(client: TestClient, model: RatingModel) -> None:
    title, author = model.catalogue.title(7), model.catalogue.authors(7)[0]
    words = f"{author.split()[-1].upper()} {title.split()[0].lower()}"
    found = [one["title"] for one in ok(client.get("/v1/books", params={"query": words, "limit": 100}))["books"]]
    assert title in found
    assert ok(client.get("/v1/books", params={"query": "no such words anywhere"}))["n"] == 0


def test_a_book_with_those_like_it(client: TestClient, model: RatingModel, ids: list[str]) -> None:
    page = ok(client.get(f"/v1/books/{ids[3]}"))
    assert BookOut.model_validate(page["book"]).title == model.catalogue.title(3)
    assert sum(page["book"]["stars"].values()) == page["book"]["n_ratings"] == int(model.n_ratings[3])
    wanted = model.similar_books(model.catalogue.ids.id_of(3), 8)
    assert [(one["book"]["book_id"], one["similarity"]) for one in page["similar"]] == wanted


def test_a_stateless_list_a_profile_and_the_library_agree(
    client: TestClient, model: RatingModel, ids: list[str], me: str
) -> None:
    ratings = {ids[2]: 5.0, ids[9]: 1.0, ids[30]: 4.0}
    rate(client, me, ratings)
    kept = ok(client.get(f"{me}/recommendations", params={"n": 7}))
    posted = {"ratings": [{"book_id": book_id, "stars": stars} for book_id, stars in ratings.items()], "n": 7}
    stateless = ok(client.post("/v1/recommendations", json=posted))
    assert kept.pop("shelf_version") == 3
    assert kept == stateless
    assert kept["model_version"] == model.version
    theirs = shelfaware.recommend(model, {model.catalogue.ids.id_of(ids.index(one)): ratings[one] for one in ratings}, 7)
    assert kept["recommendations"] == json.loads(json.dumps(theirs.to_json()))


def test_half_stars_and_shelves_count_the_same_in_both(client: TestClient, ids: list[str], me: str) -> None:
    rate(client, me, {ids[2]: 4.5, ids[9]: 1.5})
    ok(client.put(f"{me}/books/{ids[4]}", json={"state": "to-read"}))
    ok(client.put(f"{me}/books/{ids[5]}", json={"state": "read"}))
    given = [{"book_id": ids[2], "stars": 4.5}, {"book_id": ids[9], "stars": 1.5}, {"book_id": ids[2], "stars": 4.5}]
    posted = {"ratings": given, "read": [ids[5]], "to_read": [ids[4], ids[5]]}
    kept, stateless = ok(client.get(f"{me}/recommendations")), ok(client.post("/v1/recommendations", json=posted))
    assert kept["recommendations"] == stateless["recommendations"]
    whole = ok(client.post("/v1/recommendations", json={**posted, "ratings": [{"book_id": ids[2], "stars": 4}, given[1]]}))
    assert whole["recommendations"] != kept["recommendations"]


def test_an_answer_never_holds_what_they_have(client: TestClient, ids: list[str], me: str) -> None:
    rate(client, me, {ids[2]: 5})
    best = [one["book_id"] for one in ok(client.get(f"{me}/recommendations", params={"n": 3}))["recommendations"]]
    ok(client.put(f"{me}/books/{best[0]}", json={"state": "not-for-me"}))
    ok(client.put(f"{me}/books/{best[1]}", json={"state": "to-read"}))
    ok(client.put(f"{me}/books/{best[2]}", json={"state": "not-read"}))
    after = [one["book_id"] for one in ok(client.get(f"{me}/recommendations", params={"n": 100}))["recommendations"]]
    assert not {best[0], best[1], int(ids[2])} & set(after)
    assert best[2] in after
    assert len(after) == len(set(after))


def test_the_two_other_questions(client: TestClient, ids: list[str], me: str) -> None:
    rate(client, me, {ids[2]: 5})
    for book_id in ids[10:13]:
        ok(client.put(f"{me}/books/{book_id}", json={"state": "to-read"}))
    shelf = ok(client.get(f"{me}/recommendations", params={"question": "to-read"}))["recommendations"]
    assert {str(one["book_id"]) for one in shelf} == set(ids[10:13])
    assert [one["stars"] for one in shelf] == sorted((one["stars"] for one in shelf), reverse=True)
    worst = ok(client.get(f"{me}/recommendations", params={"question": "dislike", "n": 4}))["recommendations"]
    assert [one["stars"] for one in worst] == sorted(one["stars"] for one in worst)


def test_wishes_are_kept(client: TestClient, model: RatingModel, ids: list[str], me: str) -> None:
    rate(client, me, {ids[2]: 5})
    asked = {"n": 5, "first_year": 1950, "per_author": 1, "adventure": 1.5, "diversity": 0.3}
    found = ok(client.get(f"{me}/recommendations", params=asked))["recommendations"]
    years = [model.catalogue.table["year"][ids.index(str(one["book_id"]))] for one in found]
    assert years
    assert min(years) >= 1950
    first = [one["authors"][0] for one in found]
    assert len(first) == len(set(first))
    nobody = ok(client.get(f"{me}/recommendations", params={"authors": "Nobody At All"}))
    assert nobody["recommendations"] == []


def test_a_guess_names_both_versions(client: TestClient, model: RatingModel, ids: list[str], me: str) -> None:
    rate(client, me, {ids[2]: 5, ids[3]: 2})
    guess = ok(client.get(f"{me}/books/{ids[20]}"))
    assert (guess["model_version"], guess["shelf_version"]) == (model.version, 2)
    book, why = guess["book"], guess["book"]["why"]
    assert str(book["book_id"]) == ids[20]
    assert {str(one["book_id"]) for one in why["books"]} == {ids[2], ids[3]}
    told = why["base"] + why["shelves"] + sum(one["share"] for one in why["books"]) + why["rest"]
    assert min(5.0, max(1.0, told)) == pytest.approx(book["stars"])


def test_questions_and_haven_t_read_it(client: TestClient, me: str) -> None:
    first = ok(client.get(f"{me}/questions", params={"n": 3}))["books"]
    assert len({one["book_id"] for one in first}) == 3
    ok(client.put(f"{me}/books/{first[0]['book_id']}", json={"state": "not-read"}))
    again = ok(client.get(f"{me}/questions", params={"n": 3}))["books"]
    assert first[0]["book_id"] not in {one["book_id"] for one in again}


def test_taste_and_map(client: TestClient, ids: list[str], me: str) -> None:
    assert "rated book" in problem(client.get(f"{me}/taste"), 422)
    assert ok(client.get(f"{me}/map"))["here"] is None
    rate(client, me, {ids[0]: 5, ids[1]: 2})
    taste, places = ok(client.get(f"{me}/taste")), ok(client.get(f"{me}/map"))
    assert (taste["n_ratings"], taste["mean"], taste["share_loved"]) == (2, 3.5, 0.5)
    assert taste["harshness"] == pytest.approx(taste["others"] - taste["mean"])
    mine = {str(one["book_id"]): one for one in places["books"] if one["stars"] is not None}
    assert {book_id: one["stars"] for book_id, one in mine.items()} == {ids[0]: 5, ids[1]: 2}
    assert places["here"] == pytest.approx([mine[ids[0]]["x"], mine[ids[0]]["y"]])


def test_a_shelf_is_paged(client: TestClient, ids: list[str], me: str) -> None:
    rate(client, me, dict.fromkeys(ids[:5], 3.0))
    seen, after = [], ""
    for n in (2, 2, 1):
        page = ok(client.get(me, params={"after": after, "limit": 2}))
        assert (page["n"], page["version"], len(page["books"])) == (5, 5, n)
        seen += [one["book_id"] for one in page["books"]]
        after = page["next"]
    assert after is None
    assert seen == sorted(ids[:5])


def test_put_remove_undo_and_the_same_key_again(client: TestClient, ids: list[str], me: str) -> None:
    book, once = f"{me}/books/{ids[0]}", {"Idempotency-Key": "one"}
    assert ok(client.put(book, json={"stars": 4}, headers=once)) == {"version": 1}
    assert ok(client.put(book, json={"stars": 2})) == {"version": 2}
    assert ok(client.put(book, json={"stars": 4}, headers=once)) == {"version": 1}
    assert shelf(client, me) == {ids[0]: (2, "read")}
    assert ok(client.delete(book)) == {"version": 3}
    assert shelf(client, me) == {}
    assert ok(client.post(f"{me}/undo", headers={"Idempotency-Key": "back"})) == {"version": 4}
    assert ok(client.post(f"{me}/undo", headers={"Idempotency-Key": "back"})) == {"version": 4}
    assert shelf(client, me) == {ids[0]: (2, "read")}
    ok(client.post(f"{me}/undo"))
    assert shelf(client, me) == {ids[0]: (4, "read")}


def test_a_cached_answer_follows_the_shelf(client: TestClient, ids: list[str], me: str) -> None:
    rate(client, me, {ids[0]: 5})
    first, again = (client.get(f"{me}/recommendations").content for _ in range(2))
    assert first == again
    rate(client, me, {ids[0]: 1})
    after = ok(client.get(f"{me}/recommendations"))
    assert after["shelf_version"] == 2
    assert after["recommendations"] != json.loads(first)["recommendations"]


FILE = b"""title,author,rating,shelf
Zzzz Qqqq Xxxx,Nobody Anywhere,4,read
"""


def file_of(model: RatingModel, ids: list[str]) -> bytes:
    """Two books of the catalogue, one row that names none, one that nobody knows."""
    out = io.StringIO()
    table = csv.writer(out)
    rows = [["book_id", "title", "author", "rating", "shelf"]]
    rows += [[ids[i], model.catalogue.title(i), model.catalogue.authors(i)[0], str(5 - i), "read"] for i in (0, 1)]
    rows += [["", "", "", "4", "read"], ["", "Zzzz Qqqq Xxxx", "Nobody Anywhere", "3.5", "read"]]
    table.writerows(rows)
    return out.getvalue().encode()


def bring(client: TestClient, me: str, raw: bytes, **headers: str) -> Any:
    return client.post(f"{me}/library", files={"file": ("../../list.csv", raw)}, headers=headers)


def test_a_file_its_rows_and_the_book_that_a_row_is(client: TestClient, model: RatingModel, ids: list[str], me: str) -> None:
    brought = bring(client, me, file_of(model, ids))
    assert brought.status_code == 201
    told = brought.json()
    assert told["outcomes"] == {"rated": 2, "skipped": 1, "unmatched": 1}
    assert (told["known"], told["books"], told["model_version"]) == (2, 3, model.version)
    assert shelf(client, me) == {ids[0]: (5, "read"), ids[1]: (4, "read")}
    rows = ok(client.get(f"{me}/library", params={"limit": 3}))
    assert [(row["line"], row["outcome"]) for row in rows["rows"]] == [(2, "rated"), (3, "rated"), (4, "skipped")]
    assert rows["next"] == 4
    (row,) = ok(client.get(f"{me}/library", params={"after": 4}))["rows"]
    assert (row["title"], row["author"], row["book_id"]) == ("Zzzz Qqqq Xxxx", "Nobody Anywhere", None)
    assert ok(client.get(f"{me}/library", params={"outcome": "rated"}))["next"] is None
    ok(client.post(f"{me}/library/5", json={"book_id": ids[7]}))
    assert shelf(client, me)[ids[7]] == (3.5, "read")
    assert "line 5" in problem(client.post(f"{me}/library/5", json={"book_id": ids[7]}), 422)
    assert "no book has the id" in problem(client.post(f"{me}/library/5", json={"book_id": "none"}), 404)
    ok(client.post(f"{me}/undo"))
    ok(client.post(f"{me}/undo"))
    assert shelf(client, me) == {}


def test_a_mistyped_title_is_suggested(client: TestClient, model: RatingModel, ids: list[str], me: str) -> None:
    title, author = model.catalogue.title(0), model.catalogue.authors(0)[0]
    raw = f'title,author,rating\n"{title[:-1]}xq","{author}",4\n'.encode()
    assert bring(client, me, raw).json()["outcomes"] == {"unmatched": 1}
    (row,) = ok(client.get(f"{me}/library"))["rows"]
    assert ids[0] in [str(one["book_id"]) for one in row["suggestions"]]


def test_the_same_file_twice_changes_nothing(client: TestClient, model: RatingModel, ids: list[str], me: str) -> None:
    raw = file_of(model, ids)
    first = [bring(client, me, raw, **{"Idempotency-Key": "file"}).json() for _ in range(2)]
    assert first[0] == first[1]
    assert ok(client.get(me))["version"] == 1
    bring(client, me, raw)
    assert len(shelf(client, me)) == 2


def test_an_export_comes_back_as_it_was(client: TestClient, ids: list[str], me: str) -> None:
    rate(client, me, {ids[0]: 4.5, ids[1]: 1})
    for book_id, state in ((ids[2], "to-read"), (ids[3], "read")):
        ok(client.put(f"{me}/books/{book_id}", json={"state": state}))
    out = client.get(f"{me}/export")
    assert out.headers["content-type"] == "text/csv; charset=utf-8"
    assert out.headers["content-disposition"] == 'attachment; filename="shelfaware-library.csv"'
    other = f"/v1/profiles/{ok(client.post('/v1/profiles'))['profile']}"
    assert bring(client, other, out.content).status_code == 201
    assert shelf(client, other) == shelf(client, me)
    assert client.get(f"{other}/export").content == out.content


def test_an_exported_cell_is_no_formula(client: TestClient, desk: Desk, me: str) -> None:
    desk.store.put(me.rsplit("/", 1)[1], [Entry("=1+1")], request_id="x")
    assert client.get(f"{me}/export").text.splitlines()[1] == "'=1+1,,,,read"


def test_delete_and_after(client: TestClient, ids: list[str], me: str) -> None:
    rate(client, me, {ids[0]: 5})
    ok(client.get(f"{me}/recommendations"))
    assert client.delete(me).status_code == 204
    assert client.delete(me).status_code == 204
    for path in ("", "/recommendations", f"/books/{ids[0]}", "/questions", "/taste", "/map", "/library", "/export"):
        assert problem(client.get(me + path), 404) == GONE
    assert problem(client.put(f"{me}/books/{ids[0]}", json={"stars": 3}), 404) == GONE
    assert problem(client.delete(f"{me}/books/{ids[0]}"), 404) == GONE
    assert problem(client.post(f"{me}/undo"), 404) == GONE
    assert problem(bring(client, me, FILE), 404) == GONE
    assert problem(client.post(f"{me}/library/2", json={"book_id": ids[0]}), 404) == GONE


def test_routes_that_are_not_there(client: TestClient) -> None:
    problem(client.get("/v1/nothing"), 404)
    wrong = client.put("/v1/model")
    problem(wrong, 405)
    assert wrong.headers["allow"] == "GET"


def test_health(client: TestClient) -> None:
    assert ok(client.get("/healthz")) == {"status": "alive"}
    assert ok(client.get("/readyz")) == {"status": "ready"}
    counted = client.get("/metrics").text
    assert 'shelfaware_requests_total{route="/healthz",status="200"}' in counted
