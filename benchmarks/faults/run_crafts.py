"""Edits of a run's folder: damage, and what someone hostile makes up."""

import contextlib
import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.crafts import JSON_VALUES, craft
from benchmarks.faults.families.mutations import MUTATIONS
from ooc_train.training.run.checkpoints import read_checkpoint, write_checkpoint

_MODEL, _CONFIG, _WEIGHTS = "model.keras", "config.json", "model.weights.h5"
_FILES = (_MODEL, "vectorizer.h5", "settings.json", "report.json", "history.csv")
_CODE = "benchmarks.faults.trap"
_WEIGHT_EDITS = (
    "dtype", "odd type", "named type", "shape", "number", "noise", "same", "swapped", "huge",
    "unwritten", "filtered", "growing", "external", "virtual", "soft link", "external link",
    "cycle", "missing", "more", "other object",
)  # fmt: skip
_WORST_NUMBERS = (np.nan, np.inf, -1, 0, 2**31, 2**62)


@dataclass(frozen=True)
class RunCraft:
    """What an edit works on: a run, ``other`` one, and a folder ``outside``."""

    run: Path
    other: Path
    draw: random.Random
    outside: Path

    def file(self) -> Path:
        """A file of the run."""
        return self.draw.choice([*(self.run / name for name in _FILES), *self.checkpoints()])

    def checkpoints(self) -> list[Path]:
        """The files of the checkpoints."""
        return sorted((self.run / "checkpoints").glob("step-*"))


RunEdit = Callable[[RunCraft], None]


# ---- Damage.


def _changed(craft: RunCraft) -> None:
    path = craft.file()
    content = bytearray(path.read_bytes())
    MUTATIONS[craft.draw.choice([*MUTATIONS])](content, craft.draw)
    path.write_bytes(content)


def _missing(craft: RunCraft) -> None:
    craft.file().unlink()


def _of_another_run(craft: RunCraft) -> None:
    path = craft.file()
    shutil.copyfile(craft.other / path.relative_to(craft.run), path)


def _of_another_name(craft: RunCraft) -> None:
    one, other = craft.file(), craft.file()
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def _folder(craft: RunCraft) -> None:
    path = craft.file()
    path.unlink()
    path.mkdir()


def _pipe(craft: RunCraft) -> None:
    path = craft.file()
    path.unlink()
    os.mkfifo(path)


def _link(craft: RunCraft) -> None:
    """A link in the place of a file, or of the checkpoints."""
    path = craft.draw.choice([craft.file(), craft.run / "checkpoints"])
    target = craft.draw.choice([craft.outside / "secret", craft.outside, path, Path("/none")])
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(target)


# ---- What JSON says.


def _json(name: str) -> RunEdit:
    def edit(craft: RunCraft) -> None:
        path = craft.run / name
        content = json.loads(path.read_text("utf-8"))
        _give_odd_value(content, craft.draw)
        path.write_text(json.dumps(content), "utf-8")

    return edit


def _give_odd_value(content: Any, draw: random.Random) -> None:
    """Replace a value in lists and objects, at any depth, or delete it."""
    place, key = draw.choice(_places(content))
    if draw.random() < 0.2:
        del place[key]
    else:
        place[key] = draw.choice(JSON_VALUES)


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Each list and object in ``content``, with each of its keys."""
    keys = [*content] if isinstance(content, dict) else range(len(content))
    found = [(content, key) for key in keys]
    for key in keys:
        if isinstance(content[key], dict | list):
            found += _places(content[key])
    return found


def _code(craft: RunCraft) -> None:
    """Name code that is not the package's."""
    if craft.draw.random() < 0.5:
        path = craft.run / "settings.json"
        settings = json.loads(path.read_text("utf-8"))
        settings["model"] = f"{_CODE}:build"
        path.write_text(json.dumps(settings), "utf-8")
        return

    def edit(members: MutableMapping[str, bytes]) -> None:
        config = json.loads(members[_CONFIG])
        places = [place for place, key in _places(config) if key == "module"]
        craft.draw.choice(places)["module"] = _CODE
        members[_CONFIG] = json.dumps(config).encode()

    _edit_model(craft.run, edit)


# ---- The model.


def _edit_model(
    run: Path, edit: Callable[[MutableMapping[str, bytes]], None], *, compression: int = 0
) -> None:
    path = run / _MODEL
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    edit(members)
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, content in members.items():
            new.writestr(name, content)


def _config(craft: RunCraft) -> None:
    def edit(members: MutableMapping[str, bytes]) -> None:
        config = json.loads(members[_CONFIG])
        _give_odd_value(config, craft.draw)
        members[_CONFIG] = json.dumps(config).encode()

    _edit_model(craft.run, edit)


def _weights(craft_: RunCraft) -> None:
    def edit(members: MutableMapping[str, bytes]) -> None:
        path = craft_.run / _WEIGHTS
        path.write_bytes(members[_WEIGHTS])
        name = craft_.draw.choice(_WEIGHT_EDITS)
        craft(path, name, craft_.draw, craft_.outside, is_sealed=False)
        members[_WEIGHTS] = path.read_bytes()
        path.unlink()

    _edit_model(craft_.run, edit)


def _archive(craft: RunCraft) -> None:
    """Members that are too many, too few, too large, compressed, or lie elsewhere."""
    draw = craft.draw
    content = draw.choice([b"", b"x", bytes(2**26), b"[" * 100_000, io.BytesIO().getvalue()])

    def edit(members: MutableMapping[str, bytes]) -> None:
        names = [*members, "../../evil", str(craft.outside / "evil"), "more"]
        if draw.random() < 0.3:
            members.pop(draw.choice([*members]))
        else:
            members[draw.choice(names)] = content

    compression = draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    _edit_model(craft.run, edit, compression=compression)


# ---- Checkpoints.


def _checkpoint(craft: RunCraft) -> None:
    """A state that no training has, with a true checksum."""
    path = craft.checkpoints()[-1]
    found = read_checkpoint(path)
    arrays, facts = {**found.arrays}, {**found.facts}
    if craft.draw.random() < 0.4:
        _give_odd_value(facts, craft.draw)
    else:
        name = craft.draw.choice(sorted(arrays))
        array = _false_array(np.array(arrays[name]), craft.draw)
        arrays.pop(name)
        if array is not None:
            arrays[name] = array
    write_checkpoint(path, arrays, facts)


def _false_array(array: np.ndarray[Any, Any], draw: random.Random) -> Any:
    match draw.randrange(5):
        case 0:
            return None
        case 1:
            return array.reshape(-1)[:-1]
        case 2:
            return array.astype(draw.choice(["u1", "i8", "f8", "f2"]))
        case 3:
            return np.concatenate([array.reshape(-1)] * 2)
        case _:
            with contextlib.suppress(OverflowError, ValueError, IndexError):
                flat = array.reshape(-1)
                flat[draw.randrange(len(flat))] = draw.choice(_WORST_NUMBERS)
            return array


LINK = "a link"
DAMAGES: Mapping[str, RunEdit] = {
    "changed": _changed, "missing": _missing, "of another run": _of_another_run,
    "of another name": _of_another_name, "a folder": _folder, "a pipe": _pipe,
}  # fmt: skip
"""Edits after which a run is not sealed again: its predictions have to be what they were."""
CRAFTS: Mapping[str, RunEdit] = {
    LINK: _link, "changed and sealed": _changed, "of another run and sealed": _of_another_run,
    "settings": _json("settings.json"), "report": _json("report.json"),
    "code": _code, "config": _config, "weights": _weights, "archive": _archive,
    "checkpoint": _checkpoint,
}  # fmt: skip
"""Edits after which it is sealed again."""
