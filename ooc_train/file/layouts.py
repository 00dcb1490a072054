"""The layouts of arrays in a file, each read in the fastest way that it allows.

A contiguous array is read past HDF5, in one of two ways.  Rows in their order are copied with
``pread``, which is as fast as copying from a memory map, works in forked processes and in threads,
and makes an error of a file that is truncated meanwhile, not a deadly signal.  Rows in another
order are taken from a map, without a copy of all of them: `mapping` says how that stays safe, and
where it is not done.  Compressed chunks are read with ``pread``, and decompressed by the thread
that reads, without HDF5's lock: handing chunks of 64 KiB to several threads took longer than
decompressing them, on 2 processors as on 16.  Chunks whose packages are not installed, but HDF5's
filters are, are read through h5py.
"""

import contextlib
import errno
import functools
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ooc_train.dtypes import I64, U8, AnyArray
from ooc_train.file.arrays import BlockArray, DamageError, Failure
from ooc_train.file.chunk_tree import chunks_near
from ooc_train.file.compression import ChunkCoder, check_filters, coder_of
from ooc_train.file.handle import Handle
from ooc_train.file.mapping import FileMap
from ooc_train.file.objects import StoredArray
from ooc_train.file.structure import array_at


class FlatArray(BlockArray):
    """A contiguous array, read at its offset in the file."""

    def __init__(self, path: str, stored: StoredArray, handle: Handle) -> None:
        super().__init__(path, stored, handle)
        self._offset, self._n_bytes = stored.position, stored.n_bytes

    @functools.cached_property
    def view(self) -> AnyArray:
        """All rows as a read-only view of the file, which copies nothing.

        Touching them ends the process where the file is cut short by then.  Raises DamageError
        where it is already, OSError where files cannot be mapped.
        """
        if not len(self):
            return np.empty(self.shape, self.dtype)
        with self._map_errors():
            return self._typed(self.handle.mapped(self._offset, self._n_bytes).view)

    @functools.cached_property
    def can_fetch(self) -> bool:
        """Whether rows can be fetched, which makes it safe to use them as they are mapped."""
        with contextlib.suppress(DamageError, OSError):
            return self._n_bytes > 0 and self._map.can_fetch
        return False

    # What `JoinedArray` does for several files.

    def cut(self, start: int, stop: int) -> "Sequence[tuple[FlatArray, int, int]]":
        """The arrays in one file each that have rows of a range: this one has all."""
        return [(self, start, stop)]

    def begin_of(self, part: BlockArray) -> int:  # noqa: ARG002
        """The number of a part's first row among all rows: this array is the one part."""
        return 0

    def named(self, error: Failure, part: BlockArray) -> Failure:  # noqa: ARG002
        """The error of a part, which is the one of this array."""
        return error

    @property
    def end(self) -> int:
        """The position in the file behind the last row."""
        return self._offset + self._n_bytes

    @functools.cached_property
    def _map(self) -> FileMap:
        """The file's, of which all arrays use one: it has more large pages than several."""
        with self._map_errors():
            return self.handle.whole_map(self.end)

    @contextlib.contextmanager
    def _map_errors(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise DamageError(0, len(self), "the file is truncated") from error
        except OverflowError as error:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error

    def _typed(self, plain: U8) -> AnyArray:
        """Whole rows of bytes as numbers."""
        return plain.view(self.dtype).reshape(-1, *self.shape[1:])

    def addresses(self, rows: I64) -> I64:
        """Where in memory the mapped rows of some ascending numbers begin.

        Only fetched ones may be read.
        """
        return self._map.address + self._offset + rows * self.row_bytes

    @functools.cached_property
    def plain(self) -> U8:
        """The bytes of all rows, mapped: ``(n_bytes,)``.  Only fetched rows are safe to touch."""
        return self._map.view[self._offset : self.end]

    def fetch(self, start: int, stop: int) -> None:
        """Bring rows ``start`` up to ``stop``, mapped, into memory, and check them there.

        Raises DamageError where the file is truncated or a block does not match its checksum,
        OSError where the disk fails.
        """
        blocks = self._unchecked(start, stop)
        if blocks:  # which are checked as a whole
            start = min(start, blocks.start * self.block_length)
            stop = max(stop, min(blocks.stop * self.block_length, len(self)))
        first, last = (self._offset + row * self.row_bytes for row in (start, stop))
        try:
            self._map.fetch(first, last)
        except OSError:
            # The kernel says only that touching a page would fail; reading it says why.
            self._fetch(np.empty((stop - start, *self.shape[1:]), self.dtype), start)
            self._map.fetch(first, last)
        if not self.handle.reaches(last):  # of its last page the kernel fills the rest with zeros
            raise DamageError(start, stop, "the file is truncated")
        if blocks:
            block_bytes = self.block_length * self.row_bytes
            plain = self.plain[blocks.start * block_bytes : blocks.stop * block_bytes]
            self._check(blocks.start, self._typed(plain))

    def positions(self, rows: I64) -> I64:
        """The positions that `take` needs of some rows: their numbers."""
        return rows

    def take(self, positions: I64) -> AnyArray:
        """Fetched rows, by their positions, as a new array."""
        # As bytes: of an array that lies at no multiple of its items NumPy would copy all first.
        found = self.plain.reshape(-1, self.row_bytes).take(positions, axis=0)
        return self._typed(found.reshape(-1))

    def release(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Let go of fetched rows."""
        begin, size = self._offset, self.row_bytes
        self._map.release([(begin + start * size, begin + stop * size) for start, stop in ranges])

    def _unchecked(self, start: int, stop: int) -> range:
        """The blocks of some rows, without the first and the last ones that are checked."""
        if self.is_checked(start, stop):
            return range(0)
        blocks = start // self.block_length, -(-stop // self.block_length)
        return range(self._checked.find(0, *blocks), self._checked.rfind(0, *blocks) + 1)

    def _extents(self, start: int, stop: int) -> Iterable[tuple[int, int]]:
        return [(self._offset + start * self.row_bytes, (stop - start) * self.row_bytes)]

    def _fetch(self, target: AnyArray, start: int) -> None:
        position = self._offset + start * self.row_bytes
        if not self.handle.read_into(target.data.cast("B"), position):
            raise DamageError(start, start + len(target), "the file is truncated")


class ChunkedArray(BlockArray):
    """An array of compressed chunks, one to a block, read at their places in the file.

    Memory: 12 bytes more for each chunk, and the rows of one.
    """

    def __init__(self, path: str, stored: StoredArray, handle: Handle, coder: ChunkCoder) -> None:
        super().__init__(path, stored, handle)
        self._stored, self._coder = stored, coder
        # The places and sizes of the chunks, filled as they are read.
        self._offsets = np.zeros(self.n_blocks, np.int64)
        self._sizes = np.zeros(self.n_blocks, np.int32)
        self._most_bytes = 2 * self.block_length * self.row_bytes + 1024

    def read_into(self, target: AnyArray, start: int) -> None:
        """Fill ``target`` as all arrays do; the rows of a chunk are checked together."""
        self._fill(target, start, verify=True)

    def _extents(self, start: int, stop: int) -> Iterable[tuple[int, int]]:
        """Places of the chunks that were read before; those of others are not known yet."""
        position = n_bytes = 0  # of chunks that lie one after another
        for block in range(start // self.block_length, -(-stop // self.block_length)):
            if self._offsets[block] != position + n_bytes:
                yield position, n_bytes
                position, n_bytes = int(self._offsets[block]), 0
            n_bytes += int(self._sizes[block])
        yield position, n_bytes

    def _fetch(self, target: AnyArray, start: int) -> None:
        self._fill(target, start, verify=False)

    def _fill(self, target: AnyArray, start: int, *, verify: bool) -> None:
        done = 0
        while done < len(target):
            block, skipped = divmod(start + done, self.block_length)
            rows = self._chunk(block, verify=verify)[skipped : skipped + len(target) - done]
            target[done : done + len(rows)] = rows
            done += len(rows)

    def _chunk(self, block: int, *, verify: bool) -> AnyArray:
        """The rows of a chunk.  The chunk is kept: the next slice often begins in it."""
        last, rows = self._last
        if last != block:
            rows = self._decoded(block)
            self._last = block, rows
        if verify and not self._checked[block]:
            self._check(block, rows)
        return rows

    def _decoded(self, block: int) -> AnyArray:
        if not self._sizes[block]:
            self._locate(block)
        chunk = bytearray(self._sizes[block])
        if not self.handle.read_into(memoryview(chunk), int(self._offsets[block])):
            raise self._damage(block, "the file is truncated")
        try:
            rows = self._coder.decode(bytes(chunk))
        except ValueError as error:
            raise self._damage(block, f"a chunk cannot be decompressed ({error})") from error
        return rows[: len(self) - block * self.block_length]

    def _locate(self, block: int) -> None:
        """Find the place of a chunk, and of those beside it in the tree of chunks."""
        try:
            found = chunks_near(self.handle.content, self._stored, block * self.block_length)
        except ValueError as error:
            raise self._damage(block, str(error)) from error
        for first_row, position, n_bytes in found:
            number, rest = divmod(first_row, self.block_length)
            if not rest and number < self.n_blocks and n_bytes <= self._most_bytes:
                self._offsets[number] = position
                self._sizes[number] = n_bytes  # set last, because other threads look at it first
        if not self._sizes[block]:
            raise self._damage(block, "a chunk is missing")

    def _damage(self, block: int, reason: str) -> DamageError:
        start = block * self.block_length
        return DamageError(start, min(start + self.block_length, len(self)), reason)


class Hdf5Array(BlockArray):
    """An array of compressed chunks whose filters HDF5 has, and this package has not."""

    def _fetch(self, target: AnyArray, start: int) -> None:
        dataset = self.handle.hdf5[self.name]
        dataset.read_direct(target, np.s_[start : start + len(target)])


def open_array(path: str, handle: Handle) -> BlockArray:
    """The array at a path in the file that ``handle`` has open.

    Raises KeyError or ValueError if it is missing, or if the handle verifies and the checksums are
    missing; OptionError if the array is compressed and the packages for that are not installed.
    """
    stored = array_at(handle.root, path)
    if stored.chunk is None:
        return FlatArray(path, stored, handle)
    filters = [number for number, _ in stored.filters]
    coder = coder_of(filters, stored.chunk, stored.dtype)
    if coder:
        return ChunkedArray(path, stored, handle, coder)
    check_filters(handle.path, filters)
    return Hdf5Array(path, stored, handle)
