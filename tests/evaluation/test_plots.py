import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from shelfaware.errors import DataError, EvaluationError
from shelfaware.evaluation import board_plots, canvas, plots, segment_plots, tune_plots
from shelfaware.evaluation.calibration import Coverage, ReliabilityBin
from shelfaware.evaluation.curves import Curve, Point
from shelfaware.evaluation.metrics import Decile, Interval

SUBTITLE = "Simulated: 1,000 held-out ratings, split random:0.1, 95 % bootstrap intervals over users"
TRAIN = np.array([3.1, 0.5, 0.26, 0.17])


def near(mean: float, half: float = 0.01) -> Interval:
    return Interval(mean, mean - half, mean + half)


def deciles(*means: float) -> list[Decile]:
    return [Decile(3**i, 3**i + 2, 100, near(mean)) for i, mean in enumerate(means)]


def activity(*means: float, of: str = "user") -> Figure:
    return plots.error_by_activity({"gp": deciles(*means)}, SUBTITLE, of=of)


def calibration(share: float) -> Figure:
    bins = [ReliabilityBin(d, near(d + 0.05), 100) for d in (0.4, 0.6, 0.9)]
    return plots.calibration(
        [Coverage(0.5, near(0.52)), Coverage(0.9, near(share)), Coverage(0.95, near(0.96))], bins, SUBTITLE
    )


def factors(*means: float) -> Figure:
    return plots.mse_against_factors([8, 32, 64], [near(mean) for mean in means], SUBTITLE)


def learning(validation: object, *, loss_is_mse: bool = True) -> Figure:
    values = None if validation is None else np.array(validation)
    return plots.learning_curve(TRAIN, values, SUBTITLE, loss_is_mse=loss_is_mse)


FINDINGS: list[tuple[Callable[[], Figure], str]] = [
    (lambda: learning([0.9, 0.7, 0.581, 0.6]), "Validation error is lowest at epoch 3: 0.58"),
    (lambda: learning([0.9, 0.7, 0.6, 0.5]), "Validation error is lowest at the last epoch, 4: 0.50"),
    (lambda: learning([np.nan, 0.7, np.nan, 0.75], loss_is_mse=False), "Validation error is lowest at epoch 2: 0.70"),
    (lambda: learning(None), "Training loss falls from 3.10 to 0.17 in 4 epochs"),
    (lambda: learning([np.nan] * 4), "Training loss falls from 3.10 to 0.17 in 4 epochs"),
    (
        lambda: plots.learning_curve(TRAIN[::-1], None, SUBTITLE, loss_is_mse=False),
        "Training loss does not fall: it goes from 0.17 to 3.10 in 4 epochs",
    ),
    (
        lambda: plots.rating_histogram([1, 2, 3, 4, 5], [0.02, 0.05, 0.17, 0.32, 0.44], SUBTITLE),
        "Five stars is the most common rating: 44 %",
    ),
    (lambda: plots.rating_histogram([1, 2], [0.7, 0.3], SUBTITLE), "One star is the most common rating: 70 %"),
    (
        lambda: plots.rating_histogram([3.5, 4, 4.5], [0.3, 0.3, 0.4], SUBTITLE),
        "4.5 stars is the most common rating: 40 %",
    ),
    (lambda: activity(0.71, 0.6, 0.48), "The more you rate, the better we guess: error 0.71 to 0.48"),
    (lambda: activity(0.48, 0.6, 0.71), "The more you rate, the worse we guess: error 0.48 to 0.71"),
    (lambda: activity(0.71, 0.5, 0.7), "No clear change with ratings per user: error 0.71 to 0.70"),
    (lambda: activity(0.7), "No clear change with ratings per user: error 0.70 to 0.70"),
    (lambda: activity(0.71, 0.48, of="book"), "The more a book is rated, the better we guess it: error 0.71 to 0.48"),
    (
        lambda: plots.error_by_activity({"svd": deciles(0.7, 0.5), "bias": deciles(0.5, 0.7)}, SUBTITLE, of="user"),
        "The more you rate, the better svd guesses: error 0.70 to 0.50",
    ),
    (
        lambda: plots.error_by_activity({"svd": deciles(0.7, 0.5), "bias": deciles(0.9, 0.8)}, SUBTITLE, of="user"),
        "svd errs less than bias, however much you rate",
    ),
    (lambda: calibration(0.896), "90 % intervals hold 89.6 % of ratings"),
    (lambda: factors(0.66, 0.587, 0.59), "32 factors do best: 0.587"),
    (lambda: factors(0.66, 0.592, 0.587), "32 factors do about as well as 64: 0.592 and 0.587"),
    (lambda: factors(0.66, 0.6, 0.587), "64 factors do best: 0.587"),
]


def board(*rows: tuple[str, float, str]) -> dict[str, object]:
    """A leaderboard whose first model is the best."""
    best, mse, _ = rows[0]
    models = [
        {
            "model": name,
            "mse": error,
            "verdicts": {"mse": verdict},
            "intervals": {"mse": [error - 0.02, error + 0.02]},
            "fit_seconds": 40 / 3**place,
            "peak_mb": 500 / 1.5**place,
        }
        for place, (name, error, verdict) in enumerate(rows)
    ]
    pairs = [
        {"figure": "mse", "a": a, "b": best, "difference": e - mse, "low": e - mse - 0.01, "high": e - mse + 0.01, "verdict": v}
        for a, e, v in rows[1:]
    ]
    return {"best": {"mse": best}, "models": models, "pairs": pairs}


THREE = board(("gp", 0.58, "best"), ("bpmf", 0.585, "not distinguishable"), ("bias", 0.8, "worse"))
ALIKE = board(("gp:shelves", 0.58, "best"), ("gp:ratings", 0.581, "worse"), ("bias", 0.8, "worse"), ("mean", 1.0, "worse"))
ALONE = board(("gp", 0.58, "best"), ("bias", 0.8, "worse"))


def against(*means: float, shares: bool = False) -> Figure:
    amounts = (0.1, 0.4, 1.0) if shares else (0, 2, 20)
    points = [[Point(x, near(mean + more)) for x, mean in zip(amounts, means, strict=True)] for more in (0.0, 0.1)]
    models = {name: Curve(of, near(means[-1] - means[0], 0.02)) for name, of in zip(("gp", "bias"), points, strict=True)}
    return board_plots.against_data(models, SUBTITLE, title=board_plots.falls(models, "few", "many"), x="data", shares=shares)


def inside(*shares: float) -> Figure:
    tenths = [Decile(3 * i, 3 * i + 2, 100, near(share)) for i, share in enumerate(shares)]
    return segment_plots.coverage_by_decile({"user": tenths, "book": tenths}, SUBTITLE)


def trials(*values: float | None, less: bool = True) -> Figure:
    return tune_plots.history(values, SUBTITLE, figure_name="MSE", less_is_better=less)


FINDINGS += [
    (lambda: board_plots.differences(THREE, SUBTITLE), "gp errs least, 0.580, and cannot be told from bpmf"),
    (lambda: board_plots.differences(ALONE, SUBTITLE), "gp errs least: 0.580"),
    (lambda: board_plots.cost(THREE["models"], SUBTITLE), "Nothing is both quicker and closer than bias, bpmf and gp"),
    (lambda: against(0.9, 0.7, 0.6), "The error of gp falls from few to many: 0.90 to 0.60"),
    (lambda: against(0.6, 0.7, 0.9, shares=True), "The error of gp rises from few to many: 0.60 to 0.90"),
    (lambda: against(0.6, 0.7, 0.61), "The error of gp does not clearly change from few to many: 0.60 to 0.61"),
    (lambda: inside(0.88, 0.9, 0.94), "90 % intervals hold for every kind of reader and book: 88 % to 94 %"),
    (lambda: inside(0.8, 0.9, 0.97), "90 % intervals hold in 2 of 6 tenths; the lowest share is 80 %"),
    (
        lambda: segment_plots.spread([0, 1, 1, 3, 40, 500], SUBTITLE, of="reader"),
        "Half of the readers have 3 ratings or fewer, the top tenth 316 or more",
    ),
    (lambda: trials(0.7, None, 0.6, 0.65), "Trial 3 of 4 is best: 0.600"),
    (lambda: trials(0.2, 0.3, less=False), "Trial 2 of 2 is best: 0.300"),
    (
        lambda: tune_plots.importance({"epochs": 0.2, "factors": 0.8}, SUBTITLE),
        "What matters most is factors: 80 % of what settings change",
    ),
]


@pytest.mark.parametrize(("draw", "finding"), FINDINGS, ids=[finding for _, finding in FINDINGS])
def test_the_title_states_the_finding(draw: Callable[[], Figure], finding: str) -> None:
    figure = draw()
    assert plain(figure.get_label()) == finding
    title, subtitle = (plain(text.get_text()) for text in figure.texts)
    assert (title, subtitle) == (finding, SUBTITLE)


def plain(text: object) -> str:
    return " ".join(str(text).replace("\N{NO-BREAK SPACE}", " ").split())


PLOTS: dict[str, Callable[[], Figure]] = {
    "learning-one-panel": lambda: learning([0.9, 0.7, 0.581, 0.6]),
    "learning-two-panels": lambda: learning([0.9, 0.7, 0.581, 0.6], loss_is_mse=False),
    "histogram": lambda: plots.rating_histogram([1, 2, 3, 4, 5], [0.02, 0.05, 0.17, 0.32, 0.44], SUBTITLE),
    "activity": lambda: plots.error_by_activity(
        {name: deciles(0.7, 0.6, 0.5) for name in ("gp", "svd", "bias", "notebook")}, SUBTITLE, of="book"
    ),
    "calibration": lambda: calibration(0.896),
    "factors": lambda: factors(0.66, 0.592, 0.587),
    "differences": lambda: board_plots.differences(THREE, SUBTITLE),
    "cost": lambda: board_plots.cost(THREE["models"], SUBTITLE),
    "cost-alike": lambda: board_plots.cost(ALIKE["models"], SUBTITLE),
    "against": lambda: against(0.9, 0.7, 0.6),
    "against-shares": lambda: against(0.9, 0.7, 0.6, shares=True),
    "inside": lambda: inside(0.88, 0.9, 0.94, 0.9, 0.9, 0.9, 0.9, 0.91, 0.9, 0.89),
    "spread": lambda: segment_plots.spread([1, 2, 3, 40, 500, 20_000], SUBTITLE, of="book"),
    "trials": lambda: trials(0.7, None, 0.6, 0.65),
    "importance": lambda: tune_plots.importance({"epochs": 0.2, "learning_rate": 0.3, "factors": 0.5}, SUBTITLE),
}


@pytest.mark.parametrize("name", PLOTS)
def test_saved_in_both_formats_the_same_every_time(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    png, svg = plots.save(PLOTS[name](), tmp_path / "new" / "v1.2")
    again = plots.save(PLOTS[name](), tmp_path / "v1.2")
    assert [png.name, svg.name] == ["v1.2.png", "v1.2.svg"]
    assert sorted(path.name for path in png.parent.iterdir()) == ["v1.2.png", "v1.2.svg"]
    assert [path.read_bytes() for path in (png, svg)] == [path.read_bytes() for path in again]
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert ElementTree.parse(svg).getroot().get("width") == "450pt"
    assert b"<dc:date>" not in svg.read_bytes()
    assert not caplog.records


@pytest.mark.parametrize("name", PLOTS)
def test_nothing_is_cut_off_and_no_text_is_small_or_lies_on_another(name: str) -> None:
    figure = PLOTS[name]()
    figure.draw_without_rendering()
    texts = [text for text in drawn_texts(figure) if text.get_text() and text.get_visible()]
    shown = [(text, text.get_window_extent()) for text in texts]
    assert min(text.get_fontsize() for text in texts) >= 9
    for text, box in shown:
        assert box.x0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y0 >= 0, text
        assert box.y1 <= figure.bbox.height, text
    # Line boxes hold room for ascenders and descenders: shrink them to what is inked before looking for overlaps.
    inked = [(text.get_text(), box.shrunk(0.98, 0.7)) for text, box in shown]
    overlaps = [(a, b) for i, (a, first) in enumerate(inked) for b, second in inked[i + 1 :] if first.overlaps(second)]
    assert overlaps == []


def drawn_texts(figure: Figure) -> Iterator[Text]:
    """Every text but the labels of ticks outside the view, which matplotlib keeps and does not draw."""
    yield from figure.texts
    for axes in figure.axes:
        yield from axes.texts
        for axis in (axes.xaxis, axes.yaxis):
            yield axis.label
            low, high = axis.get_view_interval()
            yield from (tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)


def test_every_model_is_named_beside_its_cost() -> None:
    for axes in PLOTS["cost"]().axes:
        assert {"gp", "bpmf", "bias"} <= {text.get_text() for text in axes.texts}


def test_the_header_starts_at_one_left_edge_with_the_axis_names() -> None:
    figure = PLOTS["factors"]()
    figure.draw_without_rendering()
    lefts = [text.get_window_extent().x0 for text in (*figure.texts, *figure.axes[0].texts)]
    assert max(lefts) - min(lefts) < 3


def test_a_long_title_breaks_into_even_lines_inside_the_figure() -> None:
    with canvas.style():
        figure, (axes,) = canvas.sheet("Some words that make a title far longer than one line can hold at this size", SUBTITLE)
    title = figure.texts[0]
    first, second = title.get_text().split("\n")
    assert abs(len(first) - len(second)) < 12
    assert title.get_window_extent().x1 < figure.bbox.width
    assert figure.texts[1].get_window_extent().y1 < title.get_window_extent().y0
    assert axes.bbox.height == pytest.approx(2.3 * figure.dpi)


def test_bars_start_at_zero_and_say_their_share() -> None:
    (axes,) = plots.rating_histogram([1, 2, 3], [0.2, 0.3, 0.5], SUBTITLE).axes
    assert axes.get_ylim()[0] == 0
    assert [bar.get_height() for bar in axes.patches] == [0.2, 0.3, 0.5]
    assert [plain(text.get_text()) for text in axes.texts] == ["20 %", "30 %", "50 %"]


@pytest.mark.parametrize("name", ["activity", "calibration", "factors"])
def test_intervals_are_drawn(name: str) -> None:
    for axes in PLOTS[name]().axes:
        segments = [segment for lines in axes.collections for segment in lines.get_segments()]
        assert len(segments) >= 3
        assert all(low[1] < high[1] for low, high in segments)


def test_lines_are_labelled_directly_and_apart() -> None:
    figure = PLOTS["activity"]()
    labels = [text for text in figure.axes[0].texts if text.get_weight() == "bold"]
    assert [label.get_text() for label in labels] == ["gp", "svd", "bias", "notebook"]
    assert figure.axes[0].get_legend() is None


def test_an_interval_that_is_unknown_is_left_out() -> None:
    unknown = Interval(0.6, np.nan, np.nan)
    figure = plots.error_by_activity({"gp": [Decile(0, 0, 1, unknown), Decile(1, 4, 1, unknown)]}, SUBTITLE, of="user")
    figure.draw_without_rendering()
    assert plain(figure.get_label()) == "No clear change with ratings per user: error 0.60 to 0.60"


@pytest.mark.parametrize("colour", canvas.SERIES)
def test_labels_read_on_paper(colour: str) -> None:
    assert contrast(canvas.readable(colour), "#faf8f4") >= 4.5


@pytest.mark.parametrize("colour", [canvas.INK, canvas.MUTED, canvas.TEAL])
def test_text_reads_on_paper(colour: str) -> None:
    assert contrast(colour, "#faf8f4") >= 4.5


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""
    dark, light = sorted(
        np.dot(
            [0.2126, 0.7152, 0.0722],
            [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)],
        )
        for colour in (a, b)
    )
    return float((light + 0.05) / (dark + 0.05))


@pytest.mark.parametrize("n", [0, 5])
def test_more_lines_than_can_be_told_apart_are_refused(n: int) -> None:
    with pytest.raises(EvaluationError, match=f"{n} models do not fit one plot; name 1 to 4"):
        plots.error_by_activity({str(i): deciles(0.5, 0.6) for i in range(n)}, SUBTITLE, of="user")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(DataError, match="could not write"):
        plots.save(PLOTS["factors"](), tmp_path / "file" / "plot")


def test_the_users_own_settings_neither_matter_nor_change(tmp_path: Path) -> None:
    expected = plots.save(PLOTS["factors"](), tmp_path / "a")[1].read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "none"}):
        before = dict(matplotlib.rcParams)
        assert plots.save(PLOTS["factors"](), tmp_path / "b")[1].read_bytes() == expected
        assert dict(matplotlib.rcParams) == before


def test_importing_the_plots_loads_no_heavy_library() -> None:
    code = "import sys, shelfaware.evaluation.plots\nprint({'matplotlib', 'scipy', 'jax', 'sklearn'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "set()"
