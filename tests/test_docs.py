"""What is written down is what there is."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from shelfaware.cli import build

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def rendered() -> str:
    loader = SourceFileLoader("write_cli_docs", str(ROOT / "scripts" / "write-cli-docs"))
    spec = spec_from_loader("write_cli_docs", loader)
    assert spec
    script = module_from_spec(spec)
    loader.exec_module(script)
    return str(script.render())


def test_the_command_reference_is_current(rendered: str) -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == rendered, "run `.venv/bin/python scripts/write-cli-docs`"


def test_the_reference_has_every_verb_and_the_names_that_scripts_rely_on(rendered: str) -> None:
    parts = {part.partition("\n")[0]: part for part in rendered.split("\n## ")[1:]}
    app = build()
    named = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert set(named) <= set(parts)
    options = {
        "train": "--out --model --holdout --shelves/--no-shelves --preset --validation --patience --factors --epochs "
        "--batch-size --learning-rate --weight-decay --dropout --seed --resume",
        "recommend": "--user --library --accept --report --rank-to-read --dislike -n --why --json --csv --html",
        "taste": "--library --out --json",
        "predict": "--pairs --out --library",
        "compare": "--holdout --models --json",
        "evaluate": "--json",
        "describe": "--json",
        "notebook": "--seed --redraw/--no-redraw --json",
        "plot": "--out",
        "sample": "--out --users --books --ratings --seed",
        "import matrix": "--ratings --read --shelved --out",
        "import ucsd": "--min-book-ratings --min-user-ratings --duplicates --max-users --max-books --scale --out "
        "--merge-editions --stream/--no-stream --max-bad-lines",
        "import goodbooks": "--out",
        "import movielens": "--out",
        "import recbole": "--out",
        "import table": "--out --user --book --rating",
    }
    for verb, names in options.items():
        for name in names.split():
            assert f"| `{name}" in parts[verb], (verb, name)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/cli.md",
        "docs/library.md",
        "docs/first-model.md",
        "docs/serve.md",
        "docs/evaluation.md",
        "docs/scale.md",
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
    for link in links:
        assert "://" in link or (path.parent / link).exists(), link


def test_the_verbs_in_the_readme_exist() -> None:
    verbs = set(re.findall(r"^shelfaware ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    app = build()
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert verbs <= known | {group.name for group in app.registered_groups}
    assert {"import", "train", "recommend"} <= verbs
