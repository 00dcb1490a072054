"""Statistics of any corpus in the Zhang layout."""

import array
import csv
import dataclasses
import gzip
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOKEN = re.compile(r"(?u)\b\w\w+\b")  # scikit-learn's
_CURVE = (10**5, 10**6, 5 * 10**6, 2 * 10**7, 10**8)  # tokens at which types are counted
_RANKS = (1, 10, 100, 1000, 10_000)
_TRAIN_ROWS = (1000, 5000, 15_000, 50_000)
_N_HELD_OUT = 10_000
_N_SELECTED = 20_000


def _read_rows(path: str) -> Iterator[tuple[str, str]]:
    """Yield label and text, the text columns joined by ", " as the converter does."""
    csv.field_size_limit(2**31 - 1)  # the module's own limit is 128 KiB, which long rows exceed
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        for label, *texts in csv.reader(file):
            yield label, ", ".join(filter(None, texts))


@dataclasses.dataclass(frozen=True)
class Tokens:
    """A corpus as numbers.

    words: (n_tokens,) int32, ids in order of first appearance; rows: (n_tokens,) int32.
    """

    words: NDArray[np.int32]
    rows: NDArray[np.int32]
    n_letters: int
    n_characters: int

    def bigrams(self, n_tokens: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The pairs of neighbours in the same row among the first tokens, and their rows."""
        words = self.words[:n_tokens].astype(np.int64)
        rows = self.rows[:n_tokens]
        same_row = rows[1:] == rows[:-1]
        return (words[:-1] << 32 | words[1:])[same_row], rows[1:][same_row]


def read_tokens(path: str, max_tokens: int) -> Tokens:
    """The tokens of whole rows until there are `max_tokens`; memory: 8 bytes a token."""
    ids: dict[str, int] = {}
    words, lengths = array.array("i"), array.array("i")
    n_letters = n_characters = 0
    for _, text in _read_rows(path):
        tokens = _TOKEN.findall(text.lower())
        words.extend(ids.setdefault(token, len(ids)) for token in tokens)
        lengths.append(len(tokens))
        n_letters += sum(map(len, tokens))
        n_characters += len(text)
        if len(words) >= max_tokens:
            break
    rows = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    return Tokens(np.array(words, np.int32), rows, n_letters, n_characters)


def _kept_and_pairs(grams: NDArray[Any], rows: NDArray[np.int32]) -> tuple[int, int]:
    """The grams found in two rows or more, and the distinct (row, gram) pairs."""
    order = np.lexsort((rows, grams))
    grams, rows = grams[order], rows[order]
    new_gram = np.append(True, grams[1:] != grams[:-1])
    new_pair = new_gram | np.append(True, rows[1:] != rows[:-1])
    frequencies = np.add.reduceat(new_pair, np.flatnonzero(new_gram), dtype=np.int64)
    return int((frequencies >= 2).sum()), int(new_pair.sum())


def statistics(tokens: Tokens) -> dict[str, str]:
    """The statistics of a corpus, by name.  Memory: some 40 bytes a token."""
    lengths = np.bincount(tokens.rows)
    n_tokens, n_rows = tokens.words.size, lengths.size
    table = {
        "rows read": f"{n_rows:,}",
        "tokens read": f"{n_tokens:,}",
        "characters a row": f"{tokens.n_characters / n_rows:,.0f}",
        "letters a token": f"{tokens.n_letters / n_tokens:.2f}",
        "tokens a row, mean": f"{lengths.mean():.1f}",
        "tokens a row, percentiles 5, 50, 95": ", ".join(
            f"{q:.0f}" for q in np.percentile(lengths, [5, 50, 95])
        ),
    }
    for n in _CURVE:
        if n <= n_tokens:
            table |= _types(f"{n:,} tokens", tokens.words[:n], tokens.bigrams(n)[0])
    bigrams, bigram_rows = tokens.bigrams(n_tokens)
    table |= _types("all tokens", tokens.words, bigrams)
    counts = np.sort(np.bincount(tokens.words))[::-1]
    for rank in _RANKS:
        if rank <= counts.size:
            table[f"the word of rank {rank:,}, a million tokens"] = (
                f"{counts[rank - 1] / n_tokens * 1e6:,.1f}"
            )
    kept_words, word_pairs = _kept_and_pairs(tokens.words, tokens.rows)
    kept_bigrams, bigram_pairs = _kept_and_pairs(bigrams, bigram_rows)
    table["distinct words a row"] = f"{word_pairs / n_rows:.1f}"
    table["distinct words and bigrams a row"] = f"{(word_pairs + bigram_pairs) / n_rows:.1f}"
    table["words in two rows or more"] = f"{kept_words:,}"
    table["bigrams in two rows or more"] = f"{kept_bigrams:,}"
    return table


def _types(name: str, words: NDArray[np.int32], bigrams: NDArray[np.int64]) -> dict[str, str]:
    """Distinct words and bigrams, and the share of each that occurs once."""
    table: dict[str, str] = {}
    for kind, grams in (("words", words), ("bigrams", bigrams)):
        counts = np.unique(grams, return_counts=True)[1]
        table[f"distinct {kind} in {name}"] = f"{counts.size:,}"
        table[f"of these found once, {name}, {kind}"] = f"{(counts == 1).mean():.3f}"
    return table


def learnability(path: str) -> dict[str, str]:
    """How well a linear model does on n-grams, by train rows.  Needs scikit-learn.

    The first rows of a seeded shuffle are held out.  Memory: the whole corpus.
    """
    labels, texts = (np.array(column) for column in zip(*_read_rows(path), strict=True))
    order = np.random.default_rng(0).permutation(labels.size)[: _N_HELD_OUT + max(_TRAIN_ROWS)]
    test, train = order[:_N_HELD_OUT], order[_N_HELD_OUT:]
    table: dict[str, str] = {}
    for n in _TRAIN_ROWS:
        if n <= train.size:
            rows = train[:n]
            scores = _accuracies(texts[rows], labels[rows], texts[test], labels[test])
            table |= {f"{name}, {n:,} train rows": score for name, score in scores.items()}
    return table


def _accuracies(
    train_texts: NDArray[Any],
    train_labels: NDArray[Any],
    test_texts: NDArray[Any],
    test_labels: NDArray[Any],
) -> dict[str, str]:
    # Here, because neither the generator nor the counts should need scikit-learn.
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
    from sklearn.feature_selection import f_classif  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2)
    train, test = vectorizer.fit_transform(train_texts), vectorizer.transform(test_texts)
    selected = np.argsort(-np.nan_to_num(f_classif(train, train_labels)[0]))[:_N_SELECTED]
    is_word = np.array([" " not in term for term in vectorizer.get_feature_names_out()])

    def accuracy(columns: NDArray[Any]) -> str:
        model = LogisticRegression(C=2.0, max_iter=200)
        model.fit(train[:, columns], train_labels)
        return f"{model.score(test[:, columns], test_labels):.3f}"

    return {
        "accuracy on words": accuracy(np.flatnonzero(is_word)),
        "accuracy on words and bigrams": accuracy(np.arange(is_word.size)),
        f"accuracy on the best {_N_SELECTED:,}": accuracy(selected),
        "values a test row in these": f"{test[:, selected].nnz / test.shape[0]:.1f}",
    }


def markdown(tables: dict[str, dict[str, str]]) -> str:
    """One row a statistic, one column a file."""
    names = dict.fromkeys(name for table in tables.values() for name in table)
    lines = [["", *tables], ["---", *("---:" for _ in tables)]]
    lines += [[name, *(table.get(name, "–") for table in tables.values())] for name in names]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
