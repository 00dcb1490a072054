"""The kinds of features that rows can become: one entry each."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from ooc_train.conversion.kinds.ngram.ngram import write_ngrams
from ooc_train.conversion.kinds.ngram.vectorizer import NgramParameters
from ooc_train.conversion.kinds.numbers.dense import DenseParameters, write_dense
from ooc_train.conversion.kinds.numbers.sparse import SparseParameters, write_sparse
from ooc_train.conversion.kinds.sequence.sequence import write_sequences
from ooc_train.conversion.kinds.sequence.sequence_vectorizer import SequenceParameters
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.sources.formats.table import Gives


@dataclass(frozen=True)
class Kind:
    """How one kind of features is fitted and written, and its parameters: a dataclass.

    ``gives`` is what its rows are made of; ``write`` takes the file to write, the corpus, the
    parameters, the resources, and the rule of places; ``sample`` is a file's name and some rows to
    try it with.
    """

    parameters: type[Any]
    gives: Gives
    write: Callable[..., ConversionReport]
    sample: tuple[str, str]

    @property
    def options(self) -> set[str]:
        """The names of the options that are this kind's parameters."""
        return {field.name for field in fields(self.parameters)} - {"hash_seed"}


_WORDS = ("word", "other word", "Wört")  # three, of which the smallest dictionary lists two
_TEXTS = "".join(f'"{i % 2}","{text} {text}"\n' for i in range(4) for text in _WORDS)
_NUMBERS = "".join(f"{i % 2},{i}.5,1e-3\n" for i in range(8))
_ENTRIES = "".join(f"{i % 2} 1:{i}.5 3:1e-3\n" for i in range(8))

KINDS = {
    "ngram": Kind(NgramParameters, "text", write_ngrams, ("rows.csv", _TEXTS)),
    "sequence": Kind(SequenceParameters, "text", write_sequences, ("rows.csv", _TEXTS)),
    "dense": Kind(DenseParameters, "dense", write_dense, ("rows.csv", _NUMBERS)),
    "sparse": Kind(SparseParameters, "sparse", write_sparse, ("rows.svm", _ENTRIES)),
}
"""By the name that the file's attribute ``features`` has, too."""
TEXT_KINDS = {"ngram", "sequence"}
"""Those that text becomes."""
