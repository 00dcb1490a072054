"""Tasks of other processes, whose large arguments and results are files in a folder that all share.

What goes through a pipe or a scheduler is copied again and again, in pieces, by threads that wait
for each other.  A file is written once and read once, and mostly stays in the page cache.
"""

import contextlib
import functools
import pickle
import secrets
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ooc_train.system_errors import errors_at

Result = TypeVar("Result")

_MOST_SENT_BYTES = 2**17  # a new file takes about as long as to send so much


@dataclass(frozen=True)
class Parcel:
    """An object that goes to another process: pickled, or in a file that has the pickled one.

    Each file has a name of its own.  So if a task runs twice, its result is in the file that is
    returned, and nobody opens the other one, which goes with its folder.
    """

    pickled: bytes
    path: Path | None = None

    @classmethod
    def of(cls, item: object, folder: Path) -> "Parcel":
        """Pack an object; a large one is written to a file in ``folder``.  Raises OSError."""
        pickled = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        if len(pickled) <= _MOST_SENT_BYTES:
            return cls(pickled)
        path = folder / f"sent-{secrets.token_hex(8)}"
        with errors_at(path):
            path.write_bytes(pickled)
        return cls(b"", path)

    def opened(self) -> Any:
        """The object.  Raises OSError."""
        return pickle.loads(self.path.read_bytes() if self.path else self.pickled)

    def remove(self) -> None:
        """Delete the file, if there is one; what cannot be deleted goes with its folder."""
        if self.path:
            with contextlib.suppress(OSError):
                self.path.unlink()


class ParcelExecutor(Executor):
    """Passes tasks to an executor of other processes, which share ``folder``."""

    def __init__(self, pool: Executor, folder: Path) -> None:
        self._pool, self._folder = pool, folder

    def submit(self, fn: Callable[..., Result], /, *given: Any, **_: Any) -> "Future[Result]":
        """Have another process do a task."""
        task = Parcel.of((fn, given), self._folder)
        promised = _Promised(self._pool.submit(run_parcel, task, self._folder))
        promised.sent.add_done_callback(functools.partial(_pass_on, promised, task))
        return promised


class _Promised(Future[Any]):
    """The result of a task that was ``sent``, with which it is cancelled."""

    def __init__(self, sent: "Future[Parcel]") -> None:
        super().__init__()
        self.sent = sent

    def cancel(self) -> bool:
        """Cancel the task, if it has not begun."""
        return self.sent.cancel()  # calls `_pass_on`


def run_parcel(task: Parcel, folder: Path) -> Parcel:
    """Do a task; the parcel of its result."""
    function, given = task.opened()
    return Parcel.of(function(*given), folder)


def _pass_on(promised: _Promised, task: Parcel, sent: "Future[Parcel]") -> None:
    """Open the parcel of a result."""
    task.remove()
    if sent.cancelled():
        Future.cancel(promised)
    elif error := sent.exception():  # not raised, which would keep this frame, and with it the pool
        promised.set_exception(error)
    else:
        _open(promised, sent.result())


def _open(promised: _Promised, result: Parcel) -> None:
    try:
        opened = result.opened()
        result.remove()
    except Exception as error:  # noqa: BLE001 - whoever waits for the result is told
        promised.set_exception(error)
    else:
        promised.set_result(opened)
