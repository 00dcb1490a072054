"""The reader of the HDF5 files that ``ooc-convert`` writes; `schema` specifies their content.

>>> with open("reviews.h5") as store:                               # doctest: +SKIP
...     for rows, labels in store["train"].batches(128, seed=0, epoch=0):
...         ...
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py

from ooc_train.errors import FormatError, InputError
from ooc_train.file.group import FileGroup, read_classes
from ooc_train.file.handle import Handle, damage_errors
from ooc_train.file.header import AGAIN
from ooc_train.file.shards import DataFile, ShardedFile, data_files, open_data
from ooc_train.kinds import Layout
from ooc_train.reading.descriptions import store_line, store_table
from ooc_train.reading.split import Split
from ooc_train.reading.splits import open_split
from ooc_train.remote.content import content_of
from ooc_train.remote.url import Url, located
from ooc_train.suggestions import did_you_mean


def open(path: str | Path, *, verify: bool = True) -> "Store":  # noqa: A001 - as ooc_train.open
    """Open the file at ``path`` for reading, as a context manager.

    Or ``path`` is the index of several files, its shards, which are read as if they were one.

    Checks the header, and that the arrays' shapes and dtypes fit together, but reads no rows.  With
    ``verify``, rows are compared with their checksums when they are read for the first time.

    The result and its splits can be pickled, and used in forked processes and in threads; any
    number of processes may have the file open.  Another process refuses a file that is not the one
    that was open here.

    Raises InputError if there is no such file or it may not be read, FormatError if it is not a
    complete, undamaged file of this package in a version that this one reads.
    """
    return Store(path, verify=verify)


class Store:
    """An open file: its splits by name, its classes, and its provenance.

    ``features`` is the kind of features.  ``n_columns`` is the number of columns, or for sequences
    one more than the highest token.  ``max_length`` is the length that sequences are padded or
    truncated to, ``None`` for all other kinds.  ``is_shuffled`` says whether the train rows lie in
    random order, and ``fingerprint`` is 32 hexadecimal digits that two files share only if their
    content is the same; where one is given, a file with another is refused.  A file that
    ``needs_rows`` has the split ``"train"``; a run's has a vectorizer and classes alone.

    Memory: the classes' names, HDF5's cache of the file's index, and with ``verify`` 9 bytes for
    each 64 KiB of the file.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        verify: bool = True,
        fingerprint: str | None = None,
        needs_rows: bool = True,
    ) -> None:
        self.path = located(path)
        self.verify = verify
        self._file: DataFile = open_data(self.path, verify=verify, fingerprint=fingerprint)
        header = self._file.header
        self.features, self.n_columns = header.features, header.n_columns
        self.max_length, self.is_shuffled = header.max_length, header.is_shuffled
        self.fingerprint = header.fingerprint
        try:
            self._read(needs_rows=needs_rows)
        except BaseException:
            self._file.close()
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        # Absolute: another process may be in another folder.
        return _reopen, (self.path.absolute(), self.verify, self.fingerprint)

    def __repr__(self) -> str:
        return store_line(self)

    def _repr_html_(self) -> str:
        """The file in a notebook."""
        return store_table(self)

    @property
    def classes(self) -> list[str]:
        """The labels of the classes, in the order of their numbers."""
        return self.class_labels

    @property
    def terms(self) -> list[str]:
        """The terms of the columns, or of the tokens from 1; none where rows are not of text.

        Read anew each time.  Memory: all of them.
        """
        group = self.group("vectorizer")
        return group.strings("terms") if "terms" in group else []

    def samples(self, split: str) -> Mapping[int, str]:
        """The texts that the file keeps of some rows of a split, by the rows' numbers.

        They are cut, and for people to read.  There are none of train rows, of rows of numbers, and
        in files that were made without them.  Raises FormatError where they are damaged.
        """
        with damage_errors(self.path):
            return self._file.samples().get(split, {})

    @property
    def handle(self) -> Handle:
        """The open file itself; of an index its first shard, which has what all share."""
        return self._file.shared

    @property
    def shards(self) -> Sequence[Handle]:
        """The open shards of an index, in their order; none for a single file."""
        return self._file.handles if isinstance(self._file, ShardedFile) else ()

    @property
    def n_bytes(self) -> int:
        """The size of the file, and of an index together with its shards."""
        if isinstance(self.path, Url):
            n_bytes = content_of(self.path).size
            return n_bytes + sum(shard.n_bytes for shard in self.shards)
        return sum(path.stat().st_size for path in data_files(self.path))

    @property
    def file(self) -> h5py.File:
        """The file as h5py has it, a handle of this process; of an index its first shard."""
        return self.handle.hdf5

    @property
    def layout(self) -> Layout:
        """How the rows are laid out."""
        return self._file.header.layout

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether the splits can be read."""
        return self._file.is_open

    def group(self, name: str) -> FileGroup:
        """The group ``"vectorizer"`` or ``"classes"``, whose arrays are checked when read."""
        return FileGroup(self.handle, name)

    def close(self) -> None:
        """Close the file; its splits cannot be read any more."""
        self._file.close()

    def __getitem__(self, name: str) -> Split:
        if name not in self.splits:
            known = ", ".join(self.splits)
            hint = did_you_mean(name, self.splits)
            raise InputError(f"{self.path} has no split {name!r}; it has: {known}{hint}")
        return self.splits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __len__(self) -> int:
        return len(self.splits)

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return len(self.class_labels)

    def _read(self, *, needs_rows: bool) -> None:
        with damage_errors(self.path):
            self.producer: str = self.handle.root.attributes["producer"]
            self.provenance = self._file.provenance
            self.class_labels, self.class_names = read_classes(self.handle)
            self.splits = {name: open_split(self._file, name) for name in self._file.split_names}
        if needs_rows and "train" not in self.splits:
            raise FormatError(f"{self.path} has no split 'train'; {AGAIN}")


def _reopen(path: Path, verify: bool, fingerprint: str) -> Store:
    return Store(path, verify=verify, fingerprint=fingerprint)
