"""The table of the kinds of features: one entry each, which everything else follows from.

A kind says how its rows are laid out, what they are made from, and which model takes them where
nothing else is said.  To add a kind, write its vectorizer, and add an entry here.
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
"""For each layout the forms in which other libraries can take its rows, the usual one first."""


@dataclass(frozen=True)
class Kind:
    """One kind of features.

    ``layout`` is how its rows are stored; ``source`` what they are made from, text or numbers;
    ``default_model`` the name of the model that is trained where none is given; ``vectorizer``
    where its vectorizer is, as ``package.module:Class``, which is imported when rows are converted.
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
"""By the name that the file's attribute ``features`` has, too."""
