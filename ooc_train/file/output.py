"""Writing a file, such that no write fails unnoticed.

HDF5 keeps small pieces back until an object is closed, and h5py closes objects where an exception
would be lost.  So each dataset is flushed as soon as it is filled, and the file is flushed and
closed before it gets its name.  Checksums are computed from memory, of the rows that are handed
over: what changes on its way to the disk differs from its checksum.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xxhash

from ooc_train.dtypes import U64, AnyArray
from ooc_train.file import schema
from ooc_train.file.checksums import block_length, checksums, seal, store_sums, stored_sums
from ooc_train.file.compression import ChunkWriter
from ooc_train.file.filters import NONE
from ooc_train.file.hdf5_errors import hdf5_errors


class Appender:
    """Fills a dataset from its first row to its last, and computes its checksums on the way.

    A context manager.  At its end it writes the checksums, and for a compressed dataset the chunks,
    which the workers of a ``pool`` compress, or without one the caller.

    Raises ValueError if the dataset has more or fewer rows than were appended, OSError if writing
    fails.  Memory: 8 bytes for each 64 KiB, and some chunks if they are compressed.
    """

    def __init__(self, dataset: h5py.Dataset, pool: Executor | None = None) -> None:
        self._dataset = dataset
        self._length = block_length(dataset.shape, dataset.dtype)
        self._sums: list[int] = []
        self._open = xxhash.xxh3_64()
        self._n = 0
        self._chunks = ChunkWriter(dataset, pool) if dataset.chunks else None

    def __enter__(self) -> "Appender":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        with self._chunks or contextlib.nullcontext():
            if kind is None:
                self._close()

    def append(self, rows: AnyArray) -> None:
        """Write the next rows."""
        rows = np.ascontiguousarray(rows, self._dataset.dtype)
        if not len(rows):
            return
        if not self._chunks:
            with hdf5_errors():
                self._dataset[self._n : self._n + len(rows)] = rows
        done = 0
        while done < len(rows):
            stop = done + self._length - self._n % self._length
            part = rows[done:stop]
            self._open.update(part.data.cast("B"))
            if self._chunks:
                self._chunks.append(part)
            self._n += len(part)
            done = stop
            if self._n % self._length == 0:
                self._end_block()

    def _end_block(self) -> None:
        self._sums.append(self._open.intdigest())
        self._open.reset()

    def _close(self) -> None:
        if self._n != len(self._dataset):
            raise ValueError(
                f"{self._dataset.name} has {len(self._dataset)} rows, and {self._n} were written"
            )
        if self._n % self._length:
            self._end_block()
        with hdf5_errors():
            if self._chunks:
                self._chunks.finish()
            self._dataset.flush()
            store_sums(self._dataset, self._sums)


class OutputGroup:
    """A group that is being written: its attributes, arrays, and string lists.

    Raises OSError where writing fails.
    """

    def __init__(self, group: h5py.Group, sums: dict[str, Sequence[int] | U64]) -> None:
        self._group = group
        self._sums = sums

    def attribute(self, name: str, value: Any) -> None:
        """Write an attribute."""
        with hdf5_errors():
            self._group.attrs[name] = value

    def array(self, name: str, array: AnyArray) -> None:
        """Write a whole array."""
        with hdf5_errors():
            dataset = schema.create_dataset(self._group, name, array.shape, array.dtype)
            rows = np.ascontiguousarray(array, dataset.dtype)
            length = block_length(dataset.shape, dataset.dtype)
            self._sums[dataset.name.lstrip("/")] = checksums(rows, length)
            _fill(dataset, rows)
            dataset.flush()

    def strings(self, name: str, strings: Sequence[str]) -> None:
        """Write a string list."""
        with hdf5_errors():
            group = OutputGroup(self._group.create_group(name), self._sums)
        for part, array in schema.string_arrays(strings).items():
            group.array(part, array)

    @contextlib.contextmanager
    def columns(self, n_rows: int, dtypes: Mapping[str, Any]) -> Iterator[list[Appender]]:
        """Appenders to new arrays ``(n_rows,)``, which are complete when the context ends."""
        with hdf5_errors():
            datasets = [
                schema.create_dataset(self._group, name, (n_rows,), dtype)
                for name, dtype in dtypes.items()
            ]
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(Appender(dataset)) for dataset in datasets]


class OutputFile:
    """A new file of this package, as a context manager.

    Raises OSError where writing fails, also where HDF5 would hide that.
    """

    def __init__(self, path: Path, *, compression: str = NONE) -> None:
        self._sums: dict[str, Sequence[int] | U64] = {}
        with hdf5_errors():
            self.hdf5 = schema.create_file(str(path), compression=compression)

    def __enter__(self) -> "OutputFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None:
            self._abandon()
            return
        try:
            with hdf5_errors():
                self.hdf5.close()
        except OSError:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """Close the file, whose remaining bytes HDF5 now writes to memory, where that cannot fail.

        After an error HDF5 would try again whenever an object is closed, and at last crash.
        """
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            # Linux alone has files in memory; elsewhere the null device takes what is written.
            has_memory_files = hasattr(os, "memfd_create")
            nowhere = os.memfd_create("x") if has_memory_files else os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, self.hdf5.id.get_vfd_handle())
            os.close(nowhere)
            self.hdf5.close()

    def group(self, name: str) -> OutputGroup:
        """A new group at the root of the file."""
        with hdf5_errors():
            return OutputGroup(self.hdf5.create_group(name), self._sums)

    def copy(self, group: h5py.Group) -> None:
        """Copy a group of another file, with the checksums that its arrays have there."""
        with hdf5_errors():
            group.file.copy(group, self.hdf5, group.name)
            paths: list[str] = []
            group.visit(paths.append)
            for item in (group[path] for path in paths):
                if isinstance(item, h5py.Dataset):
                    self._sums[item.name.lstrip("/")] = stored_sums(item)

    def finish(self, header: Mapping[str, Any]) -> int:
        """Write the header, the checksums and the mark of completeness, and flush everything.

        ``header`` has the arguments of `schema.write_header`.  Returns the bytes that compression
        saves.
        """
        with hdf5_errors():
            schema.write_header(self.hdf5, **header)
            saved_bytes = schema.saved_bytes(self.hdf5)
            self.hdf5.attrs["complete"] = 1
            seal(self.hdf5, self._sums)
            self.hdf5.flush()
        return saved_bytes


def _fill(dataset: h5py.Dataset, rows: AnyArray) -> None:
    dataset[...] = rows
