"""Kernels compiled in another process, whose memory the system has back: 40 to 150 MB.

The process compiles one kernel after another, each from the module that it is in and little else.
When memory is short it ends, and a new one compiles the next.  What it compiles is kept on disk,
see `kernel_cache`, and loaded from there.
"""

import contextlib
import functools
import gc
import importlib
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

from ooc_train.compiling import compiled_by
from ooc_train.errors import BudgetError
from ooc_train.memory import largest_budget, measure
from ooc_train.progress import Progress
from ooc_train.subprocesses import end_first, python_command

_NEXT_BYTES = 32_000_000
"""More than compiling another kernel takes."""
_IDLE_SECONDS = 5.0
"""How long a process waits for another kernel."""
_DONE = b"\n"
_NEW_OBJECTS = 20_000
"""How many it takes until Python looks for garbage, where it compiles."""


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
    """Compiles kernels in another process, so that both and their children stay in a budget.

    One kernel is compiled however small that is.  It is at most `memory.largest_budget`, also by
    default: the system ends a process that compiles while the pages of code do not fit beside it.
    """

    def __init__(self, budget_bytes: int | None, progress: Progress) -> None:
        self.budget_bytes = min(budget_bytes or sys.maxsize, largest_budget())
        self.before_next: Callable[[], None] | None = None
        """What is called, once, before the next kernel is compiled."""
        self._progress = progress
        self._process: subprocess.Popen[bytes] | None = None
        self._n_asked = 0

    def compile(self, module: str, name: str, signature: bytes) -> None:
        """Have the kernel ``name`` of a module compiled and kept on disk, where that is possible.

        Raises BudgetError if the system ends the process for want of memory.
        """
        if not self._n_asked:
            self._progress.message("compiling for this processor, once: some 10 seconds")
        self._n_asked += 1
        before, self.before_next = self.before_next, None
        if before:
            before()
        request = pickle.dumps((module, name, signature))
        may_be_full = self._process is not None  # or may have ended, since it was idle
        status = self._asked(request)
        if status and may_be_full:
            status = self._asked(request)
        if status == -signal.SIGKILL:
            raise BudgetError(
                "the memory that this process may use does not suffice for compiling; run the "
                "command once, on a small file, with a limit of 200 MB or more: what is compiled "
                "is kept"
            )
        if (measure().anon_bytes or 0) + _NEXT_BYTES > self.budget_bytes:
            self.end()

    def end(self) -> None:
        """End the process, if there is one; the next kernel begins another."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.communicate()

    def _asked(self, request: bytes) -> int:
        """Ask the process for a kernel, and wait; 0, or its exit status if it has ended."""
        process = self._process = self._process or _started()
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


def collect_seldom() -> None:
    """Look for garbage seldom, in a process that compiles: it would take a tenth of the time."""
    gc.set_threshold(_NEW_OBJECTS)


def main() -> int:
    """Compile what standard input names, until that ends or nothing is asked for long; 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the process that asks
    collect_seldom()
    with open(0, "rb") as requests, open(1, "wb", buffering=0) as answers:
        while select.select([requests], [], [], _IDLE_SECONDS)[0] and requests.peek(1):
            module, name, signature = pickle.load(requests)
            # What cannot be compiled here is compiled where it was called, or fails there.
            with contextlib.suppress(Exception):
                kernel = functools.reduce(getattr, name.split("."), importlib.import_module(module))
                kernel.compile(pickle.loads(signature))
            answers.write(_DONE)
    return 0
