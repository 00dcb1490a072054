"""Checkpoints: the whole state of a training in one file, and the folder with the last two.

A checkpoint is a file in the format of safetensors (https://github.com/huggingface/safetensors),
which holds plain arrays and text, and no code::

    8 bytes      the length of the header, little-endian
    header       JSON: the type, shape and place of each array; under "__metadata__", whose only
                 entry "ooc_train" is JSON again, the facts beside the arrays
    arrays       one after another, little-endian
    16 bytes     XXH3-128 of all bytes before, also an array called "checksum"

The name ends with the number of steps done.  A file appears whole or not at all; later damage is
detected by its checksum.
"""

import importlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash

from ooc_train.atomic import remove_unfinished, replacing
from ooc_train.dtypes import AnyArray
from ooc_train.errors import FormatError
from ooc_train.system_errors import reason

Arrays = Mapping[str, AnyArray]

N_KEPT = 2
LAYOUT = 3
"""The version of the facts and of the arrays' names; other releases may have another."""
SUFFIX = ".safetensors"
_METADATA, _FACTS, _CHECKSUM = "__metadata__", "ooc_train", "checksum"
_CHECKSUM_BYTES = 16
_ALIGNMENT = 8
_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
"""The types of arrays: their names in safetensors, and in NumPy."""
_FROM_PACKAGES = {"BF16": "ml_dtypes"}
"""Packages whose import makes NumPy know a type; TensorFlow comes with them."""
_TYPE_NAMES = {numpy_name: name for name, numpy_name in _TYPES.items()}
_FALSE = (AttributeError, KeyError, RecursionError, TypeError, ValueError, struct.error)
"""What a header raises that `write_checkpoint` has not made."""


class DamagedError(FormatError):
    """A checkpoint does not hold the bytes that were written."""


class Checkpoint(NamedTuple):
    """The content of a file: arrays by name, and facts that JSON can hold."""

    path: Path
    arrays: dict[str, AnyArray]
    """Read-only."""
    facts: dict[str, Any]

    @property
    def n_steps(self) -> int:
        """The number of steps done."""
        return _n_steps(self.path)


class CheckpointFolder:
    """The checkpoints of one run.  Only the process that holds the run's lock may change them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> list[Path]:
        """The files of the checkpoints, the one with the most steps first."""
        return sorted(self.path.glob(f"step-*{SUFFIX}"), key=_n_steps, reverse=True)

    def n_steps(self) -> int | None:
        """The number of steps done at the newest; ``None`` if there is none."""
        files = self.files()
        return _n_steps(files[0]) if files else None

    def newest(self) -> tuple[Checkpoint | None, list[DamagedError]]:
        """The newest undamaged checkpoint, if there is one, and the errors of newer ones.

        Raises FormatError if another release wrote it.
        """
        errors: list[DamagedError] = []
        for path in self.files():
            try:
                return read_checkpoint(path), errors
            except DamagedError as error:
                errors.append(error)
        return None, errors

    def save(self, n_steps: int, arrays: Arrays, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint, then delete all but the last two.

        Raises OSError if it cannot be written; then the others stay.
        """
        write_checkpoint(self.path / f"step-{n_steps:09}{SUFFIX}", arrays, facts)
        self.keep(N_KEPT)

    def keep(self, n_files: int) -> None:
        """Delete all but the newest ``n_files``, and files that were never finished."""
        for path in self.files()[n_files:]:
            path.unlink()
        remove_unfinished(self.path)

    def remove_after(self, n_steps: int) -> None:
        """Delete the checkpoints with more than ``n_steps``."""
        for path in self.files():
            if _n_steps(path) > n_steps:
                path.unlink()


def write_checkpoint(path: Path, arrays: Arrays, facts: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Raises OSError if it cannot be written, and KeyError for arrays that do not hold numbers.
    Memory: the header's.
    """
    # Wide types first, so that all arrays are aligned; then by name, so that equal states are
    # equal files.
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    digest = xxhash.xxh3_128()
    with replacing(path) as part, part.open("wb") as file:
        header = _header({name: arrays[name] for name in names}, facts)
        for piece in (memoryview(header), *(_bytes(arrays[name]) for name in names)):
            digest.update(piece)
            file.write(piece)
        file.write(digest.digest())


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at ``path``.

    Raises DamagedError if any byte is not as it was written, or if the header describes other
    arrays than the file has, and FormatError if another release wrote it.  Memory: the file's size.
    """
    try:
        if not path.is_file():
            raise OSError("it is no file")  # a pipe would let wait for ever
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {reason(error)}") from error
    body, checksum = memoryview(content)[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if xxhash.xxh3_128_digest(body) != checksum:
        raise DamagedError(f"{path} is damaged: its checksum is another")
    try:
        (length,) = struct.unpack_from("<Q", body)
        header = json.loads(content[8 : 8 + length])
        facts = json.loads(header.pop(_METADATA)[_FACTS])
        layout = facts["layout"]
    except _FALSE as error:
        raise DamagedError(f"{path} is damaged: its header is no checkpoint's") from error
    if layout != LAYOUT:
        raise FormatError(f"{path} was written by another release, with which its run can go on")
    try:
        del header[_CHECKSUM]
        arrays = {name: _array(body[8 + length :], entry) for name, entry in header.items()}
    except _FALSE as error:
        raise DamagedError(
            f"{path} is damaged: its arrays are not where its header says"
        ) from error
    return Checkpoint(path, arrays, facts)


def _header(arrays: Arrays, facts: Mapping[str, Any]) -> bytes:
    """The header and its length, padded so that the arrays are aligned."""
    content = json.dumps({"layout": LAYOUT, **facts})
    header: dict[str, Any] = {_METADATA: {_FACTS: content}}
    start = 0
    for name, array in arrays.items():
        header[name] = _entry(_TYPE_NAMES[array.dtype.name], array.shape, start, array.nbytes)
        start += array.nbytes
    header[_CHECKSUM] = _entry("U8", (_CHECKSUM_BYTES,), start, _CHECKSUM_BYTES)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text


def _entry(kind: str, shape: tuple[int, ...], start: int, n_bytes: int) -> dict[str, Any]:
    return {"dtype": kind, "shape": list(shape), "data_offsets": [start, start + n_bytes]}


def _bytes(array: AnyArray) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _array(content: memoryview, entry: Mapping[str, Any]) -> AnyArray:
    if entry["dtype"] in _FROM_PACKAGES:
        importlib.import_module(_FROM_PACKAGES[entry["dtype"]])
    start, stop = entry["data_offsets"]
    if min(start, stop, *entry["shape"]) < 0:
        raise ValueError("a size is negative")
    raw = np.frombuffer(content[start:stop], np.uint8)
    return raw.view(np.dtype(_TYPES[entry["dtype"]])).reshape(entry["shape"])


def _n_steps(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])
