"""The n-gram features in memory: pandas, TfidfVectorizer, SelectKBest, as their pages advise.

From CSV without header (the class first, then texts, which are joined by ", ") to a finished .npz
file with the selected features as float32 CSR, the labels and the terms.
"""

import argparse
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import Any

START = time.perf_counter()

try:
    import numpy as np
    import pandas as pd
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.feature_selection import SelectKBest, f_classif
except ImportError as missing:
    print(f"{missing.name or missing} is not installed; the extra [peers] has it", file=sys.stderr)
    sys.exit(69)

PACKAGES = ("scikit-learn", "pandas", "scipy", "numpy")
TOP_K = 20_000


class Phases:
    """Seconds by phase, each from the end of the one before."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = START

    def end(self, name: str) -> None:
        """The phase `name` ends now."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    phases = Phases()
    phases.end("imports")
    report = convert(options.train, options.test, options.output, phases)
    report |= {
        "seconds": sum(phases.seconds.values()),
        "phase_seconds": phases.seconds,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }
    if options.report:
        options.report.write_text(json.dumps(report), "utf-8")


if __name__ == "__main__":
    main()
