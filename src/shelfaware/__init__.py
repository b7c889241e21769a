"""shelfaware: book recommendations from ratings. Learns in seconds, says how sure it is, and why.

    import shelfaware

    data = shelfaware.load("build/demo/sample")
    train, test = shelfaware.split(data, "random:0.1")
    model = shelfaware.GP(seed=0).fit(train)
    print(shelfaware.evaluate(model, test)["mse"])
    for book in shelfaware.recommend(model, {"Dune": 5, "Emma": 2}, n=3):
        print(f"{book.title}: {book.stars:.1f}, give or take {book.deviation:.1f}")

Every name here is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shelfaware.data.books import Books as Books
    from shelfaware.data.dataset import describe as describe
    from shelfaware.data.dataset import load as load
    from shelfaware.data.dataset import save as save
    from shelfaware.data.ids import IdMap as IdMap
    from shelfaware.data.interactions import Interactions as Interactions
    from shelfaware.data.interactions import Scale as Scale
    from shelfaware.data.simulator import load_catalogue as load_catalogue
    from shelfaware.data.simulator import simulate as simulate
    from shelfaware.data.splits import folds as folds
    from shelfaware.data.splits import split as split
    from shelfaware.errors import ShelfawareError as ShelfawareError
    from shelfaware.evaluation.compare import compare as compare
    from shelfaware.evaluation.protocol import evaluate as evaluate
    from shelfaware.evaluation.rerun import rerun_notebook as rerun_notebook
    from shelfaware.library.library import Library as Library
    from shelfaware.library.library import read_library as read_library
    from shelfaware.models.als import ALS as ALS
    from shelfaware.models.autoencoder import Autoencoder as Autoencoder
    from shelfaware.models.baselines import Bias as Bias
    from shelfaware.models.baselines import Mean as Mean
    from shelfaware.models.baselines import Popularity as Popularity
    from shelfaware.models.blend import Blend as Blend
    from shelfaware.models.bpmf import BPMF as BPMF
    from shelfaware.models.ease import EASE as EASE
    from shelfaware.models.folder import load_model as load_model
    from shelfaware.models.gmf import GMF as GMF
    from shelfaware.models.gp import GP as GP
    from shelfaware.models.neighbours import Neighbours as Neighbours
    from shelfaware.models.readers import Readers as Readers
    from shelfaware.recommending.answer import rank_to_read as rank_to_read
    from shelfaware.recommending.answer import recommend as recommend
    from shelfaware.recommending.answer import would_dislike as would_dislike
    from shelfaware.recommending.questions import next_question as next_question
    from shelfaware.recommending.taste import taste as taste
    from shelfaware.recommending.wishes import Wishes as Wishes
    from shelfaware.training.loop import Run as Run

__version__ = "0.1.0"

_HOMES = {
    "data.books": ("Books",),
    "data.dataset": ("describe", "load", "save"),
    "data.ids": ("IdMap",),
    "data.interactions": ("Interactions", "Scale"),
    "data.simulator": ("load_catalogue", "simulate"),
    "data.splits": ("folds", "split"),
    "errors": ("ShelfawareError",),
    "evaluation.compare": ("compare",),
    "evaluation.protocol": ("evaluate",),
    "evaluation.rerun": ("rerun_notebook",),
    "library.library": ("Library", "read_library"),
    "models.als": ("ALS",),
    "models.baselines": ("Bias", "Mean", "Popularity"),
    "models.autoencoder": ("Autoencoder",),
    "models.blend": ("Blend",),
    "models.bpmf": ("BPMF",),
    "models.ease": ("EASE",),
    "models.folder": ("load_model",),
    "models.gmf": ("GMF",),
    "models.gp": ("GP",),
    "models.neighbours": ("Neighbours",),
    "models.readers": ("Readers",),
    "recommending.answer": ("rank_to_read", "recommend", "would_dislike"),
    "recommending.questions": ("next_question",),
    "recommending.taste": ("taste",),
    "recommending.wishes": ("Wishes",),
    "training.loop": ("Run",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'shelfaware' has no attribute {name!r}")
    return getattr(import_module(f"shelfaware.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
