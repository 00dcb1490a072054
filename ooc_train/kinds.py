"""The table of the kinds of features, one entry each, from which everything else follows.

An entry says how the rows of a kind are laid out, what they are made from, and which model is
trained on them by default.  To add a kind, write its vectorizer, and add an entry here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Layout = Literal["sparse", "ragged", "dense"]
MadeOf = Literal["text", "dense", "sparse"]

FORMS: dict[Layout, tuple[str, ...]] = {
    "sparse": ("sparse", "dense"),
    "ragged": ("dense", "ragged"),
    "dense": ("dense",),
}
"""The forms in which other libraries take the rows of each layout, the usual one first."""


TEXTS = "texts"
"""Instead of a dtype: a string list."""


class VectorizerArray(NamedTuple):
    """An array that a vectorizer stores: NumPy's code of its dtype, or `TEXTS`, and its size.

    Arrays of the same ``size`` are equally long.  ``"n_terms"`` and ``"n_columns"`` are the terms
    and the columns of the rows.
    """

    dtype: str
    size: str
    is_optional: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of features.

    ``layout`` is how its rows are stored, ``source`` what they are made from: text, or dense or
    sparse numbers.  ``default_model`` is the name of the model that is trained if none is given.
    ``vectorizer`` is the class that makes the rows, as ``package.module:Class``; only conversion
    and prediction import it.  ``arrays`` are those that it stores: a file with others is refused.
    """

    layout: Layout
    source: MadeOf
    default_model: str
    vectorizer: str
    arrays: Mapping[str, VectorizerArray] = field(default_factory=dict)


_CONVERSION = "ooc_train.conversion.kinds"

_TERMS = {
    "terms": VectorizerArray(TEXTS, "n_terms"),
    "term_hashes": VectorizerArray("<u8", "n_terms"),
}
_NGRAM = _TERMS | {
    "term_df": VectorizerArray("<u4", "n_terms"),
    "kept_hashes": VectorizerArray("<u8", "n_kept"),
    "kept_df": VectorizerArray("<u4", "n_kept"),
}
_SEQUENCE = _TERMS | {"term_counts": VectorizerArray("<u8", "n_terms")}
_DENSE = {"scales": VectorizerArray("<f4", "n_columns", is_optional=True)}

KINDS = {
    "ngram": Kind(
        "sparse", "text", "mlp", f"{_CONVERSION}.ngram.vectorizer:NgramVectorizer", _NGRAM
    ),
    "sequence": Kind(
        "ragged",
        "text",
        "sepcnn",
        f"{_CONVERSION}.sequence.vectorizer:SequenceVectorizer",
        _SEQUENCE,
    ),
    "dense": Kind("dense", "dense", "mlp", f"{_CONVERSION}.dense:DenseVectorizer", _DENSE),
    "sparse": Kind("sparse", "sparse", "mlp", f"{_CONVERSION}.sparse:SparseVectorizer"),
}
"""The kinds by name, which is also the value of a file's attribute ``features``."""
