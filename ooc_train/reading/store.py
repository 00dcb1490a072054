"""The reader of the HDF5 files that ``ooc-convert`` writes; what is in them, see `format`.

>>> with open("reviews.h5") as store:                               # doctest: +SKIP
...     for rows, labels in store["train"].batches(128, seed=0, epoch=0):
...         ...
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from ooc_train.errors import FormatError, InputError
from ooc_train.file.arrays import Array, DamageError, Handle, open_array
from ooc_train.file.checksums import stored_summary, summary
from ooc_train.file.schema import FORMAT_NAME, FORMAT_VERSION, SPLIT_NAMES, read_strings
from ooc_train.reading.splits import AGAIN, SPLITS, Sizes, Split

CHECK_ROWS = 2**17
# What h5py raises where the library's own structures are damaged.
_HDF5_ERRORS = (KeyError, ValueError, OSError, RuntimeError, TypeError, AttributeError)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def open(path: str | Path, *, verify: bool = True) -> "Store":  # noqa: A001 - as ooc_train.open
    """The file at ``path``, checked and open for reading; to be used as a context manager.

    Checks the header, and that the arrays' shapes and types fit together, but reads no rows.  With
    ``verify``, rows are compared with their checksums when they are read for the first time.

    What it returns, and its splits, can be pickled, and used in forked processes and in threads;
    any number of processes may have the file open.

    Raises InputError if there is no such file or it may not be read, FormatError if it is not a
    complete, undamaged file of this package in a version that this one reads.
    """
    return Store(path, verify=verify)


class Store:
    """An open file: its splits by name, its classes, and where it came from.

    ``n_columns`` is the number of features, or one more than the highest word id; ``max_length``
    what sequences are padded or cut to, ``None`` for all others; ``is_shuffled`` says whether the
    train rows lie in random order, and ``fingerprint`` is 32 hexadecimal digits that two files
    share only if their content is the same.

    Memory: the classes' names, whatever HDF5 caches of the file's index, and with ``verify`` 9
    bytes for each 64 KiB of the file.
    """

    def __init__(self, path: str | Path, *, verify: bool = True) -> None:
        self.path = Path(path)
        self.verify = verify
        self._handle = _open_file(self.path)
        try:
            self._read_header()
        except BaseException:
            self._handle.close()
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        # Absolute: another process may be in another folder.
        return _reopen, (self.path.absolute(), self.verify)

    @property
    def file(self) -> h5py.File:
        """The file as h5py has it, a handle of this process."""
        return self._handle.hdf5

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether its splits can be read."""
        return self._handle.is_open

    def open_array(self, dataset: h5py.Dataset) -> Array:
        """An array of the file, to be read as `arrays` says.

        Raises KeyError or ValueError if it has no checksums that fit, and they are to be verified.
        """
        return open_array(dataset, self._handle, verify=self.verify)

    def arrays_below(self, group: str) -> Iterator[Array]:
        """All arrays in a group of the file, in the order of their names."""
        paths: list[str] = []
        self.file[group].visit(paths.append)
        for path in sorted(paths):
            item = self.file[group][path]
            if isinstance(item, h5py.Dataset):
                yield self.open_array(item)

    def check(self, group: str) -> None:
        """Compare all arrays in a group of the file with their checksums, if there are to be any.

        Raises FormatError.  Memory: a megabyte.
        """
        for array in self.arrays_below(group) if self.verify else ():
            try:
                for start in range(0, len(array), CHECK_ROWS):
                    array.read(start, min(start + CHECK_ROWS, len(array)))
            except DamageError as error:
                raise FormatError(
                    f"{self.path} is damaged: {error} in array {array.name!r}; {AGAIN}"
                ) from error

    def close(self) -> None:
        """Close the file; its splits cannot be read any more."""
        self._handle.close()

    def __getitem__(self, name: str) -> Split:
        if name not in self.splits:
            known = ", ".join(self.splits)
            raise InputError(f"{self.path} has no split {name!r}; it has: {known}")
        return self.splits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __len__(self) -> int:
        return len(self.splits)

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_labels)

    def _read_header(self) -> None:
        try:
            check_header(self.path, self.file)
            self._read_head()
        except _HDF5_ERRORS as error:
            what = error.args[0] if error.args else type(error).__name__
            raise FormatError(f"{self.path} is damaged: {what}; {AGAIN}") from error
        if "train" not in self.splits:
            raise FormatError(f"{self.path} has no split 'train'; {AGAIN}")

    def _read_head(self) -> None:
        self.features = str(self.file.attrs["features"])
        self.fingerprint = stored_summary(self.file)
        if self.verify and summary(self.file) != self.fingerprint:
            raise ValueError("its header or checksums are not what was written")
        self.is_shuffled = self.file.attrs["order"] == "shuffled"
        self.provenance: dict[str, Any] = json.loads(self.file.attrs["provenance"])
        self.check("classes")
        self.class_labels = read_strings(self.file, "classes/labels")
        self.class_names = read_strings(self.file, "classes/names")
        sizes = self._sizes()
        self.n_columns, self.max_length = sizes.n_columns, sizes.max_length
        split = SPLITS[self.features]
        self.splits = {name: split(self, name, sizes) for name in SPLIT_NAMES if name in self.file}

    def _sizes(self) -> Sizes:
        vectorizer = self.file["vectorizer"]
        if self.features == "dense":
            n_columns: int = self.file["train/features"].shape[1]
            scales = vectorizer["scales"][...] if "scales" in vectorizer else None
            return Sizes(n_columns, self.n_classes, scales=scales)
        if self.features == "sparse":
            return Sizes(int(vectorizer.attrs["n_columns"]), self.n_classes)
        n_terms: int = vectorizer["terms/offsets"].shape[0] - 1
        if self.features == "sequence":  # id 0 is padding
            return Sizes(n_terms + 1, self.n_classes, int(vectorizer.attrs["max_length"]))
        return Sizes(n_terms, self.n_classes)


def _reopen(path: Path, verify: bool) -> Store:
    return Store(path, verify=verify)


def _open_file(path: Path) -> Handle:
    if not path.is_file():
        raise InputError(f"there is no file {path}; make one with ooc-convert")
    try:
        with path.open("rb") as start:
            if start.read(len(_SIGNATURE)) != _SIGNATURE:
                raise FormatError(f"{path} is not an HDF5 file; make one from it with ooc-convert")
        return Handle(path)
    except PermissionError as error:
        raise InputError(f"{path} may not be read; check its permissions") from error
    except OSError as error:
        raise FormatError(f"{path} is cut short or damaged ({error}); {AGAIN}") from error


def check_header(path: Path, file: h5py.File) -> None:
    """Raise FormatError unless ``file`` is a complete one in a version that this reader knows."""
    if file.attrs.get("format") != FORMAT_NAME:
        raise FormatError(f"{path} was not written by ooc-convert; make a file with it first")
    version = file.attrs.get("format_version")
    if version != FORMAT_VERSION:
        raise FormatError(
            f"{path} has format version {version}, and this ooc-train reads {FORMAT_VERSION}; "
            f"use the release that wrote it, or {AGAIN}"
        )
    if file.attrs.get("complete") != 1:
        raise FormatError(f"{path} was never finished; {AGAIN}")
    if file.attrs.get("features") not in SPLITS:
        raise FormatError(
            f"{path} has {file.attrs.get('features')!r} features, and this ooc-train reads "
            f"{' or '.join(SPLITS)}; use a newer release"
        )
