"""Out-of-core training: data far bigger than memory, through ordinary Keras.

>>> import ooc_train
>>> ooc_train.convert("train.csv", "reviews.h5", test=["test.csv"])     # doctest: +SKIP
>>> ooc_train.train("reviews.h5", "runs/reviews")                       # doctest: +SKIP
>>> ooc_train.load("runs/reviews").predict(["An utterly charming film"]) # doctest: +SKIP
['2']

Importing this loads neither TensorFlow nor Numba: each name loads its module when first used.
"""

import importlib

from ooc_train.errors import (
    BudgetError,
    EmptyInputError,
    FormatError,
    InputError,
    Interrupted,
    OocTrainError,
    OptionError,
    OutputError,
)
from ooc_train.version import __version__ as __version__

TYPE_CHECKING = False  # without importing typing, during which Ctrl-C would be a traceback
if TYPE_CHECKING:
    from ooc_train.conversion.convert import convert
    from ooc_train.inspection.describe import inspect
    from ooc_train.inspection.raw.explore import explore
    from ooc_train.inspection.verify import verify
    from ooc_train.prediction.predict import predict
    from ooc_train.prediction.predictor import load
    from ooc_train.reading.store import open  # noqa: A004 - it reads as ooc_train.open
    from ooc_train.training.grid import train_grid
    from ooc_train.training.scores.evaluate import evaluate
    from ooc_train.training.train import train

_HOMES = {
    "convert": "ooc_train.conversion.convert",
    "evaluate": "ooc_train.training.scores.evaluate",
    "explore": "ooc_train.inspection.raw.explore",
    "inspect": "ooc_train.inspection.describe",
    "load": "ooc_train.prediction.predictor",
    "open": "ooc_train.reading.store",
    "predict": "ooc_train.prediction.predict",
    "train": "ooc_train.training.train",
    "train_grid": "ooc_train.training.grid",
    "verify": "ooc_train.inspection.verify",
}

__all__ = [
    "BudgetError",
    "EmptyInputError",
    "FormatError",
    "InputError",
    "Interrupted",
    "OocTrainError",
    "OptionError",
    "OutputError",
    "convert",
    "evaluate",
    "explore",
    "inspect",
    "load",
    "open",
    "predict",
    "train",
    "train_grid",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
