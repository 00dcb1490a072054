"""Statistics of listed tokens, which are terms themselves: from the token files, by number.

The figures are those that ``statistics`` finds for spilled n-grams, but no look-up is needed.
Rounding is the same, so it does not matter which tokens are listed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.class_sums import (
    ClassSums,
    add_square,
    fixed_inverse,
    shifted,
    shifts_of,
)
from ooc_train.conversion.kinds.ngram.statistics import add_occurrence
from ooc_train.conversion.kinds.terms.token_file import TokenBlock, item_ahead, token_at
from ooc_train.conversion.storage.codes import code_at
from ooc_train.dtypes import F64, I32, I64, U16, U32, U64
from ooc_train.intrinsics import prefetch
from ooc_train.jit import kernel

# What is known of a word lies side by side, so that it is one cache line: most are far apart.
_WORD_ITEMS, _TERM_ITEMS, _SQUARES = 4, 5, 3
_AHEAD = 32  # tokens from fetching what is known of a word to using it


class KeptWords(NamedTuple):
    """Listed tokens within the limits, in the order of their hashes: numbers, hashes and counts."""

    numbers: I64
    hashes: U64
    df: U32

    def take(self, where: slice) -> "KeptWords":
        """The tokens at these positions."""
        return KeptWords(self.numbers[where], self.hashes[where], self.df[where])


def count_documents(blocks: Sequence[TokenBlock], fit_classes: I32, n_words: int) -> U32:
    """How many rows of the train split each word occurs in."""
    df, last = np.zeros(n_words, np.uint32), np.full(n_words, -1, np.int64)
    for block in blocks:
        _count_documents(block.read(), block.n_rows, block.first_row, fit_classes, df, last)
    return df


def add_squared_word_norms(
    blocks: Sequence[TokenBlock], weights: U64, first_row: int, norms: U64
) -> None:
    """Add to the rows' squared norms, see ``statistics.add_squared_norms``.

    ``weights`` (n_words,) are the squared idf, 0 for words that are not kept.
    """
    words = np.zeros((len(weights), _WORD_ITEMS), np.uint64)
    words[:, 0] = weights
    for block in blocks:
        _add_weights(block.read(), block.n_rows, block.first_row, words, norms, first_row)


def word_class_sums(
    blocks: Sequence[TokenBlock],
    slots: I32,
    df: U32,
    inverse_norms: F64,
    fit_classes: I32,
    n_classes: int,
) -> ClassSums:
    """The sums of the terms' values by class.

    ``slots`` (n_words,) numbers the terms from 1, 0 for words that are none of them.
    """
    terms = np.zeros((1 + len(df), _TERM_ITEMS + n_classes), np.uint64)
    terms[1:, 0] = shifts_of(df)
    for block in blocks:
        _add_values(
            block.read(), block.n_rows, block.first_row, slots, terms, inverse_norms,
            fit_classes,
        )  # fmt: skip
    return ClassSums(
        np.ascontiguousarray(terms[1:, _TERM_ITEMS:]), terms[1:, _SQUARES:_TERM_ITEMS].copy()
    )


@kernel
def _count_documents(
    items: U16,
    n_rows: int,
    first_row: int,
    fit_classes: I32,
    df: U32,
    last: I64,
) -> None:
    i = 0
    for row in range(first_row, first_row + n_rows):
        counts = fit_classes[row] >= 0
        n, i = code_at(items, i)
        for _ in range(n):
            word, after = token_at(items, i)
            if word < 0:
                # It was spilled, and is counted with the n-grams.
                i = after
                continue
            expected = item_ahead(items, i, _AHEAD)
            prefetch(df, expected)
            prefetch(last, expected)
            i = after
            if counts:
                df[word] += np.uint32(last[word] != row)
                last[word] = row


@kernel
def _add_weights(
    items: U16,
    n_rows: int,
    first_row: int,
    words: U64,
    norms: U64,
    norms_row: int,
) -> None:
    """Add the occurrences of a block's words to its rows' squared norms, from ``norms_row`` on.

    ``words`` (n_words, 4) are weights, the last row plus 1 that each occurred in, and how often.
    """
    i = 0
    for row in range(first_row, first_row + n_rows):
        at = row - norms_row
        whole, fraction = norms[at, 0], norms[at, 1]
        n, i = code_at(items, i)
        for _ in range(n):
            word, after = token_at(items, i)
            if word < 0:
                # It was spilled, and is counted with the n-grams.
                i = after
                continue
            prefetch(words, _WORD_ITEMS * item_ahead(items, i, _AHEAD))
            i = after
            if words[word, 1] != row + 1:
                # Its first occurrence in this row.
                words[word, 1], words[word, 2] = row + 1, 0
            words[word, 2] += np.uint64(1)
            whole, fraction = add_occurrence(
                np.int64(words[word, 2]), words[word, 0], whole, fraction
            )
        norms[at, 0], norms[at, 1] = whole, fraction


@kernel
def _add_values(
    items: U16,
    n_rows: int,
    first_row: int,
    slots: I32,
    terms: U64,
    inverse_norms: F64,
    fit_classes: I32,
) -> None:
    """Add the values of a block's terms to their sums.

    ``terms`` (n_terms, 5 + n_classes) are the shift, the last row plus 1 that each occurred in, how
    often, the two halves of the sum of squares, and the sums by class.
    """
    width, flat = terms.shape[1], terms.reshape(-1)
    i = 0
    for row in range(first_row, first_row + n_rows):
        number, inverse = fit_classes[row], fixed_inverse(inverse_norms[row])
        n, i = code_at(items, i)
        for _ in range(n):
            word, after = token_at(items, i)
            if word < 0:
                # It was spilled, and is counted with the n-grams.
                i = after
                continue
            expected = item_ahead(items, i, _AHEAD)
            if expected < len(slots):
                # A number, not a part of an unlisted token.
                prefetch(terms, width * slots[expected])
                prefetch(terms, width * slots[expected] + width - 1)
            i = after
            if number < 0:
                # A row that is not of the train split.
                continue
            term = np.int64(slots[word])
            own = shifted(inverse, terms[term, 0])
            if terms[term, 1] != row + 1:
                # Its first occurrence in this row.
                terms[term, 1], terms[term, 2] = row + 1, 0
            terms[term, 2] += np.uint64(1)
            add_square(flat, width * term + _SQUARES, np.int64(terms[term, 2]), own)
            terms[term, _TERM_ITEMS + number] += own
