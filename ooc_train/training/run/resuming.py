"""Which settings of a training may change when it is resumed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ooc_train.errors import OptionError
from ooc_train.options import saved
from ooc_train.training.options import TrainingOptions

_DERIVED = {"version", "versions", "data", "fingerprint", "epochs"}
"""Settings that are compared in another way, or not at all, such as the file's name."""
_OPTIONS = {"frozen_epochs": "--freeze-embeddings", "schedule_epochs": "--epochs"}
"""The options of settings that have another name."""


def check_settings(then: Mapping[str, Any], now: Mapping[str, Any], run: Path) -> None:
    """Raise OptionError, with the differences, if a run cannot be resumed with other settings.

    Only ``epochs`` may grow; settings that change no weight may differ.  A run that began before
    an option existed has its default.
    """
    then = saved(TrainingOptions()) | dict(then)
    if then.get("fingerprint") != now["fingerprint"]:
        raise OptionError(
            f"the run {run} began with other data than {now['data']} holds now; give --resume the "
            "same file, or begin anew in another folder"
        )
    names = [name for name in now if name not in _DERIVED and now[name] != then.get(name)]
    differences = [_difference(name, then.get(name), now[name]) for name in names]
    if now["epochs"] < then["epochs"] and "schedule_epochs" not in names:
        differences.append(f"{_difference('epochs', then['epochs'], now['epochs'])}, not upwards")
    if differences:
        raise OptionError(
            f"the run {run} began with other options: {'; '.join(differences)}; give --resume the "
            "same, or begin anew in another folder"
        )


def changed_versions(then: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The versions that have changed since the run began, in words; they may change last bits."""
    before, after = then["versions"], now["versions"]
    changed = [name for name in after if before.get(name) != after[name]]
    return ", ".join(f"{name} was {before.get(name)}, is {after[name]}" for name in changed) or None


def _difference(name: str, then: Any, now: Any) -> str:
    option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
    return f"{option} was {_in_words(then)} and is {_in_words(now)}"


def _in_words(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "given" if value else "not given"
    return str(value)
