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
from ooc_train.format import FORMAT_NAME, FORMAT_VERSION, SPLIT_NAMES, read_strings
from ooc_train.splits import AGAIN, SPLITS, Sizes, Split

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def open(path: str | Path) -> "Store":  # noqa: A001 - it is called as ooc_train.open
    """The file at ``path``, checked and open for reading; to be used as a context manager.

    Checks the header, and that the arrays' shapes and types fit together, but reads no rows.

    Raises InputError if there is no such file or it may not be read, FormatError if it is not a
    complete file of this package in a version that this one reads.
    """
    return Store(path)


class Store:
    """An open file: its splits by name, its classes, and where it came from.

    ``n_columns`` is the number of n-gram features, or one more than the highest word id;
    ``max_length`` what sequences are padded or cut to, ``None`` for n-grams.

    Memory: the classes' names, and whatever HDF5 caches of the file's index.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.file = _open_hdf5(self.path)
        try:
            self._read_header()
        except BaseException:
            self.file.close()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; its splits cannot be read any more."""
        self.file.close()

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
        check_header(self.path, self.file)
        self.features = str(self.file.attrs["features"])
        try:
            self.provenance: dict[str, Any] = json.loads(self.file.attrs["provenance"])
            self.class_labels = read_strings(self.file, "classes/labels")
            self.class_names = read_strings(self.file, "classes/names")
            sizes = self._sizes()
        except (KeyError, ValueError, OSError) as error:
            raise FormatError(f"{self.path} is damaged: {error.args[0]}; {AGAIN}") from error
        self.n_columns, self.max_length = sizes.n_columns, sizes.max_length
        split = SPLITS[self.features]
        self.splits = {
            name: split(name, self.file[name], sizes) for name in SPLIT_NAMES if name in self.file
        }
        if "train" not in self.splits:
            raise FormatError(f"{self.path} has no split 'train'; {AGAIN}")

    def _sizes(self) -> Sizes:
        vectorizer = self.file["vectorizer"]
        n_terms: int = vectorizer["terms/offsets"].shape[0] - 1
        if self.features == "sequence":  # id 0 is padding
            return Sizes(n_terms + 1, self.n_classes, int(vectorizer.attrs["max_length"]))
        return Sizes(n_terms, self.n_classes, None)


def _open_hdf5(path: Path) -> h5py.File:
    if not path.is_file():
        raise InputError(f"there is no file {path}; make one with ooc-convert")
    try:
        with path.open("rb") as start:
            if start.read(len(_SIGNATURE)) != _SIGNATURE:
                raise FormatError(f"{path} is not an HDF5 file; make one from it with ooc-convert")
        return h5py.File(path, "r")
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
