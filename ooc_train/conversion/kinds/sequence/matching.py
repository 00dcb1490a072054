"""Candidates found among tokens: rows of words, and where in its first row each word stands."""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.terms.candidates import Candidates, Occurrences, SeenTerms
from ooc_train.conversion.kinds.terms.token_file import TokenGroup
from ooc_train.conversion.storage.job import DiskArray
from ooc_train.conversion.storage.layouts.ragged import pack_ragged
from ooc_train.conversion.storage.shuffle import Records
from ooc_train.conversion.text.collisions import HashCollision
from ooc_train.conversion.text.table import find
from ooc_train.conversion.text.tokens import Tokens
from ooc_train.conversion.vectorizer import EncodedBlock
from ooc_train.dtypes import I32, I64, U64
from ooc_train.jit import kernel
from ooc_train.reading.rows import SequenceRows


class Words(NamedTuple):
    """The candidates of some rows in their order, row ``i`` at ``offsets[i]:offsets[i + 1]``."""

    terms: I32
    offsets: I64


class FoundWords(NamedTuple):
    """The findings about candidates in some blocks.

    ``positions`` (n_terms,) int64 are their places among the candidates of their first row, -1
    where that row is in none of the blocks.
    """

    occurrences: Occurrences
    positions: I64


def find_words(seen: SeenTerms, tokens: Tokens, numbers: I32) -> Words:
    """The candidates of each row in their order, repetitions included.

    ``numbers`` (n_tokens,) are those of listed tokens.  Raises ``HashCollision`` where a candidate
    has two strings.
    """
    lookup = seen.candidates.lookup
    seen.number_unlisted(tokens, numbers)
    offsets, terms = np.zeros(len(tokens.offsets), np.int64), np.empty(len(numbers), np.int32)
    n = _find(
        tokens.hashes, numbers, tokens.offsets, lookup.term_of, lookup.table, seen.tokens_of,
        terms, offsets,
    )  # fmt: skip
    if n < 0:
        raise HashCollision
    return Words(terms[:n], offsets)


def encode_words(
    candidates: Candidates,
    first_rows: DiskArray,
    group: TokenGroup,
    destinations: object,  # noqa: ARG001 - for all encoders
) -> EncodedBlock:
    """The candidates of the rows of a group, numbered from 0, and where they stand.

    ``first_rows`` (n_terms,) int64 are the rows in which candidates occur first.
    """
    seen, hashes = SeenTerms(candidates), candidates.words.listed().hashes
    positions, records = np.full(len(candidates), -1, np.int64), []
    for block in group.blocks:
        found = find_words(seen, *block.decoded(hashes))
        _find_positions(found.terms, found.offsets, block.first_row, first_rows.mapped, positions)
        rows = SequenceRows(found.offsets, found.terms, len(candidates), 0)
        records.append(pack_ragged(rows))
    return EncodedBlock(Records.joined(records), found=FoundWords(seen.occurrences(), positions))


@kernel
def _find(
    hashes: U64,
    numbers: I32,
    offsets: I64,
    term_of: I32,
    table: U64,
    tokens_of: I32,
    found: I32,
    found_offsets: I64,
) -> int:
    """The number of words found; -1 where a candidate has two strings."""
    n = 0
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            number = np.int64(numbers[i])
            if 0 <= number < len(term_of):
                # A listed word, written always and kept by counting it: no branch to mispredict.
                found[n] = term_of[number]
                n += np.int64(term_of[number] >= 0)
                continue
            entry = find(table, hashes[i])
            if table[2 * entry] == 0:
                continue
            # An unlisted word that is a candidate: its number tells its string.
            term = np.int64(table[2 * entry + 1])
            if tokens_of[term, 0] < 0:
                tokens_of[term, 0] = number
            elif tokens_of[term, 0] != number:
                return -1
            found[n] = term
            n += 1
        found_offsets[row + 1] = n
    return n


@kernel
def _find_positions(
    terms: I32, offsets: I64, first_row: int, first_rows: I64, positions: I64
) -> None:
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            term = terms[i]
            if first_rows[term] == first_row + row and positions[term] < 0:
                positions[term] = i - offsets[row]
