"""The ranges of a file at a URL that were read once, kept in a folder of this machine.

The environment variable ``OOC_TRAIN_CACHE`` names the folder, for child processes, too; without it
nothing is kept.  A file there has the bytes at their own positions, and beside it are the ranges
that it has.  Ranges are written down after their bytes are on the disk, so that whatever ends the
process or the machine leaves no range that is not there.
"""

import bisect
import contextlib
import hashlib
import os
import shutil
import threading
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ooc_train.errors import InputError
from ooc_train.locks import lock
from ooc_train.remote.content import RemoteContent
from ooc_train.system_errors import reason

FOLDER = "OOC_TRAIN_CACHE"
_STEP_BYTES = 2**24
"""Ranges are written down after so many bytes: what is lost when the process is killed."""
_BYTES, _RANGES = ".bytes", ".ranges"
_RANGE = np.dtype([("start", "<i8"), ("stop", "<i8")])

_copies: "weakref.WeakValueDictionary[Path, LocalCopy]" = weakref.WeakValueDictionary()
"""Those of this process, by the paths of their bytes."""
_opening = threading.Lock()


def local_copy(content: RemoteContent) -> "LocalCopy | None":
    """The copy of a file that this machine keeps; ``None`` where no folder is given.

    Copies of other versions of the file are removed.  Raises InputError if the folder cannot be
    written, or its disk is too small for the file.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    url, version = (_digest(str(part)) for part in (content.url, tuple(content.version)))
    path = Path(folder).expanduser().absolute() / f"{url}-{version}{_BYTES}"
    with _opening:
        found = _copies.get(path)
        if found is None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                for other in path.parent.glob(f"{url}-*"):
                    if not other.name.startswith(path.stem):
                        other.unlink(missing_ok=True)
                found = LocalCopy(path, content.size)
            except OSError as error:
                raise InputError(
                    f"{content.url} cannot be kept in {path.parent}: {reason(error)}; let {FOLDER} "
                    "name a folder that can be written, or unset it"
                ) from None
            free = shutil.disk_usage(path.parent).free
            if free < found.n_lacking:
                raise InputError(
                    f"{content.url} takes {found.n_lacking:,} more bytes in {path.parent}, whose "
                    f"disk has {free:,}; let {FOLDER} name a folder on another disk, or unset it"
                )
            _copies[path] = found
    return found


class LocalCopy:
    """The ranges of a file of ``size`` bytes that are kept at ``path``; threads may share it.

    Where another process keeps the same file, the ranges that it had then are read, and no more are
    kept.  Raises OSError if a file cannot be opened.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._lock = threading.Lock()
        self._starts: list[int] = []  # of ranges that neither touch nor overlap, in their order
        self._stops: list[int] = []
        self._unnoted: list[tuple[int, int]] = []
        with contextlib.ExitStack() as opened:
            self._bytes = _opened(path, 0, opened)
            self._ranges = _opened(path.with_suffix(_RANGES), os.O_APPEND, opened)
            self._keeps = lock(self._ranges)
            self._read_ranges()
            weakref.finalize(self, opened.pop_all().close)

    @property
    def n_lacking(self) -> int:
        """How many bytes of the file are not here."""
        return self._size - sum(self._stops) + sum(self._starts)

    def read(self, start: int, stop: int) -> "memoryview[int] | None":
        """The bytes from ``start`` to before ``stop``; ``None`` if one is not here."""
        with self._lock:
            at = bisect.bisect_right(self._starts, start) - 1
            if at < 0 or self._stops[at] < stop:
                return None
        found = memoryview(bytearray(stop - start))
        n_read = 0
        while n_read < len(found):
            n_now = os.preadv(self._bytes, [found[n_read:]], start + n_read)
            if not n_now:  # it was cut short by somebody
                return None
            n_read += n_now
        return found

    def keep(self, start: int, data: "memoryview[int]") -> None:
        """Keep the bytes from ``start`` on, unless the disk is full or fails: see `note`."""
        if not self._keeps:
            return
        with self._warned():
            written = 0
            while written < len(data):
                written += os.pwrite(self._bytes, data[written:], start + written)
            with self._lock:
                self._add(start, start + written)
                self._unnoted.append((start, start + written))
                n_unnoted = sum(last - first for first, last in self._unnoted)
            if n_unnoted >= _STEP_BYTES:
                self.note()

    def note(self) -> None:
        """Write down which ranges were kept, after their bytes are on the disk.

        Warns where the disk is full or fails; then no more is kept.
        """
        with self._lock:
            unnoted, self._unnoted = self._unnoted, []
        if unnoted:
            with self._warned():
                os.fsync(self._bytes)
                os.write(self._ranges, np.array(unnoted, _RANGE).tobytes())

    @contextlib.contextmanager
    def _warned(self) -> Iterator[None]:
        """Keep no more after an error of the disk, and warn of it."""
        try:
            yield
        except OSError as error:
            self._keeps = False
            text = f"no more of a file at a URL is kept in {self._path.parent}: {reason(error)}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)

    def _read_ranges(self) -> None:
        """Take the ranges that were noted; a last one that is not whole is dropped."""
        noted = self._path.with_suffix(_RANGES).read_bytes()
        n_whole = len(noted) // _RANGE.itemsize * _RANGE.itemsize
        if self._keeps:
            os.truncate(self._ranges, n_whole)
        pairs = np.frombuffer(noted[:n_whole], _RANGE)
        for start, stop in pairs.tolist():
            if 0 <= start < stop <= self._size:
                self._add(start, stop)

    def _add(self, start: int, stop: int) -> None:
        """Count a range as here, as one with those that it touches."""
        first = bisect.bisect_left(self._stops, start)
        last = bisect.bisect_right(self._starts, stop)
        if first < last:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]


def _opened(path: Path, flags: int, opened: contextlib.ExitStack) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
    opened.callback(os.close, descriptor)
    return descriptor


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
