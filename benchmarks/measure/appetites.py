"""Processes that take a known amount of memory, for measuring the measurement.

    python benchmarks/measure/appetites.py anonymous 300000000 [FILE]

Each takes the memory that its name says, holds it for a moment, and ends.
"""

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HOLD_SECONDS = 0.15
N_CHILDREN = 3
_PAGE_BYTES = 4096
_CLONE_VM = 0x100
_STACK_BYTES = 1 << 16


def idle(_n_bytes: int) -> None:
    """Nothing beyond the interpreter."""
    time.sleep(HOLD_SECONDS)


def anonymous(n_bytes: int) -> None:
    """Memory of the process's own."""
    with _private(n_bytes):
        time.sleep(HOLD_SECONDS)


def freed_at_once(n_bytes: int) -> None:
    """Memory of the process's own, but only for an instant, which sampling may miss."""
    _private(n_bytes).close()
    time.sleep(HOLD_SECONDS)


def mapped(_n_bytes: int) -> None:
    """A file, mapped and read."""
    with (
        Path(sys.argv[3]).open("rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages,
    ):
        _read(pages)
        time.sleep(HOLD_SECONDS)


def inherited(n_bytes: int) -> None:
    """Memory that forked children share with their parent, and read."""
    pages = _private(n_bytes)
    _hold_in_children(N_CHILDREN, lambda: _read(pages))


def half_copied(n_bytes: int) -> None:
    """Memory shared with a forked child that writes to half of it, and so copies that half."""
    pages = _private(n_bytes)
    _hold_in_children(1, lambda: _write(pages, n_bytes // 2))


def shared(n_bytes: int) -> None:
    """Shared memory that several processes use."""
    pages = mmap.mmap(-1, n_bytes, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    _hold_in_children(N_CHILDREN, lambda: _write(pages, n_bytes))


def with_small_child(n_bytes: int) -> None:
    """A large parent and a small child, another program."""
    with _private(n_bytes):
        subprocess.run([sys.executable, __file__, "idle", "0"], check=True)


def with_child_in_its_memory(n_bytes: int) -> None:
    """A child as between `vfork` and `exec`: a process of its own in its parent's memory."""
    libc = ctypes.CDLL(None)
    stack = ctypes.create_string_buffer(_STACK_BYTES)
    top = ctypes.c_void_p((ctypes.addressof(stack) + _STACK_BYTES - 64) & ~15)
    with _private(n_bytes):
        child = libc.clone(libc.pause, top, _CLONE_VM | signal.SIGCHLD, None)
        time.sleep(HOLD_SECONDS)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _private(n_bytes: int) -> mmap.mmap:
    """Anonymous memory, each page of it written."""
    pages = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    _write(pages, n_bytes)
    return pages


def _write(pages: mmap.mmap, n_bytes: int) -> None:
    for start in range(0, n_bytes, _PAGE_BYTES):
        pages[start] = 1


def _read(pages: mmap.mmap) -> int:
    return sum(pages[start] for start in range(0, len(pages), _PAGE_BYTES))


def _hold_in_children(n_children: int, use: Callable[[], object]) -> None:
    """Fork children that use their parent's memory, and wait for them to end."""
    for _ in range(n_children):
        if os.fork() == 0:
            try:
                use()
                time.sleep(HOLD_SECONDS)
            finally:
                os._exit(0)
    for _ in range(n_children):
        os.wait()


APPETITES = {
    appetite.__name__: appetite
    for appetite in (
        idle,
        anonymous,
        freed_at_once,
        mapped,
        inherited,
        half_copied,
        shared,
        with_small_child,
        with_child_in_its_memory,
    )
}

if __name__ == "__main__":
    APPETITES[sys.argv[1]](int(sys.argv[2]))
