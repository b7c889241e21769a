"""The page: whole by itself, said in words, and silent about single people and titles where ratings are not simulated."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from shelfaware.data.books import Books
from shelfaware.data.interactions import Interactions
from shelfaware.errors import EvaluationError
from shelfaware.evaluation import html, report_page, segments
from shelfaware.evaluation import report as module
from shelfaware.evaluation.compare import Compared, fit_and_evaluate
from shelfaware.evaluation.plan import Plan
from shelfaware.evaluation.report import Findings, gather, share_of_top
from shelfaware.evaluation.report_page import PARTS, page

VOID = {"meta", "br", "wbr", "path", "use"}
HOSTILE = '<script>alert("x")</script> & Dune'


class Page(HTMLParser):
    """Its tags, ids, attributes and visible text; fails where a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data


@pytest.fixture(scope="module")
def catalogued(planted: Interactions) -> Interactions:
    """The planted ratings with titles, one of them hostile, and a book whose stars are always a 1, so that it stands out."""
    titles = [HOSTILE if index == 0 else f"Secret Title {index}" for index in range(planted.n_books)]
    table = planted.books.table.with_columns(pl.Series("title", titles), pl.lit(["fantasy"]).alias("genres"))
    stars = np.where((planted.book_index == 0) & planted.rated, 1.0, planted.stars).astype(np.float32)
    return replace(planted, books=Books.of(table), stars=stars)


def found(data: Interactions, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Findings:
    """`gather` with every fit in this process."""

    def outcomes(data: Interactions, models: list[str], plan: Plan, **_: object) -> Compared:
        rounds = list(plan.rounds(data))
        return Compared(plan, rounds, {name: [fit_and_evaluate(name, *one) for one in rounds] for name in models})

    monkeypatch.setattr(module, "outcomes", outcomes)
    return gather(data, ["mean", "bias", "popularity"], plan)


@pytest.fixture(scope="module")
def findings(catalogued: Interactions) -> Findings:
    with pytest.MonkeyPatch.context() as patch:
        return found(catalogued, Plan("random:0.3"), patch)


@pytest.fixture(scope="module")
def text(findings: Findings) -> str:
    return page(findings)


@pytest.fixture(scope="module")
def simulated(catalogued: Interactions) -> str:
    """The page of simulated ratings, of two rounds, without curves; small kinds are looked at too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_curves", lambda *_: [])
        patch.setattr(segments, "LEAST_RATINGS", 5)
        patch.setattr(segments, "LEAST_USERS", 5)
        patch.setattr(report_page, "PARTS", [part for part in PARTS if part.name in ("wrong", "protocol")])
        return page(found(replace(catalogued, simulated=True), Plan("random:0.3", repeats=2), patch))


def test_it_loads_nothing_and_runs_nothing(text: str) -> None:
    shown = Page(text)
    assert not shown.tags & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert all(value.startswith("#") for name, value in shown.attributes if name in ("href", "src", "xlink:href"))
    assert not [name for name, _ in shown.attributes if name.startswith("on")]
    assert not re.search(r"@import|url\((?!#)", text)
    assert "default-src 'none'" in text
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"' <)]+", text)) <= namespaces


def test_ids_are_unique_and_every_link_leads_somewhere(text: str) -> None:
    shown = Page(text)
    assert len(shown.ids) == len(set(shown.ids))
    targets = [value[1:] for name, value in shown.attributes if name in ("href", "xlink:href")]
    targets += [used for _, value in shown.attributes for used in re.findall(r"url\(#([^)]*)\)", value)]
    assert set(targets) <= set(shown.ids)


def test_every_part_is_there(findings: Findings, text: str) -> None:
    shown = Page(text)
    titles = {part.name: part.title for part in PARTS}
    assert set(titles) - set(shown.ids) == {"sure"}, "no model here says how sure it is"
    said = " ".join(shown.text.split())
    best = findings.raters[0]
    assert f"{best} errs least" in said
    assert "Guessing the mean of all ratings every time is off by" in said
    assert "--models mean,bias,popularity --holdout random:0.3 --repeats 1 --seed 0" in said
    assert findings.data.fingerprint[:12] in said
    assert "30 % of the ratings were taken away (random:0.3), once" in said
    assert findings.curves.keys() == {"ratings", "users", "cold users", "cold books"}


def test_plots_say_in_words_what_they_show_and_follow_the_page_s_colours(text: str) -> None:
    plots = re.findall(r'<svg role="img" aria-label="([^"]+)"', text)
    assert len(plots) == len(re.findall("<svg", text)) == 11
    assert any("from a tenth of the ratings to all of them" in said for said in plots)
    inside = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert set(re.findall(r"#[0-9a-f]{6}\b", inside)) == set()
    defined = set(re.findall(r"(--[a-z-]+):", text))
    assert set(re.findall(r"var\((--[a-z-]+)\)", text)) <= defined


def test_figures_are_those_of_the_board(findings: Findings, text: str) -> None:
    said = Page(text).text
    for row in findings.board["models"]:
        if row["mse"] is not None:
            assert f"{row['mse']:.3f}" in said
        assert f"{row['ndcg_at_10']:.3f}" in said


def test_no_title_and_no_person_of_ratings_that_are_not_simulated(findings: Findings, text: str) -> None:
    assert "Secret Title" not in text
    assert "Dune" not in text
    assert "simulated" not in Page(text).text
    for user in findings.data.users.ids.head(50).to_list():
        assert not re.search(rf"\b(?:user|reader) {user}\b", text)


def test_the_simulated_sample_is_named_and_a_hostile_title_is_harmless(simulated: str) -> None:
    shown = Page(simulated)
    assert HOSTILE in shown.text
    assert "<script>" not in simulated
    assert shown.text.count("These ratings are simulated") == 1
    assert "2 times, each time anew" in shown.text
    assert "more" not in shown.ids


def test_the_same_findings_give_the_same_page(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page, "PARTS", PARTS[1:3])
    assert page(findings) == page(pickle.loads(pickle.dumps(findings)))  # noqa: S301 - our own bytes


def test_a_report_needs_a_model_of_stars(planted: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = list(Plan().rounds(planted))
    compared = Compared(Plan(), rounds, {"popularity": [fit_and_evaluate("popularity", *rounds[0])]})
    monkeypatch.setattr(module, "outcomes", lambda *_, **__: compared)
    with pytest.raises(EvaluationError, match="a model that predicts stars"):
        gather(planted, ["popularity"], Plan())


def test_the_share_of_the_top_by_hand() -> None:
    assert share_of_top([1] * 9 + [11]) == pytest.approx(0.55)
    assert share_of_top([5]) == 1.0


def test_pieces_escape_what_they_are_given() -> None:
    evil = "<b onclick='x'>&\""
    pieces = [
        html.paragraph(evil),
        html.heading(2, evil),
        html.table(evil, (evil, ">" + evil), [(evil, html.Cell(evil, evil))]),
        html.definitions({evil: evil}),
        html.bullets([evil]),
        html.command(evil),
        html.links({"x": evil}),
        html.document(evil, "", ""),
    ]
    for piece in pieces:
        assert "<b " not in piece
        assert "&lt;b" in piece
        assert "onclick='" not in piece
