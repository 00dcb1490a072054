"""The in-memory oracle of sequences: what Google's guide does with Keras 2, in plain Python.

``tokenize`` is ``text_to_word_sequence``, the vocabulary that of ``Tokenizer.fit_on_texts`` with
``num_words``, a row that of ``texts_to_sequences`` and ``pad_sequences`` without the padding.
"""

import itertools
from collections import Counter

import h5py

from tests.files import read_strings

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
SPACES = str.maketrans(dict.fromkeys(FILTERS, " "))


def tokenize(text):
    return [word for word in text.lower().translate(SPACES).split(" ") if word]


class SequenceOracle:
    """``texts`` are those of the train rows in the order of their source."""

    def __init__(self, texts, *, top_k=20_000, max_length=500):
        self.counts = Counter()
        for text in texts:
            self.counts.update(tokenize(text))
        # A stable sort of a dictionary in the order of first appearance.
        by_count = sorted(self.counts.items(), key=lambda item: -item[1])
        self.terms = [word for word, _ in by_count[: top_k - 1]]
        self._ids = {word: i for i, word in enumerate(self.terms, 1)}
        self.max_length = max_length
        self.max_length = max(1, *(len(row) for row in self.transform(texts)))

    def transform(self, texts):
        rows = ([self._ids[w] for w in tokenize(text) if w in self._ids] for text in texts)
        return [row[-self.max_length :] for row in rows]


def read_sequences(path, split):
    """A split's rows, and its labels as the source spells them."""
    with h5py.File(path) as file:
        group = file[split]
        tokens, bounds = group["tokens"][:].tolist(), group["indptr"][:].tolist()
        labels = read_strings(file, "classes/labels")
        rows = [tokens[i:j] for i, j in itertools.pairwise(bounds)]
        return rows, [labels[i] for i in group["labels"][:].tolist()]
