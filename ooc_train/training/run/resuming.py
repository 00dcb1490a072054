"""Whether a run, and a checkpoint, are of the training that is to be resumed."""

from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from ooc_train.errors import FormatError, OptionError
from ooc_train.options import saved
from ooc_train.training.options import TrainingOptions
from ooc_train.training.run.checkpoints import Checkpoint
from ooc_train.training.run.json_files import check_types

DELETE_IT = "delete it, so that the one before it is used, or begin anew with --force"
"""The remedy for a checkpoint that is whole, and not what it should be."""
_FACTS = {
    "settings": (dict,),
    "embeddings": (dict, NoneType),
    "seconds": (int, float),
    "sessions": (int,),
    "standing": (dict,),
}
_DERIVED = {"version", "versions", "data", "fingerprint", "epochs"}
"""Settings that are compared in another way, or not at all, such as the file's name."""
_OPTIONS = {
    "frozen_epochs": "--freeze-embeddings",
    "schedule_epochs": "--epochs",
    "init_from_digest": "the model of --init-from",
    "mix_fingerprints": "the content of --mix",
}
"""The options of settings that have another name."""


def check_settings(then: Mapping[str, Any], now: Mapping[str, Any], run: Path) -> None:
    """Raise OptionError, with the differences, if a run cannot be resumed with other settings.

    Only ``epochs`` may grow; settings that change no weight may differ.  A run that began before
    an option existed has its default.
    """
    if then.get("fingerprint") != now["fingerprint"]:
        raise OptionError(
            f"the run {run} began with other data than {now['data']} holds now; give --resume the "
            "same file, or begin anew in another folder"
        )
    found = differences(then, now)
    if found:
        raise OptionError(
            f"the run {run} began with other options: {'; '.join(found)}; give --resume the same, "
            "or begin anew in another folder"
        )


def check_checkpoint(checkpoint: Checkpoint, now: Mapping[str, Any]) -> None:
    """Raise FormatError if a checkpoint is not of the training that has these settings."""
    path, facts = checkpoint.path, checkpoint.facts
    check_types(path, facts, _FACTS)
    if facts["embeddings"] is not None:
        check_types(path, facts["embeddings"], {"dimension": (int,)})
    then = facts["settings"]
    if then.get("fingerprint") != now["fingerprint"]:
        found = ["the data was another"]
    else:
        found = differences({"epochs": 1, **then}, now)
    if found:
        raise FormatError(f"{path} is of another training: {'; '.join(found)}; {DELETE_IT}")


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The differences, in words, that no resumed training may have from what it was."""
    then = saved(TrainingOptions()) | dict(then)
    names = [name for name in now if name not in _DERIVED and now[name] != then.get(name)]
    found = [_difference(name, then.get(name), now[name]) for name in names]
    if now["epochs"] < then["epochs"] and "schedule_epochs" not in names:
        found.append(f"{_difference('epochs', then['epochs'], now['epochs'])}, not upwards")
    return found


def changed_versions(then: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The versions that have changed since the run began, in words; they may change last bits.

    Those of which the run says nothing may be the same.
    """
    before, after = dict(then.get("versions") or {}), now["versions"]
    changed = [name for name in after if name in before and before[name] != after[name]]
    return ", ".join(f"{name} was {before[name]}, is {after[name]}" for name in changed) or None


def _difference(name: str, then: Any, now: Any) -> str:
    option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
    return f"{option} was {_in_words(then)} and is {_in_words(now)}"


def _in_words(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "given" if value else "not given"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "not given"
    return str(value)
