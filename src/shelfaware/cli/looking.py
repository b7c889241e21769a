"""Verbs that look: at a dataset, at the models there are, at this machine; and the demo."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from shelfaware.cli.options import Dataset, Json, Seed
from shelfaware.cli.showing import SIMULATED, note, number, put_json, put_table


def sample(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Dataset folder to write.")],
    users: Annotated[int, typer.Option("--users", min=1, max=1_000_000, help="How many simulated users.")] = 8000,
    books: Annotated[int, typer.Option("--books", min=0, help="So many made books instead of the well-known ones.")] = 0,
    ratings: Annotated[int, typer.Option("--ratings", min=0, help="About so many ratings; 0 for 15 a user.")] = 0,
    seed: Seed = 0,
) -> None:
    """Write the sample: real, well-known books and simulated ratings with a planted truth. Of any size, in bounded memory."""
    from shelfaware.cli.import_progress import shown
    from shelfaware.data.made_books import made_books
    from shelfaware.data.planted import MEDIAN_RATED, median_for
    from shelfaware.data.simulator import Simulator, load_catalogue, simulate_parts

    median = median_for(ratings, users) if ratings else MEDIAN_RATED
    simulator = Simulator(made_books(books, seed) if books else load_catalogue(), users, seed, median)
    with shown() as watch:
        about, truth_mse = simulate_parts(simulator, out, watch)
    note(
        f"{about.ratings:,} simulated ratings and {about.rows - about.ratings:,} unrated shelf states "
        f"of {about.n_books:,} books by {about.n_users:,} users"
    )
    note(f"Whoever knew the planted truth would have a mean squared error of {truth_mse:.4f} stars^2.")
    note(SIMULATED)
    note(f"The dataset is in {out}; next: shelfaware train {out} --out model --holdout random:0.1")


def describe(dataset: Dataset, as_json: Json = False) -> None:
    """What is in a dataset: counts, stars, shelves, times."""
    from shelfaware.data.dataset import describe as described
    from shelfaware.data.parts import Parts

    facts = described(Parts.open(dataset))
    if as_json:
        return put_json(facts)
    put_table(f"{dataset} ({facts['source']})", ("", ">"), _facts(facts))
    put_table("Stars", ("stars", "> % of ratings"), [(k, number(v, 1)) for k, v in facts["stars_percent"].items()])
    if facts["simulated"]:
        note(SIMULATED)
    return note(f"Next: shelfaware train {dataset} --out model --holdout random:0.1")


def _facts(facts: dict[str, Any]) -> list[tuple[str, str]]:
    spread = facts["ratings_per_user"] or {"median": 0, "mean": 0, "max": 0}
    rows = [
        ("ratings", f"{facts['ratings']:,}"),
        ("on a shelf without stars: read", f"{facts['read_unrated']:,}"),
        ("on a shelf without stars: to read", f"{facts['shelves']['to_read']:,}"),
        ("users (who rated)", f"{facts['users']:,} ({facts['users_who_rated']:,})"),
        ("books (rated)", f"{facts['books']:,} ({facts['books_rated']:,})"),
        ("share of all user-book pairs that are rated, %", number(100 * facts["density"], 2)),
        ("ratings a user: median, mean, most", f"{spread['median']:g}, {spread['mean']:.1f}, {spread['max']:,}"),
        ("mean stars", number(facts["mean_stars"], 2)),
    ]
    if facts["time"]:
        rows.append(("from, to", f"{facts['time']['first'][:10]}, {facts['time']['last'][:10]}"))
    return rows


def models(as_json: Json = False) -> None:
    """The models that `train` knows."""
    import inspect

    from shelfaware.models.registry import MODELS, VARIANTS

    about = {name: inspect.cleandoc(model.__doc__ or "").split("\n")[0].rstrip(":") for name, model in MODELS.items()}
    about |= {name: text for name, (text, _) in VARIANTS.items()}
    if as_json:
        return put_json([{"model": name, "about": text} for name, text in about.items()])
    return put_table("Models", ("model", "what it is"), list(about.items()))


def doctor(as_json: Json = False) -> None:
    """Versions, devices, threads and folders; what is missing, and the command that installs it."""
    from shelfaware.cli.checkup import checkup

    facts = checkup()
    if as_json:
        return put_json(facts)
    rows = [(name, ", ".join(value) if isinstance(value, list) else str(value)) for name, value in facts.items()]
    return put_table("This machine", ("", ""), rows)


READER = """Title,Author,ISBN13,My Rating,Exclusive Shelf
"Dune (Dune, #1)",Frank   Herbert,9780441172719,5,read
Neuromancer,William Gibson,,4,read
Pride & Prejudice,Jane Austen,,2,read
The Left Hand of Darkness,Ursula K. Le Guin,,5,read
Brave New World,Aldous Huxley,,4,read
"Twilight (The Twilight Saga, #1)",Stephenie Meyer,,1,read
"The Hobbit, or There and Back Again",J.R.R. Tolkien,,0,to-read
Farenheit 451,Ray Bradbury,,4,read
"""
"""A made reader, as Goodreads would export them; the last title is misspelt."""


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the sample, the model and the plots.")] = Path(
        "build/demo"
    ),
) -> None:
    """The whole way on the simulated sample: data, training, score, books with reasons, plots."""
    from shelfaware.cli.answering import recommend, similar
    from shelfaware.cli.judging import compare, plot
    from shelfaware.cli.training import train

    data, model, mine = out / "sample", out / "model", out / "mine.csv"
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        (f"sample --out {data}", lambda: sample(data)),
        (f"describe {data}", lambda: describe(data)),
        (f"train {data} --out {model} --holdout random:0.1", lambda: train(data, model, holdout="random:0.1")),
        (f"compare {data} --models mean,bias,gp", lambda: compare(data, models="mean,bias,gp")),
        (
            f"recommend {model} --library {mine} -n 3 --why",
            lambda: recommend(model=model, files=[mine], n=3, why=True),
        ),
        (f"similar {model} Dune -n 5", lambda: similar(model, "Dune", n=5)),
        (f"plot {model} --out {out / 'plots'}", lambda: plot(model, out / "plots")),
    )
    out.mkdir(parents=True, exist_ok=True)
    mine.write_text(READER, encoding="utf-8")
    for title, verb in steps:
        sys.stdout.flush()
        note(f"\n$ shelfaware {title}")
        verb()


VERBS = (sample, describe, models, doctor, demo)
