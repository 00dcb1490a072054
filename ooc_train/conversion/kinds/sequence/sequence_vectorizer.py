"""The fitted vectorizer of sequences: text to rows of word ids, cut as the train rows were.

Method: ``Tokenizer(num_words=20000)`` of Keras 2, then ``pad_sequences`` to the longest train row,
at most 500, as in "Step 3: Prepare Your Data" of Google's text-classification guide; but for the
padding itself, which is a batch's business.
"""

import json
from dataclasses import asdict, dataclass
from typing import NamedTuple

import h5py
import numpy as np

from ooc_train.conversion.kinds.sequence.sequence_shuffle import keep_last
from ooc_train.conversion.resources import Density
from ooc_train.conversion.text.table import find, index_table
from ooc_train.conversion.text.tokens import tokenize
from ooc_train.dtypes import F32, I32, I64, U8, U64
from ooc_train.errors import FormatError, OptionError
from ooc_train.file import schema
from ooc_train.jit import kernel

ANALYZER = "keras"


@dataclass(frozen=True)
class SequenceParameters:
    """How many words are kept, the padding id 0 counted, and how many of a row's last."""

    top_k: int = 20_000
    max_length: int = 500
    hash_seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.top_k < 2:
            raise OptionError(
                f"--top-k {self.top_k} is not 2 or more; for sequences it counts the padding id 0"
            )
        if self.max_length < 1:
            raise OptionError(f"--max-length {self.max_length} is not 1 or more")

    def for_few_rows(self) -> "SequenceParameters":
        """Parameters for trying out on a few rows."""
        return SequenceParameters()

    @property
    def density(self) -> Density:
        """What a conversion's resources are planned by: a word takes a letter and a space."""
        return Density(least_bytes=2, usual_bytes=5, terms_a_token=1)


@dataclass(frozen=True)
class Vocabulary:
    """The terms in the order of their ids, from 1."""

    strings: list[str]
    hashes: U64
    counts: U64


class Sequences(NamedTuple):
    """Rows of ids: indptr int64, tokens int32 from 1.

    ``n_replaced`` of them had broken UTF-8, and ``n_empty`` not a single word.
    """

    indptr: I64
    tokens: I32
    n_replaced: int
    n_empty: int


class SequenceVectorizer:
    """A fitted vectorizer, from the ``vectorizer`` group of a file.  Memory: the terms' hashes.

    Raises ``FormatError`` for parameters that this version does not have.
    """

    def __init__(self, group: h5py.Group) -> None:
        parameters = json.loads(group.attrs["parameters"])
        known = set(asdict(SequenceParameters()))
        if set(parameters) != known:
            unknown = ", ".join(sorted(set(parameters) ^ known))
            raise FormatError(
                f"{group.file.filename}: the vectorizer's parameters are not those of this "
                f"version ({unknown}); convert the data again"
            )
        self.parameters = SequenceParameters(**parameters)
        self.max_length = int(group.attrs["max_length"])
        self._table = index_table(group["term_hashes"][...])
        self.n_terms = len(group["term_hashes"])

    def transform(self, text: U8, offsets: I64) -> Sequences:
        """Ids of UTF-8 texts, row ``i`` at ``offsets[i]:offsets[i + 1]`` of ``text``.

        Unknown words are left out, and of the others the last ``max_length`` kept.
        """
        words = tokenize(text, offsets, ANALYZER, self.parameters.hash_seed)
        indptr = np.zeros(len(offsets), np.int64)
        tokens = np.empty(len(words.hashes), np.int32)
        n = _look_up(words.hashes, words.offsets, self._table, self.max_length, indptr, tokens)
        n_empty = int((np.diff(words.offsets) == 0).sum())
        return Sequences(indptr, tokens[:n], words.n_replaced, n_empty)

    def unknown_shares(self, text: U8, offsets: I64) -> F32:
        """The share of each text's words that are no terms, 0 without any: (n_texts,) float32."""
        words = tokenize(text, offsets, ANALYZER, self.parameters.hash_seed)
        shares = np.zeros(len(offsets) - 1, np.float32)
        _share_unknown(words.hashes, words.offsets, self._table, shares)
        return shares


def write_sequence_vectorizer(
    file: h5py.File,
    parameters: SequenceParameters,
    *,
    n_documents: int,
    max_length: int,
    vocabulary: Vocabulary,
) -> None:
    """Store a fitted vectorizer."""
    group = file.create_group("vectorizer")
    group.attrs["parameters"] = json.dumps(asdict(parameters), sort_keys=True)
    group.attrs["n_documents"] = n_documents
    group.attrs["max_length"] = max_length
    schema.write_strings(group, "terms", vocabulary.strings)
    schema.write_array(group, "term_hashes", vocabulary.hashes)
    schema.write_array(group, "term_counts", vocabulary.counts)


@kernel
def _look_up(
    hashes: U64,
    offsets: I64,
    table: U64,
    max_length: int,
    indptr: I64,
    tokens: I32,
) -> int:
    n = 0
    for row in range(len(offsets) - 1):
        begin = n
        for i in range(offsets[row], offsets[row + 1]):
            entry = find(table, hashes[i])
            if table[2 * entry] != 0:
                tokens[n] = np.int64(table[2 * entry + 1]) + 1
                n += 1
        n = keep_last(tokens, begin, n, max_length)
        indptr[row + 1] = n
    return n


@kernel
def _share_unknown(hashes: U64, offsets: I64, table: U64, shares: F32) -> None:
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        n_unknown = 0
        for i in range(begin, end):
            n_unknown += table[2 * find(table, hashes[i])] == 0
        if end > begin:
            shares[row] = n_unknown / (end - begin)
