"""Several processes that train as one: alike or not at all, and none of them waits for one that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from group import Done, together
from shelfaware.training import processes

SCRIPT = Path(__file__).with_name("scripted.py")
LOST = "another process of this training has ended; start all of them again with --resume\n"


def scripted(folder: Path, what: str, n: int = 2) -> list[Done]:
    return together(SCRIPT, n, folder, what)


def test_all_decide_as_the_first_one_does(tmp_path: Path) -> None:
    """Validation differs in every process: the history is that of process 0 in both."""
    first, second = scripted(tmp_path, "nothing")
    assert (first.code, second.code, first.err, second.err) == (0, 0, "", "")
    assert first.out == second.out
    weights, mse, kept = np.arange(3.0), [], np.zeros(3)
    while len(mse) < 5 and len(mse) - (np.argmin(mse) + 1 if mse else 0) < 2:
        for leg in range(2):
            weights = np.sin(weights * (len(mse) + leg / 2 + 1) + 1.0)
        kept = weights if not mse or weights[0] < min(mse) else kept
        mse.append(float(weights[0]))
    assert first.out == f"{kept.tolist()} {np.argmin(mse) + 1} {mse}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("version", r"process 1 has another version or --processes than process 0 \(shelfaware: 0.0.9 and "),
        ("settings", r"process 1 has another dataset or other settings than process 0"),
        ("damaged", r"the checkpoint .* is damaged"),
    ],
)
def test_one_that_differs_is_refused_by_all(what: str, sentence: str, tmp_path: Path) -> None:
    for done in scripted(tmp_path, what):
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert re.match(sentence, done.err)
    assert [path.name for path in tmp_path.iterdir()] == (["run"] if what == "damaged" else [])


def test_one_is_killed_and_all_go_on_from_the_checkpoint(tmp_path: Path) -> None:
    whole = scripted(tmp_path, "nothing", 3)
    *left, killed = scripted(tmp_path, "kill:2", 3)
    assert killed.code == -9
    for done in left:
        assert (done.code, done.out, done.err) == (2, "", LOST)
    assert (tmp_path / "run").exists()
    assert scripted(tmp_path, "resume", 3) == whole
    assert list(tmp_path.iterdir()) == []


def test_a_signal_to_one_stops_all_after_a_checkpoint(tmp_path: Path) -> None:
    for done in scripted(tmp_path, "signal:1"):
        assert (done.code, done.out) == (143, "")
        assert done.err == "stopped after epoch 1; run the same command with --resume to go on\n"
    assert (tmp_path / "run").exists()


def test_one_process_exchanges_nothing() -> None:
    assert processes.exchanged({"a": None}) == [{"a": None}]
    assert processes.is_first()
    assert processes.shared(lambda: None) is None
    with processes.joined(None):
        pass
