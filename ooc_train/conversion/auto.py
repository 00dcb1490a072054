"""The advice of Google's text-classification guide for some rows, and the cost of an epoch.

Its "Step 2.5: Choose a Model": below 1,500 rows for each word of a median row n-grams do better,
above it sequences.  That is advice only: of eleven data sets sequences were better on one, by 0.8
points of accuracy, at 200 times the seconds.  So n-grams are made of text unless sequences are
asked for, and people are told both.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.sources.rows import Block, TextRows
from ooc_train.conversion.text.utf8 import decode
from ooc_train.dtypes import I64, U8, Bools
from ooc_train.jit import kernel

CHOSEN = "ngram"
"""The kind of features that text becomes, unless another is asked for."""
_MOST_FOR_NGRAMS = 1500
_NGRAM_SECONDS, _SEQUENCE_SECONDS = 9e-8, 8.5e-6
"""Of an epoch, for each word of the rows, and for each word that these are padded to: on two cores,
with the default models (benchmarks/README.md)."""
_MOST_WORDS = 500  # that a sequence keeps by default
_SPACES_BELOW = 0x3001  # no code point above is white space (tested)


@dataclass(frozen=True)
class Figures:
    """The figures that the guide goes by, and its advice.

    ``ratio`` is rows by median words, at least one word.  ``epoch_seconds`` are estimates by kind
    of features, for two cores; nothing is decided by them.
    """

    rows: int
    median_words: float
    ratio: float
    advised: str
    epoch_seconds: dict[str, float]

    @classmethod
    def of(cls, rows_by_words: Counter[int]) -> "Figures":
        """The figures of rows, given how many of them have how many words."""
        rows, median = rows_by_words.total(), _median(rows_by_words)
        ratio = rows / max(1.0, median)
        words = sum(length * count for length, count in rows_by_words.items())
        padded = rows * min(max(rows_by_words), _MOST_WORDS)
        return cls(
            rows,
            median,
            ratio,
            "ngram" if ratio < _MOST_FOR_NGRAMS else "sequence",
            {"ngram": words * _NGRAM_SECONDS, "sequence": padded * _SEQUENCE_SECONDS},
        )


class MeasuredCorpus(Corpus):
    """A corpus of texts that measures its train rows on the way.

    Words are what white space separates.  Memory: a counter for each length of a row.
    """

    _rows_by_words: Counter[int]

    def _begin(self) -> None:
        super()._begin()
        if not self.read_once:
            self._rows_by_words = Counter()

    def blocks(self) -> Iterator[Block]:
        """All rows that can be used, block by block."""
        for block in super().blocks():
            self.note_measured(measured(block))
            yield block

    def measurer(self) -> Callable[[Block], Counter[int]]:
        """The task that measures the train rows of a block."""
        return measured

    def note_measured(self, found: Counter[int]) -> None:
        """Add the rows of a block, at the first reading."""
        if not self.read_once:
            self._rows_by_words.update(found)

    @property
    def figures(self) -> Figures:
        """The figures of the train rows, when all rows have been read."""
        return Figures.of(self._rows_by_words)


def measured(block: Block) -> Counter[int]:
    """How many train rows of a block have how many words."""
    rows_by_words: Counter[int] = Counter()
    if block.split == "train":
        add_lengths(rows_by_words, words_of(block.rows))
    return rows_by_words


def words_of(rows: TextRows) -> I64:
    """How many words each row has, ``(n_rows,)``: what `str.split` would give."""
    words = np.empty(len(rows), np.int64)
    _count_words(rows.text, rows.text_offsets, _spaces(), words)
    return words


def add_lengths(rows_by_length: Counter[int], lengths: I64) -> None:
    """Count rows of some lengths, ``(n_rows,)``."""
    distinct, counts = np.unique(lengths, return_counts=True)
    rows_by_length.update(dict(zip(distinct.tolist(), counts.tolist(), strict=True)))


@functools.cache
def _spaces() -> Bools:
    """Whether each code point is what `str.split` takes for white space."""
    return np.array([chr(point).isspace() for point in range(_SPACES_BELOW)])


def _median(histogram: Counter[int]) -> float:
    """The median of the keys, each as often as its value says."""
    keys = np.array(sorted(histogram))
    ends = np.cumsum([histogram[key] for key in keys.tolist()])
    lower, upper = np.searchsorted(ends, [(ends[-1] - 1) // 2, ends[-1] // 2], "right")
    return float(keys[lower] + keys[upper]) / 2


@kernel
def _count_words(text: U8, offsets: I64, is_space: Bools, words: I64) -> None:
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        n, after_space = 0, True
        while i < stop:
            point, width = np.int64(text[i]), 1  # most are ASCII, and a call costs
            if point >= 128:
                point, width = decode(text, i, stop)
            space = 0 <= point < len(is_space) and is_space[point]
            n += after_space and not space
            after_space = space
            i += width
        words[row] = n
