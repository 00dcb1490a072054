"""The archive ``model.keras``, looked at before Keras or HDF5 take anything from it.

It is a zip file.  Keras stores its members uncompressed, so none is larger than the file, and a
compressed one is refused.  Of the weights in ``model.weights.h5`` only arrays are accepted whose
bytes lie in the file itself, all of them: no links to other files, no external storage, no virtual
arrays, no filters.
"""

import contextlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import h5py

from ooc_train.errors import FormatError
from ooc_train.training.run.json_files import AGAIN

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
"""The members of an archive."""
_MAX_CONFIG_BYTES = 2**24
_MAX_DEPTH, _MAX_OBJECTS = 64, 2**14
_DAMAGE = (
    AttributeError, EOFError, KeyError, MemoryError, NotImplementedError, OSError, RecursionError,
    RuntimeError, TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What the readers of zip files, JSON and HDF5 raise where a file is damaged."""


class ModelArchive:
    """The members of an archive, read whole.  Memory: the member's."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        for member in archive.infolist():
            place = PurePosixPath(member.filename)
            if place.is_absolute() or ".." in place.parts:
                raise ValueError(f"its member {member.filename!r} lies outside")
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its member {member.filename!r} is compressed")

    @property
    def weights_bytes(self) -> int:
        """The size of the file of weights."""
        return self._archive.getinfo(WEIGHTS).file_size

    def config(self) -> dict[str, Any]:
        """The description of the model's layers."""
        if self._archive.getinfo(CONFIG).file_size > _MAX_CONFIG_BYTES:
            raise ValueError(f"{CONFIG} has more than {_MAX_CONFIG_BYTES:,} bytes")
        config: dict[str, Any] = json.loads(self._archive.read(CONFIG))
        return config

    @contextlib.contextmanager
    def weights(self) -> Iterator[h5py.File]:
        """The file of weights, after a check that it holds all arrays itself, uncompressed."""
        with h5py.File(io.BytesIO(self._archive.read(WEIGHTS)), "r") as file:
            for number, (name, found) in enumerate(_objects(file)):
                if number >= _MAX_OBJECTS:
                    raise ValueError(f"{WEIGHTS} has more than {_MAX_OBJECTS:,} objects")
                if isinstance(found, h5py.Dataset) and not _is_plain(found):
                    raise ValueError(f"the array {name} is not stored in {WEIGHTS} as it is")
            yield file


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[ModelArchive]:
    """The archive at ``path``.  Raises FormatError, also in the block, where it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield ModelArchive(archive)
    except _DAMAGE as error:
        raise FormatError(f"{path} is damaged: {in_words(error)}; {AGAIN}") from error


def in_words(error: Exception) -> str:
    """The first line of an exception's message.

    >>> in_words(KeyError("module")), in_words(ValueError("no zip")), in_words(EOFError())
    ("KeyError: 'module'", 'no zip', 'EOFError')
    """
    first = str(error).strip().partition("\n")[0]
    if not first:
        return type(error).__name__
    return f"KeyError: {first}" if isinstance(error, KeyError) else first


def _objects(group: h5py.Group, depth: int = 0) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """All that is below a group.  HDF5's own visitor follows no links, and has no limits."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"{WEIGHTS} has groups {_MAX_DEPTH} deep")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{group.name}/{name} is a link to another place")
        found = group[name]
        yield f"{group.name}/{name}", found
        if isinstance(found, h5py.Group):
            yield from _objects(found, depth + 1)


def _is_plain(array: h5py.Dataset) -> bool:
    """Whether the bytes of an array lie in its own file, each of them once."""
    layout = array.id.get_create_plist().get_layout()
    if layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT) or array.external:
        return False
    is_numeric = array.dtype.kind in "biuf" and array.dtype.itemsize <= 8
    return is_numeric and array.id.get_storage_size() == array.nbytes
