"""The results of the tasks that are done, in a file, so that another process goes on after them.

Steps begin in the same order whenever a conversion runs, and each has its tasks in the same order.
So a step's number and a task's tell which result is whose.  An entry is these two, the size and the
CRC-32 of the pickled result, and the result; it is appended when the task is done, and before
anything is deleted that only this task needed.  A process that is killed leaves at most half an
entry, at the end, which is cut off.
"""

import os
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, TypeVar

from ooc_train.system_errors import errors_at

Item = TypeVar("Item")
Result = TypeVar("Result")

_HEAD = struct.Struct("<QQQI")


class Journal:
    """The results of a conversion's tasks; without a path none is kept.

    Whoever can write the file can run code here: see `Record.of_dead` for whose files are read.

    Memory: 100 bytes a task.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._n_steps = 0
        self._places: dict[tuple[int, int], tuple[int, int]] = {}
        if path and path.exists():
            end = self._find_entries(path)
            os.truncate(path, end)

    def step(self) -> "Step":
        """The next step."""
        self._n_steps += 1
        return Step(self, self._n_steps)

    def has(self, step: int, task: int) -> bool:
        """Whether a result was kept."""
        return (step, task) in self._places

    def result(self, step: int, task: int) -> Any:
        """A result that was kept."""
        position, size = self._places[step, task]
        with self._file.open("rb") as file:
            file.seek(position)
            return pickle.loads(file.read(size))

    def note(self, step: int, task: int, result: Any) -> None:
        """Keep a result."""
        if self._path is None or self.has(step, task):
            return
        pickled = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
        head = _HEAD.pack(step, task, len(pickled), zlib.crc32(pickled))
        with self._path.open("ab") as file, errors_at(self._path):
            position = file.tell() + len(head)
            file.write(head + pickled)
        self._places[step, task] = position, len(pickled)

    @property
    def _file(self) -> Path:
        if self._path is None:
            raise ValueError("no result was kept")
        return self._path

    def _find_entries(self, path: Path) -> int:
        """Note where the entries are; the end of the last whole one."""
        end = 0
        with path.open("rb") as file:
            while len(head := file.read(_HEAD.size)) == _HEAD.size:
                step, task, size, crc = _HEAD.unpack(head)
                pickled = file.read(size)
                if len(pickled) < size or zlib.crc32(pickled) != crc:
                    break
                self._places[step, task] = end + _HEAD.size, size
                end += _HEAD.size + size
        return end


class Step:
    """A step of a conversion: an executor's tasks, of which some may be done already."""

    def __init__(self, journal: Journal, number: int) -> None:
        self._journal = journal
        self._number = number

    def over(self, pool: Executor) -> Executor:
        """The executor, which runs those tasks that are not done yet."""
        return _Remembering(self._journal, self._number, pool)

    def noted(self, pairs: Iterator[tuple[Item, Result]]) -> Iterator[tuple[Item, Result]]:
        """All items with the results of their tasks, which are kept."""
        for task, (item, result) in enumerate(pairs):
            self._journal.note(self._number, task, result)
            yield item, result


class _Remembering(Executor):
    """The tasks of one step, in their order; those whose results are kept do not run."""

    def __init__(self, journal: Journal, step: int, pool: Executor) -> None:
        self._journal, self._step, self._pool = journal, step, pool
        self._n_tasks = 0

    def submit(self, fn: Callable[..., Result], /, *given: Any, **named: Any) -> "Future[Result]":
        """The result of a task, or the promise of it."""
        task = self._n_tasks
        self._n_tasks += 1
        if self._journal.has(self._step, task):
            return _Remembered(self._journal, self._step, task)
        return self._pool.submit(fn, *given, **named)


class _Remembered(Future[Any]):
    """A result that is read when it is asked for."""

    def __init__(self, journal: Journal, step: int, task: int) -> None:
        super().__init__()
        self._where = journal, step, task

    def done(self) -> bool:
        """True."""
        return True

    def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - it is there
        """The result."""
        journal, step, task = self._where
        return journal.result(step, task)
