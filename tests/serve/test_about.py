"""What is shown of how the model learned and was judged: on the page and as JSON, and what is said where nothing is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from answers import ok
from clusters import new_folder
from starlette.testclient import TestClient

from shelfaware.models.folder import load_model
from shelfaware.serve.app import create_app
from shelfaware.serve.pages import charts
from shelfaware.serve.settings import Settings
from shelfaware.serve.standing import Bin, Calibration, Coverage, Epoch, Place

CALIBRATION = {
    "bins": [
        {"deviation": 0.5, "error": 0.6, "low": 0.55, "high": 0.65, "n": 40},
        {"deviation": 1.0, "error": 0.9, "low": None, "high": None, "n": 41},
    ],
    "coverage": [
        {"level": 0.5, "share": 0.4, "low": 0.3, "high": 0.45},
        {"level": 0.9, "share": 0.875, "low": 0.8, "high": 0.9},
    ],
}
BOARD = {
    "mse": [
        {"model": "gp", "value": 0.5, "low": 0.45, "high": 0.55, "verdict": "best"},
        {"model": "bias", "value": 0.52, "low": 0.5, "high": 0.56, "verdict": "not distinguishable"},
        {"model": "mean", "value": 0.8, "low": 0.7, "high": 1.0, "verdict": "worse"},
    ]
}
FIGURES = {"n": 81, "mse": 0.5, "intervals": {"mse": [0.45, 0.55]}, "coverage_90": 0.875}

Told = Callable[[dict[str, Any] | None], TestClient]


@pytest.fixture
def told(model_folder: Path, tmp_path: Path) -> Iterator[Told]:
    """A client of the service with a model of which this is known."""
    clients: list[TestClient] = []

    def make(metrics: dict[str, Any] | None) -> TestClient:
        load_model(model_folder).save(tmp_path / "model", metrics)
        app = create_app(Settings(str(tmp_path / "model"), f"sqlite:///{new_folder()}/serve.db"))
        clients.append(TestClient(app, "http://127.0.0.1", headers={"Accept": "text/html"}))
        return clients[-1]

    yield make
    for client in clients:
        client.app.state.desk.accountant.close()  # type: ignore[attr-defined]
        client.app.state.desk.store.close()  # type: ignore[attr-defined]


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_page_shows_calibration_and_leaderboard(told: Told) -> None:
    html = told({**FIGURES, "calibration": CALIBRATION, "leaderboard": BOARD}).get("/about").text
    said = words(html)
    assert "gp this model 0.500 best" in said
    assert re.search(r"bias .* 0\.520 not to be told from the best mean .* 0\.800 worse", said)
    assert "Where it said it would be off by 0.50 stars it was by 0.60, where it said 1.00 by 0.90." in html
    assert "Of the ratings in 90 per cent intervals there were 87.5 per cent." in html
    assert "training ends at" in html
    for drawing in re.findall(r"<svg.*?</svg>", html, re.S):
        ElementTree.fromstring(drawing)
    assert html.count('<circle class="loved"') == 4
    assert "not measured" not in said


def test_a_program_reads_the_same(told: Told) -> None:
    client = told({**FIGURES, "calibration": CALIBRATION, "leaderboard": BOARD})
    found = ok(client.get("/v1/model/standing"))
    assert found["calibration"] == CALIBRATION
    assert found["leaderboard"] == BOARD
    assert found["n"] == 81
    assert [one["epoch"] for one in found["epochs"]] == [1, 2]
    assert found["best_epoch"] == 2
    about = ok(client.get("/v1/model"))
    assert about["metrics"] == FIGURES
    assert about["version"] == found["model_version"]


@pytest.mark.parametrize(
    ("metrics", "sentences"),
    [
        (None, ["That was not measured: it learned from every rating"]),
        (FIGURES, ["No leaderboard was kept with this model", "No calibration was kept with this model"]),
        ({**FIGURES, "calibration": None, "leaderboard": BOARD}, ["It does not say how sure it is"]),
    ],
)
def test_what_is_not_known_is_said(told: Told, metrics: dict[str, Any] | None, sentences: list[str]) -> None:
    client = told(metrics)
    said = words(client.get("/about").text)
    assert all(sentence in said for sentence in sentences)
    found = ok(client.get("/v1/model/standing"))
    assert found["calibration"] is None
    assert found["n"] == (metrics and 81)


def test_a_promise_kept_lies_on_the_diagonal_and_more_is_further_up() -> None:
    bins = [Bin(deviation=x, error=y, low=y - 0.1, high=None, n=9) for x, y in ((0.4, 0.4), (0.6, 0.9))]
    drawn = charts.promised_deviations(Calibration(bins=bins, coverage=[]))
    assert drawn.most == 1
    kept, off = drawn.marks
    assert (kept.x, kept.y) == (104, 156)
    assert kept.x == charts.SIDE - kept.y
    assert off.y == 26
    assert off.low == 52
    assert off.high == off.y
    assert charts.SIDE - off.low > off.x
    shares = charts.promised_shares(Calibration(bins=[], coverage=[Coverage(level=0.5, share=0.25, low=0.2, high=0.3)]))
    assert shares.marks == [charts.Mark(130, 195, 208, 182)]


def test_bars_begin_at_zero_and_the_longest_interval_ends_at_the_end() -> None:
    rows = [Place.model_validate(row) for row in BOARD["mse"]]
    assert [bar for _, bar in charts.places(rows)] == [(50, 45, 55), (52, 50, 56), (80, 70, 100)]
    alone = Place(model="a", value=2.0, low=None, high=None, verdict="best")
    assert charts.places([alone]) == [(alone, (100, 100, 100))]


def test_a_curve_needs_two_epochs_and_goes_down_as_the_error_does() -> None:
    epochs = [
        Epoch(epoch=i + 1, mse=mse, validation_mse=watched) for i, (mse, watched) in enumerate([(2, 1.5), (1, 1.2), (0.5, 1.1)])
    ]
    assert charts.learning_curve(epochs[:1]) is None
    curve = charts.learning_curve(epochs)
    assert curve is not None
    training, held = curve.lines
    assert training.points == "0.0,9.5 300.0,104.8 600.0,152.4"
    assert (held.name, held.last) == ("validation", 1.1)
    assert held.y < training.y
