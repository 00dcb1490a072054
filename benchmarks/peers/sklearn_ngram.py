"""The n-gram features in memory: pandas, TfidfVectorizer, SelectKBest, as their pages advise.

From CSV without header (the class first, then texts, which are joined by ", ") to a finished .npz
file with the selected features as float32 CSR, the labels and the terms.
"""

from pathlib import Path
from typing import Any

from benchmarks.peers import reporting
from benchmarks.peers.reporting import Phases

try:
    import numpy as np
    import pandas as pd
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.feature_selection import SelectKBest, f_classif
except ImportError as missing:
    reporting.not_installed(missing)

PACKAGES = ("scikit-learn", "pandas", "scipy", "numpy")
TOP_K = 20_000


def read(path: Path) -> tuple[Any, Any]:
    """Labels and texts, (n_rows,) str each."""
    frame = pd.read_csv(path, header=None, dtype=str, na_filter=False)
    texts = frame[1]
    for column in frame.columns[2:]:
        texts = texts + ", " + frame[column]
    return frame[0], texts


def columns_of(name: str, matrix: Any, labels: Any) -> dict[str, Any]:
    """A split's arrays as they are saved."""
    matrix = matrix.astype(np.float32)
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices,
        f"{name}_indptr": matrix.indptr,
        f"{name}_labels": np.array(labels, dtype=np.str_),
    }


def convert(train: Path, test: Path | None, output: Path, phases: Phases) -> dict[str, Any]:
    """Read, fit, select, write; what was done."""
    labels, texts = read(train)
    phases.end("reading")
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, strip_accents="unicode")
    features = vectorizer.fit_transform(texts)
    phases.end("vectorizing")
    selector = SelectKBest(f_classif, k=min(TOP_K, features.shape[1]))
    selected = selector.fit_transform(features, labels)
    phases.end("selecting")
    arrays = columns_of("train", selected, labels)
    n_test = 0
    if test:
        test_labels, test_texts = read(test)
        n_test = len(test_labels)
        arrays |= columns_of(
            "test", selector.transform(vectorizer.transform(test_texts)), test_labels
        )
        phases.end("test rows")
    terms = vectorizer.get_feature_names_out()[selector.get_support()]
    np.savez(output, terms=terms.astype(np.str_), **arrays)
    phases.end("writing")
    return {
        "rows": len(labels),
        "test_rows": n_test,
        "n_features": selected.shape[1],
        "kept_terms": features.shape[1],
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
