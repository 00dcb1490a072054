"""scikit-learn out of core: HashingVectorizer and SGDClassifier.partial_fit, a chunk at a time.

As its example "Out-of-core classification of text documents" has it, but with bigrams, the default
number of hashes, and several passes.  The classes are collected in a pass of their own.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers import reporting
from benchmarks.peers.reporting import Phases

try:
    import pandas as pd
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier
except ImportError as missing:
    reporting.not_installed(missing)

PACKAGES = ("scikit-learn", "pandas", "numpy")
CHUNK_ROWS = 10_000


def chunks(path: Path) -> Iterator[tuple[Any, Any]]:
    """Labels and texts of `CHUNK_ROWS` rows at a time."""
    options: dict[str, Any] = {"header": None, "dtype": str, "na_filter": False}
    for frame in pd.read_csv(path, chunksize=CHUNK_ROWS, **options):
        texts = frame[1]
        for column in frame.columns[2:]:
            texts = texts + ", " + frame[column]
        yield frame[0], texts


def main() -> None:
    """Train and evaluate on the command line's files."""
    parser = reporting.text_parser(__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--alpha", type=float, default=1e-6)
    options = parser.parse_args()
    phases = Phases()
    phases.end("imports")
    classes = sorted({label for labels, _ in chunks(options.train) for label in labels.unique()})
    phases.end("classes")
    vectorizer = HashingVectorizer(ngram_range=(1, 2), alternate_sign=False)
    classifier = SGDClassifier(loss="log_loss", alpha=options.alpha, random_state=0)
    n_rows = 0
    for _ in range(options.epochs):
        for labels, texts in chunks(options.train):
            classifier.partial_fit(vectorizer.transform(texts), labels, classes=classes)
            n_rows += len(labels)
    phases.end("training")
    report = {"rows": n_rows // options.epochs, "seconds_to_model": sum(phases.seconds.values())}
    if options.test:
        n_right = n_test = 0
        for labels, texts in chunks(options.test):
            n_right += int((classifier.predict(vectorizer.transform(texts)) == labels).sum())
            n_test += len(labels)
        report |= {"test_rows": n_test, "accuracy": n_right / n_test}
        phases.end("test rows")
    reporting.write(options.report, report, phases, PACKAGES)


if __name__ == "__main__":
    main()
