"""Ranges of a file at a URL, for readers that know what they will read next."""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from ooc_train.errors import InputError
from ooc_train.remote.content import RemoteContent
from ooc_train.remote.local_copy import local_copy
from ooc_train.threads import ThreadPool

N_REQUESTS = 64
"""How many requests are under way at once: the time of each is mostly waiting."""
_SMALL_BYTES = 2**16
"""Ranges that are smaller wait for others near them, to be asked for together."""
_AHEAD_BYTES, _N_AHEAD = 2**21, 4
_MOST_BYTES, _MOST_LEFT_BYTES = 3 * 2**25, 2**23
_N_ENDS = 32


@dataclass(eq=False)
class _Range:
    """Bytes from ``start`` to before ``stop``, under way or here; ``n_read`` of them were read.

    One that ``goes_on`` was not expected, but followed a range that was read.
    """

    owner: "RemoteParts"
    start: int
    stop: int
    data: "Future[memoryview[int]]"
    goes_on: bool
    n_read: int = 0

    @property
    def n_bytes(self) -> int:
        """The number of bytes."""
        return self.stop - self.start


class Requests:
    """The requests of the files that are read together, and the memory of what they brought.

    ``asked`` are all ranges in the order in which they were asked for, and ``left`` those of them
    that were read.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.asked: dict[_Range, None] = {}
        self.left: dict[_Range, None] = {}
        self._n_bytes = 0
        self._pool: ThreadPool | None = None
        self._n_users = 0

    def begin(self) -> None:
        """Count one more file."""
        self._n_users += 1

    def end(self) -> None:
        """Count one file less; after the last nothing is asked for."""
        self._n_users -= 1
        if self._pool and not self._n_users:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def submit(
        self, read: "Callable[..., memoryview[int]]", *given: object
    ) -> "Future[memoryview[int]]":
        """Make a request, when its turn comes."""
        if self._pool is None:
            self._pool = ThreadPool(N_REQUESTS, "remote")
        return self._pool.submit(read, *given)

    def add(self, part: _Range) -> None:
        """Note a range that was asked for, and forget the first ones of too many."""
        self.asked[part] = None
        self._n_bytes += part.n_bytes
        while self._n_bytes > _MOST_BYTES and len(self.asked) > 1:
            self.forget(next(iter(self.asked)))

    def leave(self, part: _Range) -> None:
        """Keep what was read for a while: blocks are read again for each slice that has a share."""
        if part in self.asked:
            self.left[part] = None
        while sum(one.n_bytes for one in self.left) > _MOST_LEFT_BYTES:
            self.forget(next(iter(self.left)))

    def forget(self, part: _Range) -> None:
        """Forget a range."""
        self.left.pop(part, None)
        if part in self.asked:
            del self.asked[part]
            self._n_bytes -= part.n_bytes
            part.owner.forget(part)


class RemoteParts:
    """The bytes of a file by ranges, of which those expected are asked for ahead, many at a time.

    What follows a range that was read, and then the next one, is asked for, too.  Small ranges are
    asked for when a large one is expected, or any is read: together where they are near each other.
    Threads may share it.

    What was read stays in the folder of `local_copy`, if there is one, and comes from there
    afterwards.

    Raises InputError where the server gives no parts of the file.

    Memory: what is expected and not yet read, at most 96 MiB for all files with the same
    ``requests``; beyond that the ranges that were asked for first are forgotten, and asked for
    again where they are read.
    """

    def __init__(self, content: RemoteContent, requests: Requests | None = None) -> None:
        self.content = content
        self.size = content.size
        if not content.has_ranges:
            raise InputError(
                f"{content.url} cannot be read: its server gives no parts of a file; download it "
                "first"
            )
        self._copy = local_copy(content)
        self._requests = requests or Requests()
        self._requests.begin()
        self._lock = self._requests.lock
        self._parts: dict[int, _Range] = {}  # by their starts
        self._small: list[tuple[int, int]] = []
        self._ends: OrderedDict[int, bool] = OrderedDict()
        self._stopped = threading.Event()

    def read_into(self, target: "memoryview[int]", position: int) -> bool:
        """Fill ``target`` with the bytes from ``position`` on; return whether there were enough.

        Raises InputError where they cannot be read, or the file is not what it was.
        """
        self.content.check_process()
        if position + len(target) > self.size:
            return False
        self._go_on(position, position + len(target))
        while target:
            data = self._bytes_at(position, len(target))
            target[: len(data)] = data
            target, position = target[len(data) :], position + len(data)
        return True

    def expect(self, position: int, n_bytes: int) -> None:
        """Ask for bytes that will be read soon."""
        self.content.check_process()
        stop = min(position + n_bytes, self.size)
        with self._lock:
            if n_bytes < _SMALL_BYTES:
                self._small += [(position, stop)] if n_bytes else []
                return
            self._ask_for_small()
            self._ask_for_lacking(position, stop)

    def close(self) -> None:
        """Ask for nothing more."""
        self._stopped.set()
        with self._lock:
            for part in [*self._parts.values()]:
                part.data.cancel()
                self._requests.forget(part)
            self._requests.end()
        if self._copy:
            self._copy.note()

    def forget(self, part: _Range) -> None:
        """Ask for a range again where it is read."""
        if self._parts.get(part.start) is part:
            del self._parts[part.start]

    def _go_on(self, start: int, stop: int) -> None:
        """Expect what follows, where this range follows one that was read."""
        with self._lock:
            self._ask_for_small()
            part = self._part_at(start)
            if part.goes_on if part else self._ends.pop(start, False):
                self._ask_ahead(stop)
            elif not part:
                self._ends[stop] = True
                if len(self._ends) > _N_ENDS:
                    self._ends.popitem(last=False)

    def _ask_ahead(self, start: int) -> None:
        """Ask for what follows, in large requests."""
        stop = min(start + _N_AHEAD * _AHEAD_BYTES, self.size)
        lacking = sum(end - begin for begin, end in self._lacking(start, stop))
        if lacking > _AHEAD_BYTES or stop == self.size:
            self._ask_for_lacking(start, stop, goes_on=True)

    def _ask_for_small(self) -> None:
        """Ask for the small ranges that wait, together with the bytes between near ones."""
        start = stop = -1
        for first, last in [*sorted(self._small), (self.size + _SMALL_BYTES, 0)]:
            if first - stop < _SMALL_BYTES and stop - start < _AHEAD_BYTES and stop >= 0:
                stop = max(stop, last)
                continue
            if stop >= 0:
                self._ask_for_lacking(start, stop)
            start, stop = first, last
        self._small.clear()

    def _ask_for_lacking(self, start: int, stop: int, *, goes_on: bool = False) -> None:
        for first, last in self._lacking(start, stop):
            self._ask(first, last, goes_on=goes_on)

    def _bytes_at(self, position: int, wanted: int) -> "memoryview[int]":
        """Bytes from a position on, at least one: those of a part."""
        with self._lock:
            part = self._part_at(position)
            if part is None:
                following = min((s for s in self._parts if s > position), default=self.size)
                stop = min(max(position + wanted, position + _SMALL_BYTES), following)
                part = self._ask(position, stop)
        data = part.data.result()[position - part.start :][:wanted]
        with self._lock:
            part.n_read += len(data)
            if part.n_read >= part.stop - part.start:
                self._requests.leave(part)
        return data

    def _part_at(self, position: int) -> _Range | None:
        return next(
            (part for part in self._parts.values() if part.start <= position < part.stop), None
        )

    def _lacking(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The ranges that no part has, cut so that several requests share a long one."""
        near = sorted(
            (part.start, part.stop)
            for part in self._parts.values()
            if part.start < stop and start < part.stop
        )
        found = []
        for part_start, part_stop in [*near, (stop, stop)]:
            edges = [*range(start, part_start, _AHEAD_BYTES), part_start]
            found += [pair for pair in itertools.pairwise(edges) if pair[0] < pair[1]]
            start = max(start, part_stop)
        return found

    def _read(self, start: int, stop: int) -> "memoryview[int]":
        """The bytes of a range: those that are kept here, or else those of the server."""
        if self._copy is None:
            return self.content.read(start, stop, self._stopped)
        data = self._copy.read(start, stop)
        if data is None:
            data = self.content.read(start, stop, self._stopped)
            self._copy.keep(start, data)
        return data

    def _ask(self, start: int, stop: int, *, goes_on: bool = False) -> _Range:
        before = self._parts.get(start)
        if before:
            self._requests.forget(before)
        data = self._requests.submit(self._read, start, stop)
        part = self._parts[start] = _Range(self, start, stop, data, goes_on)
        self._requests.add(part)
        return part
