"""GMF: the notebook's network, to the letter as the preset `notebook`, mended by default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from shelfaware.arrays import AnyArray, Floats
from shelfaware.data.interactions import Interactions
from shelfaware.errors import TrainingError
from shelfaware.models.base import RatingModel
from shelfaware.models.readers import STRANGER, Readers
from shelfaware.training.history import History
from shelfaware.training.loop import Run, train


class DeadNetworkError(TrainingError):
    """Every draw died: the network returns one number. `arrays` and `history` are the last draw's, to look at."""

    def __init__(self, arrays: dict[str, AnyArray], history: History) -> None:
        self.arrays, self.history = arrays, history
        super().__init__(
            f"the network died in each of {history.redraws + 1} draws: its relu is 0 for every pair, so it predicts one "
            "number; try another seed or a lower learning rate"
        )

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, AnyArray], History]]:
        """Errors cross processes whole."""
        return type(self), (self.arrays, self.history)


@dataclass(kw_only=True, eq=False)
class GMF(RatingModel):
    """prediction = a relu(w . (u_user * v_book) + c) + d  (+ b_user + b_book), u, v in R^factors; dropout on u * v.

    The generalised matrix factorisation of He et al. 2017 ("Neural Collaborative Filtering"), trained on squared error by
    just-in-time Adam. `biases` adds both biases, a living start and weight decay (`gmf_network.batch_loss`); without them
    it is the original's network. A dead draw is drawn again, at most `max_redraws` times, and never returned.

    The network has a vector for each user it was trained on. Anybody else gets the prediction of a user vector of zeros.
    """

    name: ClassVar[str] = "gmf"
    in_epochs: ClassVar[bool] = True
    holds_users: ClassVar[bool] = True

    factors: int = 64
    epochs: int = 10
    batch_size: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    dropout: float = 0.2
    biases: bool = True
    max_redraws: int = 20
    patience: int | None = None

    @classmethod
    def notebook(cls, *, seed: int = 0, factors: int = 99) -> Self:
        """The original: 99 factors, batches of 32, 10 epochs, learning rate 1e-3, no biases, no decay."""
        return cls(seed=seed, factors=factors, batch_size=32, learning_rate=1e-3, weight_decay=0.0, biases=False)

    def _fit(self, train_data: Interactions, validation: Interactions | None, run: Run) -> dict[str, AnyArray]:
        from shelfaware.models.gmf_network import GMFLearner, Ratings

        def rows(data: Interactions) -> Ratings:
            rated = data.ratings()
            return Ratings(rated.user_index, rated.book_index, rated.stars)

        watched = train_data.take(np.zeros(len(train_data), bool)) if validation is None else validation
        learner = GMFLearner(self, rows(train_data), rows(watched), train_data.n_users, train_data.n_books)
        identity = f"{self.name} {self.config} {train_data.fingerprint} {watched.fingerprint}"
        tables, history = train(learner, run, identity=identity, patience=self.patience, max_redraws=self.max_redraws)
        self.history = history
        arrays: dict[str, AnyArray] = {
            "center": np.array([train_data.stars[train_data.rated].mean(dtype=np.float64)]),
            "users": tables.users,
            "books": tables.books,
            "head": tables.head[0],
        }
        if learner.are_dead(tables):
            raise DeadNetworkError(arrays, history)
        return arrays

    def _expect(self, readers: Readers) -> Floats:
        users, books, head = (self.arrays[name].astype(np.float64) for name in ("users", "books", "head"))
        users = np.where(readers.user_index[:, None] == STRANGER, 0.0, users[readers.user_index])  # [b, width]
        (w, (c, a, d)), k = (head[:-3], head[-3:]), self.factors
        stars = a * np.maximum((users[:, :k] * w) @ books[:, :k].T + c, 0.0) + d  # [b, n_books]
        return np.asarray(stars + users[:, k:] + books[:, k:].T if self.biases else stars)

    def _vectors(self) -> Floats:
        return np.asarray(self.arrays["books"][:, : self.factors] * self.arrays["head"][:-3], np.float64)
