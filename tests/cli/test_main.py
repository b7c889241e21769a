"""Every verb, in process: what it prints where, its JSON, its exit code."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from shelfaware.cli import answering, fitting, judging, looking, training
from shelfaware.cli.showing import put_table
from shelfaware.data.dataset import load
from shelfaware.errors import TrainingError
from shelfaware.evaluation import rerun
from shelfaware.models.folder import load_model
from shelfaware.models.gmf import GMF
from shelfaware.training import progress

Command = Callable[..., Any]
BOOK = {"book_id", "title", "authors", "stars", "low", "high", "deviation", "n_ratings", "score", "why"}
SIMULATED = "These ratings are simulated: they show how the program works, and no person's taste.\n"


def python(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", *map(str, arguments)], capture_output=True, text=True)


def test_sample_and_describe(workshop: Path, command: Command, tmp_path: Path) -> None:
    done = command("sample", "--out", tmp_path / "s", "--users", 50, "--seed", 4)
    assert (done.code, done.out) == (0, "")
    assert f"The dataset is in {tmp_path}/s; next: shelfaware train {tmp_path}/s --out model" in done.err
    assert SIMULATED in done.err
    assert load(tmp_path / "s").n_users == 50
    facts = command("describe", workshop / "sample", "--json").json
    assert (facts["users"], facts["simulated"], facts["books"]) == (300, True, 429)
    shown = command("describe", workshop / "sample")
    assert f"{facts['ratings']:,}" in shown.out
    assert SIMULATED in shown.err
    assert all(len(line) <= 80 for line in shown.out.splitlines()[2:])


def test_models_and_doctor(command: Command) -> None:
    about = {row["model"]: row["about"] for row in command("models", "--json").json}
    assert list(about)[:4] == ["gp", "bpmf", "blend", "gmf"]
    assert {"als", "neighbours", "bias", "mean", "popularity", "ease", "gp:ratings", "bpmf:shelves", "gmf:notebook"} <= set(
        about
    )
    assert all(about.values())
    assert "gmf:notebook" in command("models").out
    facts = command("doctor", "--json").json
    assert facts.keys() >= {"shelfaware", "python", "jax", "numpy", "polars", "devices", "threads", "this folder", "missing"}
    assert facts["devices"][0].startswith("cpu")
    assert facts["missing"] == "nothing"
    assert "This machine" in command("doctor").out


def test_train_prints_and_stores_the_figures(workshop: Path, command: Command, tmp_path: Path) -> None:
    done = command("train", workshop / "sample", "--model", "bias", "--out", tmp_path / "m", "--holdout", "random:0.2")
    assert done.code == 0
    stored = json.loads((tmp_path / "m" / "metrics.json").read_bytes())
    assert stored.keys() >= {"mse", "mae", "n", "ndcg_at_10", "ndcg_at_10_unshelved", "coverage_90", "spearman", "auc"}
    assert f"bias on {stored['n']:,} held-out ratings" in done.out
    assert f"{stored['mse']:.3f}" in done.out
    assert "next: shelfaware recommend" in done.err
    answer = command("evaluate", tmp_path / "m", workshop / "sample", "--json").json
    board, sure = stored.pop("leaderboard"), stored.pop("calibration")
    assert stored == {key: answer[key] for key in stored}
    assert {row["model"]: row["value"] for row in board["mse"]}["bias"] == pytest.approx(stored["mse"])
    assert sure is None
    assert answer["simulated"]
    assert {of: sum(decile["n"] for decile in rows) for of, rows in answer["mse_by_ratings_of"].items()} == {
        "user": stored["n"],
        "book": stored["n"],
    }


def test_validation_is_not_trained_on(workshop: Path, command: Command, tmp_path: Path) -> None:
    quick = ("--model", "gmf", "--factors", 2, "--epochs", 1, "--validation", 0.3)
    assert command("train", workshop / "sample", *quick, "--out", tmp_path / "m").code == 0
    origin = json.loads((tmp_path / "m" / "config.json").read_bytes())["origin"]
    ratings = load(workshop / "sample").n_ratings
    assert (origin["validation"], origin["holdout"]) == (0.3, "none")
    assert origin["n_ratings"] == ratings - int(0.3 * ratings)
    assert json.loads((tmp_path / "m" / "metrics.json").read_bytes()) is None


@pytest.fixture
def asked(workshop: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Any]]:
    """The model and the origin that `train` would fit, for some options."""

    def ask(*options: object) -> tuple[Any, Any]:
        caught: list[Any] = []

        def stop(order: fitting.Order) -> None:
            caught.extend([order.model, order.origin])
            raise TrainingError("stopped")

        monkeypatch.setattr(fitting, "fitted", stop)
        done = command("train", workshop / "sample", "--out", tmp_path / "m", *options)
        assert (done.code, done.err) == (2, "shelfaware: stopped\n")
        return caught[0], caught[1]

    return ask


def test_train_hands_every_setting_on(asked: Callable[..., tuple[Any, Any]]) -> None:
    given = {"factors": 5, "epochs": 2, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 0.2, "dropout": 0.3, "seed": 4}
    options = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", value)]
    model, origin = asked("--model", "gmf", *options, "--patience", 1, "--validation", 0.3)
    assert model.name == "gmf"
    assert model.config.items() >= (given | {"patience": 1}).items()
    assert origin.validation == 0.3
    model, origin = asked("--holdout", "user:1")
    assert (model.name, origin.holdout, origin.validation, origin.dataset) == ("gp", "user:1", 0.0, origin.dataset)


def test_the_origin_finds_its_data(asked: Callable[..., tuple[Any, Any]], workshop: Path, tmp_path: Path) -> None:
    _, origin = asked()
    assert not Path(origin.dataset).is_absolute()
    assert (tmp_path / "m" / origin.dataset).resolve() == (workshop / "sample").resolve()
    assert origin.fingerprint == load(workshop / "sample").fingerprint


def test_shelves_are_used_by_default_where_there_are_any(asked: Callable[..., tuple[Any, Any]], workshop: Path) -> None:
    assert load_model(workshop / "gp").uses_shelves
    assert asked("--no-shelves")[0].shelves is False
    assert asked("--shelves")[0].shelves is True
    assert asked("--model", "gp:ratings")[0].shelves is False


def test_the_preset(asked: Callable[..., tuple[Any, Any]]) -> None:
    for named in ([], ["--model", "gmf"]):
        model, origin = asked("--preset", "notebook", *named)
        assert model.config == GMF.notebook().config
        assert origin.validation == 0.2
    assert asked("--preset", "notebook", "--epochs", 3)[0].epochs == 3


def test_patience_has_something_to_watch(asked: Callable[..., tuple[Any, Any]]) -> None:
    assert asked("--patience", 2)[1].validation == 0.1
    assert asked("--patience", 2, "--validation", 0.4)[1].validation == 0.4


def test_recommend_for_a_user(workshop: Path, command: Command) -> None:
    done = command("recommend", workshop / "gp", workshop / "sample", "--user", 7, "-n", 4, "--why", "--json")
    answer = done.json
    assert answer.keys() == {"model_version", "simulated", "recommendations", "library", "unmatched"}
    assert (answer["simulated"], answer["library"], answer["unmatched"]) == (True, None, [])
    assert len(answer["recommendations"]) == 4
    assert answer["model_version"] == json.loads((workshop / "gp" / "config.json").read_bytes())["version"]
    for book in answer["recommendations"]:
        assert book.keys() == BOOK
        assert book["why"].keys() == {"base", "shelves", "books", "rest", "n_rest"}
        assert all(one.keys() == {"book_id", "title", "stars", "share"} for one in book["why"]["books"])
        total = book["why"]["base"] + book["why"]["shelves"] + sum(one["share"] for one in book["why"]["books"])
        assert book["stars"] == pytest.approx(np.clip(total, 1, 5), abs=1e-5)
    without = command("recommend", workshop / "gp", "--user", 7, "-n", 4, "--json")
    assert without.json == answer


def test_recommend_in_words(workshop: Path, command: Command) -> None:
    done = command("recommend", workshop / "gp", "--user", 7, "-n", 3, "--why")
    assert "To read next" in done.out
    assert "as its readers rate it" in done.out
    assert "because you gave" in done.out
    assert "because" not in command("recommend", workshop / "gp", "--user", 7, "-n", 3).out
    assert done.err == SIMULATED


def test_a_ranker_recommends_without_stars(workshop: Path, command: Command) -> None:
    books = command("recommend", workshop / "ease", "--user", 7, "--json").json["recommendations"]
    assert {(book["stars"], book["deviation"], book["why"]) for book in books} == {(None, None, None)}
    assert "To read next" in command("recommend", workshop / "ease", "--user", 7, "--why").out


def test_similar(workshop: Path, command: Command) -> None:
    answer = command("similar", workshop / "gp", "Dune", "-n", 3, "--json").json
    assert answer.keys() == {"model_version", "simulated", "book_id", "similar"}
    assert len(answer["similar"]) == 3
    assert answer["similar"][0].keys() == {"book_id", "title", "authors", "similarity"}
    assert command("similar", workshop / "gp", answer["book_id"], "-n", 3, "--json").json == answer
    shown = command("similar", workshop / "gp", "dune")
    assert "Like Dune" in shown.out
    assert shown.err == SIMULATED


def test_predict(workshop: Path, command: Command, tmp_path: Path) -> None:
    pairs, out, mine = (tmp_path / name for name in ("pairs.csv", "out.csv", "mine.csv"))
    pairs.write_text("user_id,book_id\n1,5\n2,9\n1,5\n")
    mine.write_text("title,rating\nDune,5\n")
    done = command("predict", workshop / "gp", "--pairs", pairs, "--out", out)
    simulated = "These ratings are simulated: they show how the program works, and no person's taste.\n"
    assert (done.code, done.out, done.err) == (0, "", f"{simulated}3 predictions are in {out}\n")
    table = pl.read_csv(out)
    assert table.columns == ["user_id", "book_id", "stars", "deviation"]
    assert table["stars"][0] == table["stars"][2]
    assert command("predict", workshop / "bias", "--pairs", pairs, "--out", out, "--data", workshop / "sample").code == 0
    assert pl.read_csv(out)["deviation"].null_count() == 3
    assert command("predict", workshop / "gp", "--library", mine, "--pairs", pairs, "--out", out).code == 0
    assert pl.read_csv(out).columns == ["book_id", "stars", "deviation"]


def test_notebook(workshop: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    original = GMF.notebook
    monkeypatch.setattr(rerun.GMF, "notebook", lambda *, seed: original(seed=seed, factors=4))
    figures = command("notebook", workshop / "sample", "--seed", 1, "--json").json
    keys = {"train_rows", "validation_rows", "loss", "test_mse", "train_mse", "seconds", "redraws"}
    assert figures.keys() == keys | {"recorded"}
    assert figures["recorded"].keys() == keys
    assert len(figures["loss"]) == len(figures["seconds"]) == 10
    shown = command("notebook", workshop / "sample", "--seed", 1, "--no-redraw")
    assert "120,751" in shown.out
    assert "loss of epoch 10" in shown.out


SIGNALLED = ((signal.SIGINT, 130), (signal.SIGTERM, 143))


def test_an_interrupted_run_goes_on_to_the_same_arrays(
    workshop: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted by Ctrl-C after epoch 2, resumed, interrupted by SIGTERM after epoch 4, resumed: as if never."""

    @contextlib.contextmanager
    def signalling(*_: object) -> Iterator[Callable[[Any], None]]:
        yield lambda record: signal.raise_signal(at[record.epoch]) if record.epoch in at else None

    monkeypatch.setattr(progress, "shown", signalling)
    train = ("train", workshop / "sample", "--model", "gmf", "--factors", 4, "--epochs", 6, "--holdout", "random:0.1", "--out")
    at: dict[int, signal.Signals] = {}
    assert command(*train, tmp_path / "whole").code == 0
    for epoch, (number, code) in zip((2, 4), SIGNALLED, strict=True):
        at = {epoch: number}
        done = command(*train, tmp_path / "parts", *(["--resume"] if epoch == 4 else []))
        assert done.code == code
        assert done.err == f"shelfaware: stopped after epoch {epoch}; run the same command with --resume to go on\n"
        assert not (tmp_path / "parts").exists()
        assert (tmp_path / "parts.checkpoint").exists()
    at = {}
    other = command(*train, tmp_path / "parts", "--resume", "--seed", 1)
    assert other.code == 2
    assert "is of other data or settings; delete it or train without --resume" in other.err
    assert command(*train, tmp_path / "parts", "--resume").code == 0
    assert not (tmp_path / "parts.checkpoint").exists()
    whole, parts = (load_file(tmp_path / name / "arrays.safetensors") for name in ("whole", "parts"))
    assert {name: array.tobytes() for name, array in whole.items()} == {name: a.tobytes() for name, a in parts.items()}


def test_a_process_that_is_terminated_leaves_a_checkpoint_alone(workshop: Path, tmp_path: Path) -> None:
    """SIGTERM once its handler is there, which Linux tells in /proc."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs Linux's /proc")
    train = ["train", workshop / "sample", "--model", "gmf", "--factors", "4", "--epochs", "10000", "--out", tmp_path / "m"]
    script = "import sys; from shelfaware.cli import main; main(sys.argv[1:])"
    with subprocess.Popen([sys.executable, "-c", script, *train], stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            lines = dict(line.split(":\t") for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
            if int(lines["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1:
                process.send_signal(signal.SIGTERM)
                break
        _, error = process.communicate(timeout=60)
    assert process.returncode == 143
    assert error.startswith("shelfaware: stopped after epoch ")
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m.checkpoint"]


def test_a_reader_who_has_seen_enough(workshop: Path) -> None:
    """Standard output closed early is no error to speak of."""
    script = "import sys; from shelfaware.cli import main; main(sys.argv[1:])"
    verb = [sys.executable, "-c", script, "describe", workshop / "sample", "--json"]
    with subprocess.Popen(verb, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""


HEAVY = "[name for name in sys.modules if name in ('jax', 'polars', 'numpy', 'scipy', 'matplotlib', 'sklearn')]"


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["import", "table", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    script = f"import atexit, sys; atexit.register(lambda: print({HEAVY})); from shelfaware.cli import main; main(sys.argv[1:])"
    done = python(script, *arguments)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Usage" in done.stdout


def test_the_package_loads_nothing_heavy() -> None:
    assert python(f"import sys, shelfaware; print({HEAVY})").stdout == "[]\n"
    done = python(f"import sys, shelfaware; shelfaware.simulate; print({HEAVY})")
    assert "jax" not in done.stdout


VERBS = ["sample", "describe", "models", "doctor", "demo", "train", "notebook", "evaluate", "compare", "plot"]
VERBS += ["predict", "recommend", "similar", "import"]
FORMATS = ["matrix", "ucsd", "goodbooks", "movielens", "recbole", "table"]


def test_help_of_every_verb(command: Command) -> None:
    overview = command("--help")
    assert overview.code == 0
    for verb in VERBS:
        assert verb in overview.out
        done = command(verb, "--help")
        assert (done.code, done.err) == (0, "")
        assert f"{verb} [OPTIONS]" in done.out
    for name in FORMATS:
        assert command("import", name, "--help").code == 0


def test_demo(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verbs that the demo calls, and with what; that they work is said elsewhere."""
    rooms = {looking: ["sample", "describe"], training: ["train"], judging: ["compare", "plot"]}
    called: list[str] = []
    for room, verb in [
        (room, verb) for room, verbs in (rooms | {answering: ["recommend", "similar"]}).items() for verb in verbs
    ]:
        monkeypatch.setattr(room, verb, lambda *_, verb=verb, **__: called.append(verb))
    done = command("demo", "--out", tmp_path)
    assert done.code == 0
    assert called == ["sample", "describe", "train", "compare", "recommend", "similar", "plot"]
    assert f"$ shelfaware train {tmp_path}/sample --out {tmp_path}/model --holdout random:0.1" in done.err


def test_a_title_is_text_and_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    put_table("[b]Books[/i]", ("title",), [("closing [/b] tag",), ("[sic]",)])
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("[b]Books[/i]", "closing [/b] tag", "[sic]"))
