"""A reader's own files on the command line: books out, with reasons, and an account of every row."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest

Command = Callable[..., Any]

EXPORT = '''Book Id,Title,Author,ISBN,My Rating,Exclusive Shelf,My Review
1,"Dune (Dune, #1)",Frank   Herbert,"=""0441172717""",5,read,"Private, and with a
line end"
2,Emma,Jane Austen,"=""""",2,read,
3,The Hobbit,J.R.R. Tolkien,"=""""",0,to-read,
4,The Hungry Games,Suzanne Collins,"=""""",4,read,
5,Persuasion,Jane Austen,"=""""",many,read,
6,Dracula,Bram Stoker,"=""""",0,gothic club,
7,Neuromancer,William Gibson,"=""""",0,to-read,
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "goodreads_library_export.csv"
    path.write_text(EXPORT, encoding="utf-8")
    return path


def test_books_with_reasons_and_an_account_of_every_row(workshop: Path, command: Command, mine: Path, tmp_path: Path) -> None:
    done = command("recommend", workshop / "gp", "--library", mine, "--why", "--report", tmp_path / "report.csv")
    assert done.code == 0
    assert "because you gave 5 to Dune" in done.out
    for sentence in (
        "We know 5 of your 6 books.",
        "2 rated, 2 to-read, 1 other shelf, 1 unmatched, 1 rejected",
        "line 7: rating 'many' is not a number; this row was left out",
        "line 6: 'The Hungry Games': no book of this title and author is known; did you mean",
        ": The Hunger Games by Suzanne Collins",
        "These ratings are simulated",
    ):
        assert sentence in done.err
    report = pl.read_csv(tmp_path / "report.csv", infer_schema=False)
    assert report["line"].to_list() == ["2", "4", "5", "6", "7", "8", "9"]
    assert "Private" not in done.out + done.err + (tmp_path / "report.csv").read_text()


def test_what_was_confirmed_counts(workshop: Path, command: Command, mine: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    command("recommend", workshop / "gp", "--library", mine, "--report", report)
    rows = pl.read_csv(report, infer_schema=False)
    meant = rows["suggestions"].str.extract(r"^(\d+):")
    rows.with_columns(pl.col("book_id").fill_null(meant)).write_csv(report)
    done = command("recommend", workshop / "gp", "--library", mine, "--accept", report)
    assert "We know 6 of your 6 books." in done.err


def test_as_json(workshop: Path, command: Command, mine: Path) -> None:
    done = command("recommend", workshop / "gp", "--library", mine, "--json")
    answer = done.json
    assert done.err == ""
    assert answer.keys() == {"model_version", "simulated", "recommendations", "library", "unmatched"}
    assert answer["library"]["outcomes"]["rated"] == 2
    assert (answer["library"]["known"], answer["library"]["books"]) == (5, 6)
    assert [(one["line"], one["book"]) for one in answer["unmatched"]] == [(6, "The Hungry Games")]
    assert answer["unmatched"][0]["suggestions"][0]["title"] == "The Hunger Games"
    titles = {book["title"] for book in answer["recommendations"]}
    assert not {"Dune", "Emma", "The Hobbit", "Dracula", "Neuromancer"} & titles
    book = answer["recommendations"][0]
    assert book["low"] <= book["stars"] <= book["high"]
    assert {one["title"] for one in book["why"]["books"]} == {"Dune", "Emma"}
    assert command("recommend", workshop / "gp", "--ratings", mine, "--json").json == answer


def test_as_csv_and_as_a_page(workshop: Path, command: Command, mine: Path) -> None:
    answer = command("recommend", workshop / "gp", "--library", mine, "--json", "-n", 3).json["recommendations"]
    table = pl.read_csv(StringIO(command("recommend", workshop / "gp", "--library", mine, "--csv", "-n", 3).out))
    assert table["title"].to_list() == [book["title"] for book in answer]
    assert table["stars"].to_list() == pytest.approx([book["stars"] for book in answer])
    page = command("recommend", workshop / "gp", "--library", mine, "--html", "-n", 3).out
    assert page.startswith("<!doctype html>")
    assert all(book["title"] in page for book in answer)
    assert "These ratings are simulated" in page


def test_their_to_read_shelf_and_what_they_would_not_like(workshop: Path, command: Command, mine: Path) -> None:
    shelf = command("recommend", workshop / "gp", "--library", mine, "--rank-to-read", "--json").json["recommendations"]
    assert {book["title"] for book in shelf} == {"The Hobbit", "Neuromancer"}
    assert [book["stars"] for book in shelf] == sorted((book["stars"] for book in shelf), reverse=True)
    disliked = command("recommend", workshop / "gp", "--library", mine, "--dislike", "--json").json["recommendations"]
    assert disliked[0]["stars"] < shelf[0]["stars"]
    shown = command("recommend", workshop / "gp", "--library", mine, "--dislike").out
    assert "You might take these up, and not like them" in shown


def test_wishes(workshop: Path, command: Command, mine: Path) -> None:
    def titles(*options: Any) -> list[str]:
        answer = command("recommend", workshop / "gp", "--library", mine, "--json", *options).json
        return [book["title"] for book in answer["recommendations"]]

    plain = titles()
    assert titles("--author", "Jane Austen", "-n", 2) != plain[:2]
    old, new = titles("--genre", "fantasy", "--to-year", 1950), titles("--genre", "fantasy", "--from-year", 1951)
    assert old
    assert new
    assert not set(old) & set(new)
    for changed in (["--adventure", -2], ["--diversity", 0.6], ["--per-author", 1], ["--any-order"], ["--from-year", 1990]):
        assert titles(*changed, "-n", 40) != titles("-n", 40), changed


def test_taste(workshop: Path, command: Command, mine: Path, tmp_path: Path) -> None:
    done = command("taste", workshop / "gp", "--library", mine, "--out", tmp_path / "map", "-n", 1)
    assert "Your 2 ratings" in done.out
    assert "your mean, stars" in done.out
    assert {path.name for path in (tmp_path / "map").iterdir()} == {"taste-map.png", "taste-map.svg"}
    answer = command("taste", workshop / "gp", "--library", mine, "--json").json
    assert answer["taste"]["mean"] == 3.5
    assert answer["taste"]["harshness"] == pytest.approx(answer["taste"]["others"] - 3.5)
    assert len(answer["taste"]["surprises"]) == 2


def test_two_files_and_another_scale(workshop: Path, command: Command, mine: Path, tmp_path: Path) -> None:
    later = tmp_path / "later.csv"
    later.write_text("title,author,rating\nDune,Frank Herbert,9\n")
    done = command("recommend", workshop / "gp", "--library", mine, "--library", later)
    assert "1 duplicate edition" in done.err
    assert "later.csv: Ratings from 1 to 10 were brought to 1 to 5 stars." in done.err
    five = command("recommend", workshop / "gp", "--library", later, "--file-scale", "1:9", "--json").json
    assert five["recommendations"][0]["why"]["books"][0]["stars"] == 5
