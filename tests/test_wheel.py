"""What is installed is all of the package: beside the modules what they read, from templates to the catalogue."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="hatchling is not installed; pip install 'shelfaware[dev]'")

from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "shelfaware"

READ = (
    "py.typed",
    "data/catalogue.csv",
    "evaluation/report.css",
    "evaluation/style.mplstyle",
    "serve/static/icon.svg",
    "serve/static/shelfaware.js",
    "serve/static/style.css",
    "serve/storage/migrations/env.py",
    "serve/storage/migrations/script.py.mako",
    "serve/storage/migrations/versions/r0001_profiles.py",
    "serve/templates/about.html",
    "serve/templates/base.html",
    "serve/templates/parts.html",
)

USED = """
import sys
from pathlib import Path
import shelfaware
from shelfaware.serve import app, looks
from shelfaware.serve.storage import open_store
assert Path(shelfaware.__file__).is_relative_to(sys.argv[1]), shelfaware.__file__
assert len(shelfaware.load_catalogue()) > 400
assert "base.html" in looks.ENVIRONMENT.list_templates()
assert open_store(f"sqlite:///{sys.argv[1]}/made/serve.db").ready()
"""
"""The catalogue is read, the templates are found, the migrations run: all from the wheel, nothing from the source."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel as pip would build it."""
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    return Path(built)


def test_every_file_of_the_package_is_in_the_wheel_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {one for one in archive.namelist() if ".dist-info/" not in one}
        assert f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info/licenses/LICENSE" in archive.namelist()
        page = archive.read("shelfaware/serve/templates/about.html")
    files = {one.relative_to(PACKAGE.parent).as_posix() for one in PACKAGE.rglob("*") if one.is_file()}
    assert inside == {one for one in files if "__pycache__" not in one}
    assert {f"shelfaware/{one}" for one in READ} <= inside
    assert page == (PACKAGE / "serve/templates/about.html").read_bytes()


def test_a_wheel_is_enough_to_serve(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", USED, str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_a_source_archive_can_be_built_into_the_same_wheel(wheel: Path) -> None:
    archive = {Path(one.relative_path).as_posix() for one in SdistBuilder(str(ROOT)).recurse_included_files()}
    with zipfile.ZipFile(wheel) as built:
        inside = {one for one in built.namelist() if ".dist-info/" not in one}
    assert {f"src/{one}" for one in inside} | {"pyproject.toml", "README.md", "LICENSE"} <= archive
