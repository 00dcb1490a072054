"""Explanations of predictions: the terms that decided each, with their shares."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import I64
from ooc_train.errors import OptionError
from ooc_train.file.group import FileGroup
from ooc_train.reading.rows import SparseRows
from ooc_train.training.models.network import Network
from ooc_train.training.run.folder import Run
from ooc_train.training.steps.influence import effects_in

MOST_TERMS = 10
"""The terms of a row that are named."""
_DIGITS = 4


class Explanations(list[dict[str, float]]):
    """For each row its terms with their shares, those with the largest first.

    A term's *effect* is by how much the log-odds of the predicted class fall when the term is taken
    out of the row and all others stay as they are.  Its *share* is its effect, divided by the sum
    of the absolute effects of all terms of the row.  So shares are from -1 to 1, and those of all
    terms add up to 1 without their signs.  A negative share speaks against the predicted class.
    """


class Explainer(NamedTuple):
    """The terms and the model of a run, for `Explanations`.

    Memory: the selected terms' texts, and the model.
    """

    terms: Sequence[str]
    network: Network

    @classmethod
    def of(cls, run: Run) -> "Explainer":
        """The explainer of an open run.  Raises OptionError for a model that it cannot explain."""
        vectorizer = FileGroup(run.vectorizer_file, "vectorizer")
        model = run.load_model() if run.features == "ngram" else None
        if not isinstance(model, Network):
            raise OptionError(
                f"--explain takes a linear model or a multi-layer perceptron of n-grams, and "
                f"{run.path} has the model {run.settings['model']} of {run.features} features; "
                f"leave --explain out"
            )
        return cls(vectorizer.strings("terms"), model)

    def explain(self, rows: SparseRows, classes: I64) -> Explanations:
        """The explanations of rows, given the classes ``(n_rows,)`` that were predicted for them.

        Terms without an effect are left out.  Memory: 8 bytes for each entry of the rows, and some
        megabytes.
        """
        effects = effects_in(self.network.layers, rows, classes)
        found = Explanations()
        for start, stop in zip(rows.indptr[:-1].tolist(), rows.indptr[1:].tolist(), strict=True):
            sizes = np.abs(effects[start:stop])
            order = np.argsort(-sizes, kind="stable")[:MOST_TERMS]
            order = order[sizes[order] > 0]
            shares = np.round(effects[start + order] / max(sizes.sum(), 1e-300), _DIGITS)
            columns = rows.indices[start + order].tolist()
            found.append(dict(zip((self.terms[j] for j in columns), shares.tolist(), strict=True)))
        return found
