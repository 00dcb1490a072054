"""Kernels compiled in other processes, whose memory the system has back: 40 to 150 MB each.

A process compiles one kernel after another, each from the module that it is in and little else.
When memory is short it ends, and a new one compiles the next.  What it compiles is kept on disk,
see `kernel_cache`, and loaded from there.
"""

import contextlib
import functools
import importlib
import pickle
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence

from ooc_train.compiling import compiled_by
from ooc_train.errors import BudgetError
from ooc_train.memory import measure, usable_bytes
from ooc_train.progress import Progress
from ooc_train.subprocesses import end_first, python_command

_NEXT_BYTES = 32_000_000
"""More than compiling another kernel takes."""
_IDLE_SECONDS = 5.0
"""How long a process waits for another kernel."""
_DONE = b"\n"

Name = tuple[str, str]
"""A kernel's module, and its name there."""
Kernel = tuple[str, str, str]
"""A kernel's module, its name there, and a signature as Numba reads it."""


@contextlib.contextmanager
def compiling_elsewhere(budget_bytes: int | None, progress: Progress) -> Iterator["Compiler"]:
    """Compile the kernels that a block calls first, in all threads, by a `Compiler`."""
    compiler = Compiler(budget_bytes, progress)
    try:
        with compiled_by(compiler.compile):
            yield compiler
    finally:
        compiler.end()


class Compiler:
    """Compiles kernels in other processes, so that all of them together stay in a budget.

    One kernel is compiled however small that is.  By default it is what this process may use.
    """

    def __init__(self, budget_bytes: int | None, progress: Progress) -> None:
        self.budget_bytes = min(budget_bytes or sys.maxsize, usable_bytes())
        self.before_next: Callable[[], None] | None = None
        """What is called, once, before the next kernel is compiled."""
        self._progress = progress
        self._process = _Process()
        self._asked: set[Name] = set()
        self._ahead: _Ahead | None = None

    def compile(self, module: str, name: str, signature: bytes) -> None:
        """Have the kernel ``name`` of a module compiled and kept on disk, where that is possible.

        Raises BudgetError if the system ends the process for want of memory.
        """
        if not self._asked:
            self._progress.message("compiling for this processor, once: some 10 seconds")
        self._asked.add((module, name))
        before, self.before_next = self.before_next, None
        if before:
            before()
        if self._ahead:
            self._ahead.wait_for((module, name))
        may_be_full = self._process.is_started  # or may have ended, since it was idle
        request = pickle.dumps((module, name, signature))
        status = self._process.ask(request)
        if status and may_be_full:
            status = self._process.ask(request)
        if status == -signal.SIGKILL:
            raise BudgetError(
                "the memory that this process may use does not suffice for compiling; run the "
                "command once, on a small file, with a limit of 200 MB or more: what is compiled "
                "is kept"
            )
        if (measure().anon_bytes or 0) + _NEXT_BYTES > self.budget_bytes:
            self.end()

    @contextlib.contextmanager
    def also_from_the_end(self, kernels: Sequence[Kernel]) -> Iterator[None]:
        """Compile ``kernels`` on a second processor, too, the last first, until one is asked for.

        They are what will be asked for, in this order, so that two processes meet in the middle.
        """
        self._ahead = _Ahead(kernels, self._asked)
        try:
            yield
        finally:
            self._ahead.end()
            self._ahead = None

    def end(self) -> None:
        """End the process, if there is one; the next kernel begins another."""
        self._process.end()


class _Ahead:
    """A thread that has kernels compiled by a process of its own, the last first."""

    def __init__(self, kernels: Sequence[Kernel], asked: Collection[Name]) -> None:
        self._kernels, self._asked = kernels, asked
        self._name: Name | None = None
        self._changed = threading.Condition()
        self._process = _Process()
        self._process.start()  # here, so that it can be killed from now on
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_for(self, name: Name) -> None:
        """Wait while that kernel is being compiled."""
        with self._changed:
            self._changed.wait_for(lambda: self._name != name)

    def end(self) -> None:
        """End the process, whatever it is doing, and the thread."""
        self._process.kill()
        self._thread.join()

    def _run(self) -> None:
        for module, name, signature in reversed(self._kernels):
            self._set((module, name))
            # If the process has ended, whoever asks for the kernel finds out why.
            request = pickle.dumps((module, name, pickle.dumps(signature)))
            if (module, name) in self._asked or self._process.ask(request):
                break
        self._process.end()
        self._set(None)

    def _set(self, name: Name | None) -> None:
        with self._changed:
            self._name = name
            self._changed.notify_all()


class _Process:
    """A process that compiles, begun when it is first asked for a kernel."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_started(self) -> bool:
        return self._process is not None

    def start(self) -> subprocess.Popen[bytes]:
        """Begin the process, unless it is."""
        self._process = self._process or _started()
        return self._process

    def ask(self, request: bytes) -> int:
        """Ask for a kernel, and wait; 0, or the process's exit status if it has ended."""
        process = self.start()
        if not process.stdin or not process.stdout:
            return 1
        try:
            with contextlib.suppress(OSError):
                process.stdin.write(request)
                process.stdin.flush()
                if process.stdout.read(1) == _DONE:
                    return 0
            self._process = None
            with contextlib.suppress(OSError):  # of what could not be written
                process.stdin.close()
            process.stdout.close()
            return process.wait() or 1
        except BaseException:
            self.end()
            raise

    def kill(self) -> None:
        """Let the process end, and whoever waits for it know."""
        if process := self._process:
            process.kill()

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.communicate()


def _started() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        python_command(__name__, []),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    end_first(process.pid)
    return process


# ---- In the other process.


def main() -> int:
    """Compile what standard input names, until that ends or nothing is asked for long; 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the process that asks
    with open(0, "rb") as requests, open(1, "wb", buffering=0) as answers:
        while select.select([requests], [], [], _IDLE_SECONDS)[0] and requests.peek(1):
            module, name, signature = pickle.load(requests)
            # What cannot be compiled here is compiled where it was called, or fails there.
            with contextlib.suppress(Exception):
                kernel = functools.reduce(getattr, name.split("."), importlib.import_module(module))
                kernel.compile(pickle.loads(signature))
            answers.write(_DONE)
    return 0
