"""How fast and how large: against Keras in the same run, as whole processes, and for one stranger."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results import SEEDS, Figure

if TYPE_CHECKING:
    from shelfaware import Interactions

ROOT = Path(__file__).parents[1]
SHELFAWARE = str(Path(sys.executable).with_name("shelfaware"))
RIVALS = os.environ.get("RIVALS_PYTHON", str(ROOT / "benchmarks/.venv/bin/python"))
ROUNDS = 3
"""Every time is the median of so many, taken in turn with what it is compared to."""
N_BOOKS = 10_000


def rivals(dataset: Path) -> list[Figure]:
    """One epoch of the notebook's network here and in Keras, in turn; MSE and seconds of Surprise and myFM."""
    import shelfaware

    arrays = arrays_of(shelfaware.split(shelfaware.load(dataset), "notebook"), dataset.with_name("notebook.npz"))
    ours, tensorflow, jax = zip(*(_epochs(dataset, arrays) for _ in range(ROUNDS)), strict=True)

    def times(theirs: tuple[float, ...]) -> list[float]:
        return [their / our for their, our in zip(theirs, ours, strict=True)]

    figures = [
        Figure("notebook epoch: Keras on TensorFlow, times slower", times(tensorflow), 60, None, "x", "median"),
        Figure("notebook epoch: Keras on JAX, times slower", times(jax), 20, None, "x", "median"),
        Figure("notebook epoch: shelfaware", ours, unit="s", judged="median"),
        Figure("notebook epoch: Keras on TensorFlow", tensorflow, unit="s", judged="median"),
        Figure("notebook epoch: Keras on JAX", jax, unit="s", judged="median"),
    ]
    fits = [rival("surprise", arrays, seed) | rival("myfm", arrays, seed, 32) for seed in SEEDS]
    for name in fits[0]:
        figures.append(Figure(f"{name}: test MSE", [fit[name]["mse"] for fit in fits], seeds=SEEDS))
        seconds = [fit[name]["seconds"] for fit in fits]
        figures.append(Figure(f"{name}: fit", seconds, unit="s", judged="median", seeds=SEEDS))
    return figures


def arrays_of(split: Sequence[Interactions], path: Path) -> Path:
    """Training and test ratings as `rivals.py` reads them."""
    parts = []
    for part in split:
        rated = part.ratings()
        order = np.lexsort((rated.user_index, rated.book_index))
        parts.append(np.column_stack([rated.user_index, rated.book_index, rated.stars])[order])
    scale = rated.scale.min, rated.scale.max
    np.savez(path, train=parts[0], test=parts[1], shape=[rated.n_users, rated.n_books], scale=scale)
    return path


def _epochs(dataset: Path, arrays: Path) -> tuple[float, float, float]:
    """Seconds of an epoch after compilation: ours, Keras on TensorFlow, Keras on JAX, one right after the other."""
    import shelfaware

    ours = shelfaware.rerun_notebook(shelfaware.load(dataset))["seconds"]
    tensorflow, jax = (rival("keras", arrays, 2, backend=backend)["seconds"] for backend in ("tensorflow", "jax"))
    return statistics.median(ours[1:]), tensorflow[1], jax[1]


def rival(*arguments: object, backend: str = "tensorflow") -> dict[str, Any]:
    """What `rivals.py` answers in its own environment."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [RIVALS, str(ROOT / "benchmarks/rivals.py"), *map(str, arguments)]
    answer: dict[str, Any] = json.loads(run(command, environment).splitlines()[-1])
    return answer


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Standard output of a command; its complaint ends the measurement."""
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def seconds_of(call: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started


def speed(dataset: Path) -> list[Figure]:
    """Whole processes by the clock, and one stranger at a time in a process that is warm."""
    train = [SHELFAWARE, *TRAIN, str(dataset), "--out", str(dataset.with_name("trained"))]
    whole = [seconds_of(run, train) for _ in range(ROUNDS)]
    return [
        Figure("train --model gp: whole process, with evaluation", whole, None, 15, "s", "median"),
        *strangers(dataset.with_name("large")),
        *startup(),
    ]


TRAIN = ("train", "--model", "gp", "--holdout", "notebook")


def strangers(folder: Path) -> list[Figure]:
    """A model of 10,000 books and 64 factors with its ranker: a stranger's wait, and the folder."""
    in_fresh_process(fit_large, folder)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    loads, waits = in_fresh_process(answer_strangers, folder)
    return [
        Figure("stranger, 50 ratings, 10,000 books: median of 50", [statistics.median(waits)], None, 50, "ms"),
        Figure("stranger, 50 ratings, 10,000 books: 95th percentile", [float(np.quantile(waits, 0.95))], None, 50, "ms"),
        Figure("model folder of 10,000 books: size", [size], None, 40, "MB"),
        Figure("model folder of 10,000 books: load and verify", loads, None, 0.3, "s", "median"),
    ]


def fit_large(folder: Path) -> None:
    """A gp of one epoch on simulated ratings of 10,000 made-up books: neither time nor size depends on how well it learned."""
    import polars as pl

    import shelfaware

    number = pl.int_range(N_BOOKS)
    books = pl.select(
        book_id=number,
        title=pl.format("The {}th Volume of the Long Catalogue", number),
        authors=pl.concat_list(pl.format("Author {}", number % 3000)),
        genres=pl.concat_list(pl.format("genre {}", number % 20)),
    )
    model = shelfaware.GP(epochs=1, factors=64).fit(shelfaware.simulate(shelfaware.Books.of(books)).data)
    model.star_weight = 0.2  # At 0 the stars of the whole catalogue would not be computed, and a stranger would wait less.
    model.save(folder)


def answer_strangers(folder: Path) -> tuple[list[float], list[float]]:
    """Seconds of each load, and milliseconds that each of 50 strangers waits for ten books after one who warmed up."""
    import shelfaware

    loads = [seconds_of(shelfaware.load_model, folder) for _ in range(ROUNDS)]
    model, rng, waits = shelfaware.load_model(folder), np.random.default_rng(0), []
    for _ in range(51):
        rated = rng.choice(N_BOOKS, 50, replace=False).tolist()
        ratings = dict(zip(map(model.catalogue.ids.id_of, rated), rng.integers(1, 6, 50).tolist(), strict=True))
        waits.append(1000 * seconds_of(shelfaware.recommend, model, ratings))
    return loads, waits[1:]


def startup() -> list[Figure]:
    """What a person waits for before anything happens."""
    python, rounds = sys.executable, range(2 * ROUNDS + 1)
    waits = {}
    for name, code in (("import shelfaware", "import shelfaware"), ("every public name", "from shelfaware import *")):
        pairs = [[seconds_of(run, [python, "-c", c]) for c in ("pass", code)] for _ in rounds]
        waits[name] = [loaded - bare for bare, loaded in pairs]
    helps = [[seconds_of(run, [SHELFAWARE, *verb, "--help"]) for _ in range(ROUNDS)] for verb in verbs()]
    return [
        Figure("import shelfaware", waits["import shelfaware"], None, 0.3, "s", "median"),
        Figure("import of every public name of shelfaware", waits["every public name"], unit="s", judged="median"),
        Figure("JAX loaded by every public name (1: yes)", [in_fresh_process(loads_jax)], None, 0),
        Figure("--help of each verb", [statistics.median(times) for times in helps], None, 0.5, "s"),
    ]


def verbs() -> list[list[str]]:
    """Every verb of the command line, those under `import` too."""
    from typer.core import TyperGroup
    from typer.main import get_group

    from shelfaware.cli import build

    commands = get_group(build()).commands
    of_import = commands["import"]
    assert isinstance(of_import, TyperGroup)
    return [[], *([name] for name in commands), *(["import", name] for name in of_import.commands)]


def loads_jax() -> int:
    import shelfaware

    for name in shelfaware.__all__:
        getattr(shelfaware, name)
    return int("jax" in sys.modules)


def memory(dataset: Path) -> list[Figure]:
    """The peak of training, evaluation included, above that of a process that only starts what training stands on."""
    pairs = [(in_fresh_process(peak_of_jax), in_fresh_process(peak_of_training, dataset)) for _ in range(ROUNDS)]
    above = [training - bare for bare, training in pairs]
    return [
        Figure("train --model gp: peak memory above bare JAX", above, None, 300, "MB", "median"),
        Figure("bare JAX: peak memory", [bare for bare, _ in pairs], unit="MB", judged="median"),
    ]


def peak_of_jax() -> float:
    import jax
    import polars  # noqa: F401

    jax.jit(lambda x: x + 1)(1.0).block_until_ready()
    return peak_megabytes()


def peak_of_training(dataset: Path) -> float:
    from shelfaware.cli import main

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as complaint:
        try:
            main([*TRAIN, str(dataset), "--out", str(dataset.with_name("trained"))])
        except SystemExit as end:
            if end.code:
                raise RuntimeError(complaint.getvalue()) from end
    return peak_megabytes()


def peak_megabytes() -> float:
    """VmHWM, the program's own peak in MB (10^6 bytes); ru_maxrss would start at the peak of whoever started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def in_fresh_process(function: Callable[..., Any], *arguments: object) -> Any:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(function, *arguments).result()


def demo(dataset: Path) -> list[Figure]:
    """`scripts/demo`, the whole way on the simulated sample. Needs no `dataset`."""
    run(["scripts/install"])
    return [Figure("scripts/demo, once installed", [seconds_of(run, ["scripts/demo"])], None, 90, "s")]
