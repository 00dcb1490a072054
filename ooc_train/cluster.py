"""The workers of Dask, here or on other machines, as an executor.

Dask passes tasks to processes, notices when one has died, and gives its task to another.  None of
its data frames or shuffles takes part.  All workers share a folder, which is tried, and have the
same versions, which are compared.
"""

import contextlib
import errno
import functools
import platform
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ooc_train.errors import BudgetError, OptionError, OutputError
from ooc_train.extras import pip_install
from ooc_train.memory import keep_freed_memory
from ooc_train.system_errors import unwritten
from ooc_train.tasks import SharedFolder, Workers
from ooc_train.version import __version__

Result = TypeVar("Result")

_RETRIES = 2  # of a task that a file system or a network has failed
_SECONDS = 60  # to wait for a scheduler, and for its first worker
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TOKEN = "token"
_QUIET = {  # what Dask finds out about its processes takes a tenth of their time
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.diagnostics.nvml": False,
    "distributed.worker.memory.monitor-interval": "10s",
}
_ON = "the same command with --resume goes on"


class Outcome(NamedTuple):
    """The result of a task, or the error that it ended with, and the host of its worker."""

    result: Any = None
    error: Exception | None = None
    host: str = ""


class Sight(NamedTuple):
    """A worker's host, the token that it read, its versions and its memory."""

    host: str
    token: str
    versions: Mapping[str, str]
    memory_bytes: int


@contextlib.contextmanager
def workers(
    address: str, n: int | None, folder: SharedFolder, n_wanted: int = 1
) -> Iterator[Workers]:
    """The workers of the scheduler at an address, or ``n`` processes of this machine.

    The first ``n_wanted`` workers at the address are waited for; all that are there then are used.
    Raises ``OptionError`` where there are none, they do not share ``folder`` or have other
    versions, and ``BudgetError`` where a task has ended several of them.
    """
    with contextlib.ExitStack() as stack:
        client = _client(address, n, n_wanted, folder.path, stack)
        sights = _sights(client, folder)
        stack.callback(_forget, client, folder)
        threads = [int(count) for count in client.nthreads().values()]
        limits = [sight.memory_bytes for sight in sights.values() if sight.memory_bytes]
        with client.get_executor(retries=_RETRIES, pure=False) as pool:
            try:
                yield Workers(
                    _ClusterExecutor(pool, folder),
                    sum(threads),
                    max(threads),
                    n_sharing=n + 1 if n else 1,
                    memory_bytes=min(limits) if limits else None,
                )
            finally:
                pool.shutdown(wait=False)


def versions() -> dict[str, str]:
    """The versions that all workers must have."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "ooc-train": __version__,
        "Python": python,
        "numba": metadata.version("numba"),
        "NumPy": metadata.version("numpy"),
    }


def look(folder: Path, name: str, dask_worker: Any = None) -> Sight:
    """The sight of a worker, which runs this: it reads a token in the job folder, and writes it.

    The worker keeps freed memory from now on.  Dask has it returned, which takes longer.
    """
    keep_freed_memory()
    limit = getattr(getattr(dask_worker, "memory_manager", None), "memory_limit", None)
    try:
        token = (folder / _TOKEN).read_text("ascii")
        (folder / f"{_TOKEN}-{name}").write_text(token, "ascii")
    except OSError:
        token = ""
    return Sight(socket.gethostname(), token, versions(), limit or 0)


def run_task(function: Callable[..., Any], *given: Any) -> Outcome:
    """Do a task on a worker.

    Only errors of the system are raised, so that the task is tried again, but for a full disk: that
    would be as full then.
    """
    try:
        return Outcome(function(*given))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        return Outcome(None, error, socket.gethostname())
    except Exception as error:  # noqa: BLE001 - the process that waits for the result raises it
        return Outcome(None, error, socket.gethostname())


class _ClusterExecutor(Executor):
    """The executor of Dask, whose errors are those of this package."""

    def __init__(self, pool: Executor, folder: SharedFolder) -> None:
        self._pool, self._folder = pool, folder

    def submit(self, fn: Callable[..., Result], /, *given: Any, **_: Any) -> "Future[Result]":
        """Have a worker do a task."""
        promised: Future[Result] = Future()
        inner = self._pool.submit(run_task, fn, *given)
        inner.add_done_callback(functools.partial(self._pass_on, promised))
        return promised

    def _pass_on(self, promised: "Future[Any]", done: "Future[Outcome]") -> None:
        if promised.cancelled():
            return
        try:
            outcome = done.result()
        except CancelledError:
            promised.set_exception(OutputError(f"the scheduler was lost; {_ON}"))
        except Exception as error:  # noqa: BLE001 - passed on
            promised.set_exception(_told(error))
        else:
            if outcome.error:
                promised.set_exception(self._named(outcome.error, outcome.host))
            else:
                promised.set_result(outcome.result)

    def _named(self, error: Exception, host: str) -> Exception:
        """The error of a task, with the host where a disk is full."""
        if not isinstance(error, OSError):
            return error
        place = Path(f"{self._folder.path.parent} on {host}")
        return unwritten(self._folder.what, error, place)


def _told(error: Exception) -> Exception:
    """The error of a task that no worker could do."""
    if type(error).__name__ == "KilledWorker":
        return BudgetError(
            f"a task ended several workers, one after another, perhaps for want of memory; give "
            f"workers more, or less --memory: {error}; {_ON}"
        )
    return error


def _client(
    address: str, n: int | None, n_wanted: int, folder: Path, stack: contextlib.ExitStack
) -> Any:
    try:
        import distributed  # noqa: PLC0415 - slow to load, and optional
        from dask import config  # noqa: PLC0415

        dask: Any = distributed
    except ImportError as error:
        install = pip_install("distributed")
        raise OptionError(f"--scheduler {address} needs Dask: {install}") from error
    if n:
        stack.enter_context(config.set(_QUIET))
        cluster = dask.LocalCluster(
            n_workers=n,
            threads_per_worker=1,
            memory_limit=0,  # tasks bound their memory themselves
            dashboard_address="127.0.0.1:0",  # any port: that of another cluster is no warning
            scheduler_kwargs={"dashboard": False},
            silence_logs="CRITICAL",
            local_directory=str(folder),
        )
        return stack.enter_context(dask.Client(stack.enter_context(cluster)))
    try:
        client = stack.enter_context(dask.Client(address, timeout=_SECONDS))
        client.wait_for_workers(n_wanted, timeout=_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise OptionError(
            f"no scheduler with {n_wanted:,} or more workers answers at {address}: {error}; start "
            "them, or give another --scheduler"
        ) from error
    return client


def _sights(client: Any, folder: SharedFolder) -> dict[str, Sight]:
    """The sight of each worker, by address.  Raises ``OptionError`` if that is not enough."""
    token = secrets.token_hex()
    (folder.path / _TOKEN).write_text(token, "ascii")
    addresses = list(client.nthreads())
    names = {address: secrets.token_hex(8) for address in addresses}
    found: dict[str, Sight] = {}
    for address, name in names.items():
        try:
            found |= client.run(look, folder.path, name, workers=[address])
        except (ImportError, AttributeError) as error:
            raise OptionError(
                f"the worker {address} has no ooc-train, or another version ({error}); install "
                f"{__version__} there"
            ) from error
    for address, sight in found.items():
        where = f"the worker {address} on {sight.host}"
        back = folder.path / f"{_TOKEN}-{names[address]}"
        if sight.token != token or not back.exists() or back.read_text("ascii") != token:
            raise OptionError(
                f"{where} cannot read and write {folder.path.parent}, which all workers must "
                f"share; {folder.remedy}"
            )
        back.unlink()
        for package, version in versions().items():
            if sight.versions.get(package) != version:
                raise OptionError(
                    f"{where} has {package} {sight.versions.get(package)}, and this process "
                    f"{version}; results are the same only where versions are"
                )
    return found


def _forget(client: Any, folder: SharedFolder) -> None:
    """Give back the memory of what the workers have kept."""
    if folder.forget:
        with contextlib.suppress(Exception):
            client.run(folder.forget)
