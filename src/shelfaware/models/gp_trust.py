"""Where books have few ratings a point estimate of a book vector learns noise: how far to trust a table that `gp` learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.books import Books
from shelfaware.data.interactions import Interactions
from shelfaware.data.splits import Split
from shelfaware.models.baselines import Bias
from shelfaware.models.gp import GP, table_of
from shelfaware.models.readers import Readers
from shelfaware.models.source import Source

TRUSTS = (0.15, 0.25, 0.35, 0.5, 0.75, 1.0)
"""How much of a learned table may be kept; at 0 it would be that of `bias`."""

LEAST_TRUST = 0.02
"""Where nothing is gained: next to nothing in stars, but books stay alike or different."""

LEAST_NOISE = 0.01
"""Stars, where `bias` leaves nothing to explain."""


@dataclass(frozen=True, eq=False)
class Plain:
    """`bias` as a table of `gp`: q = y = z = 0, and its decay of users as s^2 / a^2.

    means  mu, stars [n_books]
    noise  s, stars: root mean square error on ratings of the users that it knows, each left out of their bias
    """

    bias: Bias
    means: Floats
    noise: float

    @classmethod
    def of(cls, source: Source) -> Plain:
        bias, squares, n = Bias(), 0.0, 0
        bias.arrays = bias.learned(source, source.n_books, source.folder)
        for part in source:
            readers = Readers.of(part)
            left_out = bias.left_out(readers)
            assert left_out is not None
            squares += float(((readers.stars[readers.rated] - left_out) ** 2).sum())
            n += part.n_ratings
        means = bias.arrays["center"][0] + bias.arrays["bias"]
        return cls(bias, means, max(np.sqrt(squares / n), LEAST_NOISE))


def toward_bias(arrays: dict[str, AnyArray], plain: Plain, trust: float) -> dict[str, AnyArray]:
    """A table between that of `bias` (trust 0) and `arrays` (trust 1).

    mu lies between on a straight line, a and s on one of logarithms; q, y and z shrink by sqrt(trust), so that the covariance
    of two books shrinks by trust.
    """
    from_bias = {"user_deviation": plain.noise / np.sqrt(max(plain.bias.user_decay, 1e-6)), "noise": plain.noise}
    between = {name: arrays[name] ** trust * start ** (1 - trust) for name, start in from_bias.items()}
    shrunken = {name: np.sqrt(trust) * arrays[name] for name in ("book_vectors", "shelf_vectors")}
    mixed = {**between, **shrunken, "book_means": trust * arrays["book_means"] + (1 - trust) * plain.means}
    return {**arrays, **{name: array.astype(np.float32) for name, array in mixed.items()}}


class Trusted(NamedTuple):
    """How far a table is trusted, and by how much its squared error is then below that of `bias`, on average."""

    trust: float
    gain: float


def whole_trust(model: GP, arrays: dict[str, AnyArray], plain: Plain, cuts: list[Callable[[], Split]]) -> Trusted:
    """All of it, judged on the held-out ratings of `cuts` (learned from, held out), each a part."""
    return Trusted(1.0, _gain(model, arrays, plain, cuts)[0])


def best_trust(model: GP, arrays: dict[str, AnyArray], plain: Plain, cuts: list[Callable[[], Split]]) -> Trusted:
    """The one of TRUSTS by which `arrays` are best for the held-out ratings of `cuts` (learned from, held out), each a part.

    No more than LEAST_TRUST unless it beats `bias` there by more than the standard error of the difference (Breiman et al.
    1984, 3.4.3).
    """
    means, errors = np.array([_gain(model, toward_bias(arrays, plain, trust), plain, cuts) for trust in TRUSTS]).T  # [trusts]
    best = int(means.argmax())
    return Trusted(TRUSTS[best], float(means[best])) if means[best] > errors[best] else Trusted(LEAST_TRUST, 0.0)


def _gain(model: GP, arrays: dict[str, AnyArray], plain: Plain, cuts: list[Callable[[], Split]]) -> tuple[float, float]:
    """By how much the squared error of `arrays` is below that of `bias`, on average, and the standard error of that."""
    table, total, squares, n = table_of(arrays), 0.0, 0.0, 0
    for cut in cuts:
        kept, held = cut()
        readers, held = Readers.of(kept), held.ratings()
        gain = _bias_errors(model, plain.bias, readers, held) ** 2 - model.errors(table, readers, held) ** 2  # [n]
        total, squares, n = total + gain.sum(), squares + (gain**2).sum(), n + len(gain)
    if n < 2:
        return 0.0, 0.0
    return float(total / n), float(np.sqrt(max(squares / n - (total / n) ** 2, 0.0) / n))


def _bias_errors(model: GP, bias: Bias, readers: Readers, held: Interactions) -> Floats:
    stars = bias.forecast(readers, held.user_index, held.book_index).stars
    return np.asarray(model.scale.clip(stars) - held.stars, np.float64)


def with_unrated(arrays: dict[str, AnyArray], books: Books, rated: AnyArray) -> dict[str, AnyArray]:
    """Gives each book that nobody rated the q and mu that its authors, series, genres and decade have elsewhere (`features`).

    They are regressed on what is learned of `rated` books, each column in its deviation; of a book without them q is 0 and mu
    the mean of all stars.
    """
    from shelfaware.models.features import Features, of_books

    if rated.all():
        return arrays
    center, matrix = float(arrays["center"][0]), of_books(books)
    told = np.column_stack([arrays["book_vectors"], arrays["book_means"] - center]).astype(np.float64)  # [n_books, k + 1]
    spread = np.maximum(told[rated].std(axis=0), 1e-6)  # [k + 1]
    told[~rated] = matrix[~rated] @ Features.of(matrix[rated]).fit(told[rated] / spread) * spread
    vectors, means = told[:, :-1].astype(np.float32), (center + told[:, -1]).astype(np.float32)
    return {**arrays, "book_vectors": vectors, "book_means": np.where(rated, arrays["book_means"], means)}
