"""Rows in words: a file holds no texts, but the terms of a row tell people much about it."""

from ooc_train.reading.rows import SequenceRows, SparseRows
from ooc_train.reading.split import Split
from ooc_train.reading.store import Store

MAX_TERMS = 8
MAX_TOKENS = 30


def describe_row(store: Store, split: Split, number: int) -> str:
    """The terms of an n-gram row with the highest values, or the first words of a sequence.

    Words that are not terms are missing, since the file lacks them.  Empty for features without
    terms.  Memory: the row's.
    """
    rows, vectorizer = split.read(number, number + 1), store.group("vectorizer")
    if isinstance(rows, SequenceRows):
        tokens = rows.tokens[:MAX_TOKENS].astype(int) - 1
        words = vectorizer.some_strings("terms", tokens.tolist())
        return " ".join(words) + (" …" if rows.n_entries > MAX_TOKENS else "")
    if isinstance(rows, SparseRows) and "terms" in vectorizer:
        best = (-rows.values).argsort(kind="stable")[:MAX_TERMS]
        columns = rows.indices[best].astype(int)
        return ", ".join(vectorizer.some_strings("terms", columns.tolist()))
    return ""
