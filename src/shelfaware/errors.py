"""Every error that shelfaware raises on purpose. One sentence each: what is wrong, where, what to do."""

from importlib.util import find_spec


class ShelfawareError(Exception):
    """Base of all: the command line prints its sentence and exits with code 2."""


class DataError(ShelfawareError):
    """A table, a dataset folder or a value in it cannot be used as it is."""


class UnknownIdError(ShelfawareError):
    """A user or a book that the data or the model has never seen."""


class ModelError(ShelfawareError):
    """A model folder is damaged, of another version, or asked for what its model cannot do."""


class TrainingError(ShelfawareError):
    """Training cannot go on: the cause is named."""


class EvaluationError(ShelfawareError):
    """An evaluation that would flatter: train and test overlap, a pair has no score, nothing was held out."""


class StorageError(ShelfawareError):
    """The service's database cannot be used now: busy, full, read-only, away, damaged or of a newer version."""


class BusyError(ShelfawareError):
    """The service has more to do than it can take on now; later it can."""


class UnknownProfileError(ShelfawareError):
    """No profile has this id: it was never made, was deleted or has expired."""


class MissingExtraError(ShelfawareError):
    """A part of shelfaware needs libraries that are not installed."""


def need(extra: str, *modules: str) -> None:
    """Raises MissingExtraError, with the command that mends it, unless every one of `modules` is installed."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise MissingExtraError(f"this needs {missing[0]}, which is not installed: pip install 'shelfaware[{extra}]'")
