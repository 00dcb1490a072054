"""Texts of some validation and test rows, kept for people: what a model confuses is read as text.

Which rows they are depends on their numbers alone, so that memory, workers and a resumption change
nothing.  While rows are read for the first time, it is not known which train rows will be drawn for
validation: more texts are kept then, of which some turn out to be of such rows.  Of rows that are
read in parts the numbers are not known, either, so that their texts are kept at the next reading.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ooc_train.conversion.sources.parts import SourcePart
from ooc_train.conversion.sources.rows import Block, TextRows
from ooc_train.conversion.storage.placement import Destination
from ooc_train.dtypes import U64
from ooc_train.file.samples import MOST_SAMPLES, MOST_TEXT_BYTES, Samples
from ooc_train.visible import visible

_MOST_CANDIDATES = 4096
_SPARE = 1.2
"""More candidates than would do on average, since how many of them are drawn varies."""
_HIGHEST = 2**64 - 1
_ROWS_AT_ONCE = 2**16
_CUT = "…"

_Candidate = tuple[int, int, bytes]
"""A row's rank, its number over all sources or in its split, and the beginning of its text."""


@dataclass(frozen=True)
class Sampler:
    """Finds the candidates in a block: the rows with ranks up to those of their splits."""

    limits: Mapping[str, int]

    def __call__(self, block: Block) -> list[_Candidate]:
        """The candidates, by their ranks."""
        limit = self.limits.get(block.split)
        return [] if limit is None else _candidates(block, limit)


class TextSamples:
    """The texts of at most `MOST_SAMPLES` rows of each split, but for ``train``.

    ``drawn_fraction`` is the share of the train rows that becomes validation rows.  Memory: some
    kilobytes for each split, and for train rows that may be drawn up to 3 MB.
    """

    def __init__(self, drawn_fraction: float) -> None:
        wanted = math.ceil(_SPARE * MOST_SAMPLES / drawn_fraction) if drawn_fraction else 0
        self._room = {"train": min(wanted, _MOST_CANDIDATES)}
        self._candidates: dict[str, list[_Candidate]] = {}
        self._placed: dict[str, list[_Candidate]] = {}

    def note(self, rows: Block | SourcePart, sampled: Iterable[_Candidate] = ()) -> None:
        """Keep the beginnings of some of a block's texts; once more changes nothing.

        Of a part, what a `Sampler` has found in it.
        """
        room = self._room.get(rows.split, MOST_SAMPLES)
        held = self._candidates.setdefault(rows.split, [])
        if isinstance(rows, SourcePart):
            held.extend(sampled)
            return
        if not room or not isinstance(rows.rows, TextRows):
            return
        limit = held[-1][0] if len(held) == room else _HIGHEST
        # Two runs in their order, which takes no time to sort; of equal neighbours one stays.
        both = sorted(held + _candidates(rows, limit, room))
        self._candidates[rows.split] = [one for one, _ in itertools.groupby(both)][:room]

    def sampler(self, n_rows: Mapping[str, int]) -> Sampler:
        """The function that finds what `note` would keep of splits of so many rows, train first."""
        limits, first_row = {}, 0
        for split, n in n_rows.items():
            room = self._room.get(split, MOST_SAMPLES)
            if room:
                limits[split] = _limit(first_row, n, room)
            first_row += n
        return Sampler(limits)

    def start_placing(self) -> None:
        """Begin to place rows, or begin again."""
        self._placed = {}

    def place(self, rows: Block | SourcePart, destinations: Iterable[Destination]) -> None:
        """Note the places in the file of the rows among these whose texts were kept."""
        stop = rows.first_row + (rows.n_rows or 0)
        candidates = self._candidates.get(rows.split, ())
        held = [one for one in candidates if rows.first_row <= one[1] < stop]
        for split, chosen, places in destinations if held else ():
            if split == "train":
                continue
            found = self._placed.setdefault(split, [])
            for rank, row, text in held:
                k = int(np.searchsorted(chosen, row - rows.first_row))
                if k < len(chosen) and chosen[k] == row - rows.first_row:
                    found.append((rank, int(places[k]), text))

    def found(self) -> Samples:
        """The texts by split and row, when all rows are placed."""
        return {
            split: {place: _shown(text) for _, place, text in sorted(rows)[:MOST_SAMPLES]}
            for split, rows in self._placed.items()
        }


def _ranks(first_row: int, n_rows: int) -> U64:
    """The ranks of consecutive rows, ``(n_rows,)``: all different, as if they were random.

    They are SplitMix64's finalizer of the rows' numbers (Steele, Lea and Flood, "Fast Splittable
    Pseudorandom Number Generators", OOPSLA 2014), which is a bijection.
    """
    ranks: U64 = np.arange(first_row + 1, first_row + n_rows + 1, dtype=np.uint64)
    ranks *= np.uint64(0x9E3779B97F4A7C15)
    ranks = (ranks ^ (ranks >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    ranks = (ranks ^ (ranks >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ranks ^ (ranks >> np.uint64(31))


def _limit(first_row: int, n_rows: int, n: int) -> int:
    """The rank that ``n`` of some rows have at most, or the highest of all if there are fewer."""
    lowest = np.empty(0, np.uint64)
    for start in range(first_row, first_row + n_rows, _ROWS_AT_ONCE):
        some = _ranks(start, min(_ROWS_AT_ONCE, first_row + n_rows - start))
        lowest = np.concatenate((lowest, some))
        if len(lowest) > n:
            lowest = np.partition(lowest, n - 1)[:n]
    return int(lowest.max()) if len(lowest) == n else _HIGHEST


def _candidates(block: Block, limit: int, most: int | None = None) -> list[_Candidate]:
    """The rows of a block with ranks up to a limit, by their ranks: the first of these."""
    ranks = _ranks(block.first_row, block.n_rows)
    lower = np.flatnonzero(ranks <= np.uint64(limit))
    lower = lower[np.argsort(ranks[lower])][:most]
    return [
        (rank, block.first_row + row, _beginning(block.rows, row))
        for rank, row in zip(ranks[lower].tolist(), lower.tolist(), strict=True)
    ]


def _beginning(rows: TextRows, row: int) -> bytes:
    """The beginning of a text, one byte more than is shown where it is longer."""
    start = int(rows.text_offsets[row])
    stop = min(start + MOST_TEXT_BYTES + 1, int(rows.text_offsets[row + 1]))
    return rows.text[start:stop].tobytes()


def _shown(beginning: bytes) -> str:
    r"""A text as people see it, in one line.

    >>> _shown(b"one\n  line, \x1b[31mred"), len(_shown(b"x" * 601))
    ('one line, \\x1b[31mred', 601)
    """
    text = beginning[:MOST_TEXT_BYTES].decode("utf-8", "replace")
    if len(beginning) > MOST_TEXT_BYTES:
        text = text.rstrip("\ufffd")  # of a character that was cut
    whole = visible(" ".join(text.split()))
    shown = whole.encode()[:MOST_TEXT_BYTES].decode("utf-8", "ignore")
    return shown + _CUT * (len(beginning) > MOST_TEXT_BYTES or shown != whole)
