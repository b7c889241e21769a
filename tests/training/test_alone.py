"""Two trainers, one folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shelfaware.errors import DataError, TrainingError
from shelfaware.training.alone import alone

HOLD = """
import sys
from pathlib import Path
from shelfaware.training.alone import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    """The first is another process; then nothing is left beside the folder."""
    out, command = tmp_path / "deeper" / "model", [sys.executable, "-c", HOLD]
    with subprocess.Popen([*command, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        with pytest.raises(TrainingError, match=r"another training is writing .*model; wait for it"), alone(out):
            pass
        with alone(out.with_name("other")):
            pass
        first.communicate()
    assert first.returncode == 0
    with alone(out):
        assert [path.name for path in out.parent.iterdir()] == [".model.training"]
    assert list(out.parent.iterdir()) == []


def test_a_killed_trainer_holds_nothing(tmp_path: Path) -> None:
    out = tmp_path / "model"
    with subprocess.Popen([sys.executable, "-c", HOLD, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        first.kill()
    assert (tmp_path / ".model.training").exists()
    with alone(out):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_lets_go(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="inside"), alone(tmp_path / "model"):
            raise ValueError("inside")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not write"), alone(tmp_path / "file" / "model"):
        pass
