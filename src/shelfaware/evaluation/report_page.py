"""The report as one HTML page: no script, nothing from elsewhere, for a reader who never heard of a mean squared error."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from shelfaware.data.dataset import describe
from shelfaware.evaluation import board_plots, html, report_parts
from shelfaware.evaluation.report import Findings
from shelfaware.evaluation.report_parts import first_split, kind

TITLE = "How well we guess stars"
LIBRARIES = ("shelfaware", "numpy", "scipy", "polars", "jax", "matplotlib")

WORDS = {
    "Mean squared error (MSE)": "The square of how far a guess was from the stars that were given, averaged over ratings. "
    "Large misses count more than small ones. 0 is perfect; smaller is better.",
    "95 % interval": "Had other readers been asked, the figure would have come out a little different. "
    "In 95 of 100 such repeats the interval holds the true value.",
    "Not distinguishable": "The interval of the difference of two models holds 0: these ratings cannot say which is better.",
    "90 % interval of a guess": "The range that a model names for a single rating. If it is honest, 90 of 100 lie inside.",
    "nDCG": "How well the ten books on top of a list are chosen, held against books that the reader turned out to love: "
    "1 where they all stand first, 0 where none is there. A: among all books that they had not rated. B: nor put on a shelf.",
    "Novelty": "How rarely the books on a list are rated, in bits: one bit more is half as many readers.",
    "Diversity": "How different the books on a list are in who takes them up: 0 the same readers, 1 none in common.",
}


class Part(NamedTuple):
    """A section: the id and title by which it is linked, and what writes its body."""

    name: str
    title: str
    write: Callable[[Findings], str]


def page(findings: Findings) -> str:
    """The whole report; a part with nothing to show is left out."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    shown = [(part, body) for part in PARTS if (body := part.write(findings))]
    sections = [f"<section>{html.heading(2, part.title, part.name)}{body}</section>" for part, body in shown]
    names = {part.name: part.title for part, _ in shown}
    return html.document(TITLE, style, "\n".join([_head(findings), html.links(names), "<main>", *sections, "</main>"]))


def _head(findings: Findings) -> str:
    best, facts = findings.row(findings.raters[0]), describe(findings.data)
    counted = f"{facts['ratings']:,} {kind(findings)}ratings of {facts['books']:,} books by {facts['users']:,} readers."
    missed = f"A guess of {best['model']} is off by {best['mae']:.2f} stars on average, over {best['n']:,} ratings"
    answer = f"{board_plots.differences_finding(findings.board)}. {missed} that no model had seen."
    if "mean" in findings.raters[1:]:
        answer += f" Guessing the mean of all ratings every time is off by {findings.row('mean')['mae']:.2f}."
    warning = "These ratings are simulated: they show how the program works, and no person's taste."
    simulated = html.paragraph(warning, "simulated") if findings.data.simulated else ""
    said = html.heading(1, TITLE) + html.paragraph(counted) + simulated + html.paragraph(answer, "answer")
    return f"<header>{said}</header>"


def protocol(findings: Findings) -> str:
    """How it was measured, in plain words."""
    return html.bullets(
        [
            _held_out(findings),
            "What was taken away left the data whole: its stars and its place on a shelf. No model has seen it.",
            "Every model guessed the same ratings. A guess outside the star scale counts as the end of the scale.",
            "Intervals draw whole readers with replacement, since the ratings of one reader are alike. With several rounds "
            "the corrected t interval of Nadeau and Bengio (2003) is made too, and the wider of the two counts.",
            "An interval is for one comparison. Of twenty differences that are none, one stands out by chance.",
            f"Curves, calibration and kinds of ratings are of one round: {first_split(findings)}.",
        ]
    )


def _held_out(findings: Findings) -> str:
    plan, first = findings.compared.plan, findings.first
    if plan.folds:
        return f"The ratings were cut into {plan.folds} parts by chance; models that learned from the others guessed each."
    share = 100 * len(first.test) / (len(first.test) + first.train.n_ratings)
    times = "once" if plan.repeats == 1 else f"{plan.repeats} times, each time anew"
    return f"{share:.0f} % of the ratings were taken away ({plan.holdout}), {times}; models learned from the rest."


def again(findings: Findings) -> str:
    """The command, seeds and versions."""
    plan = findings.compared.plan
    how = f"--folds {plan.folds}" if plan.folds else f"--holdout {plan.holdout} --repeats {plan.repeats}"
    models = ",".join(findings.compared.outcomes)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    seeds = ", ".join(map(str, dict.fromkeys(plan.seeds)))
    return (
        html.command(f"shelfaware report DIR --models {models} {how} --seed {plan.seed} --out report.html")
        + html.paragraph(f"Seeds: {seeds}. Fingerprint of the data: {findings.data.fingerprint[:12]}.")
        + html.paragraph(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}; {versions}.")
    )


PARTS = (
    Part("ratings", "The ratings", report_parts.the_ratings),
    Part("leaderboard", "Which model guesses best", report_parts.leaderboard),
    Part("cost", "What it costs", report_parts.cost),
    Part("more", "With more data", report_parts.with_more_data),
    Part("new", "New readers, new books", report_parts.new_ones),
    Part("sure", "How sure it is", report_parts.how_sure),
    Part("whom", "For whom it errs", report_parts.for_whom),
    Part("wrong", "What each model gets wrong", report_parts.what_is_wrong),
    Part("ten", "Choosing ten books", report_parts.ten_books),
    Part("protocol", "How this was measured", protocol),
    Part("words", "Words", lambda _: html.definitions(WORDS)),
    Part("again", "To do it again", again),
)
