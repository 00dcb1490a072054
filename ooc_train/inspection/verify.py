"""The verification of a file: every block of every array is compared with its checksum."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ooc_train.bars import usual_progress
from ooc_train.file.arrays import BlockArray, DamageError
from ooc_train.progress import Progress
from ooc_train.reading.store import Store
from ooc_train.reading.store import open as open_store
from ooc_train.remote.url import located

_BLOCKS_AT_ONCE = 16


@dataclass(frozen=True)
class Damage:
    """Damaged rows of an array.

    ``first_row`` and ``last_row`` count the rows of the split from 0, or those of the array if it
    belongs to no split.
    """

    split: str | None
    array: str
    first_row: int
    last_row: int
    reason: str

    def __str__(self) -> str:
        split = f"split {self.split!r}, " if self.split else ""
        rows = f"{self.first_row:,} to {self.last_row:,}"
        return f"{split}array {self.array!r}, rows {rows}: {self.reason}"


def verify(path: str | Path, *, progress: Progress | None = None) -> dict[str, Any]:
    """Read the whole file at ``path`` and compare it with its checksums.

    Returns a report: ``path``; ``arrays``, ``blocks`` and ``bytes``, the numbers that were read;
    and ``damaged``, a list with a dictionary for each stretch of damaged blocks: ``split``,
    ``array``, ``first_row``, ``last_row`` (both from 0), ``reason`` and ``text``, a sentence for
    people.  Memory: a megabyte, and 9 bytes for each 64 KiB of the file.

    Of an index all shards are read; the damage in them counts a shard's own rows, and has its
    ``file``, too.

    Raises InputError if there is no such file.  Raises FormatError if the file is truncated or not
    one of this package, or if its header, its list of arrays or its checksums are damaged.
    """
    path, progress = located(path), progress or usual_progress()
    with open_store(path) as store:
        shards = [handle.path for handle in store.shards]
        n_bytes = store.n_bytes
    progress.start("verifying", n_bytes, "B")
    found = [_verified(place, progress) for place in shards or [path]]
    progress.finish()
    sums = {name: sum(each[name] for each in found) for name in ("arrays", "blocks", "bytes")}
    damaged = [damage for each in found for damage in each["damaged"]]
    if shards:
        damaged = [
            damage | {"file": place.name, "text": f"shard {place.name}: {damage['text']}"}
            for place, each in zip(shards, found, strict=True)
            for damage in each["damaged"]
        ]
    return {"path": str(path), **sums, "damaged": damaged}


def _verified(path: Path, progress: Progress) -> dict[str, Any]:
    """The report about one file."""
    with open_store(path) as store:
        arrays = list(_arrays(store))
        damaged = [
            damage
            for split, array in arrays
            for damage in _damages(store, split, array, progress.advance)
        ]
        return {
            "arrays": len(arrays),
            "blocks": sum(array.n_blocks for _, array in arrays),
            "bytes": sum(len(array) * array.row_bytes for _, array in arrays),
            "damaged": [asdict(damage) | {"text": str(damage)} for damage in damaged],
        }


def _arrays(store: Store) -> Iterator[tuple[str | None, BlockArray]]:
    """All arrays of a file, with the names of their splits."""
    for name, split in store.splits.items():
        for array in split.arrays.values():
            yield name, cast(BlockArray, array)  # of one file
    for name in ("classes", "vectorizer"):
        for array in store.group(name).arrays():
            yield None, array


def _damages(
    store: Store, split: str | None, array: BlockArray, advance: Callable[[int], None]
) -> Iterator[Damage]:
    """The damage of an array, with neighbouring blocks of the same reason merged."""
    bad: list[tuple[int, int, str]] = []
    for start, stop, reason in _bad_blocks(array, advance):
        goes_on = bool(bad) and bad[-1][1:] == (start, reason)
        bad.append((bad.pop()[0] if goes_on else start, stop, reason))
    for start, stop, reason in bad:
        rows = store[split].rows_of(array, start, stop) if split else (start, stop - 1)
        yield Damage(split, array.name.rpartition("/")[2] if split else array.name, *rows, reason)


def _bad_blocks(
    array: BlockArray, advance: Callable[[int], None]
) -> Iterator[tuple[int, int, str]]:
    step = array.block_length * _BLOCKS_AT_ONCE
    rows = np.empty((min(step, len(array)), *array.shape[1:]), array.dtype)
    for first in range(0, len(array), step):
        stop = min(first + step, len(array))
        try:
            array.read_into(rows[: stop - first], first)
        except (DamageError, OSError):
            for start in range(first, stop, array.block_length):
                end = min(start + array.block_length, stop)
                try:
                    array.read_into(rows[: end - start], start)
                except DamageError as error:
                    yield start, end, str(error)
                except OSError as error:
                    yield start, end, f"it cannot be read ({error})"
        advance((stop - first) * array.row_bytes)
