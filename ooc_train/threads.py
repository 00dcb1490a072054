"""Threads where the system grants few: in a container, or by a limit on a user's processes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ooc_train.errors import BudgetError
from ooc_train.options import at_least, option

TOO_FEW = (
    "the system grants this process too few threads; raise the limit of the user's processes "
    "(ulimit -u) or of the container's (its pids limit)"
)


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How many threads share the work."""

    workers: int | None = option(
        None,
        "threads that work at the same time; the result does not depend on it",
        fallback="one for each processor, as far as the memory allows",
        limits=at_least(1),
        group="memory and disk",
    )


class ThreadPool(ThreadPoolExecutor):
    """A pool that works with the threads that it gets.  Raises BudgetError if it gets none."""

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError as error:
            if not self._threads:
                raise BudgetError(TOO_FEW) from error


def start(thread: threading.Thread) -> None:
    """Start a thread.  Raises BudgetError if the system refuses it."""
    try:
        thread.start()
    except RuntimeError as error:
        raise BudgetError(TOO_FEW) from error


def can_start(n: int) -> bool:
    """Whether the system grants ``n`` more threads at the same time, which takes trying it.

    Libraries in C++ end the process where it does not.
    """
    release = threading.Event()
    threads: list[threading.Thread] = []
    try:
        for _ in range(n):
            thread = threading.Thread(target=release.wait)
            start(thread)
            threads.append(thread)
    except BudgetError:
        return False
    finally:
        release.set()
        for thread in threads:
            thread.join()
    return True
