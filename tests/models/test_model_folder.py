"""A model folder is whole or not there, is what was saved, and holds nobody."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save as pack

from shelfaware.data.dataset import save
from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split
from shelfaware.errors import DataError, ModelError
from shelfaware.models import folder as module
from shelfaware.models.base import Model, Ranker, RatingModel
from shelfaware.models.baselines import Mean
from shelfaware.models.folder import load_model, read_metrics, save_model

Fitted = Callable[[str], Model]
Make = Callable[..., Model]
FIGURES = {"n": 7, "mse": 0.5, "auc": None}
NAMES = {"README.md", "arrays.safetensors", "books.parquet", "config.json", "history.json", "manifest.json", "metrics.json"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rewritten(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Changes a file and its hash, as nobody but an attacker or another version would."""
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    hashes = json.loads((folder / "manifest.json").read_bytes())
    hashes[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(dict(sorted(hashes.items())), indent=2) + "\n")


@pytest.fixture
def saved(fitted: Fitted, tmp_path: Path) -> Path:
    fitted("gp shelves").save(tmp_path / "model", FIGURES)
    return tmp_path / "model"


def test_what_is_loaded_is_what_was_saved(model: Model, planted_split: Split, tmp_path: Path) -> None:
    model.save(tmp_path / "model", FIGURES)
    loaded = load_model(tmp_path / "model")
    assert type(loaded) is type(model)
    assert (loaded.config, loaded.version, loaded.scale) == (model.config, model.version, model.scale)
    assert (loaded.origin, loaded.simulated, loaded.history) == (model.origin, model.simulated, model.history)
    assert loaded.catalogue.table.equals(model.catalogue.table)
    assert read_metrics(tmp_path / "model") == FIGURES
    readers = loaded.know(planted_split[0]).known_readers
    if isinstance(model, Ranker):
        assert isinstance(loaded, Ranker)
        np.testing.assert_allclose(loaded.scores(readers), model.scores(readers), rtol=1e-6)
    if isinstance(model, RatingModel):
        assert isinstance(loaded, RatingModel)
        assert model.ranker
        assert loaded.ranker
        assert loaded.star_weight == model.star_weight
        np.testing.assert_allclose(loaded.ranker.scores(readers), model.ranker.scores(readers), rtol=1e-6)
        np.testing.assert_allclose(loaded.expect(readers), model.expect(readers), rtol=1e-6)
        users, books = list(range(1000, 1300)), [1 + i % 40 for i in range(300)]
        np.testing.assert_allclose(loaded.predict(users, books), model.predict(users, books), rtol=1e-6)


def test_the_files_and_who_may_read_them(saved: Path) -> None:
    assert set(contents(saved)) == NAMES
    assert {path.stat().st_mode & 0o777 for path in saved.iterdir()} == {0o600}
    assert saved.stat().st_mode & 0o777 == 0o700


def test_a_model_that_holds_users_says_whom(fitted: Fitted, planted: Interactions, tmp_path: Path) -> None:
    fitted("gmf").save(tmp_path / "model")
    assert set(contents(tmp_path / "model")) == NAMES | {"users.parquet"}
    loaded = load_model(tmp_path / "model")
    assert loaded.users == planted.users
    fewer = Interactions.from_frame(pl.DataFrame({"user_id": [1000], "book_id": [1], "stars": [5.0]}), books=planted.books)
    with pytest.raises(ModelError, match="the data has other users"):
        loaded.know(fewer)


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """One bit flipped, the end cut off, or a range of zeros."""
    kind, at = rng.integers(3), int(rng.integers(len(content)))
    if kind == 0:
        return content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]
    if kind == 1:
        return content[:at]
    length = int(rng.integers(1, 200))
    return content[:at] + bytes(len(content[at : at + length])) + content[at + length :]


def test_a_thousand_damages_are_a_thousand_refusals(saved: Path, tmp_path: Path) -> None:
    save_model(load_model(saved), tmp_path / "other")
    whole, rng, refused = contents(saved), np.random.default_rng(0), 0
    while refused < 1000:
        name = sorted(whole)[refused % len(whole)]
        content = damaged(whole[name], rng)
        if content == whole[name]:
            continue
        (saved / name).write_bytes(content)
        with pytest.raises(ModelError, match="damaged") as refusal:
            load_model(saved)
        assert "\n" not in str(refusal.value)
        (saved / name).write_bytes(whole[name])
        refused += 1
    assert load_model(saved).version == load_model(tmp_path / "other").version


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_missing_file(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ModelError, match=r"no model: it has no manifest\.json" if name == "manifest.json" else "damaged"):
        load_model(saved)


@pytest.mark.parametrize(
    "manifest", ["", "{}\n", "[]\n", "null\n", '{\n  "name": 5\n}\n', "[" * 100_000, "\ufeff{}", "9" * 5000]
)
def test_a_manifest_that_is_none(saved: Path, manifest: str) -> None:
    (saved / "manifest.json").write_text(manifest)
    with pytest.raises(ModelError, match=r"manifest\.json is damaged"):
        load_model(saved)


def test_a_manifest_that_forgets_a_file(saved: Path) -> None:
    hashes = json.loads((saved / "manifest.json").read_bytes())
    del hashes["arrays.safetensors"]
    (saved / "manifest.json").write_text(json.dumps(hashes, indent=2) + "\n")
    with pytest.raises(ModelError, match=r"does not name arrays\.safetensors"):
        load_model(saved)


def test_another_format_version(saved: Path) -> None:
    rewritten(saved, "config.json", lambda old: old.replace(b'"format_version": 2', b'"format_version": 3'))
    with pytest.raises(ModelError, match="is a model of format 3, this version reads 2; train it again"):
        load_model(saved)


def test_a_number_that_is_not_finite(saved: Path, planted_split: Split, tmp_path: Path) -> None:
    broken = replace(Mean()).fit(planted_split[0])
    broken.arrays = {"center": np.array([np.nan])}
    with pytest.raises(ModelError, match="mean was not saved: its center holds a number that is not finite"):
        broken.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    numbers = load_file(saved / "arrays.safetensors")
    numbers["noise"][3] = np.inf
    rewritten(saved, "arrays.safetensors", lambda _: pack(numbers))
    with pytest.raises(ModelError, match="its noise holds a number that is not finite"):
        load_model(saved)


def test_no_folder_and_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no folder .*nowhere; make one with `shelfaware train`"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(ModelError, match=r"is no model: it has no manifest\.json"):
            load_model(path)


@pytest.mark.parametrize("theirs", ["manifest.json", "config.json", "README.md"])
def test_the_folder_of_something_else_is_not_replaced(fitted: Fitted, tmp_path: Path, theirs: str) -> None:
    (tmp_path / theirs).write_text("{}")
    with pytest.raises(DataError, match="holds other files"):
        fitted("mean").save(tmp_path)
    assert contents(tmp_path) == {theirs: b"{}"}


def test_an_older_model_is_replaced_whole(saved: Path, fitted: Fitted) -> None:
    fitted("mean").save(saved)
    assert load_model(saved).name == "mean"
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


def test_an_older_model_stays_when_a_writer_fails(saved: Path, fitted: Fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(saved)

    def fails(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "model_card", fails)
    with pytest.raises(
        DataError, match=r"could not write .*model: No space left on device; what was there before is untouched"
    ):
        fitted("mean").save(saved)
    assert contents(saved) == before
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from shelfaware.cli import main
main(sys.argv[2:])
"""


@pytest.mark.parametrize("limit", [100, 3000, 20_000])
def test_a_full_disk(planted: Interactions, fitted: Fitted, tmp_path: Path, limit: int) -> None:
    """Python, safetensors and polars each meet the limit in another file."""
    save(planted, tmp_path / "data")
    fitted("bias").save(tmp_path / "model")
    before = contents(tmp_path / "model")
    assert len(before["arrays.safetensors"]) > 3000
    verb = ["train", str(tmp_path / "data"), "--model", "mean", "--out", str(tmp_path / "model")]
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(limit), *verb], capture_output=True, text=True)
    if limit == 20_000:
        assert done.returncode == 0
        return
    assert done.returncode == 2
    assert done.stderr == f"shelfaware: could not write {tmp_path}/model: File too large; what was there before is untouched\n"
    assert contents(tmp_path / "model") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "model"]


@pytest.mark.parametrize("text", [False, True], ids=["numbers", "words"])
@pytest.mark.parametrize("name", ["gp shelves", "ease", "popularity", "mean", "bias"])
def test_nobody_is_in_the_folder(
    make: Callable[..., Model], planted: Interactions, tmp_path: Path, name: str, text: bool
) -> None:
    rng = np.random.default_rng(1)
    ids = rng.choice(10**12 - 10**11, planted.n_users, replace=False) + 10**11
    user_ids = pl.Series([f"reader{one}" for one in ids]) if text else pl.Series(ids)
    rows = planted.to_frame().with_columns(user_ids[planted.user_index].alias("user_id"), pl.col("book_index").alias("book_id"))
    data = Interactions.from_frame(rows)
    model = make(name)
    if "epochs" in model.config:
        model = replace(model, epochs=1)
    model.fit(data).save(tmp_path / "model", FIGURES)
    everything = b"".join(contents(tmp_path / "model").values())
    for one in ids:
        assert str(one).encode() not in everything
        for kind in ("<i8", ">i8", "<f8"):
            assert np.array([one], kind).tobytes() not in everything


def test_the_card(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model", FIGURES)
    card = (tmp_path / "model" / "README.md").read_text()
    assert card.startswith(f"# {model.name}, version {model.version}\n")
    assert f"{model.origin.n_ratings:,} ratings of 40 books, 1 to 5 stars by 1; held out: none" in card
    assert ("It holds a row for each user" if model.holds_users else "It holds nothing of any single user") in card
    assert all(f"- {name}: {value}\n" in card for name, value in model.config.items())
    assert "| mean squared error, stars^2 | 0.5000 |" in card
    assert "AUC" not in card
    assert "simulated" not in card


def test_the_card_says_simulated(planted: Interactions, tmp_path: Path) -> None:
    Mean().fit(replace(planted, simulated=True)).save(tmp_path / "model")
    assert "trained on **simulated** ratings" in (tmp_path / "model" / "README.md").read_text()
    assert load_model(tmp_path / "model").simulated


def test_the_version_is_of_every_fitted_number(fitted: Fitted, planted_split: Split) -> None:
    one, other = Mean().fit(planted_split[0]), Mean().fit(planted_split[0])
    assert one.version == other.version == fitted("mean").version
    assert len(one.version) == 12
    assert int(one.version, 16)
    other.arrays = {"center": np.nextafter(other.arrays["center"], 9)}
    assert other.version != one.version


FIT = """
import sys, shelfaware
data = shelfaware.load(sys.argv[1])
shelfaware.GP(shelves=True, epochs=10, factors=4, block_size=16, batch_size=128).fit(data).save(sys.argv[2])
"""


def test_another_process_and_hash_seed_give_the_same_bytes(saved: Path, planted_split: Split, tmp_path: Path) -> None:
    save(planted_split[0], tmp_path / "data")
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    fit = [sys.executable, "-c", FIT, tmp_path / "data", tmp_path / "other"]
    subprocess.run(fit, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True)
    here, there = ((folder / "arrays.safetensors").read_bytes() for folder in (saved, tmp_path / "other"))
    assert hashlib.sha256(here).hexdigest() == hashlib.sha256(there).hexdigest()
