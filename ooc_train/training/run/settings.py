"""``settings.json``: the options of a training and the sizes of its model, checked when read."""

from pathlib import Path
from types import NoneType, SimpleNamespace
from typing import Any

from ooc_train.errors import FormatError, OptionError
from ooc_train.kinds import KINDS
from ooc_train.options import check_as
from ooc_train.training.models.table import MODELS, is_function
from ooc_train.training.options import TrainingOptions
from ooc_train.training.run.json_files import AGAIN, check_types, read_json

_FACTS: dict[str, tuple[type, ...]] = {
    "fingerprint": (str,),
    "features": (str,),
    "n_columns": (int,),
    "n_classes": (int,),
    "max_length": (int, NoneType),
    "model": (str,),
    "seed": (int,),
    "epochs": (int,),
    "batch_size": (int,),
    "pads_as_needed": (bool,),
}
"""What other code takes for granted, beside the options, and its types in JSON."""


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a file.  Raises FormatError if a training cannot have written them.

    The model is one that this release has, or a function's name; nothing is imported.
    """
    settings = read_json(path)
    check_types(path, settings, _FACTS)
    try:
        check_as(TrainingOptions, SimpleNamespace(**settings))
    except OptionError as error:
        raise FormatError(f"{path} is damaged: {error}; {AGAIN}") from error
    model, features = settings["model"], settings["features"]
    if not (model in MODELS or is_function(model)):
        raise FormatError(f"{path}: this release has no model {model!r:.50}; use a newer one")
    if features not in KINDS:
        raise FormatError(f"{path}: this release has no {features!r:.50} features; use a newer one")
    return settings
