"""A toy kind of features: words, hashed into a fixed number of columns; rows have length 1."""

from dataclasses import dataclass

import numpy as np

from ooc_train.conversion.resources import TextNeeds
from ooc_train.conversion.storage.layouts.sparse import SparseArrays
from ooc_train.conversion.text.tokens import tokenize
from ooc_train.conversion.vectorizer import Encoded, Parameters, Vectorizer
from ooc_train.reading.rows import SparseRows


@dataclass(frozen=True)
class HashedParameters(Parameters):
    n_columns: int = 512
    needs = TextNeeds(least_bytes=2, usual_bytes=4, terms_a_token=1)


class HashedVectorizer(Vectorizer):
    Parameters = HashedParameters

    def __init__(self, parameters):
        super().__init__(parameters)
        self.report.n_features = parameters.n_columns

    @classmethod
    def load(cls, parameters, group):
        return cls(parameters)

    def encode(self, rows):
        n_columns, n_rows = self.parameters.n_columns, len(rows.text_offsets) - 1
        tokens = tokenize(rows.text, rows.text_offsets, "word", 0)
        row_of = np.repeat(np.arange(n_rows), np.diff(tokens.offsets))
        cells = row_of * n_columns + (tokens.hashes % np.uint64(n_columns)).astype(int)
        cells, counts = np.unique(cells, return_counts=True)
        lengths = np.sqrt(np.bincount(cells // n_columns, counts**2, n_rows))
        values = counts / lengths[cells // n_columns]
        indptr = np.searchsorted(cells, np.arange(n_rows + 1) * n_columns)
        entries = (cells % n_columns).astype(np.int32), values.astype(np.float32)
        return Encoded(SparseRows(indptr, *entries, n_columns), tokens.n_replaced)

    def arrays(self, split):
        return SparseArrays(self.parameters.n_columns)

    def save(self, group):
        group.attribute("n_columns", self.parameters.n_columns)
