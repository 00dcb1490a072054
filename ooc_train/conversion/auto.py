"""The choice of features for some rows: the rule of Google's text-classification guide.

Its "Step 2.5: Choose a Model": below 1,500 rows for each word of a median row n-grams do better,
above it sequences.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.sources.files.rejects import RejectFile
from ooc_train.conversion.sources.source import Source
from ooc_train.conversion.text.utf8 import decode
from ooc_train.dtypes import I64, U8, Bools
from ooc_train.jit import kernel
from ooc_train.progress import Progress, Reading

MOST_FOR_NGRAMS = 1500
_BLOCK_BYTES = 2**20
_SPACES_BELOW = 0x3001  # no code point above is white space (tested)


@dataclass(frozen=True)
class Figures:
    """The figures that decide.  ``ratio`` is rows by median words, at least one word."""

    rows: int
    median_words: float
    ratio: float

    @property
    def features(self) -> str:
        """The kind of features for rows with these figures."""
        return "ngram" if self.ratio < MOST_FOR_NGRAMS else "sequence"


def measure_rows(sources: Sequence[Source], rejects: RejectFile, progress: Progress) -> Figures:
    """Read all rows once.  Memory: a block of 1 MiB, and a counter for each length of a row.

    Words are what white space separates.  Raises ``InputError`` for sources without a usable row.
    """
    corpus = Corpus({"train": sources}, rejects, _BLOCK_BYTES)
    rows_by_words: Counter[int] = Counter()
    reading = Reading(progress, "choosing", corpus.n_bytes)
    # what str.split takes for white space
    is_space = np.array([chr(point).isspace() for point in range(_SPACES_BELOW)])
    for block in corpus.blocks():
        words = np.empty(len(block.rows), np.int64)
        _count_words(block.rows.text, block.rows.text_offsets, is_space, words)
        lengths, counts = np.unique(words, return_counts=True)
        rows_by_words.update(dict(zip(lengths.tolist(), counts.tolist(), strict=True)))
        reading.advance(block.n_bytes, len(block.rows))
    n_rows = corpus.n_rows["train"]
    middle = _median(rows_by_words)
    return Figures(n_rows, middle, n_rows / max(1.0, middle))


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
