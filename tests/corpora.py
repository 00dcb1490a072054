"""Small labelled corpora for the tests, and the in-memory oracle of their features."""

import csv
import os
import warnings
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import chi2, f_classif

from ooc_train.conversion.kinds.ngram.scores import round_scores
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.conversion.storage.placement import Placement
from tests.files import read_strings

WORDS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
    "Straße № x™ ÉTÉ naïve 日本 한국어 ΣΟΦΟΣ ﬁne x² don't U.S. a I 42 1999 snake_case"
).split()


PLANS = [
    MemoryPlan(
        n_workers=n_workers,
        block_bytes=block_bytes,
        table_bytes=table_bytes,
        bucket_bytes=bucket_bytes,
        dictionary_bytes=dictionary_bytes,
    )
    for n_workers, block_bytes, table_bytes, bucket_bytes, dictionary_bytes in [
        (1, 2**20, 2**24, 2**24, 2**24),
        (3, 997, 2**24, 5000, 20_000),
        (2, 4096, 1024, 300, 0),
    ]
]


def random_rows(n_rows, *, n_classes=3, seed=0, n_words=12):
    """Rows ``(label, title, body)`` with Zipf words; each class prefers some of them."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, len(WORDS) + 1)
    rows = []
    for _ in range(n_rows):
        label = int(rng.integers(n_classes))
        order = np.roll(np.arange(len(WORDS)), 5 * label)
        n = int(rng.integers(0, 2 * n_words))
        chosen = order[rng.choice(len(WORDS), n, p=weights / weights.sum())]
        words = [WORDS[i] for i in chosen]
        rows.append((str(label + 1), " ".join(words[:2]), " ".join(words[2:])))
    return rows


def write_rows(path: Path, rows) -> Path:
    """Write rows in the Zhang layout."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return path


def text_of(row):
    """The text of a row, its columns joined."""
    return f"{row[1]}, {row[2]}"


def train_order(n_rows, fraction, seed=0):
    """The source rows of the train split and of validation, in the order of the file."""
    placement = Placement({"train": n_rows}, fraction, seed)
    found = {d.split: d for d in placement.destinations("train", 0, n_rows)}
    order = np.empty(len(found["train"].chosen), int)
    order[found["train"].places] = found["train"].chosen
    drawn = found["validation"].chosen if "validation" in found else np.array([], int)
    return order.tolist(), drawn.tolist()


def write_folder(folder, rows):
    """A file for each row, numbered; returns the rows in the order in which they are read."""
    placed = {}
    for i, row in enumerate(rows):
        path = folder / row[0] / f"{i}_{i % 10}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(row), "utf-8")
        placed[os.fsencode(row[0]), os.fsencode(path.name)] = row
    return [placed[key] for key in sorted(placed)]


def read_split(path, split):
    """A split's matrix (float64 CSR) and its labels as the source spells them."""
    with h5py.File(path) as file:
        group = file[split]
        n_columns = len(file["vectorizer/term_hashes"])
        matrix = scipy.sparse.csr_matrix(
            (group["values"][:], group["indices"][:].astype(np.int64), group["indptr"][:]),
            shape=(len(group["labels"]), n_columns),
        )
        labels = np.array(read_strings(file, "classes/labels"))
        return matrix, labels[group["labels"][:]].tolist()


def read_terms(path):
    """The terms of the columns."""
    with h5py.File(path) as file:
        return read_strings(file["vectorizer"], "terms")


class Oracle:
    """scikit-learn in memory: terms by F at 10 significant digits, the last of equals taken."""

    def __init__(self, texts, labels, *, top_k=20_000, score="f_classif", **options):
        options = {"ngram_range": options.pop("ngrams", (1, 2)), "min_df": 2, **options}
        self._vectorizer = TfidfVectorizer(strip_accents="unicode", **options)
        matrix = self._vectorizer.fit_transform(texts)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # features that do not vary
            self.scores = {
                "f_classif": lambda: f_classif(matrix, labels)[0],
                "chi2": lambda: chi2(matrix, labels)[0],
                "none": lambda: np.asarray((matrix > 0).sum(axis=0), float).ravel(),
            }[score]()
        rounded = np.nan_to_num(round_scores(self.scores), nan=-np.inf, posinf=np.inf)
        self.selected = np.sort(np.argsort(rounded, kind="stable")[-top_k:])
        self.terms = self._vectorizer.get_feature_names_out()[self.selected].tolist()

    def transform(self, texts):
        return self._vectorizer.transform(texts)[:, self.selected]


def assert_same(matrix, expected, tolerance=1e-6):
    """The same stored entries, and values equal within ``tolerance``."""
    assert matrix.shape == expected.shape
    assert matrix.has_sorted_indices
    assert matrix.nnz == expected.nnz
    difference = abs(matrix - expected)
    assert difference.nnz == 0 or difference.max() <= tolerance
