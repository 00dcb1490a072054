"""The figures of a conversion."""

from dataclasses import dataclass, field


@dataclass
class ConversionReport:
    """Figures of one conversion to any kind of features, filled in as it goes on.

    ``n_features`` counts the terms of the vocabulary; ``spill_bytes`` of rows, words and n-grams
    went through temporary files; ``attempts`` is how many hash seeds were tried, 0 for a fitted
    vectorizer of texts; ``kept_rows`` were drawn for validation, and stay in
    the train rows, since their classes have no other there.
    """

    classes: list[str] = field(default_factory=list)
    n_features: int = 0
    replaced_rows: int = 0
    empty_rows: int = 0
    spill_bytes: int = 0
    attempts: int = 1
    kept_rows: int = 0
    split_rows: dict[str, int] = field(default_factory=dict)


@dataclass
class NgramReport(ConversionReport):
    """Figures of a conversion to n-grams.

    ``grams`` counts (row, n-gram) occurrences, ``distinct_grams`` the different ones of the train
    rows, ``kept_terms`` those within the limits on the document frequency.
    """

    grams: int = 0
    distinct_grams: int = 0
    kept_terms: int = 0


@dataclass
class SequenceReport(ConversionReport):
    """Figures of a conversion to sequences.

    ``words`` counts the words of all rows, ``distinct_terms`` the different ones of the train rows,
    ``tokens`` those that are stored; ``max_length`` is that of the longest train row.
    """

    max_length: int = 0
    words: int = 0
    distinct_terms: int = 0
    tokens: int = 0


@dataclass
class DenseReport(ConversionReport):
    """Figures of a conversion to dense features.

    ``clipped_values`` counts those of validation and test rows that are beyond any train value of
    their column, and were clipped to it (int8 alone).
    """

    clipped_values: int = 0


@dataclass
class SparseReport(ConversionReport):
    """Figures of a conversion to sparse features.

    ``entries`` counts those of all rows, ``ignored_entries`` those of validation and test rows in
    columns beyond the last of the train rows, which were left out.
    """

    entries: int = 0
    ignored_entries: int = 0
