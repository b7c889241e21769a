"""The one converter between what the world calls a thing (id) and its row in a table (index)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from shelfaware.errors import DataError, UnknownIdError

if TYPE_CHECKING:
    from shelfaware.arrays import Indices

Id = int | str

LARGEST_ID = 2**53 - 1
"""Beyond it a number is no longer exact in JSON, in a spreadsheet or in a float64."""

DENSE = 16
"""Up to so many numbers an id are looked up in an array rather than by a join."""

CANONICAL_NUMBER = r"^(0|[1-9][0-9]{0,18})$"


class IdMap:
    """Sorted unique ids; the place of an id is its index. Ids that are all numbers sort as numbers."""

    def __init__(self, ids: pl.Series, kind: str) -> None:
        """`ids`: any order, repeats allowed. `kind` ("user" or "book") is the noun that errors use."""
        self.kind = kind
        self.ids = normalise_ids(ids, kind).unique().sort().alias(f"{kind}_id").rechunk()

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"IdMap({len(self):,} {self.kind} ids)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdMap) and self.ids.dtype == other.ids.dtype and self.ids.equals(other.ids)

    __hash__ = None  # type: ignore[assignment]

    def find(self, ids: pl.Series | Iterable[Id]) -> Indices:
        """Indices of `ids` [n], -1 where an id is unknown."""
        if not isinstance(ids, pl.Series):
            ids = pl.Series([str(one) for one in ids], dtype=pl.String)
        if self.ids.dtype == pl.Int64 and ids.dtype == pl.String:
            # A cast alone would take "007" and "+7" for 7.
            ids = pl.select(pl.when(ids.str.contains(CANONICAL_NUMBER)).then(ids)).to_series()
        wanted = ids.cast(self.ids.dtype, strict=False)
        if self._places is not None and not wanted.null_count() and len(wanted):
            numbers = wanted.to_numpy()
            if numbers.min() >= 0 and numbers.max() < len(self._places):
                found: Indices = self._places[numbers]
                return found
            known = (numbers >= 0) & (numbers < len(self._places))
            return np.where(known, self._places[np.where(known, numbers, 0)], np.int32(-1))
        table = pl.DataFrame({"id": self.ids, "index": np.arange(len(self), dtype=np.int32)})
        joined = pl.DataFrame({"id": wanted}).join(table, on="id", how="left", maintain_order="left")
        return joined["index"].fill_null(-1).to_numpy().astype(np.int32)

    @cached_property
    def _places(self) -> Indices | None:
        """The index of every number up to the last id, -1 of those that are none; None where there are many of those."""
        if self.ids.dtype != pl.Int64 or not len(self.ids) or int(self.ids[-1]) > DENSE * len(self.ids):
            return None
        places = np.full(int(self.ids[-1]) + 1, -1, np.int32)
        places[self.ids.to_numpy()] = np.arange(len(self), dtype=np.int32)
        return places

    def index_of(self, ids: pl.Series | Iterable[Id]) -> Indices:
        """Indices of `ids` [n]. Raises UnknownIdError that names the first unknown id and counts the rest."""
        ids = ids if isinstance(ids, pl.Series) else list(ids)
        index = self.find(ids)
        unknown = np.flatnonzero(index < 0)
        if len(unknown):
            more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
            raise UnknownIdError(
                f"{self.kind} {ids[int(unknown[0])]!r}{more} is not among the {len(self):,} known {self.kind}s"
            )
        return index

    def id_of(self, index: int) -> Id:
        """The id in row `index`, as a plain int or str."""
        one: Id = self.ids[int(index)]
        return one


def normalise_ids(ids: pl.Series, kind: str) -> pl.Series:
    """Int64 where every id is a whole number written plainly, String otherwise. Refuses null, negative and huge ids."""
    if ids.null_count():
        raise DataError(f"{ids.null_count():,} rows have no {kind} id")
    if ids.dtype.is_float():
        whole = ids.cast(pl.Int64, strict=False)
        if whole.null_count() or not bool((whole.cast(pl.Float64) == ids.cast(pl.Float64)).all()):
            raise DataError(f"{kind} ids must be whole numbers or text, not fractions such as {ids[0]}")
        ids = whole
    if not ids.dtype.is_integer():
        ids = ids.cast(pl.String)
        if not len(ids) or not ids.str.contains(CANONICAL_NUMBER).all():
            return ids
    ids = ids.cast(pl.Int128)
    for bad in ids.filter((ids < 0) | (ids > LARGEST_ID)).head(1):
        raise DataError(f"{kind} id {bad} is outside 0 to 2^53 - 1, so it cannot be kept exactly; write ids as text")
    return ids.cast(pl.Int64)
