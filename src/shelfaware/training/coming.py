"""What the legs of a training need, each made by a thread while the leg before is trained on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

One = TypeVar("One")


class Coming(Generic[One]):
    """`make(epoch, leg)`, both from 0, asked for in their order or, after a run that goes on, from anywhere on."""

    def __init__(self, make: Callable[[int, int], One], epochs: int, legs: int) -> None:
        self.make, self.epochs, self.legs = make, epochs, legs
        self._beside = ThreadPoolExecutor(1, "coming")
        self._next: tuple[tuple[int, int], Future[One] | None] = (0, 0), None

    def __call__(self, epoch: int, leg: int) -> One:
        key, coming = self._next
        one = coming.result() if coming and key == (epoch, leg) else self.make(epoch, leg)
        following = (epoch, leg + 1) if leg + 1 < self.legs else (epoch + 1, 0)
        going_on = following[0] < self.epochs
        self._next = following, self._beside.submit(self.make, *following) if going_on else None
        return one
