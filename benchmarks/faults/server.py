"""A process that has the package loaded, and forks a child for each command that it is told to run.

So a command starts in a hundredth of a second instead of a second.  Requests and replies are lines
of JSON, see `benchmarks.faults.processes`, whose other end this is.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from benchmarks.faults.injector import COUNT, VARIABLE, Fault, State

_MALLOC_NOISE = -6
"""``M_PERTURB`` of the C library."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command to run: ``words`` are its name (``"convert"``) and its arguments.

    Its calls on what is below ``folders`` go wrong by ``fault``.  It gets the signal ``signal``
    ``after`` so many seconds, or else by ``fault``, and SIGKILL after ``limit`` seconds.  It may
    allocate ``memory`` bytes more than the server has; memory that it allocates is filled with the
    byte ``noise``, so that what it takes from there by mistake differs.  If it is
    ``fresh``, it starts in a new interpreter, as its script does, with other ``variables`` of the
    environment, by the command ``prefix``.
    """

    words: list[str]
    output: str
    errors: str
    fault: Fault = COUNT
    folders: list[str] = field(default_factory=list)
    signal: int | None = None
    after: float | None = None
    limit: float = 60.0
    memory: int | None = None
    noise: int | None = None
    fresh: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    prefix: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, line: str) -> "Request":
        """The request in a line of JSON."""
        values = json.loads(line)
        return cls(**values | {"fault": Fault(**values["fault"])})


@dataclass(frozen=True, kw_only=True)
class Reply:
    """How a command ended: ``status`` is negative if a signal killed it."""

    status: int
    seconds: float
    timed_out: bool
    n_done: int
    counts: dict[str, int]


def serve(requests: TextIO, replies: TextIO, state: State) -> tuple[Request, int] | None:
    """Answer requests until there are no more.

    In a child, return the request to carry out, and the descriptor to close when it begins.
    """
    for line in requests:
        request = Request.of(line)
        state.arm(request.fault, [Path(folder) for folder in request.folders])
        begins, begin = os.pipe()
        pid = os.fork()
        if not pid:
            replies.close()
            state.aim(os.getpid())
            return request, begin
        os.close(begin)
        _is_ready(begins, request.limit)
        os.close(begins)
        began = time.perf_counter()
        status, timed_out = _watch(pid, request)
        reply = Reply(
            status=status,
            seconds=time.perf_counter() - began,
            timed_out=timed_out,
            n_done=state.n_done,
            counts=state.counts,
        )
        print(json.dumps(reply.__dict__), file=replies, flush=True)
    return None


def _watch(pid: int, request: Request) -> tuple[int, bool]:
    """Wait for a child, and send it signals; its status, and whether it took too long."""
    ended = os.pidfd_open(pid)
    left = request.limit
    if request.signal is not None and request.after is not None:
        if not _is_ready(ended, request.after):
            os.kill(pid, request.signal)
        left -= request.after
    timed_out = not _is_ready(ended, left)
    if timed_out:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(ended)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # what it has started
    return os.waitstatus_to_exitcode(status), timed_out


def _is_ready(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], max(0.0, seconds))[0])


def carry_out(request: Request, begin: int, package: str) -> int:
    """Run the command of a request, a module of ``package``, in this process; its exit status.

    The descriptor ``begin`` is closed when it begins: before that, a signal would hit the server.
    """
    os.setsid()
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, request.errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    name, *arguments = request.words
    if request.fresh:
        os.close(begin)
        start = f"import sys; from {package}.entry import {name}; sys.exit({name}())"
        line = [*request.prefix, sys.executable, "-c", start, *arguments]
        path = shutil.which(line[0]) or line[0]
        os.execve(path, line, {**os.environ, "PYTHONPATH": str(Path.cwd()), **request.variables})
    sys.argv = [f"ooc-{name}", *arguments]
    _limit(request)
    module = _module(name, package)
    main = module.main

    def begun(*given: Sequence[str]) -> int:
        os.close(begin)
        return int(main(*given))

    if "." in name:
        return begun(arguments)
    module.main = begun  # so that signals come when the command can hear them
    return int(getattr(importlib.import_module(f"{package}.entry"), name)())


def _limit(request: Request) -> None:
    """Give this process the memory of a request, and no more."""
    if request.noise is not None:
        ctypes.CDLL(None).mallopt(_MALLOC_NOISE, request.noise)
    if request.memory is not None:
        n_pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = n_pages * resource.getpagesize() + request.memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _module(command: str, package: str) -> Any:
    """The module of a command: of ``package``, unless it names its own."""
    return importlib.import_module(command if "." in command else f"{package}.{command}")


def main() -> int:
    """Load the modules that are named, run the commands of the warm-up, and serve."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    package = settings["package"]
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    for module in settings["modules"]:
        importlib.import_module(module)
    for name, *arguments in settings["warm_up"]:
        if _module(name, package).main(arguments):
            return 1
    state = State(Path(os.environ[VARIABLE]))
    print(json.dumps({"ready": True}), file=replies, flush=True)
    request = serve(sys.stdin, replies, state)
    return carry_out(*request, package) if request else 0


if __name__ == "__main__":
    sys.exit(main())
