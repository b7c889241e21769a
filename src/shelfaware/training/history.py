"""What happened while a model learned: one record an epoch, and the counts of what had to be mended on the way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

from shelfaware.arrays import AnyArray, Floats


@dataclass(frozen=True)
class Scores:
    """Means over rows. `loss` is what was minimised; `mse` and `mae` are in stars."""

    loss: float
    mse: float
    mae: float

    @classmethod
    def of_sums(cls, sums: Floats) -> Self:
        """Of the sums over rows of what was minimised, squared errors and absolute errors, and the number of rows [4]."""
        return cls(*(sums[:3] / max(sums[3], 1)).tolist())

    @classmethod
    def of_errors(cls, errors: AnyArray) -> Self:
        return cls.of_sums(sums_of_errors(errors))


def sums_of_errors(errors: AnyArray) -> Floats:
    """Sums as `Scores.of_sums` takes them, of stars minus those that were given [n]: what was minimised are their squares."""
    squared = float(np.sum(errors**2))
    return np.array([squared, squared, float(np.sum(np.abs(errors))), len(errors)])


@dataclass(frozen=True)
class EpochRecord:
    """The one event that callbacks receive. `train` is with dropout on, as it was minimised."""

    epoch: int
    epochs: int
    train: Scores
    validation: Scores | None
    seconds: float


@dataclass
class History:
    """Records of the epochs that count, oldest first.

    best_epoch  the epoch whose state was kept, from 1
    redraws     dead draws that were thrown away
    rollbacks   epochs that were repeated at a lower rate after a loss that was not finite
    """

    records: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    redraws: int = 0
    rollbacks: int = 0

    @property
    def loss(self) -> list[float]:
        return [record.train.loss for record in self.records]

    @property
    def mse(self) -> list[float]:
        return [record.train.mse for record in self.records]

    @property
    def mae(self) -> list[float]:
        return [record.train.mae for record in self.records]

    @property
    def validation_mse(self) -> list[float]:
        return [record.validation.mse for record in self.records if record.validation]

    @property
    def seconds(self) -> list[float]:
        return [record.seconds for record in self.records]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> History:
        records = [
            EpochRecord(
                **{
                    **record,
                    "train": Scores(**record["train"]),
                    "validation": Scores(**record["validation"]) if record["validation"] else None,
                }
            )
            for record in data["records"]
        ]
        return cls(**{**data, "records": records})
