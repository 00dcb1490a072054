"""Spilled n-grams: each comes back with its hash and row, in few bytes."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.conversion.kinds.terms import gram_spill as module
from ooc_train.conversion.kinds.terms.dictionary import WordList
from ooc_train.conversion.kinds.terms.gram_spill import GramSpill, gram_records
from ooc_train.conversion.kinds.terms.grams import N_PARTITIONS, extract_grams
from ooc_train.conversion.storage.job import DiskArray
from ooc_train.conversion.storage.spill import Spill, SpillWriter
from ooc_train.conversion.text.tokens import Tokens

N_WORDS = 70_000
HASHES = np.random.default_rng(0).integers(1, 2**64, N_WORDS, np.uint64)
# Numbers of one, two and three bytes, and tokens without a number.
NUMBERS = st.sampled_from([0, 255, 256, 65_535, 65_536, N_WORDS - 1, -1, -2])
ROWS = st.lists(st.tuples(st.sampled_from([0, 12, 13, 14, 268, 269, 270, 999]),
                          st.lists(NUMBERS, max_size=4)), min_size=1, max_size=6)  # fmt: skip
NGRAMS = st.sampled_from([(1, 1), (1, 2), (2, 2), (1, 3), (3, 3)])


def tokens_of(rows):
    """The tokens of rows, each behind some empty ones; and their numbers, negative for none."""
    lengths, numbers = [], []
    for n_empty, row in rows:
        lengths += [*n_empty * [0], len(row)]
        numbers += row
    numbers = np.array(numbers, np.int32)
    # A number of -1 or below is the place from the end of a hash that no word has.
    hashes = np.where(numbers < 0, np.uint64(7) - numbers.astype(np.uint64), HASHES[numbers])
    nothing = np.empty(0, np.int32)
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    return Tokens(np.empty(0, np.uint8), hashes, nothing, nothing, offsets, 0), numbers


def expected(tokens, numbers, ngrams, first_row):
    """The hashes and rows of all n-grams but listed tokens, in order."""
    grams = extract_grams(tokens, ngrams)
    rows = first_row + np.repeat(np.arange(len(grams.offsets) - 1), np.diff(grams.offsets))
    listed = np.isin(grams.hashes, tokens.hashes[numbers >= 0])
    return [(int(h), int(r)) for h, r in zip(grams.hashes[~listed], rows[~listed], strict=True)]


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    arrays = [DiskArray.of(tmp_path_factory.mktemp("words") / "hashes", HASHES)] * 4
    return WordList(*arrays, 0)


class Listed:
    """Words of which the hashes alone are known."""

    hashes = HASHES


@given(blocks=st.lists(ROWS, min_size=1, max_size=3), ngrams=NGRAMS, seed=st.integers(0, 9))
def test_ngrams_come_back_in_the_order_of_their_rows(tmp_path_factory, words, blocks, ngrams, seed):
    writer = SpillWriter(tmp_path_factory.mktemp("grams"), "grams")
    segments, first_row, wanted, firsts = [], 300, [], []
    for rows in blocks:
        tokens, numbers = tokens_of(rows)
        segments.append(writer.write(first_row, *gram_records(tokens, numbers, ngrams, first_row)))
        wanted.append(expected(tokens, numbers, ngrams, first_row))
        firsts.append(first_row)
        first_row += len(tokens.offsets) - 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WordList, "listed", lambda _: Listed)
        patch.setattr("ooc_train.conversion.storage.spill.PIECE_BYTES", 8 * (1 + seed))
        for chosen in (slice(None), slice(1, None)):
            spill = pickle.loads(pickle.dumps(GramSpill(Spill(segments), words)))
            found = {}
            for group in spill.groups(seed * 20, 1 + seed % 3, chosen):
                for partition in group.partitions():
                    some = [
                        (int(h), int(r))
                        for hashes, rows in partition.pieces()
                        for h, r in zip(hashes, rows, strict=True)
                    ]
                    assert 0 < len(some) <= partition.n_most
                    assert all(h >> 56 == partition.number for h, _ in some)
                    found[partition.number] = some
            in_order = [gram for block in wanted[chosen] for gram in block]
            for number in range(N_PARTITIONS):
                own = [gram for gram in in_order if gram[0] >> 56 == number]
                assert found.get(number, []) == own


def test_a_pair_of_frequent_words_takes_three_bytes():
    tokens, numbers = tokens_of([(0, [1, 2]), (0, [1, 2]), (13, [1, 2]), (14, [1, 2])])
    _, bounds = gram_records(tokens, numbers, (2, 2), 0)
    assert bounds[-1] == module._MARK_BYTES + 3 + 3 + 4 + 4
