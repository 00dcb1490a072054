"""The fitted vectorizer: text to tf-idf rows, the same for a whole corpus and for one sentence.

Method: word n-grams, smooth idf and L2 norm as scikit-learn's ``TfidfVectorizer``, columns chosen
by ``SelectKBest``; the vectorizer of "Step 3: Prepare Your Data" in Google's text-classification
guide.  A row's norm runs over every kept term, selected or not, hence the long arrays of hashes and
document frequencies beside the selected terms.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple

import h5py
import numpy as np

from ooc_train.conversion.kinds.ngram.grams import MAX_NGRAM, extract_grams
from ooc_train.conversion.kinds.ngram.selection import SCORES
from ooc_train.conversion.kinds.ngram.statistics import (
    add_occurrence,
    fixed_squared_idf,
    idf_of,
    inverse_document_frequency,
    inverse_norm,
)
from ooc_train.conversion.resources import Density
from ooc_train.conversion.storage.shuffle import SortingScratch, sort_entries
from ooc_train.conversion.text.table import find, index_table
from ooc_train.conversion.text.tokens import tokenize
from ooc_train.dtypes import F32, F64, I32, I64, U8, U32, U64, AnyArray
from ooc_train.errors import FormatError, OptionError
from ooc_train.file import schema
from ooc_train.file.checksums import Appender
from ooc_train.jit import kernel

_ANALYZERS = ("word", "char")


@dataclass(frozen=True)
class NgramParameters:
    """How text becomes terms, and which of them are kept and selected."""

    analyzer: str = "word"
    ngrams: tuple[int, int] = (1, 2)
    min_df: int | float = 2
    max_df: int | float = 1.0
    top_k: int = 20_000
    score: str = "f_classif"
    hash_seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.analyzer not in _ANALYZERS:
            raise OptionError(f"--analyzer {self.analyzer} is not one of {', '.join(_ANALYZERS)}")
        shortest, longest = self.ngrams
        if not 1 <= shortest <= longest <= MAX_NGRAM:
            raise OptionError(
                f"--ngrams {shortest},{longest} is not two numbers from 1 to {MAX_NGRAM}, the "
                f"smaller first"
            )
        for name, limit in (("--min-df", self.min_df), ("--max-df", self.max_df)):
            if limit <= 0 or (isinstance(limit, float) and limit > 1):
                raise OptionError(
                    f"{name} {limit} is neither a number of rows from 1 nor a share in (0.0, 1.0]"
                )
        if self.top_k < 1:
            raise OptionError(f"--top-k {self.top_k} is not 1 or more")
        if self.score not in SCORES:
            raise OptionError(f"--score {self.score} is not one of {', '.join(SCORES)}")

    def for_few_rows(self) -> "NgramParameters":
        """The same kind of terms, with limits that those of a few rows meet."""
        return NgramParameters(analyzer=self.analyzer, min_df=1)

    @property
    def density(self) -> Density:
        """What a conversion's resources are planned by: a word takes two letters and a space."""
        least, usual = (3, 5) if self.analyzer == "word" else (1, 1)
        shortest, longest = self.ngrams
        return Density(least, usual, terms_a_token=longest - shortest + 1)

    def df_limits(self, n_documents: int) -> tuple[int, int]:
        """The least and the largest document frequency of a term that is kept.

        Integers are numbers of rows, other numbers shares of them, as in scikit-learn.
        """
        least, most = (
            limit if isinstance(limit, int) else limit * n_documents
            for limit in (self.min_df, self.max_df)
        )
        return math.ceil(least), math.floor(most)


@dataclass(frozen=True)
class SelectedTerms:
    """The terms that have a column, in code-point order."""

    strings: list[str]
    hashes: U64
    df: U32

    def idf(self, n_documents: int) -> F64:
        """Inverse document frequency of each."""
        return inverse_document_frequency(self.df, n_documents)


class Transformed(NamedTuple):
    """Sparse rows: indptr int64, columns int32 ascending within each row, values float32.

    ``n_replaced`` of them had broken UTF-8, and ``n_empty`` not a single n-gram.
    """

    indptr: I64
    columns: I32
    values: F32
    n_replaced: int
    n_empty: int


class Vectorizer:
    """A fitted vectorizer, read from the ``vectorizer`` group of a file that stays open.

    The arrays over all kept terms are mapped, not loaded.  Memory: the selected terms' hashes.
    """

    def __init__(self, group: h5py.Group) -> None:
        parameters = json.loads(group.attrs["parameters"])
        known = set(asdict(NgramParameters()))
        if set(parameters) != known:
            unknown = ", ".join(sorted(set(parameters) ^ known))
            raise FormatError(
                f"{group.file.filename}: the vectorizer's parameters are not those of this "
                f"version ({unknown}); convert the data again"
            )
        self.parameters = NgramParameters(**{**parameters, "ngrams": tuple(parameters["ngrams"])})
        self.n_documents = int(group.attrs["n_documents"])
        self._kept_hashes = map_dataset(group["kept_hashes"])
        self._kept_df = map_dataset(group["kept_df"])
        self._table = index_table(group["term_hashes"][...])
        self.n_columns = len(group["term_hashes"])

    @property
    def n_kept(self) -> int:
        """How many terms a row's norm runs over."""
        return len(self._kept_hashes)

    def transform(self, text: U8, offsets: I64) -> "Transformed":
        """Tf-idf rows of UTF-8 texts, row ``i`` at ``offsets[i]:offsets[i + 1]`` of ``text``."""
        tokens = tokenize(text, offsets, self.parameters.analyzer, self.parameters.hash_seed)
        grams = extract_grams(tokens, self.parameters.ngrams)
        indptr = np.zeros(len(offsets), np.int64)
        columns = np.empty(len(grams.hashes), np.int32)
        values = np.empty(len(grams.hashes), np.float32)
        n = _transform(
            *grams, self._kept_hashes, self._kept_df, self.n_documents, self._table,
            indptr, columns, values, SortingScratch.of(self.n_columns),
        )  # fmt: skip
        n_empty = int((np.diff(grams.offsets) == 0).sum())
        return Transformed(indptr, columns[:n], values[:n], tokens.n_replaced, n_empty)

    def unknown_shares(self, text: U8, offsets: I64) -> F32:
        """The share of each text's words that are no kept terms: ``(n_texts,) float32``.

        0 for a text without a word.  Of characters, or where words alone are no terms, the shortest
        n-grams count instead.
        """
        tokens = tokenize(text, offsets, self.parameters.analyzer, self.parameters.hash_seed)
        shortest = self.parameters.ngrams[0]
        words = extract_grams(tokens, (shortest, shortest))
        shares = np.zeros(len(offsets) - 1, np.float32)
        _share_unknown(words.hashes, words.offsets, self._kept_hashes, shares)
        return shares


def write_vectorizer(
    file: h5py.File,
    parameters: NgramParameters,
    n_documents: int,
    terms: SelectedTerms,
    kept: tuple[int, Iterator[tuple[U64, U32]]],
) -> None:
    """Store a fitted vectorizer; ``kept`` is how many terms are kept, and they in pieces."""
    group = file.create_group("vectorizer")
    group.attrs["parameters"] = json.dumps(asdict(parameters), sort_keys=True)
    group.attrs["n_documents"] = n_documents
    schema.write_strings(group, "terms", terms.strings)
    schema.write_array(group, "term_hashes", terms.hashes)
    schema.write_array(group, "term_df", terms.df)
    n_kept, pieces = kept
    hashes = schema.create_dataset(group, "kept_hashes", (n_kept,), np.uint64)
    df = schema.create_dataset(group, "kept_df", (n_kept,), np.uint32)
    with Appender(hashes) as all_hashes, Appender(df) as all_df:
        for piece_hashes, piece_df in pieces:
            all_hashes.append(piece_hashes)
            all_df.append(piece_df)


def map_dataset(dataset: h5py.Dataset) -> AnyArray:
    """A contiguous dataset as a read-only mapped array."""
    if dataset.size == 0:
        empty = np.empty(dataset.shape, dataset.dtype)
        empty.flags.writeable = False
        return empty
    offset = dataset.id.get_offset()
    return np.asarray(np.memmap(dataset.file.filename, dataset.dtype, "r", offset, dataset.shape))


@kernel
def _transform(
    hashes: U64,
    offsets: I64,
    kept_hashes: U64,
    kept_df: U32,
    n_documents: int,
    table: U64,
    indptr: I64,
    columns: I32,
    values: F32,
    scratch: SortingScratch,
) -> int:
    n = 0
    weighted = np.empty(len(hashes))  # count * idf, to be divided by the row's norm
    for row in range(len(offsets) - 1):
        grams = np.sort(hashes[offsets[row] : offsets[row + 1]])
        begin, i = n, 0
        whole = fraction = np.uint64(0)
        while i < len(grams):
            value = grams[i]
            count = 0
            while i < len(grams) and grams[i] == value:
                i += 1
                count += 1
            kept = _search(kept_hashes, value)
            if kept < 0:
                continue
            weight = fixed_squared_idf(kept_df[kept], n_documents)
            for k in range(1, count + 1):
                whole, fraction = add_occurrence(k, weight, whole, fraction)
            entry = find(table, value)
            if table[2 * entry] == value:
                columns[n] = table[2 * entry + 1]
                weighted[n] = count * idf_of(kept_df[kept], n_documents)
                n += 1
        if n > begin:
            inverse = inverse_norm(whole, fraction)
            for k in range(begin, n):
                values[k] = weighted[k] * inverse
            sort_entries(columns, values, begin, n, scratch)
        indptr[row + 1] = n
    return n


@kernel
def _share_unknown(hashes: U64, offsets: I64, kept_hashes: U64, shares: F32) -> None:
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        n_unknown = 0
        for i in range(begin, end):
            n_unknown += _search(kept_hashes, hashes[i]) < 0
        if end > begin:
            shares[row] = n_unknown / (end - begin)


@kernel
def _search(ascending: U64, value: np.uint64) -> int:
    """The position of ``value``, or -1: interpolation, since hashes are evenly spread."""
    low, high = 0, len(ascending) - 1
    if high < 0:
        return -1
    guess = min(high, int(float(value) / 2.0**64 * len(ascending)))
    step = 16
    if ascending[guess] <= value:
        low = guess
        while guess + step <= high and ascending[guess + step] <= value:
            low = guess + step
            step *= 2
        high = min(high, guess + step)
    else:
        high = guess
        while guess - step >= low and ascending[guess - step] > value:
            high = guess - step
            step *= 2
        low = max(low, guess - step)
    while low < high:
        middle = (low + high + 1) // 2
        if ascending[middle] <= value:
            low = middle
        else:
            high = middle - 1
    return low if ascending[low] == value else -1
