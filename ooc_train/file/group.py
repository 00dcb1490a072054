"""A group of an open file: its attributes, arrays and string lists, read whole.

Everything that is read is compared with its checksums, unless the file is not to be verified.
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from ooc_train.dtypes import F32, AnyArray
from ooc_train.errors import FormatError
from ooc_train.file.arrays import BlockArray, DamageError, check_array
from ooc_train.file.handle import Handle
from ooc_train.file.header import AGAIN
from ooc_train.file.layouts import FlatArray, open_array
from ooc_train.file.objects import StoredGroup
from ooc_train.file.structure import arrays_of

_LARGEST_INTEGER = np.float32(127)
_PIECE_BYTES = 2**20


class FileGroup:
    """A group at the root of a file that is open, and stays so.

    What reads raises FormatError where rows are damaged or no string list.
    """

    def __init__(self, handle: Handle, name: str) -> None:
        self._handle, self._name = handle, name
        self._stored = cast(StoredGroup, handle.root.members[name])
        self._arrays: dict[str, BlockArray] = {}

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The numbers and texts that the group has as attributes."""
        return self._stored.attributes

    def __contains__(self, name: object) -> bool:
        return name in self._stored.members

    def arrays(self) -> list[BlockArray]:
        """All arrays of the group, in the order of their paths."""
        paths = arrays_of(self._stored, f"{self._name}/")
        return [self.array(path.removeprefix(f"{self._name}/")) for path in paths]

    def array(self, name: str) -> BlockArray:
        """An array, to read some of its rows."""
        if name not in self._arrays:
            self._arrays[name] = open_array(f"{self._name}/{name}", self._handle)
        return self._arrays[name]

    def check(self) -> None:
        """Compare all arrays with their checksums.  Memory: a megabyte."""
        for array in self.arrays():
            with self._errors(array):
                check_array(array)

    def read(self, name: str) -> AnyArray:
        """A whole array, as a new one."""
        array = self.array(name)
        return self._rows(array, 0, len(array))

    def scales(self) -> F32:
        """The scale of each column of integers, by which all of them stay numbers."""
        found: F32 = self.read("scales")
        with np.errstate(over="ignore"):
            is_number = (found > 0) & np.isfinite(found * _LARGEST_INTEGER)
        if not is_number.all():
            raise self._damaged("a scale of a column is not a number above 0, or too large")
        return found

    def pieces(self, name: str) -> Iterator[AnyArray]:
        """An array piece by piece, none of them empty.  Memory: a megabyte."""
        array = self.array(name)
        step = max(1, _PIECE_BYTES // array.row_bytes)
        for start in range(0, len(array), step):
            yield self._rows(array, start, min(start + step, len(array)))

    def mapped(self, name: str) -> AnyArray:
        """A contiguous array as a read-only view of the file, of which nothing stays in memory.

        What was not read before is read, to be compared with its checksums.
        """
        array = cast(FlatArray, self.array(name))
        with self._errors(array):
            check_array(array)
            return array.view

    def strings(self, name: str) -> list[str]:
        """The strings of a string list, in order.  Memory: all of them."""
        blob, offsets = self.read(f"{name}/bytes").tobytes(), self.read(f"{name}/offsets")
        if offsets[0] != 0 or offsets[-1] != len(blob) or (offsets[1:] < offsets[:-1]).any():
            raise self._damaged(f"the offsets of {self._name}/{name} do not ascend")
        return [self._text(name, blob[i:j]) for i, j in itertools.pairwise(offsets.tolist())]

    def some_strings(self, name: str, numbers: Sequence[int]) -> list[str]:
        """The strings with these numbers of a string list.  Memory: these alone."""
        blob, offsets = self.array(f"{name}/bytes"), self.array(f"{name}/offsets")
        found = []
        for number in numbers:
            start, stop = self._rows(offsets, number, number + 2).tolist()
            if not 0 <= start <= stop <= len(blob):
                raise self._damaged(f"the offsets of {self._name}/{name} do not ascend")
            found.append(self._text(name, self._rows(blob, start, stop).tobytes()))
        return found

    def _rows(self, array: BlockArray, start: int, stop: int) -> AnyArray:
        with self._errors(array):
            return array.read(start, stop)

    @contextlib.contextmanager
    def _errors(self, array: BlockArray) -> Iterator[None]:
        try:
            yield
        except DamageError as error:
            raise self._damaged(f"{error} in array {array.name!r}") from error

    def _text(self, name: str, text: bytes) -> str:
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._damaged(f"{self._name}/{name} is not UTF-8") from error

    def _damaged(self, what: str) -> FormatError:
        return FormatError(f"{self._handle.path} is damaged: {what}; {AGAIN}")


def read_classes(handle: Handle) -> tuple[list[str], list[str]]:
    """The labels of a file's classes, each another, and their names.

    Raises FormatError where they are damaged.
    """
    group = FileGroup(handle, "classes")
    labels, names = group.strings("labels"), group.strings("names")
    if len({*labels}) < len(labels):
        raise FormatError(f"{handle.path} is damaged: two classes have the same label; {AGAIN}")
    return labels, names
