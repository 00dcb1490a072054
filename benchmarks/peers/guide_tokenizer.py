"""The guide's sequences in memory: Keras' old Tokenizer and pad_sequences, in pure Python.

Keras 3 has neither any more, so this is their code, shortened to the options that the guide uses:
`text_to_word_sequence`, `Tokenizer.fit_on_texts` and `texts_to_sequences` of
keras_preprocessing/text.py and `pad_sequences` of keras_preprocessing/sequence.py, version 1.1.2
(MIT licence).  How they are called is `sequence_vectorize` of "Step 3: Prepare Your Data" in
Google's text-classification guide.

From CSV without header (the class first, then texts, which are joined by ", ") to a finished HDF5
file with the padded int32 matrices and the labels.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import reporting
from benchmarks.peers.reporting import Phases

try:
    import h5py
    import numpy as np
    import pandas as pd
except ImportError as missing:
    reporting.not_installed(missing)

PACKAGES = ("pandas", "h5py", "numpy")
TOP_K = 20_000
MAX_SEQUENCE_LENGTH = 500
FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
TO_SPACES = str.maketrans(dict.fromkeys(FILTERS, " "))


def text_to_word_sequence(text: str) -> list[str]:
    """The words of a text."""
    return [word for word in text.lower().translate(TO_SPACES).split(" ") if word]


class Tokenizer:
    """Words to numbers, by falling count."""

    def __init__(self, num_words: int) -> None:
        self.num_words = num_words
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: defaultdict[str, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}

    def fit_on_texts(self, texts: Iterable[str]) -> None:
        """Count the words of all texts."""
        for text in texts:
            words = text_to_word_sequence(text)
            for word in words:
                if word in self.word_counts:
                    self.word_counts[word] += 1
                else:
                    self.word_counts[word] = 1
            for word in set(words):
                self.word_docs[word] += 1
        counts = list(self.word_counts.items())
        counts.sort(key=lambda item: item[1], reverse=True)
        self.word_index = {word: index for index, (word, _) in enumerate(counts, 1)}

    def texts_to_sequences(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """The numbers below `num_words` of each text's words."""
        for text in texts:
            vector = []
            for word in text_to_word_sequence(text):
                index = self.word_index.get(word)
                if index is not None and index < self.num_words:
                    vector.append(index)
            yield vector


def pad_sequences(sequences: Sequence[list[int]], maxlen: int) -> Any:
    """The last `maxlen` numbers of each row behind zeros, (n_rows, maxlen) int32."""
    padded = np.zeros((len(sequences), maxlen), np.int32)
    for row, sequence in enumerate(sequences):
        if sequence:
            cut = sequence[-maxlen:]
            padded[row, -len(cut) :] = cut
    return padded


def read(path: Path) -> tuple[list[str], list[str]]:
    """Labels and texts."""
    frame = pd.read_csv(path, header=None, dtype=str, na_filter=False)
    texts = frame[1]
    for column in frame.columns[2:]:
        texts = texts + ", " + frame[column]
    return frame[0].tolist(), texts.tolist()


def convert(train: Path, test: Path | None, output: Path, phases: Phases) -> dict[str, Any]:
    """Read, fit, number, pad, write; what was done."""
    labels, texts = read(train)
    phases.end("reading")
    tokenizer = Tokenizer(num_words=TOP_K)
    tokenizer.fit_on_texts(texts)
    phases.end("fitting")
    sequences = list(tokenizer.texts_to_sequences(texts))
    phases.end("numbering")
    max_length = min(max(map(len, sequences)), MAX_SEQUENCE_LENGTH)
    splits = {"train": (labels, pad_sequences(sequences, max_length))}
    phases.end("padding")
    if test:
        test_labels, test_texts = read(test)
        test_sequences = list(tokenizer.texts_to_sequences(test_texts))
        splits["test"] = test_labels, pad_sequences(test_sequences, max_length)
        phases.end("test rows")
    numbers = {label: i for i, label in enumerate(sorted(set(labels)))}
    with h5py.File(output, "w") as file:
        for name, (split_labels, padded) in splits.items():
            file[f"{name}/tokens"] = padded
            file[f"{name}/labels"] = np.array([numbers[label] for label in split_labels])
    phases.end("writing")
    return {
        "rows": len(labels),
        "test_rows": len(splits["test"][0]) if test else 0,
        "n_features": min(len(tokenizer.word_index), TOP_K - 1),
        "distinct_terms": len(tokenizer.word_index),
        "max_length": max_length,
    }


def main() -> None:
    """Run the pipeline on the command line's files."""
    options = reporting.text_parser(__doc__).parse_args()
    phases = Phases()
    phases.end("imports")
    report = convert(options.train, options.test, options.output, phases)
    reporting.write(options.report, report, phases, PACKAGES)


if __name__ == "__main__":
    main()
