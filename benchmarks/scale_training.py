"""Training at scale on simulated ratings: `gp` from parts at growing size and with millions of books, GMF, and rivals.

SCALE_MILLIONS  sizes in millions of ratings, each twice the one before (default 4.425,8.85,17.7,35.4,70.8)
SCALE_BOOKS     books of the large catalogue (default 2360000), 0 leaves it out
What the rivals' environment lacks is said and left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from results import Figure
from timings import RIVALS, ROOT, SHELFAWARE, in_fresh_process, peak_megabytes, run

SIZES = [float(n) for n in os.environ.get("SCALE_MILLIONS", "4.425,8.85,17.7,35.4,70.8").split(",")]
MANY_BOOKS = int(os.environ.get("SCALE_BOOKS", "2360000"))
STUDY, BOOKS, RATINGS_A_USER = 35.4, 14_473, 52.1
"""As in the fantasy part of the UCSD Book Graph without its rare books: 35.4 M ratings of 679,113 users."""
FACTORS, BATCH, EPOCHS = 64, 65_536, 3
MANY_BOOKS_MILLIONS, GMF_MILLIONS, RIVAL_MILLIONS = (min(n, SIZES[-1]) for n in (STUDY, 10, 1.25))
DECAY = 0.3
"""Given, so that one fit is timed; where ours stands beside others it is chosen."""
RIVALS_RUN = ("Surprise SVD", "Surprise SVD++", "implicit ALS", "Spark ALS", "Keras GMF")


def scale_training() -> list[Figure]:
    """Needs 4 GB of disk under TMPDIR, 10 GB of memory for the large catalogue, and some 40 minutes."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        return [*_sizes(place), *_many_books(place), *_gmf(place), *_beside_others(place)]


def _sizes(place: Path) -> list[Figure]:
    """Seconds an epoch are the median of those after the first, which compiles."""
    measured, data = {}, {}
    for millions in SIZES:
        data[millions] = in_fresh_process(simulated, place / "ratings", millions, BOOKS)
        measured[millions] = in_fresh_process(trained, data[millions], FACTORS, EPOCHS)
        print(f"{millions:g} M ratings: an epoch in {measured[millions].seconds:.1f} s", flush=True)
    study = STUDY if STUDY in SIZES else SIZES[-1]
    alone, both = measured[study], _by_processes(data[study], 2)
    doublings = [measured[two].seconds / measured[one].seconds for one, two in pairwise(SIZES)]
    what = f"gp, {FACTORS} factors, {study:g} M ratings of {BOOKS:,} books"
    return [
        Figure(f"{what}: entered a block, one process", [alone.rate / 1e6], unit="M ratings/s"),
        Figure(f"{what}: entered a block, two processes", [entering(data[study]) / both / 1e6], 1, None, "M ratings/s"),
        Figure(f"{what}: peak memory", [alone.peak / 1073.741824], None, 4, "GiB"),
        Figure("gp: an epoch of twice the ratings", doublings, None, 2.1, "x"),
        *(Figure(f"gp, {n:g} M ratings: an epoch", [measured[n].seconds], unit="s") for n in SIZES),
        *(Figure(f"gp, {n:g} M ratings: peak memory", [measured[n].peak], unit="MB") for n in SIZES),
    ]


def _many_books(place: Path) -> list[Figure]:
    """The same number of ratings with few and with millions of books, in turn on the same machine."""
    if not MANY_BOOKS:
        return []
    few, many = (
        in_fresh_process(trained, in_fresh_process(simulated, place / "ratings", MANY_BOOKS_MILLIONS, n), FACTORS, EPOCHS)
        for n in (BOOKS, MANY_BOOKS)
    )
    what = f"gp, {FACTORS} factors, {MANY_BOOKS_MILLIONS:g} M ratings of {MANY_BOOKS:,} books"
    return [
        Figure(f"{what}: share of the speed with {BOOKS:,}", [many.rate / few.rate], 0.5, None),
        Figure(f"{what}: entered a block, one process", [many.rate / 1e6], unit="M ratings/s"),
        Figure(f"{what}: peak memory", [many.peak / 1073.741824], None, 10, "GiB"),
    ]


def _gmf(place: Path) -> list[Figure]:
    data = in_fresh_process(simulated, place / "ratings", GMF_MILLIONS, BOOKS)
    rate = in_fresh_process(trained_gmf, data)
    return [Figure(f"notebook epoch, {GMF_MILLIONS:g} M ratings", [rate / 1e6], 0.5, None, "M ratings/s")]


def _beside_others(place: Path) -> list[Figure]:
    """Held-out tenth, both by one core: MSE, and ratings of the training data gone through a second."""
    arrays = place / "rivals.npz"
    data = in_fresh_process(simulated, place / "ratings", RIVAL_MILLIONS, BOOKS)
    mse, rate, truth = in_fresh_process(judged, data, arrays)
    figures = [
        Figure("truth as planted: MSE", [truth]),
        Figure("gp: MSE", [mse]),
        Figure("gp: ratings of the data a second and epoch", [rate / 1e6], unit="M ratings/s"),
    ]
    for name in RIVALS_RUN:
        found = _rival(name, arrays)
        if "missing" in found:
            print(f"{name} left out: {found['missing']}", flush=True)
            continue
        if "mse" in found:
            figures.append(Figure(f"{name}: MSE", [found["mse"]]))
        figures.append(Figure(f"{name}: ratings of the data a second and epoch", [found["rate"] / 1e6], unit="M ratings/s"))
        figures.append(Figure(f"gp, times faster than {name}", [rate / found["rate"]], 1, None, "x"))
    return figures


def _rival(name: str, arrays: Path) -> dict[str, float | str]:
    """What `scale_rivals.py` answers of one of them, or why there is no answer."""
    if not Path(RIVALS).exists():
        return {"missing": f"there is no {RIVALS}"}
    command = [RIVALS, str(ROOT / "benchmarks/scale_rivals.py"), name, str(arrays)]
    try:
        answer: dict[str, float | str] = json.loads(
            run(command, {"KERAS_BACKEND": "jax", **os.environ, "OMP_NUM_THREADS": "1"}).splitlines()[-1]
        )
    except SystemExit as complaint:
        return {"missing": str(complaint).strip().splitlines()[-1]}
    return answer


def simulated(folder: Path, millions: float, n_books: int) -> Path:
    """A dataset in parts, in a folder of its own."""
    from shelfaware.data.made_books import made_books
    from shelfaware.data.simulator import Simulator, simulate_parts

    folder = folder.with_name(f"{folder.name}-{millions:g}-{n_books}")
    if not folder.exists():
        n_users = round(millions * 1e6 / RATINGS_A_USER)
        simulate_parts(Simulator(made_books(n_books), n_users, 0, RATINGS_A_USER / np.exp(1.25**2 / 2)), folder)
    return folder


def entering(data: Path) -> float:
    """Ratings that enter a block in an epoch: of each user with two or more, as many as a block has places."""
    from shelfaware.data.parts import Parts
    from shelfaware.models.gp import GP

    total = 0
    for part in Parts.open(data):
        counts = part.user_ratings()
        total += int(np.minimum(counts[counts > 1], GP().block_size).sum())
    return float(total)


class Trained(NamedTuple):
    rate: float  # ratings a second that entered a block
    seconds: float  # of an epoch
    peak: float  # MB of the process


def trained(data: Path, factors: int, epochs: int) -> Trained:
    from shelfaware.data.parts import Parts
    from shelfaware.models.gp import GP
    from shelfaware.models.gp_parts import fit_parts

    history = fit_parts(GP(factors=factors, epochs=epochs, batch_size=BATCH, weight_decay=DECAY), Parts.open(data)).history
    assert history is not None
    seconds = float(np.median(history.seconds[1:]))
    return Trained(entering(data) / seconds, seconds, peak_megabytes())


def _by_processes(data: Path, n: int) -> float:
    """Seconds of an epoch of `shelfaware train --processes n`."""
    out = data.with_name("trained")
    given = {"factors": FACTORS, "batch-size": BATCH, "epochs": EPOCHS, "weight-decay": DECAY}
    settings = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    run([SHELFAWARE, "train", str(data), "--out", str(out), *settings, "--from-parts", "--processes", str(n)])
    records = json.loads((out / "history.json").read_text())["records"]
    return float(np.median([record["seconds"] for record in records[1:]]))


def trained_gmf(data: Path) -> float:
    """Ratings a second of the notebook's network in its second epoch; one that died there is as fast."""
    import shelfaware
    from shelfaware.errors import TrainingError
    from shelfaware.models.gmf import GMF
    from shelfaware.training.loop import Run

    rated = shelfaware.load(data).ratings()
    seconds: list[float] = []
    model = GMF.notebook()
    model.epochs, model.max_redraws = 2, 0
    with contextlib.suppress(TrainingError):
        model._fit(rated, None, Run(on_epoch=lambda record: seconds.append(record.seconds)))
    return float(rated.n_ratings / seconds[-1])


def judged(data: Path, arrays: Path) -> tuple[float, float, float]:
    """MSE of a gp on a held-out tenth, ratings of the data a second and epoch, and the MSE of what was planted."""
    import shelfaware
    from shelfaware.data.made_books import made_books
    from shelfaware.data.simulator import Simulator
    from shelfaware.models.gp import GP
    from shelfaware.models.readers import Readers

    train, test = shelfaware.split(shelfaware.load(data), "random:0.1", seed=0)
    held, rated = test.ratings(), train.ratings()
    started, model = time.perf_counter(), GP(factors=FACTORS)
    model.fit_stars(train)
    pairs = held.user_index.astype(np.int64), held.book_index.astype(np.int64)
    guess = held.scale.clip(model._forecast(Readers.of(train), *pairs).stars)
    assert model.history is not None
    rows = [np.column_stack([x.user_index, x.book_index, x.stars]) for x in (rated, held)]
    np.savez(arrays, train=rows[0], test=rows[1], shape=[train.n_users, train.n_books], scale=(1, 5))
    simulator = Simulator(made_books(BOOKS), train.n_users, 0, RATINGS_A_USER / np.exp(1.25**2 / 2))
    truth = float(np.mean((simulator.truth_of(held) - held.stars) ** 2))
    print(f"gp in {time.perf_counter() - started:.0f} s", flush=True)
    return float(np.mean((guess - held.stars) ** 2)), rated.n_ratings / float(np.median(model.history.seconds[1:])), truth
