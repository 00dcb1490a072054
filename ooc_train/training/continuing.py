"""`Origin`: the run that a training continues from, whose model meets new rows (``--init-from``).

The new training takes the model's shape and weights, and nothing else: its optimizer, its order of
rows and its early stopping begin anew.  The model's outputs are matched with the classes of the new
rows by their labels.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ooc_train.dtypes import I64, AnyArray
from ooc_train.errors import FormatError, OptionError
from ooc_train.options import flag
from ooc_train.reading.store import Store
from ooc_train.training.models.model import Model
from ooc_train.training.models.network import Network
from ooc_train.training.models.table import MODELS, is_function, name_of, spec_of
from ooc_train.training.options import TrainingOptions
from ooc_train.training.run.comparison import difference
from ooc_train.training.run.folder import MODEL, Run, open_run

_MAY_DIFFER = ("dropout_rate",)
"""Options of models that change no weight's shape, and may be others in the new training."""


@dataclass(frozen=True)
class Origin:
    """A complete run whose model the training begins with, open."""

    run: Run

    @property
    def digest(self) -> str:
        """The digest of the run's model."""
        digest: str = self.run.report["digests"][MODEL]
        return digest

    def resolved(self, options: TrainingOptions) -> TrainingOptions:
        """The options, with the run's model in place of what they leave open.

        Raises OptionError for another model than the run's, and for one of the user's own that is
        not named: its code would be run.
        """
        name, path = self.run.settings["model"], self.run.path
        asked = name_of(options.model)
        if is_function(name) and asked != name:
            raise OptionError(
                f"the model of the run {path} is {name}, a function whose code would be run; if "
                f"you trust it, name it: --model {name}"
            )
        if asked not in ("auto", name):
            raise OptionError(
                f"the run {path} has the model {name}, not {asked}; leave out --model, or "
                "--init-from"
            )
        own = self._model_options(name)
        for option, value in own.items():
            asked = getattr(options, option)
            if asked not in (None, value) and option not in _MAY_DIFFER:
                raise OptionError(
                    f"the model of the run {path} has {flag(option)} {value}, not {asked}; leave "
                    f"it out, or leave out --init-from"
                )
        taken = {name: value for name, value in own.items() if getattr(options, name) is None}
        model = options.model if is_function(name) else name
        return replace(options, model=model, **taken)

    def _model_options(self, name: str) -> dict[str, Any]:
        """The options that decide the shape of the run's model, by name."""
        if name not in MODELS:
            return {}
        own = {}
        for option, default in spec_of(name).options.items():
            value = self.run.settings.get(option)
            if option != "embeddings":
                own[option] = default if value is None else value
        if self.run.report.get("embeddings"):
            own["embedding_dimension"] = self.run.report["embeddings"]["dimension"]
        return own

    def check(self, store: Store) -> None:
        """Raise FormatError unless the run's model takes the rows of ``store``, and its classes."""
        run = self.run
        found = difference(run.vectorizer_file.hdf5, store.file, classes=False)
        found = found or run.other_columns(store)
        if found:
            raise FormatError(
                f"{store.path} does not fit the run {run.path} of --init-from: {found}; convert it "
                f"with --vectorizer {run.path}"
            )
        gone = [label for label in run.class_labels if label not in store.class_labels]
        if gone:
            raise FormatError(
                f"the run {run.path} knows the class {gone[0]!r}, which {store.path} does not "
                f"name; convert it with --vectorizer {run.path}, which keeps the run's classes, "
                "also where no row has them"
            )

    def new_classes(self, store: Store) -> list[str]:
        """The labels of the classes that the run's model does not know."""
        return [label for label in store.class_labels if label not in self.run.class_labels]

    def give_weights(self, model: Model, store: Store) -> None:
        """Give a new model the weights of the run's, by the labels of the classes of ``store``.

        Outputs of classes that the run does not know keep their initial weights.  Raises
        OptionError where the two models differ in more than the classes.  Memory: both models.
        """
        before: Any = self.run.load_model()
        old, fresh = before.get_weights(), model.get_weights()
        labels = self.run.class_labels
        places = np.array([store.class_labels.index(label) for label in labels])
        if labels != store.class_labels:
            outputs = _output_arrays(model, self.run)
            old = [
                _matched(array, fresh[i], places, store.n_classes) if i in outputs else array
                for i, array in enumerate(old)
            ]
        if [array.shape for array in old] != [array.shape for array in fresh]:
            raise OptionError(
                f"{self.run.settings['model']} gives another model than that of the run "
                f"{self.run.path}: its weights have other shapes; give the function as it was, or "
                "leave out --init-from"
            )
        model.set_weights(old)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of a run that say which model it began with."""
        return {"init_from": self.run.path.name, "init_from_digest": self.digest}

    def report(self, store: Store) -> dict[str, Any]:
        """The training report's entry."""
        return {
            "run": self.run.path.name,
            "digest": self.digest,
            "data": self.run.settings.get("data"),
            "new_classes": self.new_classes(store),
        }


@contextlib.contextmanager
def opened_origin(path: str | os.PathLike[str] | None) -> Iterator[Origin | None]:
    """The run at a path, open during the block, if there is a path.

    Raises what `open_run` does.  No code of the run is imported.
    """
    if path is None:
        yield None
        return
    with open_run(path, trust_code=True) as run:
        yield Origin(run)


def _output_arrays(model: Any, run: Run) -> Sequence[int]:
    """The places, among a model's weights, of those of its last layer, one output for each class.

    Raises OptionError for a model that ends in another layer than one of Keras's Dense.
    """
    n_arrays = len(model.get_weights())
    if isinstance(model, Network) or run.settings["model"] in MODELS:
        return range(n_arrays - 2, n_arrays)
    from ooc_train.training.models.backend import keras  # noqa: PLC0415 - it is loaded already

    last = model.layers[-1]
    if type(last) is not keras.layers.Dense:
        raise OptionError(
            f"the classes are others than those of the run {run.path}, and its model ends in "
            f"{type(last).__name__}, whose outputs cannot be matched with them; end it in Dense, "
            "or train anew without --init-from"
        )
    own = {id(weight) for weight in last.weights}
    return [i for i, weight in enumerate(model.weights) if id(weight) in own]


def _matched(old: AnyArray, fresh: AnyArray, places: I64, n_classes: int) -> AnyArray:
    """Weights of the output layer, ``(..., n_outputs)``, for other classes.

    ``places`` are the new classes of the old ones.  One output of two classes is the second's, and
    the first's would be 0: the softmax of 0 and it is the sigmoid of it.
    """
    if old.shape[-1] == 1:
        old = np.concatenate([np.zeros_like(old), old], axis=-1)
    if old.shape[-1] != len(places) or fresh.shape[-1] not in (1, n_classes):
        return old  # whose shape is refused
    if fresh.shape[-1] == 1:
        first, second = np.argsort(places)
        return (old[..., second] - old[..., first])[..., np.newaxis]
    matched = np.array(fresh)
    matched[..., places] = old
    return matched
