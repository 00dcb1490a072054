"""Rows that cannot be used: where they are, why, and the file that lists them."""

import contextlib
import csv
from pathlib import Path
from typing import NamedTuple, Protocol, TextIO

from ooc_train.atomic import flush, publish, target_of
from ooc_train.counts import counted
from ooc_train.errors import InputError
from ooc_train.system_errors import errors_at
from ooc_train.work_folder import WorkFolder

MAX_ROW_BYTES = 8 * 2**20
"""The longest row, unless the user allows longer ones."""
MAX_LABEL_BYTES = 1000
"""The longest label.  What is longer names no class."""
COLUMNS = ("file", "line", "reason", "row")
_SHOWN = 3
_SHOWN_BYTES = 10_000


class Place(NamedTuple):
    """Where a row is: a file, and the number of its line, or row, from 1."""

    path: Path
    number: int
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.path}, {self.unit} {self.number}"


class Reject(NamedTuple):
    """A row that cannot be used: the number of its line, or row, from 1, why, and its bytes."""

    line: int
    reason: str
    raw: bytes


class Blank(NamedTuple):
    """The number of lines of a file that are blank, or a comment, and no rows."""

    n_lines: int


class UnfitError(Exception):
    """Why something is not a row: the reason of its reject."""


def too_long(what: str, max_bytes: int) -> str:
    """The reason of a reject that is too long.

    >>> too_long("label", 1000)
    'the label is longer than 1,000 bytes'
    """
    return f"the {what} is longer than {max_bytes:,} bytes"


class Rejects(Protocol):
    """The rows that cannot be used, one after another."""

    count: int

    def add(self, place: Place, reject: Reject) -> None:
        """Take another one."""

    @property
    def examples(self) -> str:
        """The first of them and their reasons, and where all of them are."""


class RejectFile:
    """A CSV of rejected rows (file, line, reason, raw row), a context manager.

    It is begun with the first of them, and has its name when it is published, whole: at the end of
    the work, or if the context ends with an ``InputError``, which it may explain.  Otherwise
    nothing is left.  A list that exists is replaced with ``force`` only.  Of a row that is longer
    than 10,000 bytes these are written, and how many more there are.

    `add` raises ``InputError`` when there are more than ``limit``.  The list then has all rows
    rejected so far, so that they can be mended in one go.
    """

    def __init__(self, path: Path, limit: int, *, force: bool = False) -> None:
        self.path = path
        self.count = 0
        self._limit = limit
        self._force = force
        self._examples: list[str] = []
        self._folder: WorkFolder | None = None
        self._file: TextIO | None = None

    def __enter__(self) -> "RejectFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        try:
            if self.count and isinstance(error, InputError):
                self.publish()
                if str(self.path) not in str(error):
                    n_rows = f"{counted(self.count, 'other row')} could not be used"
                    raise InputError(f"{error}; {n_rows}, and {self.path} says why") from error
        finally:
            with contextlib.suppress(OSError):  # nothing is published, so nothing is lost
                self.close()
            if self._folder:
                self._folder.__exit__(kind, error, trace)

    def add(self, place: Place, reject: Reject) -> None:
        """Write one rejected row."""
        if self._file is None:
            self._folder = WorkFolder(target_of(self.path).parent)
            self._file = self._part.open(
                "w", encoding="utf-8", errors="backslashreplace", newline=""
            )
            csv.writer(self._file).writerow(COLUMNS)
        with errors_at(self.path):
            csv.writer(self._file).writerow(
                (place.path, place.number, reject.reason, _shown(reject.raw))
            )
        self.count += 1
        if len(self._examples) < _SHOWN:
            self._examples.append(f"{place}: {reject.reason}")
        if self.count > self._limit:
            raise InputError(
                f"more than {self._limit} rows cannot be used, such as {self._first_ones}; all "
                f"so far are in {self.path}: mend them, or allow more with --max-rejects, and "
                "give --force to replace that list"
            )

    @property
    def examples(self) -> str:
        """The first rejected rows and their reasons, and where all of them are."""
        return f"{self._first_ones}; {self.path} has all of them"

    @property
    def _first_ones(self) -> str:
        return "; ".join(self._examples)

    def close(self) -> None:
        """Write what is left, to find a full disk before anything is published."""
        if self._file and not self._file.closed:
            with errors_at(self.path):
                self._file.close()
            flush(self._part)

    def publish(self) -> None:
        """Give the list its name.  Without a rejected row, remove what an earlier one has left."""
        self.close()
        target = target_of(self.path)
        if self.count:
            publish(self._part, target, force=self._force)
        elif self._force and _is_list(target):
            target.unlink()

    @property
    def _part(self) -> Path:
        if not self._folder:
            raise ValueError("no row was rejected")
        return self._folder.path / target_of(self.path).name


def _is_list(path: Path) -> bool:
    """Whether a file is a list of rejected rows, and nothing that a user may miss."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline(100).rstrip() == ",".join(COLUMNS).encode()


def _shown(raw: bytes) -> str:
    """The text of a row, as far as it is written."""
    text = raw[:_SHOWN_BYTES].decode("utf-8", "replace").replace("\0", "\\0")
    n_more = len(raw) - _SHOWN_BYTES
    return f"{text}... ({counted(n_more, 'more byte')})" if n_more > 0 else text
