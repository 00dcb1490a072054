"""The guide's n-gram pipeline in memory: scikit-learn's features, Keras's multi-layer perceptron.

`ngram_vectorize` and `mlp_model` of Google's text-classification guide with its parameters: the
best 20,000 words and bigrams, one hidden layer of 64 units, dropout 0.2, Adam at 0.001, batches of
128.  Batches are made dense as in its appendix "Batch Training"; or, with --sparse, the matrix goes
to `fit` as it is, which Keras 3 can take.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers import reporting
from benchmarks.peers.reporting import Phases

try:
    import keras
    import numpy as np
    import pandas as pd
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.feature_selection import SelectKBest, f_classif
except ImportError as missing:
    reporting.not_installed(missing)

PACKAGES = ("tensorflow", "keras", "scikit-learn", "pandas", "numpy")
TOP_K, UNITS, DROPOUT_RATE, LEARNING_RATE, BATCH_SIZE = 20_000, 64, 0.2, 1e-3, 128


def read(path: Path) -> tuple[Any, Any]:
    """Labels and texts, (n_rows,) str each."""
    frame = pd.read_csv(path, header=None, dtype=str, na_filter=False)
    texts = frame[1]
    for column in frame.columns[2:]:
        texts = texts + ", " + frame[column]
    return frame[0].to_numpy(), texts


def build(n_columns: int, n_classes: int) -> Any:
    """The guide's multi-layer perceptron, compiled."""
    units, activation = (1, "sigmoid") if n_classes == 2 else (n_classes, "softmax")
    loss = "binary" if n_classes == 2 else "sparse_categorical"
    model = keras.Sequential(
        [
            keras.Input((n_columns,)),
            keras.layers.Dropout(DROPOUT_RATE),
            keras.layers.Dense(UNITS, activation="relu"),
            keras.layers.Dropout(DROPOUT_RATE),
            keras.layers.Dense(units, activation=activation),
        ]
    )
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    model.compile(optimizer, f"{loss}_crossentropy", metrics=["accuracy"])
    return model


def dense_batches(features: Any, labels: Any) -> Iterator[tuple[Any, Any]]:
    """The appendix's generator: batches in the rows' order, for ever."""
    while True:
        for start in range(0, len(labels), BATCH_SIZE):
            span = slice(start, start + BATCH_SIZE)
            yield features[span].toarray(), labels[span]


def fit(model: Any, features: Any, labels: Any, n_epochs: int, *, sparse: bool) -> None:
    """Train for some epochs."""
    if sparse:
        model.fit(features, labels, batch_size=BATCH_SIZE, epochs=n_epochs, verbose=0)
        return
    n_steps = -(-len(labels) // BATCH_SIZE)
    batches = dense_batches(features, labels)
    model.fit(batches, steps_per_epoch=n_steps, epochs=n_epochs, shuffle=False, verbose=0)


def evaluate(model: Any, features: Any, labels: Any) -> float:
    """The accuracy, in dense batches."""
    n_steps = -(-len(labels) // BATCH_SIZE)
    batches = dense_batches(features, labels)
    return float(model.evaluate(batches, steps=n_steps, verbose=0)[1])


def main() -> None:
    """Train and evaluate on the command line's files."""
    parser = reporting.text_parser(__doc__)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--sparse", action="store_true")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    phases = Phases()
    phases.end("imports")
    names, texts = read(options.train)
    classes, labels = np.unique(names, return_inverse=True)
    phases.end("reading")
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), strip_accents="unicode", decode_error="replace", min_df=2
    )
    features = vectorizer.fit_transform(texts)
    selector = SelectKBest(f_classif, k=min(TOP_K, features.shape[1]))
    features = selector.fit_transform(features, labels).astype("float32")
    phases.end("features")
    model = build(features.shape[1], len(classes))
    fit(model, features, labels, options.epochs, sparse=options.sparse)
    phases.end("training")
    model.save(options.output.with_suffix(".keras"))
    phases.end("saving")
    report = {"rows": len(labels), "seconds_to_model": sum(phases.seconds.values())}
    if options.test:
        names, texts = read(options.test)
        test_labels = np.searchsorted(classes, names)
        test_features = selector.transform(vectorizer.transform(texts)).astype("float32")
        accuracy = evaluate(model, test_features, test_labels)
        report |= {"test_rows": len(test_labels), "accuracy": accuracy}
        phases.end("test rows")
    reporting.write(options.report, report, phases, PACKAGES)


if __name__ == "__main__":
    main()
