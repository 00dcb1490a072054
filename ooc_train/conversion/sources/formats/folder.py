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

import numpy as np

from ooc_train.conversion.sources.columns import Cells, Chosen, ColumnFile, Table
from ooc_train.conversion.sources.files.encoding import BYTE_ORDER_MARK
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Place, Reject, too_long
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError, OptionError
from ooc_train.system_errors import reason

_SUFFIX = ".txt"


@dataclass(frozen=True, kw_only=True)
class TextFolder(ColumnFile):
    """One folder: its subfolders, which are the labels, and the names of the files in each.

    The lines of its rows are the files' numbers, from 1, over all classes.  Memory: the names, and
    a block of text while reading.
    """

    labels: Sequence[str]
    files: Sequence[Sequence[str]]
    files_bytes: int

    is_table = False

    @property
    def n_bytes(self) -> int:
        """The size of all files."""
        return self.files_bytes

    def content_bytes(self, columns: Sequence[int]) -> int:  # noqa: ARG002 - there is one text
        """The size of all texts."""
        return self.files_bytes

    def others(self, columns: Sequence[int]) -> dict[str, int]:
        """The text, unless that is one of the columns: a file has nothing else."""
        return {} if 0 in columns else {self.names[0]: 0}

    def layout(self, chosen: Chosen) -> dict[str, Any]:  # noqa: ARG002 - there is one layout
        """The layout as a converted file's provenance has it: one text, the folder as the label."""
        return {
            "format": self.format,
            "header": False,
            "columns": 1,
            "text": [1],
            "label": "folder",
        }

    def place(self, line: int) -> Place:
        """The file of a row, and the first line in it."""
        firsts = [0, *itertools.accumulate(len(names) for names in self.files)]
        label = bisect.bisect_right(firsts, line - 1) - 1
        name = self.files[label][line - 1 - firsts[label]]
        return Place(self.file.path / self.labels[label] / name, 1)

    def read(
        self,
        chosen: Chosen,  # noqa: ARG002 - there is one text
        block_bytes: int,
    ) -> Iterator[tuple[Table | Reject, int]]:
        """The rows in tables of about ``block_bytes``, and rejects, each with the progress.

        Memory: a block, or the longest file.
        """
        cells: list[bytes] = []
        lines: list[int] = []
        n_bytes = 0
        for line, (label, path) in enumerate(self._paths(), 1):
            text = _read_text(path, self.max_row_bytes)
            if isinstance(text, str):
                yield Reject(line, text, b""), 0
                continue
            if lines and n_bytes + len(text) > block_bytes:
                yield _table(cells, lines), n_bytes
                cells, lines, n_bytes = [], [], 0
            cells += (text.removeprefix(BYTE_ORDER_MARK), label)
            lines.append(line)
            n_bytes += len(text)
        if lines:
            yield _table(cells, lines), n_bytes

    def _paths(self) -> Iterator[tuple[bytes, str]]:
        for label, names in zip(self.labels, self.files, strict=True):
            folder = os.path.join(self.file.path, label)  # noqa: PTH118 - Paths are slow
            for name in names:
                yield os.fsencode(label), f"{folder}{os.sep}{name}"


def open_folder(folder: InputFile, options: LayoutOptions) -> TextFolder:
    """Look into a folder: its classes, of which the options may name some, and their files.

    Raises ``InputError`` for a folder without classes or a class without texts.
    """
    path = folder.path
    if options.text or options.label or options.header or options.format:
        raise OptionError(
            f"{path} is a folder of text files, which have no columns; leave out --text, --label, "
            f"--header and --format"
        )
    labels = sorted(options.folders or _class_folders(path), key=os.fsencode)
    if not labels:
        raise InputError(
            f"{path} has no subfolders; each is to hold the .txt files of one class (or name the "
            f"CSV files in it)"
        )
    files, n_bytes = [], 0
    for label in labels:
        found, size = _text_files(path / label)
        if not found:
            raise InputError(
                f"{path / label} has no .txt file; put the rows of the class {label!r} there, or "
                f"take the folder away"
            )
        files.append(found)
        n_bytes += size
    return TextFolder(
        file=folder,
        format="folder",
        names=("text", "label"),
        n_rows=sum(map(len, files)),
        max_row_bytes=options.max_row_bytes,
        labels=labels,
        files=files,
        files_bytes=n_bytes,
    )


def texts_in(path: Path) -> Iterator[Path]:
    """The files that are rows if ``path`` is a folder of text files by class, in any order."""
    for label in _class_folders(path):
        for name in _text_files(path / label)[0]:
            yield path / label / name


def _table(cells: Sequence[bytes], lines: Sequence[int]) -> Table:
    """Rows of texts and labels, one after the other."""
    found = Cells.of(cells, 2)
    return Table(np.array(lines, np.int64), found.labels(1), found, is_clean=True)


def _class_folders(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error


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
        raise InputError(f"{folder} cannot be read: {reason(error)}") from error
    return sorted(names, key=os.fsencode), n_bytes


def _read_text(path: str, max_row_bytes: int) -> bytes | str:
    """A file's bytes, or why they are no row."""
    try:
        found = os.stat(path)  # noqa: PTH116 - thousands of Paths are slow
        if not stat.S_ISREG(found.st_mode):
            return "not a file"
        if found.st_size > max_row_bytes:
            return too_long("file", max_row_bytes)
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
            text: bytes = file.readall()
    except OSError as error:
        return f"the file cannot be read: {reason(error)}"
    return "the file contains a NUL byte" if b"\0" in text else text
