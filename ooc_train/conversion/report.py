"""What a conversion to n-gram features found and did."""

from dataclasses import dataclass, field


@dataclass
class NgramReport:
    """Figures of one conversion, filled in as it goes on.

    ``grams`` counts (row, n-gram) occurrences, ``distinct_grams`` the different ones of the train
    rows, ``kept_terms`` those within the limits on the document frequency, ``n_features`` the
    selected ones; ``attempts`` is how many hash seeds were tried, 0 for a frozen vectorizer.
    """

    classes: list[str] = field(default_factory=list)
    n_features: int = 0
    replaced_rows: int = 0
    empty_rows: int = 0
    grams: int = 0
    distinct_grams: int = 0
    kept_terms: int = 0
    spill_bytes: int = 0
    attempts: int = 1
    split_rows: dict[str, int] = field(default_factory=dict)
