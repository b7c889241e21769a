"""The notebook's matrices."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_matrix, csr_array, save_npz

from shelfaware.data.importers import import_matrices
from shelfaware.data.matrices import read_matrices
from shelfaware.data.splits import split
from shelfaware.errors import DataError

STARS = np.array([[0, 5, 0], [0, 0, 0], [3, 0, 1], [0, 0, 0]])
READ = np.array([[0, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 0]])
SHELVED = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 0]])


def saved(folder: Path, name: str, matrix: Any) -> Path:
    save_npz(folder / name, matrix)
    return folder / name


@pytest.fixture
def three(tmp_path: Path) -> tuple[Path, ...]:
    formats = (csr_array(STARS), coo_matrix(READ), coo_matrix(SHELVED).tocsc())
    return tuple(saved(tmp_path, f"{i}.npz", matrix) for i, matrix in enumerate(formats))


def test_matrices_by_hand(three: tuple[Path, ...]) -> None:
    data, report = import_matrices(three[0], three[1], three[2])
    assert (data.n_users, data.n_books, data.n_ratings) == (4, 3, 3)
    assert data.user_index.tolist() == [0, 0, 1, 2, 2]
    assert data.book_index.tolist() == [0, 1, 1, 0, 2]
    assert np.nan_to_num(data.stars).tolist() == [0, 5, 0, 3, 1]
    assert data.shelf.tolist() == [1, 0, 0, 0, 0]
    assert (report.rows_read, report.rows_kept, report.drops) == (5, 5, ())


def test_ratings_alone(three: tuple[Path, ...]) -> None:
    data, _ = import_matrices(three[0])
    assert (len(data), data.n_users, data.n_books, data.has_shelves) == (3, 4, 3, False)


def test_shelved_without_read(three: tuple[Path, ...]) -> None:
    data, _ = import_matrices(three[0], None, three[2])
    assert data.shelf.tolist() == [1, 0, 1, 0, 0]


def test_stored_zeros_are_no_ratings(tmp_path: Path) -> None:
    matrix = coo_matrix((np.array([0, 4]), (np.arange(2), np.arange(2))), shape=(2, 2))
    assert len(import_matrices(saved(tmp_path, "m.npz", matrix))[0]) == 1


def test_the_notebooks_split(real_data: Path) -> None:
    folder = real_data / "goodreads-fantasy"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    stars, read, shelved = (folder / f"{name}_matrix_shrunk.npz" for name in ("rating", "isRead", "shelved"))
    data, _ = import_matrices(stars, read, shelved)
    assert (data.n_users, data.n_books, data.n_ratings) == (20_000, 426, 167_710)
    assert (len(data), int((data.shelf == 0).sum())) == (255_480, 174_895)
    train, test = split(data, "notebook")
    assert (train.n_ratings, test.n_ratings) == (150_939, 16_771)
    cells = np.sort(test.user_index.astype("<i8") * 426 + test.book_index)
    assert hashlib.sha256(cells.tobytes()).hexdigest() == "f1ae80dd937605c9ebd4850b8ceda161bc9f80e555f13b09f40799c5e12eaa8c"


def test_shapes_must_agree(three: tuple[Path, ...], tmp_path: Path) -> None:
    wide = saved(tmp_path, "wide.npz", coo_matrix((4, 5)))
    with pytest.raises(DataError, match=r"wide\.npz is 4 x 5 and 0\.npz 4 x 3"):
        read_matrices(three[0], wide)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (([3.0, 3.0], ([1, 1], [2, 2])), "the cell of user 1, book 2 stands twice"),
        (([3.0, np.nan], ([0, 1], [0, 0])), "the cell of user 1, book 0 is not a finite number"),
        (([3.0, 9.0], ([0, 1], [0, 0])), "user 1, book 0 has 9 stars"),
        (([1j], ([0], [0])), "not a matrix of numbers"),
        (([0.0], ([0], [0])), "no rows"),
    ],
)
def test_bad_cells(tmp_path: Path, cells: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        import_matrices(saved(tmp_path, "m.npz", coo_matrix(cells, shape=(3, 3))))


def test_files_that_are_no_matrix(tmp_path: Path) -> None:
    good = saved(tmp_path, "good.npz", csr_array(STARS)).read_bytes()
    np.savez(tmp_path / "arrays.npz", a=np.arange(3))
    np.save(tmp_path / "array.npy", np.arange(3))
    np.savez(tmp_path / "pickled.npz", format=np.array("coo"), data=np.array([{}], dtype=object))
    broken = csr_array(STARS)
    broken.indices = broken.indices + 7
    save_npz(tmp_path / "indices.npz", broken)
    (tmp_path / "text.npz").write_text("user,book,rating\n")
    (tmp_path / "cut.npz").write_bytes(good[:-40])
    (tmp_path / "empty.npz").write_bytes(b"")
    names = ("arrays.npz", "array.npy", "pickled.npz", "indices.npz", "text.npz", "cut.npz", "empty.npz")
    for name in names:
        with pytest.raises(DataError, match=f"{name} is not a sparse matrix"):
            read_matrices(tmp_path / name)
    with pytest.raises(DataError, match="there is no file"):
        read_matrices(tmp_path / "none.npz")


def test_any_damage_is_refused_or_harmless(tmp_path: Path) -> None:
    """One bit flipped at 200 places: one sentence, or the matrix as it was (zip has bytes that mean nothing)."""
    path = saved(tmp_path, "m.npz", csr_array(STARS))
    good, rows = path.read_bytes(), read_matrices(path)[0]
    for place in np.random.default_rng(0).choice(8 * len(good), 200, replace=False):
        flipped = bytearray(good)
        flipped[place // 8] ^= 1 << (place % 8)
        path.write_bytes(flipped)
        try:
            found = read_matrices(path)[0]
        except DataError:
            continue
        assert found.equals(rows)
