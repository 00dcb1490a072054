"""Writing a file, such that no write fails unnoticed.

HDF5 keeps small pieces back until an object is closed, and h5py closes objects where an exception
would be lost.  So rows are written past HDF5, which is left with the structure of the file; it is
flushed and closed explicitly, and then the file is read back.  Checksums are computed from memory,
of the rows that are handed over: what changes on its way to the disk differs from its checksum.
"""

import contextlib
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
from ooc_train.file.flat import FlatWriter
from ooc_train.file.hdf5_errors import hdf5_errors
from ooc_train.file.integrity import check_written


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
        self._flat = None if dataset.chunks else FlatWriter(dataset)

    def __enter__(self) -> "Appender":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        with self._chunks or self._flat or contextlib.nullcontext():
            if kind is None:
                self._close()

    def append(self, rows: AnyArray) -> None:
        """Write the next rows."""
        rows = np.ascontiguousarray(rows, self._dataset.dtype)
        if not len(rows):
            return
        if self._n + len(rows) > len(self._dataset):
            raise self._other_length(self._n + len(rows))
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
        if self._flat:
            # After the checksums, which have touched all rows: where they are mapped and not in
            # memory yet, the kernel would write them, and later map them, in smaller pieces.
            self._flat.append(rows)

    def _end_block(self) -> None:
        self._sums.append(self._open.intdigest())
        self._open.reset()

    def _close(self) -> None:
        if self._n != len(self._dataset):
            raise self._other_length(self._n)
        if self._n % self._length:
            self._end_block()
        with hdf5_errors(self._dataset.file.filename):
            if self._chunks:
                self._chunks.finish()
            store_sums(self._dataset, self._sums)

    def _other_length(self, n: int) -> ValueError:
        name, length = self._dataset.name, len(self._dataset)
        return ValueError(f"{name} has {length} rows, and {n} were written")


class OutputGroup:
    """A group that is being written: its attributes, arrays, and string lists.

    Raises OSError where writing fails.
    """

    def __init__(self, group: h5py.Group, output: "OutputFile") -> None:
        self._group = group
        self._output = output

    def attribute(self, name: str, value: Any) -> None:
        """Write an attribute."""
        with self._output.errors():
            self._group.attrs[name] = value

    def array(self, name: str, array: AnyArray) -> None:
        """Write a whole array."""
        with self._output.errors():
            dataset = schema.create_dataset(self._group, name, array.shape, array.dtype)
        self._output.fill(dataset, np.ascontiguousarray(array, dataset.dtype))

    def strings(self, name: str, strings: Sequence[str]) -> None:
        """Write a string list."""
        with self._output.errors():
            group = OutputGroup(self._group.create_group(name), self._output)
        for part, array in schema.string_arrays(strings).items():
            group.array(part, array)

    @contextlib.contextmanager
    def columns(self, n_rows: int, dtypes: Mapping[str, Any]) -> Iterator[list[Appender]]:
        """Appenders to new arrays ``(n_rows,)``, which are complete when the context ends."""
        with self._output.errors():
            datasets = [
                schema.create_dataset(self._group, name, (n_rows,), dtype)
                for name, dtype in dtypes.items()
            ]
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(self._output.appender(dataset)) for dataset in datasets]


class OutputFile:
    """A new file of this package, as a context manager.

    When it ends after `finish`, the file has been read back: rows when they were written, or in the
    end those that are compressed or copied, and all that HDF5 wrote.

    Raises OSError where writing fails, also where HDF5 would hide that.
    """

    def __init__(self, path: Path, *, compression: str = NONE) -> None:
        self._path = path
        self._sums: dict[str, Sequence[int] | U64] = {}
        self._read_back: dict[str, int] = {}
        self._is_finished = False
        with self.errors():
            self.hdf5 = schema.create_file(str(path), compression=compression)

    def __enter__(self) -> "OutputFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None:
            self._abandon()
            return
        try:
            with self.errors():
                self.hdf5.flush()  # first, since HDF5 crashes if it is closed again
        except OSError:
            self._abandon()
            raise
        with self.errors():
            self.hdf5.close()
        if self._is_finished:
            check_written(self._path, self._read_back)

    def _abandon(self) -> None:
        """Close a file that is given up."""
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            self.hdf5.close()

    def errors(self) -> contextlib.AbstractContextManager[None]:
        """Raise OSError where HDF5 fails in this file."""
        return hdf5_errors(self._path)

    def appender(self, dataset: h5py.Dataset, pool: Executor | None = None) -> Appender:
        """The `Appender` that fills a dataset of this file."""
        self._note(dataset)
        return Appender(dataset, pool)

    def fill(self, dataset: h5py.Dataset, rows: AnyArray) -> None:
        """Write all rows of a contiguous dataset of this file; `finish` writes their checksums."""
        self._note(dataset)
        length = block_length(dataset.shape, dataset.dtype)
        self._sums[dataset.name.lstrip("/")] = checksums(rows, length)
        with FlatWriter(dataset) as writer:
            writer.append(rows)

    def group(self, name: str) -> OutputGroup:
        """A new group at the root of the file."""
        with self.errors():
            return OutputGroup(self.hdf5.create_group(name), self)

    def attribute(self, name: str, value: Any) -> None:
        """Write an attribute of the root."""
        with self.errors():
            self.hdf5.attrs[name] = value

    def copy(self, group: h5py.Group) -> None:
        """Copy a group of another file, with the checksums that its arrays have there."""
        with self.errors():
            group.file.copy(group, self.hdf5, group.name)
            paths: list[str] = []
            group.visit(paths.append)
            for item in (group[path] for path in paths):
                if isinstance(item, h5py.Dataset):
                    self._sums[item.name.lstrip("/")] = stored_sums(item)

    def finish(self, header: Mapping[str, Any]) -> int:
        """Write the header, the checksums and the mark of completeness.

        ``header`` has the arguments of `schema.write_header`.  Returns the bytes that compression
        saves.
        """
        with self.errors():
            schema.write_header(self.hdf5, **header)
            saved_bytes = schema.saved_bytes(self.hdf5)
            self.hdf5.attrs["complete"] = 1
            seal(self.hdf5, self._sums)
        self._is_finished = True
        return saved_bytes

    def _note(self, dataset: h5py.Dataset) -> None:
        """Note the place of an array that is read back when it is written."""
        if not dataset.chunks:
            self._read_back[dataset.name.lstrip("/")] = dataset.id.get_offset()
