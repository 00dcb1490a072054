"""The kinds of features that text can become: one entry each."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from ooc_train.conversion.ngram import write_ngrams
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.sequence import write_sequences
from ooc_train.conversion.sequence_vectorizer import SequenceParameters
from ooc_train.conversion.vectorizer import NgramParameters


@dataclass(frozen=True)
class Kind:
    """How one kind of features is fitted and written, and its parameters: a dataclass.

    ``write`` takes the file, the corpus, the parameters, the resources, and the rule of places.
    """

    parameters: type[Any]
    write: Callable[..., ConversionReport]

    @property
    def options(self) -> set[str]:
        """The names of the options that are this kind's parameters."""
        return {field.name for field in fields(self.parameters)} - {"hash_seed"}


KINDS = {
    "ngram": Kind(NgramParameters, write_ngrams),
    "sequence": Kind(SequenceParameters, write_sequences),
}
"""By the name that the file's attribute ``features`` has, too."""
