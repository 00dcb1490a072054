"""The table of the kinds of features, one entry each, from which everything else follows.

An entry says how the rows of a kind are laid out, what they are made from, and which model is
trained on them by default.  To add a kind, write its vectorizer, and add an entry here.
"""

from dataclasses import dataclass
from typing import Literal

Layout = Literal["sparse", "ragged", "dense"]
MadeOf = Literal["text", "dense", "sparse"]

FORMS: dict[Layout, tuple[str, ...]] = {
    "sparse": ("sparse", "dense"),
    "ragged": ("dense", "ragged"),
    "dense": ("dense",),
}
"""The forms in which other libraries take the rows of each layout, the usual one first."""


@dataclass(frozen=True)
class Kind:
    """One kind of features.

    ``layout`` is how its rows are stored, ``source`` what they are made from: text, or dense or
    sparse numbers.  ``default_model`` is the name of the model that is trained if none is given.
    ``vectorizer`` is the class that makes the rows, as ``package.module:Class``; only conversion
    and prediction import it.
    """

    layout: Layout
    source: MadeOf
    default_model: str
    vectorizer: str


_CONVERSION = "ooc_train.conversion.kinds"

KINDS = {
    "ngram": Kind("sparse", "text", "mlp", f"{_CONVERSION}.ngram.vectorizer:NgramVectorizer"),
    "sequence": Kind(
        "ragged", "text", "sepcnn", f"{_CONVERSION}.sequence.vectorizer:SequenceVectorizer"
    ),
    "dense": Kind("dense", "dense", "mlp", f"{_CONVERSION}.dense:DenseVectorizer"),
    "sparse": Kind("sparse", "sparse", "mlp", f"{_CONVERSION}.sparse:SparseVectorizer"),
}
"""The kinds by name, which is also the value of a file's attribute ``features``."""
