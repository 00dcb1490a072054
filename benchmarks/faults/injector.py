"""Faults of system calls: what goes wrong, and how a command's calls are told to.

A library in C, see ``failing_calls.c``, is put in front of the C library of a command.  It is built
by the system's compiler.  Python alone could not do this: HDF5, where most bytes are written, makes
its calls without Python.
"""

import ctypes
import errno
import mmap
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ooc_train.errors import OutputError

SOURCE = Path(__file__).with_name("failing_calls.c")
VARIABLE = "OOC_FAULTS"
"""The environment variable that names the file of the state."""

CALLS = ("write", "sync", "name", "create", "folder", "resize", "close", "any")
"""The classes of calls, in the order of the library: write and its kin, fsync and its kin, rename
and link, open of a new file, mkdir, truncate and allocate, close of what was written to, all."""
FAIL, SHORT, SIGNAL = "fail", "short", "signal"
_EFFECTS = (FAIL, SHORT, SIGNAL)
_N_FOLDERS, _FOLDER_BYTES = 4, 1024


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with the calls of one class: the ``first`` of them, counted from 1.

    ``effect`` is `FAIL` (with the error ``number``), `SHORT` (a write writes half), or `SIGNAL`
    (the command gets the signal ``number``).  With ``onward`` all later ones go wrong, too.  If
    ``first`` is 0, none does, and calls are only counted.
    """

    call: str
    first: int
    effect: str = FAIL
    number: int = 0
    onward: bool = False

    def __str__(self) -> str:
        """The fault in words.

        >>> str(Fault(call="write", first=3, number=28, onward=True))
        'write 3 onward: ENOSPC'
        """
        which = f"{self.call} {self.first}{' onward' if self.onward else ''}"
        if self.effect == SHORT:
            return f"{which}: half"
        if self.effect == SIGNAL:
            return f"{which}: {signal.Signals(self.number).name}"
        return f"{which}: {errno.errorcode[self.number]}"


COUNT = Fault(call="any", first=0)
"""Nothing goes wrong."""


class _State(ctypes.Structure):
    """``struct state`` of the library."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in "call effect error signal pid onward".split()),
        ("first", ctypes.c_int64),
        ("n_done", ctypes.c_int64),
        ("counts", ctypes.c_int64 * len(CALLS)),
        ("folders", (ctypes.c_char * _FOLDER_BYTES) * _N_FOLDERS),
    ]


class State:
    """The state that the processes of a command share, in the file at ``path``."""

    @staticmethod
    def make(path: Path) -> None:
        """Make the file of a state in which nothing goes wrong."""
        path.write_bytes(bytes(ctypes.sizeof(_State)))

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), 0)
        self._state = _State.from_buffer(self._mapped)

    def arm(self, fault: Fault, folders: Sequence[Path]) -> None:
        """Let calls on what is below ``folders`` go wrong; nothing counts without folders."""
        ctypes.memset(ctypes.addressof(self._state), 0, ctypes.sizeof(_State))
        self._state.call = CALLS.index(fault.call)
        self._state.effect = _EFFECTS.index(fault.effect)
        self._state.error = self._state.signal = fault.number
        self._state.onward, self._state.first = fault.onward, fault.first
        for number, folder in enumerate(folders):
            self._state.folders[number].value = str(folder.resolve()).encode()

    def aim(self, pid: int) -> None:
        """Send signals to this process."""
        self._state.pid = pid

    @property
    def n_done(self) -> int:
        """The calls that went wrong."""
        return int(self._state.n_done)

    @property
    def counts(self) -> dict[str, int]:
        """The calls seen, by class."""
        return dict(zip(CALLS, map(int, self._state.counts), strict=True))


def compiler() -> str | None:
    """The system's C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(folder: Path) -> Path:
    """Build the library in a folder.  Raises OutputError if that fails."""
    library = folder / "failing_calls.so"
    command = [compiler() or "cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OutputError(f"{SOURCE.name} could not be compiled: {done.stderr.strip()[-500:]}")
    return library
