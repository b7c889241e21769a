"""What `import shelfaware` gives: every name, documented; and the example that stands in the README."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import shelfaware
from shelfaware.data.dataset import save
from shelfaware.data.simulator import load_catalogue, simulate

NAMES = {"load", "split", "GP", "GMF", "EASE", "Bias", "Mean", "Popularity", "evaluate", "recommend", "load_model", "compare"}


@pytest.mark.parametrize("name", shelfaware.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    thing = getattr(shelfaware, name)
    if name == "__version__":
        assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", thing)
        return
    assert inspect.getdoc(thing)
    assert thing.__module__.startswith("shelfaware.")
    assert thing.__name__ == name


@pytest.mark.parametrize("name", sorted(set(shelfaware.__all__) - {"__version__"}))
def test_every_argument_is_annotated(name: str) -> None:
    thing = getattr(shelfaware, name)
    methods = [method for called, method in inspect.getmembers(thing, inspect.isfunction) if not called.startswith("_")]
    for function in methods if inspect.isclass(thing) else [thing]:
        parameters = [one for one in inspect.signature(function).parameters.values() if one.name not in ("self", "cls")]
        assert all(one.annotation is not inspect.Parameter.empty for one in parameters), function


def test_what_people_come_for_is_there() -> None:
    assert set(shelfaware.__all__) >= NAMES
    assert dir(shelfaware) == sorted(shelfaware.__all__)
    assert not hasattr(shelfaware, "nonsense")
    with pytest.raises(AttributeError, match="module 'shelfaware' has no attribute 'nonsense'"):
        _ = shelfaware.nonsense  # type: ignore[attr-defined]


def test_every_error_is_a_shelfaware_error() -> None:
    from shelfaware import errors

    tree = [one for _, one in inspect.getmembers(errors, inspect.isclass)]
    assert len(tree) > 5
    assert all(issubclass(one, shelfaware.ShelfawareError) and one.__doc__ for one in tree)


def example() -> str:
    """The indented lines of the package's docstring."""
    lines = (shelfaware.__doc__ or "").splitlines()
    return inspect.cleandoc("\n" + "\n".join(line for line in lines if line.startswith("    ") or not line).strip("\n"))


def test_the_readme_has_the_same_example() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert [block.strip() for block in blocks] == [example().strip()]


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    save(simulate(load_catalogue(), n_users=200).data, "build/demo/sample")
    exec(compile(example(), "README.md", "exec"), {})  # noqa: S102
    mse, *books = capsys.readouterr().out.splitlines()
    assert 0.3 < float(mse) < 1.5
    assert len(books) == 3
    assert all(re.fullmatch(r".+: [1-5]\.[0-9], give or take [0-9]\.[0-9]", book) for book in books)
