"""What conversions, trainings and predictions make, and its record, ``unchanged.json``.

``python -m tests.unchanged`` records anew what is made now; `test_unchanged` compares.  Record only
what is meant to be otherwise, and look at the difference: a line is a case.

Nothing here but what users call is called, so that it stays whatever becomes of the modules.
"""

import contextlib
import csv
import hashlib
import importlib
import io
import json
import os
import platform
import re
import sys
import tempfile
import zlib
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse

import ooc_train
from ooc_train.errors import BudgetError
from tests import unchanged_inputs as inputs

RECORD = Path(__file__).with_name("unchanged.json")
N_DIGITS = 40
"""Of each SHA-256: more than enough."""
COMMANDS = ("convert", "train", "evaluate", "predict", "inspect")

TEST = {"test": ["test.csv"]}
NGRAM, SEQUENCE = {"features": "ngram"}, {"features": "sequence"}
DENSE_LABELS = {"labels": ["dense_labels.npy"]}
DENSE_TEST = {"test": ["dense_test.npy"], "test_labels": ["dense_test_labels.npy"]}
TABLE = {"text": ["title", "body"], "label": "stars"}
LEARN = {"test": ["learn_test.csv"]}

CONVERSIONS = {
    # n-grams
    "auto": ("train.csv", TEST),
    "ngram": ("train.csv", NGRAM),
    "ngram, words alone": ("train.csv", NGRAM | TEST | {"ngrams": (1, 1)}),
    "ngram, two and three words": ("train.csv", NGRAM | {"ngrams": (2, 3)}),
    "ngram, characters": ("train.csv", NGRAM | TEST | {"analyzer": "char"}),
    "ngram, three characters": ("train.csv", NGRAM | {"analyzer": "char", "ngrams": (3, 3)}),
    "ngram, chi2": ("train.csv", NGRAM | {"score": "chi2", "top_k": 100}),
    "ngram, no score": ("train.csv", NGRAM | {"score": "none", "top_k": 100}),
    "ngram, min-df a number": ("train.csv", NGRAM | {"min_df": 5}),
    "ngram, min-df 1": ("train.csv", NGRAM | {"min_df": 1}),
    "ngram, min-df a share": ("train.csv", NGRAM | {"min_df": 0.02}),
    "ngram, max-df a number": ("train.csv", NGRAM | {"max_df": 50}),
    "ngram, max-df a share": ("train.csv", NGRAM | {"max_df": 0.2, "min_df": 0.01}),
    "ngram, ties": ("ties.csv", NGRAM | {"top_k": 20}),
    "ngram, ties by chi2": ("ties.csv", NGRAM | {"top_k": 20, "score": "chi2"}),
    "ngram, ties without a score": ("ties.csv", NGRAM | {"top_k": 20, "score": "none"}),
    "ngram, odd words": ("odd.csv", NGRAM | {"test": ["odd.csv"]}),
    "ngram, odd characters": ("odd.csv", NGRAM | {"analyzer": "char", "ngrams": (1, 3)}),
    "ngram, not shuffled": ("train.csv", NGRAM | TEST | {"shuffle": False}),
    "ngram, seed 7": ("train.csv", NGRAM | {"seed": 7}),
    "ngram, none drawn": ("train.csv", NGRAM | TEST | {"validation_fraction": 0}),
    "ngram, a third drawn": ("train.csv", NGRAM | {"validation_fraction": 0.33, "shuffle": False}),
    "ngram, named splits": (
        "train.csv", NGRAM | {"validation": ["other.csv"], "test": ["test.csv", "other.csv"]}
    ),
    "ngram, lz4": ("train.csv", NGRAM | TEST | {"compression": "lz4"}),
    "ngram, zstd": ("train.csv", NGRAM | TEST | {"compression": "zstd"}),
    "ngram, big": ("big.csv", NGRAM | {"top_k": 5000}),
    # Sequences
    "sequence": ("train.csv", SEQUENCE | TEST),
    "sequence, top-k": ("train.csv", SEQUENCE | TEST | {"top_k": 30}),
    "sequence, short": ("train.csv", SEQUENCE | TEST | {"max_length": 5}),
    "sequence, long": ("long.csv", SEQUENCE | {"test": ["big.csv"]}),
    "sequence, ties": ("ties.csv", SEQUENCE | {"top_k": 20, "max_length": 8}),
    "sequence, odd words": ("odd.csv", SEQUENCE),
    "sequence, not shuffled": ("train.csv", SEQUENCE | {"shuffle": False}),
    "sequence, seed 7": ("train.csv", SEQUENCE | {"seed": 7}),
    "sequence, none drawn": ("train.csv", SEQUENCE | {"validation_fraction": 0}),
    "sequence, named splits": ("train.csv", SEQUENCE | TEST | {"validation": ["other.csv"]}),
    "sequence, lz4": ("train.csv", SEQUENCE | {"compression": "lz4"}),
    "sequence, zstd": ("big.csv", SEQUENCE | {"compression": "zstd"}),
    "sequence, big": ("big.csv", SEQUENCE | {"top_k": 900}),
    # Dense rows
    "dense": ("dense.npy", DENSE_LABELS | DENSE_TEST),
    "dense, float16": ("dense.npy", DENSE_LABELS | DENSE_TEST | {"dtype": "float16"}),
    "dense, int8": ("dense.npy", DENSE_LABELS | DENSE_TEST | {"dtype": "int8"}),
    "dense, by column": ("by_column.npy", {"labels": ["dense_labels.txt"]}),
    "dense, named splits": (
        "dense.npy",
        DENSE_LABELS | DENSE_TEST
        | {"validation": ["dense_other.npy"], "validation_labels": ["dense_other_labels.npy"]},
    ),
    "dense, npz": ("dense.npz", {}),
    "dense, npz with names": ("named.npz", {"columns": ["here"], "label": "there"}),
    "dense, CSV": ("dense.csv", {"features": "dense", "dtype": "int8"}),
    "dense, CSV with names": ("dense_header.csv", {"columns": list("fbc"), "label": "kind"}),
    "dense, Parquet": ("dense.parquet", {"features": "dense"}),
    "dense, Parquet of lists": (
        "lists.parquet", {"columns": ["fixed", "embedding"], "label": "stars"}
    ),
    "dense, not shuffled": ("dense.npy", DENSE_LABELS | {"shuffle": False}),
    "dense, seed 7": ("dense.npz", {"seed": 7, "dtype": "float16"}),
    "dense, none drawn": ("dense.npz", {"validation_fraction": 0}),
    "dense, lz4": ("dense.npy", DENSE_LABELS | {"compression": "lz4", "dtype": "int8"}),
    "dense, zstd": ("big.npz", {"compression": "zstd"}),
    "dense, big": ("big.npz", {"dtype": "float16"}),
    # Sparse rows
    "sparse": ("one.svm", {"test": ["one_test.svm"]}),
    "sparse, from 0": ("zero.svm", {}),
    "sparse, from 0 as said": ("one.svm", {"zero_based": True}),
    "sparse, from 1 as said": ("one.svm", {"zero_based": False, "seed": 7}),
    "sparse, signs": ("signs.svm.gz", {"validation_fraction": 0}),
    "sparse, not shuffled": ("one.svm", {"shuffle": False}),
    "sparse, named splits": ("one.svm", {"validation": ["one.svm"], "test": ["one_test.svm"]}),
    "sparse, lz4": ("one.svm", {"compression": "lz4"}),
    "sparse, zstd": ("big.svm", {"compression": "zstd"}),
    "sparse, big": ("big.svm", {}),
    # Sources and layouts
    "labels with spaces": ("names.csv", NGRAM),
    "labels that are numbers": ("numbers.csv", SEQUENCE),
    "columns by name": ("header.csv", SEQUENCE | TABLE),
    "columns by number": ("header.csv", {"text": ["4", "2"], "label": "3", "header": True}),
    "text and label": ("usual.csv", NGRAM | {"header": True, "text": ["text"], "label": "label"}),
    "tabs": ("plain.tsv", SEQUENCE),
    "tabs, columns by name": ("header.tsv", NGRAM | TABLE),
    "JSON Lines": ("rows.jsonl", SEQUENCE | TABLE),
    "JSON Lines, compressed": ("rows.jsonl.zst", NGRAM | {"text": ["body"], "label": "stars"}),
    "Parquet": ("rows.parquet", SEQUENCE | TABLE),
    "gz": ("train.csv.gz", SEQUENCE),
    "bz2": ("train.csv.bz2", NGRAM),
    "zst": ("train.csv.zst", SEQUENCE),
    "standard input": ("-", {"format": "csv"}),
    "another format": ("plain.txt", {"format": "tsv"}),
    "a folder": ("imdb/train", {"test": ["imdb/test"]}),
    "imdb": ("imdb", {"preset": "imdb"}),
    "ag_news": ("ag_news", {"preset": "ag_news"}),
    "amazon_review_polarity": (
        "amazon_review_polarity", SEQUENCE | {"preset": "amazon_review_polarity"}
    ),
    "several files": (["part2.csv", "part0.csv"], SEQUENCE | {"test": ["part1.csv"]}),
    "a pattern": ("part*.csv", NGRAM),
    "classes.txt": ("classes/train.csv", SEQUENCE),
    "names of classes": ("train.csv", SEQUENCE | {"classes": "names.txt"}),
    # Rows that cannot be used
    "rejects of CSV": ("bad.csv", NGRAM | {"test": ["bad_test.csv"]}),
    "rejects of JSON Lines": ("bad.jsonl", SEQUENCE | TABLE),
    "rejects of svmlight": ("bad.svm", {}),
    "rejects of dense CSV": ("bad_dense.csv", {"features": "dense"}),
    "rejects of arrays": ("bad.npz", {"dtype": "float16", "max_rejects": 2}),
    # With the terms and classes of a file that was converted before
    "ngram, frozen": ("odd.csv", TEST | {"vectorizer": "made/auto.h5"}),
    "ngram, frozen, odd": ("odd.csv", {"vectorizer": "made/ngram, odd characters.h5", "seed": 7}),
    "sequence, frozen": (
        "odd.csv", {"vectorizer": "made/sequence, short.h5", "compression": "lz4"}
    ),
    "dense, frozen": (
        "dense_test.npy",
        {"labels": ["dense_test_labels.npy"], "vectorizer": "made/dense, int8.h5"},
    ),
    "sparse, frozen": ("one_test.svm", {"vectorizer": "made/sparse.h5", "shuffle": False}),
    # What models are trained on
    "learn ngram": ("learn.csv", NGRAM | LEARN),
    "learn ngram, none drawn": ("learn.csv", NGRAM | LEARN | {"validation_fraction": 0}),
    "learn sequence": ("learn.csv", SEQUENCE | LEARN),
    "learn sequence, two classes": ("learn_two.csv", SEQUENCE | {"test": ["learn_test_two.csv"]}),
    "learn dense": ("learn.npz", {"test": ["learn_test.npz"]}),
    "learn sparse": ("learn.svm", {"test": ["learn_test.svm"]}),
}  # fmt: skip
"""By name: the source or sources of the train rows, and the options of `ooc_train.convert`."""

RESOURCES = {"one worker": {"workers": 1}, "three workers": {"workers": 3}, "little memory": {}}
"""What does not change a byte; of memory, hardly more than what is refused."""
SAME_WHATEVER = ("ngram, big", "ngram, odd characters", "sequence, big", "sequence, zstd",
                 "dense, big", "dense, by column", "sparse, big", "ngram, frozen",
                 "sequence, frozen")  # fmt: skip

REGULARIZED = {
    "class_weight": "balanced", "label_smoothing": 0.1, "weight_decay": 0.004,
    "global_clipnorm": 0.5,
}  # fmt: skip
TRAININGS = {
    "mlp, ngram": ("learn ngram", {"epochs": 2}),
    "mlp, ngram, many options": (
        "learn ngram",
        REGULARIZED
        | {"epochs": 2, "lr_schedule": "cosine", "warmup_steps": 5, "layers": 3, "units": 16,
           "dropout_rate": 0.4, "monitor": "val_macro_f1"},
    ),
    "mlp, ngram, adam": (
        "learn ngram, none drawn", {"epochs": 1, "optimizer": "adam", "seed": 7, "layers": 1}
    ),
    "mlp, dense": (
        "learn dense",
        REGULARIZED
        | {"epochs": 6, "learning_rate": 0.05, "lr_schedule": "plateau", "lr_factor": 0.5,
           "patience": 3, "monitor": "val_accuracy", "units": 8},
    ),
    "mlp, sparse": (
        "learn sparse",
        {"epochs": 2, "seed": 7, "class_weight": {"0": 2, "3": 0.5}, "warmup_steps": 10,
         "learning_rate": 0.01, "monitor": "val_top_5_accuracy"},
    ),
    "sepcnn": ("learn sequence", {"epochs": 1, "embedding_dimension": 16, "dropout_rate": 0.1}),
    "sepcnn, by length": (
        "learn sequence, two classes",
        REGULARIZED | {"epochs": 2, "embedding_dimension": 8, "bucket_by_length": True},
    ),
    "sepcnn, word vectors": (
        "learn sequence", {"epochs": 2, "embeddings": "vectors.txt", "freeze_embeddings": 1}
    ),
    "a user's model": (
        "learn sequence, two classes",
        {"epochs": 2, "model": "tests.unchanged:small_network", "label_smoothing": 0.05},
    ),
}  # fmt: skip
"""By name: the conversion that is trained on, and the options of `ooc_train.train`."""

ORDERS = ("auto", "ngram, big", "sequence, big", "dense, int8", "dense, big", "sparse, big",
          "ngram, not shuffled")  # fmt: skip
"""Conversions whose order of reading is recorded."""

COUNTS = ("rows", "validation_rows", "test_rows", "rejected_rows", "replaced_rows", "empty_rows",
          "features", "n_features", "classes", "auto", "attempts", "grams", "distinct_grams",
          "kept_terms", "max_length", "words", "distinct_terms", "tokens", "clipped_values",
          "ignored_entries")  # fmt: skip
"""Of a conversion's report; what is 0 is left out."""
SCORES = ("rows", "accuracy", "baseline_accuracy", "loss", "macro_f1", "roc_auc",
          "top_k_accuracy")  # fmt: skip
"""Of an evaluation's."""
SPEEDS = ("seconds", "rows_per_second", "input_wait_share")
"""Of an epoch: what is another each time."""
_PATHS = ("test", "validation", "labels", "test_labels", "validation_labels", "classes",
          "vectorizer", "embeddings")  # fmt: skip
"""Options that name files."""
_OF_THE_ENVIRONMENT = ("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")


def small_network(shape):
    """A model of the user's own, of one output for two classes."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((shape.length,), dtype="int32"),
            layers.Embedding(shape.n_columns, 8),
            layers.GlobalAveragePooling1D(),
            layers.Dense(8, "relu", kernel_regularizer="l2"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


class Workshop:
    """A folder with the sources, and with what was made of them, each thing once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("made", "runs", "again"):
            (folder / name).mkdir()
        inputs.write_all(folder)
        self._reports = {}
        self._memory_bytes = 100_000_000

    def report(self, name: str) -> dict:
        """The report of a conversion."""
        return self._once("convert", name, lambda: self._convert(name, self.converted(name)))

    def converted(self, name: str) -> Path:
        """Where the file of a conversion is, or will be."""
        return self.folder / "made" / f"{name}.h5"

    def made(self, name: str) -> Path:
        """The file of a conversion."""
        self.report(name)
        return self.converted(name)

    def convert_again(self, name: str, resources: str) -> Path:
        """The same with other resources."""
        output = self.folder / "again" / "o.h5"
        while resources == "little memory":
            try:
                self._convert(name, output, force=True, memory_bytes=self._memory_bytes)
            except BudgetError:
                self._memory_bytes += 10_000_000
            else:
                return output
        self._convert(name, output, force=True, **RESOURCES[resources])
        return output

    def _convert(self, name: str, output: Path, **more) -> dict:
        train, options = CONVERSIONS[name]
        if before := options.get("vectorizer"):
            self.made(Path(before).stem)
        with _standard_input(self.folder / "train.csv"):
            return ooc_train.convert(self._path(train), output, **self._with_paths(options), **more)

    def run(self, name: str) -> Path:
        """The folder of a training."""
        self.training(name)
        return self.folder / "runs" / name

    def training(self, name: str) -> dict:
        """The report of a training."""
        return self._once("train", name, lambda: self._train(name))

    def _train(self, name: str) -> dict:
        source, options = TRAININGS[name]
        run = self.folder / "runs" / name
        options = {"batch_size": 32} | self._with_paths(options)
        return ooc_train.train(self.made(source), run, **options)

    def evaluation(self, name: str) -> dict:
        """The report of a run's evaluation."""
        path = self.made(TRAININGS[name][0])
        return self._once(
            "evaluate", name, lambda: ooc_train.evaluate(self.run(name), path, trust_code=True)
        )

    def prediction(self, name: str) -> dict:
        """The report of a run's predictions for the test file."""
        return self._once("predict", name, lambda: self._predict(name))

    def predictions(self, name: str) -> Path:
        """Where these are."""
        return self.folder / "runs" / f"{name}.csv"

    def _predict(self, name: str) -> dict:
        source = self._path(CONVERSIONS[TRAININGS[name][0]][1]["test"])[0]
        options = {"top": 2, "proba": True, "trust_code": True}
        return ooc_train.predict(self.run(name), source, self.predictions(name), **options)

    def _once(self, kind, name, make):
        if (kind, name) not in self._reports:
            self._reports[kind, name] = make()
        return self._reports[kind, name]

    def _path(self, name):
        if isinstance(name, list):
            return [self._path(one) for one in name]
        return name if name == "-" else self.folder / name

    def _with_paths(self, options: dict) -> dict:
        return {
            key: self._path(value) if key in _PATHS else value for key, value in options.items()
        }


@contextlib.contextmanager
def _standard_input(path: Path):
    """Standard input is the file at ``path`` meanwhile."""
    before = sys.stdin
    with path.open(encoding="utf-8") as file:
        sys.stdin = file
        try:
            yield
        finally:
            sys.stdin = before


# What is recorded of each case.


def conversion_made(workshop: Workshop, name: str) -> dict:
    """Of a conversion: the file's bytes, what is in it, counts, and the rows rejected."""
    report, path = workshop.report(name), workshop.converted(name)
    counts = {key: report[key] for key in COUNTS if report.get(key)}
    made = {"file": sha256(path.read_bytes()), "content": content_digest(path), **counts}
    if report["rejects"]:
        rejects = Path(report["rejects"]).read_bytes()
        made["rejects"] = sha256(rejects.replace(os.fsencode(workshop.folder), b""))
    return made


def order_made(workshop: Workshop, name: str) -> dict:
    """Of a file's reading: the labels of an epoch and of a stream, and the rows of the start."""
    with ooc_train.open(workshop.made(name)) as data:
        train = data["train"]
        rows = next(train.to_numpy(32, seed=3, epoch=1))[0]
        stream = train.stream(32, seed=3, by_length=data.features == "sequence")
        return {
            "epoch": _digest(*(labels for _, labels in train.batches(32, seed=3, epoch=1))),
            "stream": _digest(*(next(stream)[1] for _ in range(300))),
            "rows": _digest(rows),
        }


def inspection_made(workshop: Workshop, name: str) -> str:
    """Of a file's inspection: all but its place and its size, and that of its sources."""
    found = dict(ooc_train.inspect(workshop.made(name)))
    for key in ("path", "bytes", "producer", "provenance"):
        del found[key]
    return sha256(json.dumps(found, sort_keys=True).encode())


def training_made(workshop: Workshop, name: str) -> dict:
    """Of a training: the weights' bits, figures of each array of them, and the history."""
    report, weights = workshop.training(name), weights_of(workshop.run(name))
    return {
        "bits": _digest(*weights),
        "shapes": [list(array.shape) for array in weights],
        "sums": [[_sum(array), _sum(np.abs(array))] for array in weights],
        "epochs": [
            {key: value for key, value in epoch.items() if key not in SPEEDS}
            for epoch in report["epochs"]
        ],
        "best_epoch": report["best_epoch"],
        "steps": report["steps"],
        "embeddings": report["embeddings"],
    }


def prediction_made(workshop: Workshop, name: str) -> dict:
    """Of a run's predictions: for new rows, for the test file's, and how good these are."""
    predictor = ooc_train.load(workshop.run(name), trust_code=True)
    rows = new_rows(workshop, name)
    proba = predictor.predict_proba(rows)
    workshop.prediction(name)
    with workshop.predictions(name).open(newline="", encoding="utf-8") as file:
        written = list(csv.reader(file))
    evaluation = workshop.evaluation(name)
    return {
        "bits": _digest(
            proba,
            workshop.predictions(name).read_bytes(),
            json.dumps(evaluation, sort_keys=True).encode(),
        ),
        "labels": predictor.predict(rows).tolist(),
        "proba": [[round(float(p), 5) for p in row] for row in proba[:, :5]],
        "columns": written[0][:12],
        "rows": len(written) - 1,
        "scores": {key: evaluation[key] for key in SCORES if key in evaluation},
    }


def new_rows(workshop: Workshop, name: str):
    """Some rows that a run's model has not seen, as its predictor takes them."""
    with ooc_train.open(workshop.made(TRAININGS[name][0])) as data:
        features, n_columns = data.features, data.n_columns
    if features == "dense":
        return inputs.dense_rows(5, 99)[0]
    if features == "sparse":
        rng = inputs.random(99)
        dense = np.where(rng.random((5, n_columns)) < 0.2, rng.random((5, n_columns)), 0)
        return scipy.sparse.csr_matrix(dense.astype(np.float32))
    return [*inputs.sentences(inputs.random(99), np.arange(4)), "", "naïve 日本 ba ba ce unknown"]


def keys_made(workshop: Workshop) -> dict:
    """The names in reports and settings, which users may rely on."""
    runs = [workshop.run(name) for name in TRAININGS]
    evaluations = [workshop.evaluation(name) for name in TRAININGS]
    epochs = [epoch for name in TRAININGS for epoch in workshop.training(name)["epochs"]]
    return {
        "convert": _keys(workshop.report(name) for name in CONVERSIONS),
        "train": _keys(workshop.training(name) for name in TRAININGS),
        "train, an epoch": _keys(epochs),
        "evaluate": _keys(evaluations),
        "evaluate, a class": _keys(one for found in evaluations for one in found["classes"]),
        "predict": _keys(workshop.prediction(name) for name in TRAININGS),
        "inspect": _keys(ooc_train.inspect(workshop.made(name)) for name in ORDERS),
        "verify": _keys(ooc_train.verify(workshop.made(name)) for name in ORDERS),
        "settings.json": _keys(json.loads((run / "settings.json").read_text()) for run in runs),
        "report.json": _keys(json.loads((run / "report.json").read_text()) for run in runs),
        "history.csv": _keys(_header(run / "history.csv") for run in runs),
        "a run's folder": _keys(
            [path.name for path in run.iterdir() if path.name != "report.html"] for run in runs
        ),
    }


def options_made(command: str) -> list[str]:
    """The options in a command's help."""
    text = io.StringIO()
    main = importlib.import_module(f"ooc_train.cli.{command}").main
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main(["--help"])
    return sorted(set(re.findall(r"--[a-z-]+[a-z]", text.getvalue())))


# Digests and figures.


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:N_DIGITS]


def content_digest(path: Path) -> str:
    """Of all names, types, shapes, numbers and attributes in an HDF5 file.

    But for what depends on more than the rows and the options: the producer, the size of the
    sources, which may be compressed, and the checksum of these.
    """
    found = hashlib.sha256()
    with h5py.File(path, "r") as file:
        names = [""]
        file.visit(names.append)
        for name in sorted(names):
            item = file[name or "/"]
            found.update(repr((name, sorted(_attributes(item)))).encode())
            if isinstance(item, h5py.Dataset):
                found.update(repr((item.dtype.str, item.shape)).encode())
                found.update(item[...].tobytes())
    return found.hexdigest()[:N_DIGITS]


def _attributes(item):
    for name, value in item.attrs.items():
        if name == "provenance":
            facts = json.loads(value)
            facts["sources"] = {
                split: [source["name"] for source in sources]
                for split, sources in facts["sources"].items()
            }
            yield name, json.dumps(facts, sort_keys=True)
        elif name not in ("producer", "summary"):
            plain = isinstance(value, str)
            yield (
                name,
                value if plain else (np.asarray(value).dtype.str, np.asarray(value).tolist()),
            )


def weights_of(run: Path) -> list[np.ndarray]:
    """The arrays of a run's model in their order."""
    import keras

    return keras.models.load_model(run / "model.keras").get_weights()


def _digest(*parts) -> str:
    """Of arrays, with their types and shapes, and of bytes."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, bytes):
            found.update(part)
        else:
            found.update(repr((part.dtype.str, part.shape)).encode() + part.tobytes())
    return found.hexdigest()[:N_DIGITS]


def _sum(array: np.ndarray) -> float:
    return float(f"{array.sum(dtype=np.float64):.7g}")


def _header(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()[0].split(",")


def _keys(dictionaries) -> list[str]:
    return sorted({key for dictionary in dictionaries for key in dictionary})


# What the last bits depend on.


def file_versions() -> dict:
    """What a file's bytes depend on beside the code and the content."""
    packages = ("h5py", "hdf5plugin", "lz4", "zstandard", "pyarrow", "numpy")
    return {
        "ooc-train": ooc_train.__version__,
        "HDF5": h5py.version.hdf5_version,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        **{name: version(name) for name in packages},
    }


def processor() -> dict:
    """What the last bits of weights and probabilities depend on."""
    import tensorflow

    text = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    fields = ("vendor_id", "cpu family", "model", "model name")
    found = {name: re.search(rf"^{name}\s*: (.*)$", text, re.MULTILINE) for name in fields}
    count = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else [os.cpu_count()]
    return {
        "machine": platform.machine(),
        **{name: match and match[1] for name, match in found.items()},
        "processors": len(count),
        "GPUs": len(tensorflow.config.list_physical_devices("GPU")),
        **{name: version(name) for name in ("tensorflow", "keras", "numpy", "numba")},
        **{name: os.environ.get(name) for name in _OF_THE_ENVIRONMENT},
    }


# The record.


def make_record(folder: Path) -> dict:
    """All that is recorded, made now."""
    workshop = Workshop(folder)
    return {
        "file versions": file_versions(),
        "conversions": {name: conversion_made(workshop, name) for name in CONVERSIONS},
        "orders": {name: order_made(workshop, name) for name in ORDERS},
        "inspections": {name: inspection_made(workshop, name) for name in ORDERS},
        "trainings": {name: training_made(workshop, name) for name in TRAININGS},
        "predictions": {name: prediction_made(workshop, name) for name in TRAININGS},
        "keys": keys_made(workshop),
        "options": {command: options_made(command) for command in COMMANDS},
        "processor": processor(),
    }


def write_record(record: dict, path: Path) -> None:
    """As JSON, with one entry a line."""
    sections = []
    for section, entries in record.items():
        lines = [
            f"  {json.dumps(name, ensure_ascii=False)}: {json.dumps(entry, ensure_ascii=False)}"
            for name, entry in entries.items()
        ]
        sections.append(f"{json.dumps(section)}: {{\n" + ",\n".join(lines) + "\n}")
    path.write_text("{\n" + ",\n".join(sections) + "\n}\n", "utf-8")


def read_record() -> dict:
    return json.loads(RECORD.read_text("utf-8"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        write_record(make_record(Path(place)), RECORD)
