"""The command line that repeats a training, from its settings."""

import shlex
from collections.abc import Mapping
from typing import Any

from ooc_train.kinds import KINDS
from ooc_train.options import Option, declarations
from ooc_train.training.models.table import is_function, spec_of
from ooc_train.training.options import MOST_EPOCHS, TrainingOptions


def command_for(settings: Mapping[str, Any], run: str) -> str:
    """The command for a run of that name; options that have their defaults are left out.

    Files are named without their folders, as the settings have them.
    """
    words = ["ooc-train", settings["data"], "-o", run]
    usual = _usual(settings)
    for option in declarations(TrainingOptions):
        value = settings.get(option.name, option.default)
        if option.on_command_line and value not in (None, option.default, usual.get(option.name)):
            words += _spelled(option, value)
    return shlex.join(words)


def _usual(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a training chooses where an option is not given."""
    kind = KINDS[settings["features"]]
    usual = {"model": kind.default_model, "epochs": MOST_EPOCHS}
    if not is_function(settings["model"]):
        usual["optimizer"] = spec_of(settings["model"]).optimizers[kind.layout][0]
    return usual


def _spelled(option: Option, value: Any) -> list[str]:
    if option.is_switch:
        return [option.flag]
    if isinstance(value, Mapping):
        return [option.flag, ",".join(f"{key}={each}" for key, each in value.items())]
    many = value if isinstance(value, list | tuple) else [value]
    return [option.flag, *map(str, many)] if many else []
