"""The original notebook's matrices: scipy sparse `.npz` files, users x books."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shelfaware.data.interactions import SHELVES
from shelfaware.errors import DataError

Shape = tuple[int, int]

LONGEST_SIDE = 2**31 - 1


def read_matrices(ratings: Path, read: Path | None = None, shelved: Path | None = None) -> tuple[pl.DataFrame, Shape]:
    """(rows of user_id, book_id, stars and shelf; (n_users, n_books)). Row u and column b are user u and book b.

    ratings  stars; 0 is unrated      read  1 where a book was read      shelved  1 where it is on any shelf

    Read is what has stars or is in `read`; to-read is what is only in `shelved`. The row-major order of the non-zero
    ratings is the order that the split `notebook` draws from, so ids are kept as they are, empty rows and columns too.
    """
    given = {"stars": ratings, "read": read, "to_read": shelved}
    matrices = {kind: _load(path) for kind, path in given.items() if path is not None}
    shape: Shape = matrices["stars"].shape
    for kind, matrix in matrices.items():
        if matrix.shape != shape:
            raise DataError(f"{given[kind]} is {_size(matrix.shape)} and {ratings.name} {_size(shape)}; they must agree")
    cells = pl.concat([_cells(matrix, kind) for kind, matrix in matrices.items()])
    rows = cells.unique(["user_id", "book_id"], keep="first", maintain_order=True)
    return rows.with_columns(pl.col("shelf").cast(pl.Enum(SHELVES))), shape


def _load(path: Path) -> Any:
    """A COO matrix of finite numbers without repeated cells."""
    from scipy.sparse import load_npz

    try:
        with path.open("rb") as file:
            matrix: Any = load_npz(file)
        if matrix.format in ("csr", "csc", "bsr"):
            matrix.check_format(full_check=True)
        cells = matrix.tocoo()
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, NotImplementedError, EOFError, *BROKEN_ZIP):
        raise DataError(f"{path.name} is not a sparse matrix saved by scipy.sparse.save_npz") from None
    if cells.ndim != 2 or max(cells.shape) > LONGEST_SIDE or cells.data.dtype.kind not in "biuf":
        raise DataError(f"{path.name} is not a matrix of numbers, users x books")
    _check_cells(cells, path.name)
    return cells


BROKEN_ZIP = (zipfile.BadZipFile, zlib.error)


def _check_cells(cells: Any, name: str) -> None:
    keys = cells.row.astype(np.int64) * cells.shape[1] + cells.col
    unique, counts = np.unique(keys, return_counts=True)
    faults = {"stands twice": unique[counts > 1], "is not a finite number": keys[~np.isfinite(cells.data)]}
    for fault, where in faults.items():
        if len(where):
            user, book = divmod(int(where[0]), cells.shape[1])
            raise DataError(f"{name}: the cell of user {user}, book {book} {fault}")


def _cells(matrix: Any, kind: str) -> pl.DataFrame:
    """The non-zero cells, in row-major order."""
    kept = np.flatnonzero(matrix.data)
    kept = kept[np.lexsort((matrix.col[kept], matrix.row[kept]))]
    return pl.DataFrame(
        {
            "user_id": matrix.row[kept].astype(np.int64),
            "book_id": matrix.col[kept].astype(np.int64),
            "stars": pl.Series(
                matrix.data[kept].astype(np.float32) if kind == "stars" else [None] * len(kept), dtype=pl.Float32
            ),
            "shelf": pl.Series(["to_read" if kind == "to_read" else "read"] * len(kept), dtype=pl.String),
        }
    )


def _size(shape: Shape) -> str:
    return " x ".join(f"{n:,}" for n in shape)
