"""Duplicates among rows, inside splits and between them, in bounded memory.

Rows with equal hashes are *exact* duplicates.  *Near* ones are texts whose signatures agree in
`LEAST_AGREEING` of 32 numbers: that is a similarity of 0.8 or so.  To find them, rows are compared
whose signatures share one of eight bands of four numbers (A. Rajaraman and J. D. Ullman 2011): of
texts with a similarity of 0.9 that are more than 99 %, of those with 0.8 more than 98 %.  In a band
of very many rows each is compared with a few.

Each row has a byte of flags in a file.  Keys are sorted in parts that fit into memory.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.storage.job import Column, DiskArray
from ooc_train.dtypes import I64, U8, U16, U64, Bools
from ooc_train.inspection.raw.row_columns import RowColumns

LEAST_AGREEING = 26
N_BANDS, _BAND_NUMBERS = 8, 4
EXAMPLES = 5
_RECORD_BYTES = 120
"""The memory of a record while its part is sorted and compared."""
_NEIGHBOURS = 4
"""The rows before it in a band that a row is compared with, and the first one."""
_PAIRS_AT_ONCE = 2**14
_ROWS_AT_ONCE = 2**16
_MOST_PARTS = 2048
# What is known of a row: it repeats one of its own split, or one of the train split.
_REPEATS, _LEAKS, _NEARLY_REPEATS, _NEARLY_LEAKS = (np.uint8(1 << k) for k in range(4))


class Pair(NamedTuple):
    """Two rows by their numbers, the later one first, and how similar they are, from 0 to 1."""

    row: int
    other: int
    similarity: float


@dataclass
class Duplicates:
    """How many rows of each split are duplicates.

    ``repeated`` are the rows of a split whose text another row before it in the same split has, and
    ``leaked`` those of another split whose text a train row has; ``nearly_repeated`` and
    ``nearly_leaked`` are those that are no exact duplicates.  ``conflicting`` counts texts that
    occur with several classes.
    """

    repeated: dict[str, int] = field(default_factory=dict)
    leaked: dict[str, int] = field(default_factory=dict)
    nearly_repeated: dict[str, int] = field(default_factory=dict)
    nearly_leaked: dict[str, int] = field(default_factory=dict)
    conflicting: int = 0
    examples: dict[str, list[Pair]] = field(default_factory=dict)


class _Split(NamedTuple):
    """The number of each split's first row, and after the last."""

    names: list[str]
    bounds: I64

    def of(self, rows: I64) -> I64:
        """The number of each row's split."""
        return np.searchsorted(self.bounds[1:], rows, "right")


def find_duplicates(
    rows: RowColumns, n_rows: Mapping[str, int], folder: Path, memory_bytes: int
) -> Duplicates:
    """The duplicates among rows, which are those of the splits one after another, train first.

    Memory: ``memory_bytes``, and 17 bytes a row in files of ``folder``.
    """
    splits = _Split(list(n_rows), np.cumsum([0, *n_rows.values()]))
    search = _Search(rows, splits, folder, max(1024, memory_bytes // _RECORD_BYTES))
    search.find_equal()
    search.find_similar()
    return search.result()


class _Search:
    """The search: flags of all rows, and what was found so far."""

    def __init__(self, rows: RowColumns, splits: _Split, folder: Path, at_once: int) -> None:
        self._rows, self._splits, self._folder, self._at_once = rows, splits, folder, at_once
        array = DiskArray.zeros(folder / "flags", (rows.n_rows,), np.uint8)
        self._flags: U8 = array.mapped
        self._found = Duplicates()

    # Exact

    def find_equal(self) -> None:
        """Flag the rows whose hash an earlier row has."""
        hashes = self._rows.hashes.mapped
        for part in self._parts("equal", lambda start, stop: np.array(hashes[start:stop])):
            seen = _Seen()
            for keys, numbers in part:
                self._flag_equal(seen, keys, numbers)
            self._found.conflicting += int(seen.conflicts.sum())

    def _flag_equal(self, seen: "_Seen", keys: U64, numbers: I64) -> None:
        order = np.argsort(keys, kind="stable")
        keys, numbers = keys[order], numbers[order]
        labels = self._rows.labels.mapped[numbers]
        split = self._splits.of(numbers)
        begins = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        group = np.repeat(np.arange(len(begins)), np.diff([*begins, len(keys)]))
        before = seen.find(keys[begins])
        # Rows are in the order of their splits, so those of one split lie together.
        is_first = np.concatenate([[True], (group[1:] != group[:-1]) | (split[1:] != split[:-1])])
        had_split = before.splits[group] >> split & 1 > 0
        first_train = np.where(split[begins] == 0, numbers[begins], before.train_rows)
        repeats = ~is_first | had_split
        leaks = (split > 0) & (first_train[group] >= 0)
        self._mark(numbers, repeats, _REPEATS)
        self._mark(numbers, leaks, _LEAKS)
        first_of_split = np.maximum.accumulate(np.where(is_first, np.arange(len(keys)), 0))
        self._note("repeated", numbers, numbers[first_of_split], repeats & ~is_first)
        self._note("leaked", numbers, first_train[group], leaks & is_first)
        seen.add(keys[begins], _Known(
            before.splits | np.bitwise_or.reduceat(1 << split, begins),
            first_train,
            np.minimum(before.least, np.minimum.reduceat(labels, begins)),
            np.maximum(before.most, np.maximum.reduceat(labels, begins)),
        ))  # fmt: skip

    # Near

    def find_similar(self) -> None:
        """Flag the rows whose signature is like that of an earlier row that has another text."""
        signatures = self._rows.signatures
        if signatures is None:
            return
        bands: U64 = signatures.view(np.uint64)
        for band in range(N_BANDS):

            def keys_of(start: int, stop: int, band: int = band) -> U64:
                return np.array(bands[start:stop, band])

            for part in self._parts(f"band-{band}", keys_of, self._is_candidate):
                for keys, numbers in part:
                    self._flag_similar(signatures, keys, numbers)

    def _is_candidate(self, start: int, stop: int) -> Bools:
        """Whether rows have terms, and are no exact duplicates."""
        signatures = self._rows.signatures
        repeated = self._flags[start:stop] & (_REPEATS | _LEAKS) > 0
        assert signatures is not None
        return ~repeated & signatures[start:stop].any(axis=1)

    def _flag_similar(self, signatures: U16, keys: U64, numbers: I64) -> None:
        order = np.argsort(keys, kind="stable")
        keys, numbers = keys[order], numbers[order]
        begins = np.concatenate([[True], keys[1:] != keys[:-1]])
        first = np.maximum.accumulate(np.where(begins, np.arange(len(keys)), 0))
        places = np.arange(len(keys))
        for back in range(1, _NEIGHBOURS + 1):
            later = np.flatnonzero(places - first >= back)
            self._compare(signatures, numbers[later], numbers[later - back])
        later = np.flatnonzero(places - first > _NEIGHBOURS)
        self._compare(signatures, numbers[later], numbers[first[later]])

    def _compare(self, signatures: U16, rows: I64, others: I64) -> None:
        for start in range(0, len(rows), _PAIRS_AT_ONCE):
            one, other = (some[start : start + _PAIRS_AT_ONCE] for some in (rows, others))
            agreeing = (signatures[one] == signatures[other]).sum(axis=1)
            alike = agreeing >= LEAST_AGREEING
            one, other, agreeing = one[alike], other[alike], agreeing[alike]
            same = self._splits.of(one) == self._splits.of(other)
            leaks = ~same & (self._splits.of(other) == 0)
            shares = agreeing / signatures.shape[1]
            self._note("nearly_repeated", one, other, same, shares)
            self._note("nearly_leaked", one, other, leaks, shares)
            self._mark(one, same, _NEARLY_REPEATS)
            self._mark(one, leaks, _NEARLY_LEAKS)

    # Both

    def _parts(
        self, name: str, keys_of: Any, is_wanted: Any = None
    ) -> Iterator[Iterator[tuple[U64, I64]]]:
        """Keys with their rows' numbers, ascending, in parts between which no key is divided.

        Each part comes in pieces that fit into memory, mostly one.
        """
        n_rows = self._rows.n_rows
        n_parts = min(_MOST_PARTS, -(-n_rows // self._at_once))
        columns = [
            (Column(self._folder / f"{name}-{part}-keys", np.uint64),
             Column(self._folder / f"{name}-{part}-rows", np.int64))
            for part in range(n_parts)
        ]  # fmt: skip
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, n_rows)
            keys, numbers = keys_of(start, stop), np.arange(start, stop)
            if is_wanted:
                wanted = is_wanted(start, stop)
                keys, numbers = keys[wanted], numbers[wanted]
            of_part = (_mixed(keys) >> np.uint64(32)) * np.uint64(n_parts) >> np.uint64(32)
            order = np.argsort(of_part, kind="stable")
            ends = np.cumsum(np.bincount(of_part.astype(np.int64), minlength=n_parts)).tolist()
            for column, begin, end in zip(columns, [0, *ends], ends, strict=False):
                if begin < end:
                    column[0].append(keys[order[begin:end]])
                    column[1].append(numbers[order[begin:end]])
        for keys_column, rows_column in columns:
            arrays = keys_column.array(), rows_column.array()
            if len(arrays[0]):
                yield self._pieces(*arrays)
                for array in arrays:
                    array.path.unlink()

    def _pieces(self, keys: DiskArray, rows: DiskArray) -> Iterator[tuple[U64, I64]]:
        for start in range(0, len(keys), self._at_once):
            n = min(self._at_once, len(keys) - start)
            yield tuple(  # type: ignore[misc]
                DiskArray(one.path, one.dtype, (n,), start * 8).read() for one in (keys, rows)
            )

    def _mark(self, rows: I64, which: Bools, flag: np.uint8) -> None:
        self._flags[rows[which]] |= flag

    def _note(self, kind: str, rows: I64, others: I64, which: Bools, shares: Any = None) -> None:
        """Keep the pairs of a kind whose rows come first, one for each row."""
        chosen = np.flatnonzero(which)
        if not chosen.size:
            return
        chosen = chosen[np.argsort(rows[chosen], kind="stable")[: 4 * EXAMPLES]]
        pairs = {pair.row: pair for pair in reversed(self._found.examples.get(kind, []))}
        for i in chosen.tolist():
            share = 1.0 if shares is None else float(shares[i])
            pairs.setdefault(int(rows[i]), Pair(int(rows[i]), int(others[i]), share))
        self._found.examples[kind] = sorted(pairs.values())[:EXAMPLES]

    def result(self) -> Duplicates:
        """The numbers of flagged rows, by split."""
        found = self._found
        for number, name in enumerate(self._splits.names):
            flags = self._flags[self._splits.bounds[number] : self._splits.bounds[number + 1]]
            counts = np.zeros(16, np.int64)
            for start in range(0, len(flags), _ROWS_AT_ONCE):
                counts += np.bincount(flags[start : start + _ROWS_AT_ONCE], minlength=16)
            kinds = np.arange(16)
            is_exact = kinds & (_REPEATS | _LEAKS) > 0
            for kind, flag, exact in (
                ("repeated", _REPEATS, None),
                ("leaked", _LEAKS, None),
                ("nearly_repeated", _NEARLY_REPEATS, is_exact),
                ("nearly_leaked", _NEARLY_LEAKS, is_exact),
            ):
                has = kinds & flag > 0
                has &= True if exact is None else ~exact
                getattr(found, kind)[name] = int(counts[has].sum())
        return found


class _Known(NamedTuple):
    """Facts about keys: the splits that have each, as bits, and its first train row, or -1.

    ``least`` and ``most`` are the numbers of its classes.
    """

    splits: I64
    train_rows: I64
    least: I64
    most: I64


class _Seen:
    """The keys of the earlier pieces of a part.  Memory: 40 bytes for each that is another."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.uint64)
        self._known = _Known(*np.empty((4, 0), np.int64))

    @property
    def conflicts(self) -> Bools:
        """Whether each key has rows of several classes."""
        return self._known.least < self._known.most

    def find(self, keys: U64) -> _Known:
        """The facts about ``keys``, ascending."""
        n = len(keys)
        found = _Known(np.zeros(n, np.int64), np.full(n, -1), np.full(n, 2**31), np.full(n, -1))
        places = np.searchsorted(self._keys, keys)
        is_known = places < len(self._keys)
        is_known[is_known] = self._keys[places[is_known]] == keys[is_known]
        for mine, its in zip(found, self._known, strict=True):
            mine[is_known] = its[places[is_known]]
        return found

    def add(self, keys: U64, known: _Known) -> None:
        """Keep the facts about ``keys``, ascending, in place of earlier ones."""
        old = np.isin(self._keys, keys, assume_unique=True, invert=True)
        all_keys = np.concatenate([self._keys[old], keys])
        order = np.argsort(all_keys, kind="stable")
        self._keys = all_keys[order]
        self._known = _Known(
            *(
                np.concatenate([its[old], mine])[order]
                for its, mine in zip(self._known, known, strict=True)
            )
        )


def _mixed(keys: U64) -> U64:
    """Keys whose bits are spread: those of a band are not random by themselves."""
    return (keys ^ (keys >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
