"""A run as a classifier of rows: its vectorizer and its model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ooc_train.conversion.vectorizer import load_vectorizer
from ooc_train.dtypes import F32, Strings
from ooc_train.kinds import KINDS
from ooc_train.prediction.given_rows import BLOCKS
from ooc_train.prediction.networks import load_network
from ooc_train.training.run.folder import Run, open_run


class Predictor:
    """A run's vectorizer and model, as scikit-learn's classifiers are used once they are fitted.

    ``classes_`` are the labels, ``(n_classes,)`` strings in the order of the probabilities.

    Memory: the model and the selected terms' hashes, and TensorFlow, but for multi-layer
    perceptrons over sparse rows.
    """

    _estimator_type = "classifier"

    def __init__(self, run: Run) -> None:
        self.class_labels = run.class_labels
        self.class_names = run.class_names
        self.classes_ = np.array(run.class_labels)
        with h5py.File(run.vectorizer_path, "r") as file:
            self._vectorizer = load_vectorizer(file)
        self._blocks = BLOCKS[KINDS[run.features].source]
        self._network = load_network(run)

    def predict_proba(self, rows: Any) -> F32:
        """Probabilities of the classes: ``(n_rows, n_classes) float32``, as `classes_` has them.

        ``rows`` are texts, in a list, an array or a column of a table; for a model of dense
        features an array ``(n_rows, n_columns)``, and for one of sparse features a matrix of SciPy
        in CSR format, with the training data's columns.  Memory: the texts once more, a megabyte
        of them at a time, and the result.

        Raises InputError for rows that are none.
        """
        parts = [self.of_block(block) for block in self._blocks(rows)]
        return np.concatenate([np.empty((0, len(self.class_labels)), np.float32), *parts])

    def predict(self, rows: Any) -> Strings:
        """The label of the most probable class of each row: ``(n_rows,)``, see `predict_proba`."""
        return self.classes_[self.predict_proba(rows).argmax(axis=1)]

    def score(self, rows: Any, labels: Sequence[str]) -> float:
        """The accuracy: how often `predict` gives the label."""
        return float(np.mean(self.predict(rows) == np.asarray(labels).astype(str)))

    def of_block(self, block: Any) -> F32:
        """Probabilities of rows as sources give them: ``(n_rows, n_classes) float32``."""
        rows = self._vectorizer.encode(block).rows
        return self._network(rows) if len(rows) else np.empty((0, len(self.classes_)), np.float32)

    @property
    def knows_words(self) -> bool:
        """Whether the features are of words, some of which may be unknown."""
        return self._vectorizer.knows_words

    def unknown_shares(self, texts: Any) -> F32:
        """The share of each text's words that the vectorizer does not know: ``(n_texts,) float32``.

        0 for a text without a word.
        """
        return self._vectorizer.unknown_shares(texts)

    def __sklearn_tags__(self) -> Any:
        """The tags that scikit-learn asks for; it is installed where it asks."""
        from sklearn.utils import ClassifierTags, Tags, TargetTags  # noqa: PLC0415

        return Tags("classifier", TargetTags(required=True), classifier_tags=ClassifierTags())

    def __sklearn_is_fitted__(self) -> bool:
        """True: a run is trained."""
        return True


def load(run: str | Path) -> Predictor:
    """The predictor of a run folder.

    Raises InputError if there is no such folder, FormatError if it is not a complete run.
    """
    return Predictor(open_run(run))
