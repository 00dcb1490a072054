"""Where a conversion's tasks run: threads of this process, processes, or the workers of a cluster.

All run the same tasks, and every result is the same.  A task is a function and its arguments, which
are small but for blocks of rows, and the job folder is on a disk that all workers share.
"""

import contextlib
import multiprocessing
import re
import signal
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from pathlib import Path

from ooc_train.conversion.options import ConvertOptions
from ooc_train.environment import n_processors
from ooc_train.errors import BudgetError, OptionError
from ooc_train.memory import keep_freed_memory
from ooc_train.tasks import Workers

_OWN = re.compile(r"(processes|local)\[(\d+)\]")
_ADDRESS = re.compile(r"\w+://.+")


@contextlib.contextmanager
def workers_of(options: ConvertOptions, folder: Path) -> Iterator[Workers | None]:
    """The workers that the options ask for, ``None`` for threads of this process.

    ``folder`` is the job folder.  Raises ``OptionError`` for workers that are not there or that
    cannot work in it, and ``BudgetError`` where they end one after another.
    """
    chosen = options.scheduler
    if chosen is None:
        yield None
    elif isinstance(chosen, Executor):
        yield Workers(chosen, options.workers or n_processors())
    else:
        with _started(chosen, options.workers or 1, folder) as workers:
            yield workers


def check_scheduler(options: ConvertOptions) -> None:
    """Raise ``OptionError`` for a scheduler that is none, or two numbers of workers."""
    chosen = options.scheduler
    if not isinstance(chosen, str):
        return
    own = _OWN.fullmatch(chosen)
    if not (int(own[2]) > 0 if own else _ADDRESS.fullmatch(chosen)):
        raise OptionError(
            f"--scheduler is an address such as tcp://host:8786, or local[4] or processes[4], and "
            f"not {chosen!r}"
        )
    if own and options.workers is not None:
        raise OptionError(f"--scheduler {chosen} says how many there are; leave out --workers")


@contextlib.contextmanager
def _started(chosen: str, n_wanted: int, folder: Path) -> Iterator[Workers]:
    own = _OWN.fullmatch(chosen)
    if own and own[1] == "processes":
        with _processes(int(own[2])) as workers:
            yield workers
        return
    from ooc_train.conversion import cluster  # noqa: PLC0415 - slow to load, and optional

    with cluster.workers(chosen, int(own[2]) if own else None, folder, n_wanted) as found:
        yield found


@contextlib.contextmanager
def _processes(n: int) -> Iterator[Workers]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n, context, _begin_worker) as pool:
        try:
            yield Workers(pool, n, n_sharing=n + 1)
        except BrokenExecutor as error:
            raise BudgetError(
                "a worker process was ended, perhaps for want of memory; give less --memory, fewer "
                "processes, or look into what ended it"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """Leave Ctrl-C to the process that waits for the results, and keep freed memory as it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
