"""Kernels over whatever the checks let pass: ``python -m tests.file.bounds FOLDER``.

With NUMBA_BOUNDSCHECK=1 a kernel that reads or writes beyond an array raises IndexError.  FOLDER
has the files ``ngram.h5`` and ``sequence.h5``, which are changed.
"""

import contextlib
import sys
from pathlib import Path
from unittest import mock

import h5py
import numpy as np

import ooc_train
from ooc_train.conversion.sources.rows import TextRows
from ooc_train.conversion.vectorizer import load_vectorizer
from ooc_train.errors import InputError, OocTrainError
from ooc_train.jit import kernel
from ooc_train.kernel_cache import Folders
from tests.files import reseal, write_file

N_COLUMNS, N_CLASSES = 300, 3
VALUES = np.float32([0, 1, -1, 1e-45, 3e38, np.nan, np.inf])
TEXTS = [b"", b"alpha", b"alpha beta", b"\xff " * 9, b"word1 word2 word3 " * 50, b"a b c d"]


@kernel
def beyond(array):
    """Read beyond the end of an array."""
    return array[len(array)]


def rows(random, n_rows, values):
    """Rows that the format forbids and no check refuses: columns twice, and in any order."""
    lengths = random.choice([0, 1, 5, 2 * N_COLUMNS], n_rows, p=[0.2, 0.3, 0.4, 0.1])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    columns = random.choice([0, 1, 7, N_COLUMNS - 1, *range(N_COLUMNS)], indptr[-1])
    return (
        random.integers(N_CLASSES, size=n_rows),
        indptr,
        columns,
        random.choice(values, indptr[-1]),
    )


def train_on_any_rows(folder):
    """Training and evaluating by the kernels, on finite numbers and on others."""
    for n_values in (3, len(VALUES)):
        random = np.random.default_rng(n_values)
        splits = {"train": rows(random, 300, VALUES[:n_values])}
        splits["validation"] = rows(random, 40, VALUES[:n_values])
        path = folder / f"rows-{n_values}.h5"
        write_file(path, splits, n_classes=N_CLASSES, n_columns=N_COLUMNS, features="sparse")
        try:
            ooc_train.train(path, folder / f"run-{n_values}", epochs=2, batch_size=32)
            ooc_train.evaluate(folder / f"run-{n_values}", path, split="validation")
        except OocTrainError:
            assert n_values > 3  # numbers that are not finite


def encode_with_any_terms(folder):
    """Encoding with terms, hashes and frequencies that fit together in size alone."""
    for features in ("ngram", "sequence"):
        path = folder / f"{features}.h5"
        for seed in range(4):
            random = np.random.default_rng(seed)
            with h5py.File(path, "r+") as file:
                vectorizer = file["vectorizer"]
                hashes = vectorizer["term_hashes"][...]
                hashes[:: seed + 1] = random.integers(1, 2**63, len(hashes[:: seed + 1]))
                vectorizer["term_hashes"][...] = hashes
                if features == "ngram":
                    kept, df = vectorizer["kept_hashes"], vectorizer["kept_df"]
                    kept[...] = np.sort(random.choice(2**20, len(kept), replace=False)) + seed
                    df[...] = random.integers(1, vectorizer.attrs["n_documents"] + 1, len(df))
                else:
                    vectorizer.attrs["max_length"] = seed
                reseal(file)
            with ooc_train.open(path) as store:
                found = load_vectorizer(store.handle).encode(TextRows.of(TEXTS))
                assert len(found.rows) == len(TEXTS)


PIECES = [
    b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\xc3", b"\xf0\x9f", "ß".encode(),
    b"\\", b"1", b"-", b".", b"e9", b"9" * 30, b":", b" ", b"#", b"{", b"}", b"word ", b"w" * 300,
]  # fmt: skip
CLEAN = {
    "csv": b'%d,"alpha beta %d"\n',
    "jsonl": b'{"label": %d, "text": "alpha beta %d"}\n',
    "svm": b"%d 1:%d 3:2\n",
}


def convert_any_rows(folder):
    """Converting rows of text and numbers, between which there is anything else."""
    for kind in ("csv ngram", "csv sequence", "csv dense", "jsonl ngram", "svm sparse"):
        suffix, features = kind.split()
        for seed in range(3):
            random = np.random.default_rng(seed)
            lines = [CLEAN[suffix] % (k % 2, k) for k in range(40)]
            for place in sorted(random.integers(40, size=60), reverse=True):
                pieces = random.choice(len(PIECES), random.integers(1, 12))
                lines.insert(place, b"".join(PIECES[k] for k in pieces) + b"\n" * (seed % 2))
            path = folder / f"{features}-{seed}.{suffix}"
            path.write_bytes(b"".join(lines))
            options = {"text": ["text"], "label": "label"} if suffix == "jsonl" else {}
            with contextlib.suppress(InputError):  # too few rows are left
                ooc_train.convert(
                    path,
                    path.with_suffix(f".{suffix}.h5"),
                    features=features,
                    max_rejects=1000,
                    **options,
                )


def main():
    try:
        beyond(np.zeros(3))
    except IndexError:
        pass
    else:
        sys.exit("bounds are not checked: set NUMBA_BOUNDSCHECK=1")
    folder = Path(sys.argv[1])
    encode_with_any_terms(folder)
    convert_any_rows(folder)
    train_on_any_rows(folder)


if __name__ == "__main__":
    # No kernel is kept, nor compiled by another process to be kept; pages take seconds.
    with (
        mock.patch("ooc_train.kernel_cache._folders", return_value=Folders([], None)),
        mock.patch("ooc_train.training.train.draw_page"),
    ):
        main()
