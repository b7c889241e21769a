"""`shelfaware taste`: what a library says of its reader."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shelfaware.cli import libraries
from shelfaware.cli.libraries import LIBRARY
from shelfaware.cli.options import Json, ModelFolder, bundled
from shelfaware.cli.showing import SIMULATED, note, number, put_json, put_table

if TYPE_CHECKING:
    from shelfaware.library.library import Library
    from shelfaware.models.base import Model
    from shelfaware.recommending.taste import Taste


@bundled("library", LIBRARY)
def taste(
    model: ModelFolder,
    library: dict[str, Any],
    n: Annotated[int, typer.Option("-n", min=1, help="How many surprising ratings.")] = 5,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Draw the map of books there, PNG and SVG.")] = None,
    as_json: Json = False,
) -> None:
    """How harsh a rater somebody is, which of their ratings surprise, and where they stand on the map of books."""
    import dataclasses

    from shelfaware.errors import DataError
    from shelfaware.models.folder import load_model
    from shelfaware.recommending.taste import taste as tasted

    if not library["files"]:
        raise DataError("say whose taste: --library FILE")
    loaded = load_model(model)
    theirs = libraries.read(loaded, library)
    found = tasted(loaded, theirs, n)
    drawn = _draw(loaded, theirs, out) if out else []
    if as_json:
        answered = {"model_version": loaded.version, "simulated": loaded.simulated, "map": [str(path) for path in drawn]}
        numbers = {**dataclasses.asdict(found), "harshness": found.harshness}
        return put_json({**answered, "taste": numbers, **libraries.as_json(theirs)})
    _put(found)
    libraries.put_notes(theirs, library["report"])
    if loaded.simulated:
        note(SIMULATED)
    return note(f"The map of books is in {', '.join(map(str, drawn))}") if drawn else None


def _put(found: "Taste") -> None:
    rows = [
        ("your mean, stars", number(found.mean, 2)),
        ("everybody's mean for the same books", number(found.others, 2)),
        ("harsher than others by" if found.harshness >= 0 else "kinder than others by", number(abs(found.harshness), 2)),
        ("books that you loved, %", number(100 * found.share_loved, 0)),
        ("everybody, of the same books, %", number(100 * found.others_loved, 0)),
    ]
    put_table(f"Your {found.n_ratings:,} ratings", ("", ">"), rows)
    surprises = [(one.title, number(one.stars, 1), number(one.expected, 1)) for one in found.surprises]
    if surprises:
        put_table("Rated most unlike what your other books say", ("title", ">you gave", ">expected"), surprises)


def _draw(model: "Model", library: "Library", out: Path) -> list[Path]:
    from shelfaware.evaluation.plots import save
    from shelfaware.evaluation.taste_map import taste_map
    from shelfaware.recommending.taste import book_map

    shown = book_map(model, library)
    kind = "simulated " if model.simulated else ""
    subtitle = (
        f"{len(shown.book_index):,} books by how {kind}readers rate them; filled: you gave {model.scale.loved:g} or more, "
        "hollow: less, star: the middle of those you loved"
    )
    return save(taste_map(shown, model.catalogue, model.scale.loved, subtitle), out / "taste-map")


VERBS = (taste,)
