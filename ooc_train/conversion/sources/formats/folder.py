"""A folder of text files by class, as the Large Movie Review Dataset is laid out.

Each subfolder is a class and its name the label; every file in it is a row, whatever its suffix.
Classes, and the files of a class, come in the order of their names' bytes.  Hidden files and
subfolders, others that ``listing`` passes over, folders within classes, and files beside them are
no part of the data.
"""

import bisect
import itertools
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.sources.columns import Cells, Chosen, ColumnFile, Table
from ooc_train.conversion.sources.files.encoding import BYTE_ORDER_MARK, spelling_of
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.listing import entries, is_aside, passed_over, scanned
from ooc_train.conversion.sources.files.rejects import Place, Reject, too_long
from ooc_train.conversion.sources.formats.table import named_format
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.counts import counted
from ooc_train.errors import InputError, OptionError
from ooc_train.system_errors import reason

_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,7}")
_MOST_SUFFIXES = 3  # that are told


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
            text = _read_text(path, self.max_row_bytes, self.file.encoding)
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
    folders, others = _class_folders(path)
    labels = sorted(options.folders or folders, key=os.fsencode)
    if not labels:
        raise InputError(
            f"{path} has no subfolders, each with the texts of one class, and no files of rows, "
            f"such as .csv; name the files in it"
        )
    found = [_texts_of(path / label) for label in labels]
    _check_texts(path, labels, found)
    if options.text or options.label or options.header or options.format:
        raise OptionError(
            f"{path} is a folder of text files, which have no columns; leave out --text, --label, "
            f"--header and --format"
        )
    suffixes = Counter(_suffix(name) for texts in found for name in texts.names)
    return TextFolder(
        file=folder,
        format="folder",
        names=("text", "label"),
        n_rows=sum(len(texts.names) for texts in found),
        max_row_bytes=options.max_row_bytes,
        labels=labels,
        files=[texts.names for texts in found],
        files_bytes=sum(texts.n_bytes for texts in found),
        remarks=_remarks([*others, *(one for texts in found for one in texts.others)], suffixes),
    )


def texts_in(path: Path) -> Iterator[Path]:
    """The files that are rows if ``path`` is a folder of text files by class, in any order."""
    for label in _class_folders(path)[0]:
        for name in _texts_of(path / label).names:
            yield path / label / name


def _table(cells: Sequence[bytes], lines: Sequence[int]) -> Table:
    """Rows of texts and labels, one after the other."""
    found = Cells.of(cells, 2)
    return Table(np.array(lines, np.int64), found.labels(1), found, is_clean=True)


class _Texts(NamedTuple):
    """The names of a class's files in order, their size in bytes, and what is no text."""

    names: list[str]
    n_bytes: int
    others: list[str]


def _class_folders(path: Path) -> tuple[list[str], list[str]]:
    """The folders of the classes, and what lies beside them."""
    used, others = entries(path)
    others += [entry.name for entry in used if not entry.is_dir()]
    return [entry.name for entry in used if entry.is_dir()], others


def _texts_of(folder: Path) -> _Texts:
    names, others, n_bytes = [], [], 0
    for entry in scanned(folder):  # which may be millions
        if is_aside(entry.name) or entry.is_dir():
            others.append(f"{folder.name}{os.sep}{entry.name}")
            continue
        names.append(entry.name)
        n_bytes += entry.stat(follow_symlinks=False).st_size
    return _Texts(sorted(names, key=os.fsencode), n_bytes, sorted(others, key=os.fsencode))


def _check_texts(path: Path, labels: Sequence[str], found: Sequence[_Texts]) -> None:
    """Refuse a class without texts, and files that hold rows and no text."""
    for label, texts in zip(labels, found, strict=True):
        if not texts.names:
            raise InputError(
                f"{path / label} has no file; put the texts of the class {label!r} there, or take "
                f"the folder away"
            )
    names = (name for texts in found for name in texts.names)
    if all(named_format(InputFile(Path(name))) for name in names):
        name = found[0].names[0]
        pattern = path / "*" / f"*{name[name.rindex('.') :]}"
        raise InputError(
            f"{path} holds files of rows in folders, such as {labels[0]}{os.sep}{name}; give these "
            f"folders, or the pattern '{pattern}', or call them COLUMN=VALUE if their names are "
            f"values of a column"
        )


def _suffix(name: str) -> str:
    """The suffix of a name, if it has one that is no number and no part of the name.

    >>> _suffix("a.txt"), _suffix("49960"), _suffix("inbox.49960")
    ('.txt', '', '')
    """
    suffix = name[max(name.rfind("."), 1) :]
    return suffix if _SUFFIX.fullmatch(suffix) else ""


def _remarks(others: Sequence[str], suffixes: Counter[str]) -> tuple[str, ...]:
    """The names that are passed over, and the suffixes of the texts where there are several."""
    remarks = [passed_over(others)] if others else []
    if len(suffixes) > 1:
        told = [
            f"{n:,} in {suffix}" if suffix else f"{n:,} without a suffix"
            for suffix, n in suffixes.most_common(_MOST_SUFFIXES)
        ]
        more = len(suffixes) - len(told)
        told += [counted(more, "other suffix")] if more > 0 else []
        remarks.append(f"all files are texts, whatever their suffix: {', '.join(told)}")
    return tuple(remarks)


def _read_text(path: str, max_row_bytes: int, encoding: str | None) -> bytes | str:
    """A file's text, or why it is no row."""
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
    if encoding or b"\0" in text:
        text = spelling_of(text, encoding).text(text)
    return "the file contains a NUL byte" if b"\0" in text else text
