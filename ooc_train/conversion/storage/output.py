"""The file that a conversion writes, built so that no write can fail unnoticed.

HDF5 keeps small pieces back until an object is closed, and h5py closes objects where an exception
would be lost.  So each dataset is flushed as soon as it is filled, checksums are computed from
memory before the bytes go to HDF5, and the file is flushed and closed before it gets its name.
"""

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ooc_train.dtypes import U64, AnyArray
from ooc_train.errors import OocTrainError, OutputError
from ooc_train.file import schema
from ooc_train.file.checksums import Appender, block_length, checksums, stored_sums
from ooc_train.file.hdf5_errors import hdf5_errors


class OutputGroup:
    """A group that is being written: its attributes, arrays, and lists of strings.

    Raises OSError where writing fails.
    """

    def __init__(self, group: h5py.Group, sums: dict[str, U64]) -> None:
        self._group = group
        self._sums = sums

    def attribute(self, name: str, value: Any) -> None:
        """Write an attribute."""
        with hdf5_errors():
            self._group.attrs[name] = value

    def array(self, name: str, array: AnyArray) -> None:
        """Write a whole array."""
        with hdf5_errors():
            schema.write_array(self._group, name, array)
            dataset = self._group[name]
            plain = np.ascontiguousarray(array, dataset.dtype)
            found = checksums(plain, block_length(dataset.shape, dataset.dtype))
            self._sums[dataset.name.lstrip("/")] = np.array(found, np.uint64)
            dataset.flush()

    def strings(self, name: str, strings: Sequence[str]) -> None:
        """Write a list of strings."""
        with hdf5_errors():
            group = OutputGroup(self._group.create_group(name), self._sums)
        for part, array in schema.string_arrays(strings).items():
            group.array(part, array)

    @contextlib.contextmanager
    def columns(self, n_rows: int, dtypes: Mapping[str, Any]) -> Iterator[list[Appender]]:
        """Appenders to new arrays (n_rows,), which are complete when the context ends."""
        with hdf5_errors():
            datasets = [
                schema.create_dataset(self._group, name, (n_rows,), dtype)
                for name, dtype in dtypes.items()
            ]
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(Appender(dataset)) for dataset in datasets]


class OutputFile:
    """A new HDF5 file, as a context manager.

    Raises OSError where writing fails, whatever HDF5 makes of it.
    """

    def __init__(self, path: Path, *, compression: str) -> None:
        self._sums: dict[str, U64] = {}
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
        """Close the file, while HDF5 writes what it holds back to where that cannot fail.

        After an error HDF5 would try again whenever an object is closed, and at last crash.
        """
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            nowhere = os.memfd_create("abandoned")
            os.dup2(nowhere, self.hdf5.id.get_vfd_handle())
            os.close(nowhere)
            self.hdf5.close()

    def group(self, name: str) -> OutputGroup:
        """A new group at the root of the file."""
        with hdf5_errors():
            return OutputGroup(self.hdf5.create_group(name), self._sums)

    def copy(self, group: h5py.Group) -> None:
        """Copy a group of another file.  Its arrays keep the checksums that they have there."""
        with hdf5_errors():
            group.file.copy(group, self.hdf5, group.name)
            paths: list[str] = []
            group.visit(paths.append)
            for item in (group[path] for path in paths):
                if isinstance(item, h5py.Dataset):
                    self._sums[item.name.lstrip("/")] = stored_sums(item)

    def finish(self, header: Mapping[str, Any]) -> int:
        """Write the header, the checksums and the mark of completeness, and flush everything.

        Returns how many bytes compression saves.
        """
        with hdf5_errors():
            schema.write_header(self.hdf5, **header)
            saved_bytes = schema.saved_bytes(self.hdf5)
            schema.mark_complete(self.hdf5, self._sums)
            self.hdf5.flush()
        return saved_bytes


@contextlib.contextmanager
def disk_errors(output: Path, temp_dir: Path) -> Iterator[None]:
    """Errors of the disk as an ``OutputError`` that says what to do."""
    try:
        yield
    except OocTrainError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutputError(
                f"the disk is full: {output} was not written; free some space, or put temporary "
                f"files, now in {temp_dir}, on another disk with --temp-dir"
            ) from error
        raise OutputError(f"{output} could not be written: {error}") from error
