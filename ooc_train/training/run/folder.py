"""The run folder: what training leaves behind, and all that evaluation and prediction need.

==================  ============================================================================
``model.keras``     the model with its best weights; loads with plain Keras
``vectorizer.h5``   header, classes and vectorizer of the data file, see `ooc_train.file.schema`
``settings.json``   the options of the training and the sizes of the model
``history.csv``     a line for each epoch
``checkpoints/``    the last two states of the training, see `checkpoints`; of a complete run
                    its end, from which more epochs can go on
``report.json``     what `train` returned; written last: a run that has it is complete
``report.html``     the page to look at, see `run_page`; beside a complete run, where it could be
                    drawn
``tensorboard/``    the figures of each epoch once more, if asked for, see `event_files`
==================  ============================================================================
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from ooc_train.errors import FormatError, InputError, OptionError
from ooc_train.file.header import check_header
from ooc_train.file.schema import read_strings
from ooc_train.reading.store import Store
from ooc_train.training.models.table import is_function
from ooc_train.training.models.user import import_module_of

if TYPE_CHECKING:
    from ooc_train.training.models.backend import keras

MODEL, VECTORIZER, SETTINGS = "model.keras", "vectorizer.h5", "settings.json"
HISTORY, REPORT, CHECKPOINTS = "history.csv", "report.json", "checkpoints"
PAGE, TENSORBOARD = "report.html", "tensorboard"
FILES = (MODEL, VECTORIZER, SETTINGS, HISTORY, REPORT)


def is_complete(folder: Path) -> bool:
    """Whether a folder holds all of a run."""
    return all((folder / name).is_file() for name in FILES)


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds a run whose training is under way, or has been broken off."""
    return (
        (folder / CHECKPOINTS).is_dir()
        and (folder / SETTINGS).is_file()
        and not (folder / REPORT).exists()
    )


def read_json(path: Path) -> dict[str, Any]:
    """What a file of a run says; FormatError if it cannot be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} is damaged: {error}; train again") from error
    return content


@dataclass(frozen=True)
class Run:
    """A complete run folder."""

    path: Path
    settings: dict[str, Any]
    class_labels: list[str]
    class_names: list[str]

    @property
    def vectorizer_path(self) -> Path:
        """The file with header, classes and vectorizer."""
        return self.path / VECTORIZER

    @property
    def pads_as_needed(self) -> bool:
        """Whether rows are padded only as far as those beside them need, see `options`."""
        return bool(self.settings.get("pads_as_needed"))

    def load_model(self) -> "keras.Model":
        """The trained model, which takes dense rows.  Imports TensorFlow.

        Raises InputError if it has layers of the user's own and the module that registers them
        is not there.
        """
        from ooc_train.training.models.backend import keras  # noqa: PLC0415 - 5 seconds

        name = self.settings["model"]
        unavailable: OptionError | None = None
        if is_function(name):
            try:
                import_module_of(name)
            except OptionError as error:
                unavailable = error  # which matters only to a model with layers of its own
        try:
            return keras.models.load_model(self.path / MODEL, compile=False)
        except (TypeError, ValueError) as error:
            reason = unavailable or str(error).strip().partition("\n")[0]
            raise InputError(
                f"{self.path / MODEL} cannot be loaded: {reason}; layers of your own must be "
                "registered, by keras.saving.register_keras_serializable, in the module of the "
                "model's function, and that must be importable"
            ) from error

    def check_matches(self, store: Store) -> None:
        """Raise FormatError if ``store`` has other classes or features than the run's model."""
        with h5py.File(self.vectorizer_path, "r") as own:
            difference = _difference(own, store.file)
        if difference:
            raise FormatError(
                f"{store.path} does not fit the run {self.path}: {difference}; convert it with the "
                "same vectorizer, or train on it"
            )


def open_run(path: str | Path) -> Run:
    """The run in a folder that training has written.

    Raises InputError if there is no such folder, FormatError if it is not a complete run.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"there is no run folder {folder}; make one with ooc-train")
    if is_unfinished(folder):
        raise FormatError(
            f"the training of the run {folder} has not come to its end; let it, or go on with it "
            "by ooc-train --resume"
        )
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise FormatError(
            f"{folder} is not a complete run folder: {', '.join(missing)} is missing; train again"
        )
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        with h5py.File(folder / VECTORIZER, "r") as file:
            check_header(folder / VECTORIZER, file)
            labels, names = (read_strings(file, f"classes/{kind}") for kind in ("labels", "names"))
    except (OSError, ValueError, KeyError) as error:
        raise FormatError(f"the run folder {folder} is damaged: {error}; train again") from error
    return Run(folder, settings, labels, names)


def _difference(run: h5py.File, data: h5py.File) -> str | None:
    """What differs between the features of two files, if anything does."""
    if run.attrs["features"] != data.attrs["features"]:
        return f"it has {data.attrs['features']} features, not {run.attrs['features']}"
    for what, arrays in _COMPARED.items():
        if any(_bytes(run.get(name)) != _bytes(data.get(name)) for name in arrays):
            return f"the {what} differ"
    for what, name in _COMPARED_ATTRIBUTES.items():
        mine, other = (file["vectorizer"].attrs.get(name) for file in (run, data))
        if mine != other:
            return f"the {what} differ"
    return None


_COMPARED = {
    "classes": ("classes/labels/bytes", "classes/labels/offsets"),
    "terms": ("vectorizer/terms/bytes", "vectorizer/terms/offsets"),
    "document frequencies": ("vectorizer/term_df",),
    "counts of the terms": ("vectorizer/term_counts",),
    "scales of the columns": ("vectorizer/scales",),
}
"""Datasets of one kind of features are absent from files of the other."""
_COMPARED_ATTRIBUTES = {
    "vectorizer's parameters": "parameters",
    "numbers of documents": "n_documents",
    "longest rows": "max_length",
    "numbers of columns": "n_columns",
}


def _bytes(dataset: h5py.Dataset | None) -> bytes | None:
    return None if dataset is None else dataset[...].tobytes()
