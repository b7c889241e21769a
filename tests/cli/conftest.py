"""The command in process, and a sample and models made by it once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shelfaware.cli import main


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        return json.loads(self.out, parse_constant=refuse)


Command = Callable[..., Done]


def run_quietly(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `shelfaware` with arguments."""

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        code = run_quietly(*arguments)
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `sample` and the models `gp`, `gmf`, `ease`, `bias` (holdout) and `all` (none). Nobody may change it."""
    folder = tmp_path_factory.mktemp("workshop")
    assert run_quietly("sample", "--out", folder / "sample", "--users", 300) == 0
    quick = {"gp": ("--factors", 4, "--epochs", 3), "gmf": ("--factors", 4, "--epochs", 2)}
    for model in ("gp", "gmf", "ease", "bias"):
        train = ("train", folder / "sample", "--model", model, "--out", folder / model, *quick.get(model, ()))
        assert run_quietly(*train, "--holdout", "random:0.1") == 0
    assert run_quietly("train", folder / "sample", "--model", "mean", "--out", folder / "all") == 0
    return folder


@pytest.fixture
def damaged(workshop: Path, tmp_path: Path) -> Path:
    """The model `bias` with one byte changed."""
    shutil.copytree(workshop / "bias", tmp_path / "damaged")
    arrays = tmp_path / "damaged" / "arrays.safetensors"
    content = bytearray(arrays.read_bytes())
    content[-1] ^= 1
    arrays.write_bytes(content)
    return tmp_path / "damaged"
