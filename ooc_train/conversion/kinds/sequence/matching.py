"""Candidates found among tokens: rows of words, and where in its first row each word stands."""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.terms.candidates import Candidates, Occurrences
from ooc_train.conversion.kinds.terms.token_file import TokenBlock, decoded
from ooc_train.conversion.storage.job import DiskArray
from ooc_train.conversion.storage.layouts.ragged import pack_ragged
from ooc_train.conversion.text.strings import HashCollision
from ooc_train.conversion.text.table import find
from ooc_train.conversion.vectorizer import EncodedBlock
from ooc_train.dtypes import I32, I64, U64
from ooc_train.jit import kernel
from ooc_train.reading.rows import SequenceRows


class FoundWords(NamedTuple):
    """What a block says of the candidates.

    ``positions`` (n_terms,) int32 are the places of those whose first row is in the block among the
    words of that row, -1 for all others.
    """

    occurrences: Occurrences
    positions: I32


def encode_words(
    candidates: Candidates,
    first_rows: DiskArray,
    block: TokenBlock,
    destinations: object,  # noqa: ARG001
) -> EncodedBlock:
    """The candidates of each row in their order, numbered from 0.

    ``first_rows`` (n_terms,) int64 are the rows in which candidates occur first.  Raises
    ``HashCollision`` where a candidate has two strings.
    """
    lookup = candidates.lookup
    tokens, numbers = decoded(block.read(), block.n_rows, candidates.words.listed().hashes)
    strings = candidates.number_unlisted(tokens, numbers)
    tokens_of = candidates.no_tokens()
    offsets, words = np.zeros(len(tokens.offsets), np.int64), np.empty(len(numbers), np.int32)
    positions = np.full(len(candidates), -1, np.int32)
    n = _match(
        tokens.hashes, numbers, tokens.offsets, lookup.term_of, lookup.table, tokens_of,
        first_rows.mapped, block.first_row, positions, words, offsets,
    )  # fmt: skip
    if n < 0:
        raise HashCollision
    rows = SequenceRows(offsets, words[:n], len(candidates), 0)
    found = FoundWords(Occurrences.of(tokens_of, strings), positions)
    return EncodedBlock(pack_ragged(rows), found=found)


@kernel
def _match(
    hashes: U64,
    numbers: I32,
    offsets: I64,
    term_of: I32,
    table: U64,
    tokens_of: I32,
    first_rows: I64,
    first_row: int,
    positions: I32,
    found: I32,
    found_offsets: I64,
) -> int:
    """The words found; -1 where a candidate has two strings."""
    n = 0
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            number = np.int64(numbers[i])
            if 0 <= number < len(term_of):
                word = np.int64(term_of[number])
                if word < 0:
                    continue
            else:
                entry = find(table, hashes[i])
                if table[2 * entry] == 0:
                    continue
                word = np.int64(table[2 * entry + 1])
                if tokens_of[word, 0] < 0:
                    tokens_of[word, 0] = number
                elif tokens_of[word, 0] != number:
                    return -1
            if positions[word] < 0 and first_rows[word] == first_row + row:
                positions[word] = i - offsets[row]
            found[n] = word
            n += 1
        found_offsets[row + 1] = n
    return n
