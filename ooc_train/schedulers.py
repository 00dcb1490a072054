"""Where tasks run: in processes of this machine, on the workers of a cluster, or on any executor.

All run the same tasks, and every result is the same.  A task is a function of a module and its
arguments, which are small but for blocks of rows, and works in a folder that all workers share.
"""

import contextlib
import re
import signal
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import replace

from ooc_train.environment import n_processors
from ooc_train.errors import BudgetError, OptionError
from ooc_train.memory import keep_freed_memory
from ooc_train.parcels import ParcelExecutor
from ooc_train.tasks import SharedFolder, Workers

SCHEDULER = (
    "those of Dask's scheduler at tcp://HOST:PORT, or processes of this machine, local[N] of Dask "
    "and processes[N] of Python; in the library also an executor"
)
"""The schedulers that there are, for the help of an option."""
_OWN = re.compile(r"(processes|local)\[(\d+)\]")
_ADDRESS = re.compile(r"\w+://.+")


@contextlib.contextmanager
def workers_of(
    chosen: str | Executor | None, n: int | None, folder: SharedFolder
) -> Iterator[Workers | None]:
    """The workers of a scheduler, ``None`` where none is chosen.

    ``n`` are the workers of an executor, or those to wait for at an address.  Raises
    ``OptionError`` for workers that are not there or that cannot work in the folder, and
    ``BudgetError`` where they end one after another.
    """
    if chosen is None:
        yield None
    elif isinstance(chosen, Executor):
        yield Workers(chosen, n or n_processors())
    else:
        with _started(chosen, n or 1, folder) as workers:
            yield workers


def check_scheduler(chosen: str | Executor | None) -> bool:
    """Whether the scheduler says how many workers there are.  Raises ``OptionError`` if it is none.

    >>> check_scheduler("processes[4]")
    True
    """
    if not isinstance(chosen, str):
        return False
    own = _OWN.fullmatch(chosen)
    if not (int(own[2]) > 0 if own else _ADDRESS.fullmatch(chosen)):
        raise OptionError(
            f"--scheduler is an address such as tcp://host:8786, or local[4] or processes[4], and "
            f"not {chosen!r}"
        )
    return own is not None


@contextlib.contextmanager
def _started(chosen: str, n_wanted: int, folder: SharedFolder) -> Iterator[Workers]:
    own = _OWN.fullmatch(chosen)
    if own and own[1] == "processes":
        started = _processes(int(own[2]))
    else:
        from ooc_train import cluster  # noqa: PLC0415 - slow to load, and optional

        started = cluster.workers(chosen, int(own[2]) if own else None, folder, n_wanted)
    with started as found:
        yield replace(found, pool=ParcelExecutor(found.pool, folder.path))


@contextlib.contextmanager
def _processes(n: int) -> Iterator[Workers]:
    import multiprocessing  # noqa: PLC0415 - slow to load
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

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
