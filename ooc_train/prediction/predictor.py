"""The predictor: a run's vectorizer and model, as one classifier of rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.sources.rows import SourceRows
from ooc_train.conversion.vectorizer import Encoded, load_vectorizer
from ooc_train.dtypes import F32, Strings
from ooc_train.prediction.explanation import Explainer, Explanations
from ooc_train.prediction.given import given_rows
from ooc_train.prediction.inputs import Trained, room_for
from ooc_train.reading.descriptions import classes_line, megabytes
from ooc_train.training.run.folder import Run
from ooc_train.training.run.options import OpenOptions
from ooc_train.training.run.replacement import open_with
from ooc_train.training.steps.choice import classifier_for


class Predicted(NamedTuple):
    """The predictions for a block of rows.

    ``probabilities`` (n_rows, n_classes) float32 are those of the classes.  ``unknown_shares``
    (n_rows,) float32 are the shares of the rows' words that the vectorizer does not know, 0 for a
    row without a word; ``None`` for features that are not made of words.  ``n_replaced`` rows had
    broken UTF-8.  ``explanations`` are there where they are asked for.
    """

    probabilities: F32
    unknown_shares: F32 | None
    n_replaced: int = 0
    explanations: Explanations | None = None


class Predictor:
    """A run's vectorizer and model, with the interface of a fitted classifier of scikit-learn.

    ``classes_`` (n_classes,) are the labels, strings in the order of the probabilities.
    ``knows_words`` says whether the features are made of words.

    With ``explain`` each prediction comes with its `Explanations`.

    The run may be closed afterwards.  Memory: the model and the selected terms' hashes, to explain
    the model once more and the terms; and that of TensorFlow, unless the model is a multi-layer
    perceptron.
    """

    _estimator_type = "classifier"

    def __init__(self, run: Run, *, explain: bool = False) -> None:
        self.class_labels = run.class_labels
        self.class_names = run.class_names
        self.classes_ = np.array(run.class_labels)
        self._vectorizer = load_vectorizer(run.vectorizer_file)
        self.knows_words = self._vectorizer.knows_words
        self._trained = Trained(run.features, run.provenance["layout"], self._check_columns)
        self._explainer = Explainer.of(run) if explain else None
        self._classify = classifier_for(run)
        size = run.model_path.stat().st_size
        self._line = (
            f"<predictor of {run.path}: {run.settings['model']} of {run.features} features, "
            f"{classes_line(run.class_labels)}, a model of {megabytes(size)}>"
        )

    def __repr__(self) -> str:
        return self._line

    @property
    def row_multiple(self) -> int:
        """The peak memory of a long row while it is encoded, as a multiple of its size."""
        return int(self._vectorizer.parameters.needs.row_multiple)

    def predict_proba(self, rows: Any) -> F32:
        """The probabilities of the classes, in the order of `classes_`.

        Returns ``(n_rows, n_classes) float32``.

        ``rows`` are texts, in a list, an array or a column of a table.  For a model of dense
        features they are an array ``(n_rows, n_columns)``, for one of sparse features a matrix of
        SciPy in CSR format; both have the columns of the training data.  For models of text or of
        dense features they may also be a table, for those of text dicts or pairs, as for
        ``convert``: the columns are found by their names in the training data.  Memory: half a
        megabyte of the texts at a time, and the result.

        Raises InputError for anything else.
        """
        blocks = given_rows(self._trained, rows, lambda: room_for(self.row_multiple))
        parts = [self.of_block(block).probabilities for block in blocks]
        return np.concatenate([np.empty((0, len(self.classes_)), np.float32), *parts])

    def predict(self, rows: Any) -> Strings:
        """The label of the most probable class of each row: ``(n_rows,)`` strings.

        ``rows`` are as for `predict_proba`.
        """
        return self.classes_[self.predict_proba(rows).argmax(axis=1)]

    def score(self, rows: Any, labels: Sequence[str]) -> float:
        """The accuracy: the share of rows for which `predict` gives the label."""
        return float(np.mean(self.predict(rows) == np.asarray(labels).astype(str)))

    def _check_columns(self, n_columns: int) -> None:
        self._vectorizer.check_columns(n_columns)  # type: ignore[attr-defined]

    def of_block(self, block: SourceRows) -> Predicted:
        """The predictions for a block of a source."""
        return self.of_encoded(self.encode(block))

    def encode(self, block: SourceRows) -> Encoded:
        """The features of a block of a source.  Several threads may call it at the same time."""
        return self._vectorizer.encode(block)

    def of_encoded(self, found: Encoded) -> Predicted:
        """The predictions for features.  One thread at a time: the model computes with several."""
        probabilities = np.empty((0, len(self.classes_)), np.float32)
        if len(found.rows):
            probabilities = self._classify(found.rows)
        explanations = None
        if self._explainer:
            explanations = self._explainer.explain(found.rows, probabilities.argmax(axis=1))
        return Predicted(probabilities, found.unknown_shares, found.n_replaced, explanations)

    def __sklearn_tags__(self) -> Any:
        """The tags that scikit-learn asks for; it is installed where it asks."""
        from sklearn.utils import ClassifierTags, Tags, TargetTags  # noqa: PLC0415

        return Tags("classifier", TargetTags(required=True), classifier_tags=ClassifierTags())

    def __sklearn_is_fitted__(self) -> bool:
        """True: a run is trained."""
        return True


def load(run: str | Path, *, trust_code: bool = OpenOptions.trust_code) -> Predictor:
    """The predictor of a run folder; with ``trust_code``, also of one with its author's own model.

    Raises InputError if there is no such folder or the code is not trusted, FormatError if it is
    not a complete, undamaged run, see `open_run`.
    """
    opened, predictor = open_with(run, Predictor, trust_code=trust_code)
    opened.close()
    return predictor
