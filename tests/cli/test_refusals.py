"""What a person can get wrong: exit code 2, nothing on stdout, one sentence on stderr, nothing written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shelfaware.data.dataset import save
from shelfaware.data.interactions import Interactions

Command = Callable[..., Any]

SENTENCES = {
    "describe nowhere": "there is no folder nowhere; make one with `shelfaware import`",
    "describe file": "file is no dataset: it has no dataset.json; make one with `shelfaware import`",
    "describe MODEL": "is no dataset: it has no dataset.json",
    "describe old": "old is a dataset of format 0, this version reads 1; import it again",
    "describe torn": "interactions.parquet is damaged or was changed; import the dataset again",
    "train nowhere --out new": "there is no folder nowhere",
    "train DATA --out new --model svd": "no model is called 'svd'; there are gp, bpmf, blend, gmf, als, autoencoder",
    "train DATA --out new --ray --process-id 1": "--ray starts the processes itself; leave out --coordinator and --process-id",
    "train DATA --out new --model gp:none": "no model is called 'gp:none'",
    "train DATA --out new --model bias --factors 3": "bias has no setting 'factors'; it has book_decay, seed, user_decay",
    "train DATA --out new --model bias --preset notebook": "the preset notebook is of gmf, not of bias",
    "train DATA --out new --model ease --no-shelves": "--no-shelves is a setting of gp and bpmf, not of ease",
    "train DATA --out new --model ease --shelves": "--shelves is a setting of gp and bpmf, not of ease",
    "train DATA --out new --model bias --resume": "bias is fitted at once, so that --resume and --validation mean nothing",
    "train DATA --out new --model als --validation .1": "als is fitted at once, so that --resume and --validation mean nothing",
    "plot DATA --out new --model bias": "--model is the model to fit at each of --factors; give both",
    "compare DATA --models mean --holdout user:1 --folds 3": "folds hold out every rating in turn; leave out the holdout",
    "train tiny --out new --shelves": "this dataset has no shelf states; leave out --shelves",
    "train DATA --out new --model bias --from-parts": "--from-parts is of gp; bias needs all rows in memory",
    "train DATA --out new --from-parts --holdout user:1": "--from-parts holds no rating out; leave out --holdout, or train",
    "train DATA --out new --from-parts --patience 1": "--from-parts holds no rating out; leave out --patience, or train",
    "train DATA --out new --from-parts --validation .1": "--from-parts holds no rating out; leave out --validation, or train",
    "train tiny --out new --model mean --holdout random:0.4": "the split 'random:0.4' holds nothing out of 2 ratings",
    "train tiny --out new --model mean --holdout time:0.5": "a split by time needs a time for every rating",
    "train DATA --out new --holdout random": "the split 'random' needs a share between 0 and 1, such as random:0.1",
    "train DATA --out new --holdout random:1": "the split 'random:1' needs a share between 0 and 1",
    "train DATA --out new --holdout random:nan": "the split 'random:nan' needs a share between 0 and 1",
    "train DATA --out new --holdout user:-1": "the split 'user:-1' needs a whole number of ratings a user",
    "train DATA --out new --holdout thirds": "no split is called 'thirds'; there are none, notebook, random:0.1",
    "train DATA --out file --model mean": "file is in the way: it is not a folder",
    "train DATA --out tiny --model mean": "tiny holds other files (no arrays.safetensors); choose a new folder",
    "train DATA --out file/new --model mean": "could not write",
    "evaluate ALL DATA": "was trained on everything; train it again with --holdout random:0.1 to judge it",
    "evaluate nowhere DATA": "there is no folder nowhere; make one with `shelfaware train`",
    "evaluate DATA DATA": "is no model: it has no manifest.json",
    "evaluate BROKEN DATA": "arrays.safetensors is damaged or was changed; train the model again",
    "evaluate MODEL nowhere": "there is no folder nowhere; make one with `shelfaware import`",
    "evaluate MODEL tiny": "is not the data that",
    "compare DATA --models svd": "no model is called 'svd'",
    "compare DATA --models ,": "there is nothing to compare; name one model or more",
    "compare DATA --models mean --holdout none": "the split 'none' holds nothing out of",
    "recommend MODEL": "say for whom: either a dataset and --user ID, or --library FILE",
    "recommend MODEL --user 1 --library mine.csv": "say for whom: either a dataset and --user ID, or --library FILE",
    "recommend MODEL DATA --library mine.csv": "say for whom: either a dataset and --user ID, or --library FILE",
    "recommend MODEL --user 99999": "user '99999' is not among the 300 known users",
    "recommend MODEL tiny --user 1": "the data's books are not the 429 that the model was trained on",
    "recommend MODEL --library none.csv": "there is no file none.csv",
    "recommend MODEL --library nobook.csv": "nobook.csv has no column for the title, the id or the ISBN of a book",
    "recommend MODEL --library mine.csv --file-scale 5": "a file's scale is written least:most, such as 1:10, not '5'",
    "recommend MODEL --library mine.csv --file-scale 5:1": "a scale goes from its lowest to its highest stars, not from 5 to 1",
    "recommend MODEL --library mine.csv --json --csv": "of --json, --csv and --html, choose one",
    "recommend MODEL --library mine.csv --rank-to-read --dislike": "of --rank-to-read and --dislike, and of",
    "recommend MODEL --library mine.csv --max-pages 300": "this catalogue does not know the pages of any book",
    "recommend MODEL --library mine.csv --accept none.csv": "there is no file none.csv",
    "recommend MODEL --library mine.csv --report nowhere/report.csv": "could not write",
    "recommend BIAS --library mine.csv --adventure 1": "bias does not know how sure it is",
    "recommend EASE --library mine.csv --dislike": "ease ranks books and predicts no stars; train a gp",
    "taste MODEL": "say whose taste: --library FILE",
    "taste MODEL --library unknown.csv": "taste takes a rated book that the model knows, and there is none",
    "taste BIAS --library mine.csv --out new": "bias has no book vectors",
    "recommend GMF --library mine.csv": "gmf has a row for each user it was trained on and cannot answer a stranger",
    "recommend GMF tiny --user 1": "the data's books are not",
    "recommend BROKEN --library mine.csv": "is damaged or was changed",
    "recommend moved --user 1": "moved holds no user and its dataset is not where it was; name the dataset folder",
    "similar MODEL Dun": "no book is titled 'Dun'; the nearest titles are 'Dune Messiah' (id 134); 'Children of Dune' (id 258)",
    "similar MODEL 999999": "no book is titled '999999'",
    "similar BIAS Dune": "bias has no book vectors, so it cannot say which books are alike",
    "predict MODEL --pairs pairs.csv --out out.csv": "pairs.csv, line 3: book '99999' is not among the 429 known books",
    "predict MODEL --pairs mine.csv --out out.csv": "mine.csv has no column for the user",
    "predict GMF --pairs mine.csv --library mine.csv --out out.csv": "cannot answer a stranger",
    "predict EASE --pairs pairs.csv --out out.csv": "ease ranks books and predicts no stars; train a gp",
    "predict MODEL --pairs good.csv --out nowhere/out.csv": "could not write",
    "notebook nowhere": "there is no folder nowhere",
    "plot nowhere --out new": "there is no folder nowhere",
    "plot BROKEN --out new": "is damaged or was changed",
    "plot MODEL --out new --factors 4,8": "is a model; --factors fits models to a dataset",
    "train DATA --out new --patience 2 --validation 0": "--patience needs ratings to watch",
    "plot MODEL --out file": "could not write file",
    "sample --out file": "file is in the way: it is not a folder",
    "sample --out MODEL": "holds other files (no dataset.json); choose a new folder",
    "import table none.csv --out new": "there is no file none.csv",
    "import table mine.csv --out new": "mine.csv",
    "import matrix --ratings mine.csv --out new": "mine.csv is not a sparse matrix saved by scipy.sparse.save_npz",
}
"""DATA, MODEL and other words in capitals stand for the folders of the workshop."""


@pytest.fixture
def words(workshop: Path, damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Stands in a folder with good and bad files; what the words in capitals mean."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "mine.csv").write_text("title,rating\nDune,5\n")
    (tmp_path / "unknown.csv").write_text("title,rating\nNothing Known,5\n")
    (tmp_path / "nobook.csv").write_text("colour,rating\nred,5\n")
    (tmp_path / "good.csv").write_text("user_id,book_id\n1,5\n")
    (tmp_path / "pairs.csv").write_text("user_id,book_id\n1,5\n1,99999\n")
    rows = pl.DataFrame({"user_id": [1, 2], "book_id": [5, 5], "stars": [4.0, 3.0]})
    for name in ("tiny", "old", "torn"):
        save(Interactions.from_frame(rows), name)
    about = json.loads(Path("old/dataset.json").read_bytes())
    Path("old/dataset.json").write_text(json.dumps(about | {"format_version": 0}))
    Path("torn/interactions.parquet").write_bytes(Path("torn/interactions.parquet").read_bytes()[:-1])
    shutil.copytree(workshop / "bias", "moved")
    models = {name.upper(): workshop / name for name in ("gmf", "bias", "ease", "all")}
    return models | {"DATA": workshop / "sample", "MODEL": workshop / "gp", "BROKEN": damaged}


@pytest.mark.parametrize(("line", "sentence"), SENTENCES.items(), ids=SENTENCES)
def test_one_sentence(line: str, sentence: str, words: dict[str, Path], command: Command) -> None:
    here = sorted(Path.cwd().iterdir())
    done = command(*(words.get(word, word) for word in line.split()))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("shelfaware: ")
    assert done.err.count("\n") == 1
    assert sentence in done.err
    assert sorted(Path.cwd().iterdir()) == here


USAGE = {
    "": "Usage",
    "nosuchverb": "No such command 'nosuchverb'",
    "import": "Usage",
    "import nothing": "No such command 'nothing'",
    "train": "Missing argument 'DIR'",
    "train DATA": "Missing option '--out'",
    "train DATA --out new --wrong": "No such option: --wrong",
    "train DATA --out new --factors 0": "Invalid value for '--factors'",
    "train DATA --out new --factors many": "Invalid value for '--factors'",
    "train DATA --out new --epochs -1": "Invalid value for '--epochs'",
    "train DATA --out new --batch-size 0": "Invalid value for '--batch-size'",
    "train DATA --out new --learning-rate -0.1": "Invalid value for '--learning-rate'",
    "train DATA --out new --learning-rate nan": "Invalid value for '--learning-rate'",
    "train DATA --out new --weight-decay -1": "Invalid value for '--weight-decay'",
    "train DATA --out new --dropout 1": "Invalid value for '--dropout'",
    "train DATA --out new --patience 0": "Invalid value for '--patience'",
    "train DATA --out new --validation 2": "Invalid value for '--validation'",
    "train DATA --out new --seed -1": "Invalid value for '--seed'",
    "train DATA --out new --preset other": "Invalid value for '--preset'",
    "evaluate MODEL": "Missing argument 'DIR'",
    "recommend MODEL --user 1 -n 0": "Invalid value for '-n'",
    "recommend MODEL --user 1 -n two": "Invalid value for '-n'",
    "similar MODEL": "Missing argument 'BOOK'",
    "predict MODEL --out out.csv": "Missing option '--pairs'",
    "sample --out new --users 0": "Invalid value for '--users'",
    "compare DATA --seed 99999999999": "Invalid value for '--seed'",
    "import table good.csv --out new --duplicates some": "Invalid value for '--duplicates'",
}


@pytest.mark.parametrize(("line", "sentence"), USAGE.items(), ids=USAGE)
def test_a_command_that_cannot_be_understood(line: str, sentence: str, words: dict[str, Path], command: Command) -> None:
    here = sorted(Path.cwd().iterdir())
    done = command(*(words.get(word, word) for word in line.split()))
    assert done.code == 2
    assert sentence in done.out + done.err
    assert "Traceback" not in done.err
    assert sorted(Path.cwd().iterdir()) == here
