"""A folder of text files by class, as the Large Movie Review Dataset is laid out.

Each subfolder is a class and its name the label; every file in it whose name ends in ``.txt`` is a
row.  Classes, and the files of a class, come in the order of their names' bytes.  Hidden
subfolders, other files, and what lies beside the subfolders are no part of the data.
"""

import bisect
import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES, Place, Reject
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import TextRows
from ooc_train.errors import InputError, OptionError

_SUFFIX = ".txt"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class TextFolder:
    """One folder, its files' names read.  Memory: the names, and a block of text while reading.

    ``lines`` of its rows are the files' numbers, from 1, over all classes.
    """

    path: Path
    labels: Sequence[str]
    names: Sequence[Sequence[str]]
    n_bytes: int

    @property
    def text_bytes(self) -> int:
        """The size of all texts."""
        return self.n_bytes

    @property
    def layout(self) -> dict[str, Any]:
        """As the file's provenance has it: one text, and the class is the folder's name."""
        return {
            "format": "folder",
            "header": False,
            "columns": 1,
            "text": [1],
            "label": "folder",
        }

    @property
    def classes_path(self) -> Path | None:
        """Where the classes' names may be: nowhere, for the labels are names."""
        return None

    @property
    def n_rows(self) -> int:
        """The number of files."""
        return sum(map(len, self.names))

    @property
    def carried(self) -> tuple[str, ...]:
        """A file has nothing but its text."""
        return ()

    def place(self, line: int) -> Place:
        """The file of a row, and the line in it."""
        firsts = [0, *itertools.accumulate(len(names) for names in self.names)]
        label = bisect.bisect_right(firsts, line - 1) - 1
        name = self.names[label][line - 1 - firsts[label]]
        return Place(self.path / self.labels[label] / name, 1)

    def read(self, block_bytes: int) -> Iterator[tuple[TextRows | Reject, int]]:
        """Blocks of rows of about ``block_bytes`` each, and rejects, each with the bytes read.

        Memory: a block, or the longest file, of at most ``MAX_ROW_BYTES``.
        """
        texts: list[bytes] = []
        labels: list[bytes] = []
        lines: list[int] = []
        n_bytes = 0
        for line, (label, path) in enumerate(self._files(), 1):
            text = _read_text(path)
            if isinstance(text, str):
                yield Reject(line, text, b""), 0
                continue
            if texts and n_bytes + len(text) > block_bytes:
                yield TextRows.of(texts, labels, lines), n_bytes
                texts, labels, lines, n_bytes = [], [], [], 0
            texts.append(text.removeprefix(_BYTE_ORDER_MARK))
            labels.append(label)
            lines.append(line)
            n_bytes += len(text)
        if texts:
            yield TextRows.of(texts, labels, lines), n_bytes

    def _files(self) -> Iterator[tuple[bytes, str]]:
        for label, names in zip(self.labels, self.names, strict=True):
            folder = os.path.join(self.path, label)  # noqa: PTH118 - thousands of Paths are slow
            for name in names:
                yield os.fsencode(label), f"{folder}{os.sep}{name}"


def find_folder(folder: InputFile, options: LayoutOptions) -> TextFolder:
    """Look into a folder: its classes, of which the options may name some, and their files.

    Raises ``InputError`` for a folder without classes or a class without texts.
    """
    path = folder.path
    if options.text or options.label or options.header or options.format:
        raise OptionError(
            f"{path} is a folder of text files, which have no columns; leave out --text, --label, "
            f"--header and --format"
        )
    labels = list(options.folders) or _class_folders(path)
    if not labels:
        raise InputError(
            f"{path} has no subfolders; each is to hold the .txt files of one class (or name the "
            f"CSV files in it)"
        )
    names, n_bytes = [], 0
    for label in sorted(labels, key=os.fsencode):
        found, size = _text_files(path / label)
        if not found:
            raise InputError(
                f"{path / label} has no .txt file; put the rows of the class {label!r} there, or "
                f"take the folder away"
            )
        names.append(found)
        n_bytes += size
    return TextFolder(path, sorted(labels, key=os.fsencode), names, n_bytes)


def _class_folders(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [
                entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."
            ]  # fmt: skip
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _text_files(folder: Path) -> tuple[list[str], int]:
    """The names of a class's files in order, and their size in bytes."""
    names, n_bytes = [], 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(_SUFFIX):
                    names.append(entry.name)
                    n_bytes += entry.stat(follow_symlinks=False).st_size
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from error
    return sorted(names, key=os.fsencode), n_bytes


def _read_text(path: str) -> bytes | str:
    """A file's bytes, or why they are no row."""
    try:
        found = os.stat(path)  # noqa: PTH116 - thousands of Paths are slow
        if not stat.S_ISREG(found.st_mode):
            return "not a file"
        if found.st_size > MAX_ROW_BYTES:
            return f"the file is longer than {MAX_ROW_BYTES:,} bytes"
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
            text: bytes = file.readall()
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    return "the file contains a NUL byte" if b"\0" in text else text
