"""The run folder: what training writes, and all that evaluation and prediction need.

==================  ============================================================================
``model.keras``     the model with its best weights; loads with plain Keras
``vectorizer.h5``   header, classes and vectorizer of the data file, see `ooc_train.file.schema`
``settings.json``   the options of the training and the sizes of the model
``history.csv``     a line for each epoch
``checkpoints/``    the last two states of the training, see `checkpoints`; of a complete run
                    the last, from which more epochs can be trained
``report.json``     what `train` returned; written last: a run that has it is complete
``report.html``     the page for people, see `scores.page`; written after the report, if it can be
                    drawn
``tensorboard/``    the figures of each epoch once more, if asked for, see `event_files`
==================  ============================================================================
"""

import json
import os
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from ooc_train.errors import FormatError, InputError, OptionError
from ooc_train.file.group import FileGroup
from ooc_train.file.handle import Handle, open_file
from ooc_train.file.schema import read_json as parse_json
from ooc_train.reading.store import Store
from ooc_train.training.models.table import is_function
from ooc_train.training.models.user import import_module_of

if TYPE_CHECKING:
    from ooc_train.training.models.backend import keras

MODEL, VECTORIZER, SETTINGS = "model.keras", "vectorizer.h5", "settings.json"
HISTORY, REPORT, CHECKPOINTS = "history.csv", "report.json", "checkpoints"
PAGE, TENSORBOARD = "report.html", "tensorboard"
FILES = (MODEL, VECTORIZER, SETTINGS, HISTORY, REPORT)
LOCK = "lock"
"""The file in the folder of the checkpoints that a training holds the lock of."""
MARK = "replacement"
"""The file that marks a run which is to take the place of another, see `replacement`."""
_AT_ONCE = 2**17


def files_of(run: str | Path) -> list[Path]:
    """The files of a run that belong to its training."""
    folder = Path(run)
    checkpoints = (folder / CHECKPOINTS).glob("*")
    return [*(folder / name for name in (*FILES, PAGE)), *checkpoints]


def is_complete(folder: Path) -> bool:
    """Whether a folder holds all of a run."""
    return all((folder / name).is_file() for name in FILES)


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds a run whose training is under way or was interrupted."""
    return (
        (folder / CHECKPOINTS).is_dir()
        and (folder / SETTINGS).is_file()
        and not (folder / REPORT).exists()
    )


def is_vacant(folder: Path) -> bool:
    """Whether nothing is lost if a folder becomes a run: it holds at most an empty beginning."""
    if not os.path.lexists(folder):
        return True
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {""}
    inner = folder / CHECKPOINTS
    return names <= {MARK} or (
        names <= {CHECKPOINTS, MARK}
        and inner.is_dir()
        and not inner.is_symlink()
        and {p.name for p in inner.iterdir()} <= {LOCK}
    )


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file of a run; FormatError if it cannot be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} is damaged: {error}; train again") from error
    return content


@dataclass(frozen=True)
class Run:
    """A complete run folder, opened once, by `open_run`, and what its small files say.

    A context manager: it closes `vectorizer_file`.
    """

    path: Path
    vectorizer_file: Handle
    """The file ``vectorizer.h5``, open."""
    settings: dict[str, Any]
    features: str
    """The kind of features that its model takes."""
    provenance: dict[str, Any]
    """Where the training data came from, see `ooc_train.file.schema`."""
    class_labels: list[str]
    class_names: list[str]

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close `vectorizer_file`.  The other attributes stay."""
        self.vectorizer_file.close()

    @property
    def model_path(self) -> Path:
        """The file with the model."""
        return self.path / MODEL

    @property
    def pads_as_needed(self) -> bool:
        """Whether rows are padded only as far as their batch needs, see `TrainingPlan`."""
        return bool(self.settings.get("pads_as_needed"))

    def report(self) -> dict[str, Any]:
        """The report of the training; FormatError if it cannot be read."""
        return read_json(self.path / REPORT)

    def load_model(self) -> "keras.Model":
        """The trained model, which takes dense rows.  Imports TensorFlow.

        Raises InputError if it has layers of the user's own and the module that registers them
        cannot be imported.
        """
        from ooc_train.training.models.backend import keras  # noqa: PLC0415 - 5 seconds

        name = self.settings["model"]
        unavailable: OptionError | None = None
        if is_function(name):
            try:
                import_module_of(name)
            except OptionError as error:
                unavailable = error  # matters only to a model with layers of its own
        try:
            return keras.models.load_model(self.model_path, compile=False)
        except (TypeError, ValueError) as error:
            reason = unavailable or str(error).strip().partition("\n")[0]
            raise InputError(
                f"{self.model_path} cannot be loaded: {reason}; layers of your own must be "
                "registered, by keras.saving.register_keras_serializable, in the module of the "
                "model's function, and that must be importable"
            ) from error

    def check_matches(self, store: Store) -> None:
        """Raise FormatError if ``store`` has other classes or features than the run's model."""
        difference = _difference(self.vectorizer_file.hdf5, store.file)
        if difference:
            raise FormatError(
                f"{store.path} does not fit the run {self.path}: {difference}; convert it with the "
                "same vectorizer, or train on it"
            )


def open_run(path: str | Path) -> Run:
    """The run in a folder that training has written, as a context manager.

    Raises InputError if there is no such folder, FormatError if it is not a complete run.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"there is no run folder {folder}; make one with ooc-train")
    if is_unfinished(folder):
        raise FormatError(
            f"the training of the run {folder} is not complete; wait for it, or continue it with "
            "ooc-train --resume"
        )
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise FormatError(
            f"{folder} is not a complete run folder: {', '.join(missing)} is missing; train again"
        )
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        with ExitStack() as stack:
            file = stack.enter_context(closing(open_file(folder / VECTORIZER, verify=False)))
            classes = FileGroup(file, "classes")
            run = Run(
                folder,
                file,
                settings,
                features=file.header.features,
                provenance=parse_json(file.root.attributes["provenance"]),
                class_labels=classes.strings("labels"),
                class_names=classes.strings("names"),
            )
            stack.pop_all()  # the run closes the file
            return run
    except (OSError, ValueError, KeyError) as error:
        raise FormatError(f"the run folder {folder} is damaged: {error}; train again") from error


_WORDS = {
    "terms": "terms",
    "term_df": "document frequencies",
    "term_counts": "counts of the terms",
    "scales": "scales of the columns",
    "parameters": "vectorizer's parameters",
    "n_documents": "numbers of documents",
    "max_length": "longest rows",
    "n_columns": "numbers of columns",
}
"""The parts of a vectorizer in words, in the order in which differences are reported."""


def _difference(run: h5py.File, data: h5py.File) -> str | None:
    """The difference between the classes or vectorizers of two files, in words, if there is one.

    Memory: a few megabytes.
    """
    if run.attrs["features"] != data.attrs["features"]:
        return f"it has {data.attrs['features']} features, not {run.attrs['features']}"
    if not _same(run["classes/labels"], data["classes/labels"]):
        return "the classes differ"
    own, other = run["vectorizer"], data["vectorizer"]
    names = dict.fromkeys([*_WORDS, *own.attrs, *other.attrs, *own, *other])
    for name in names:
        same_values = own.attrs.get(name) == other.attrs.get(name)
        if not (same_values and _same(own.get(name), other.get(name))):
            return f"the {_WORDS.get(name, name)} differ"
    return None


def _same(one: Any, other: Any) -> bool:
    """Whether two datasets, or groups of them, hold the same bytes, or neither exists."""
    if isinstance(one, h5py.Group) and isinstance(other, h5py.Group):
        return set(one) == set(other) and all(_same(one[name], other[name]) for name in one)
    if not (isinstance(one, h5py.Dataset) and isinstance(other, h5py.Dataset)):
        return one is other is None
    starts = range(0, len(one), _AT_ONCE)
    return (one.shape, one.dtype) == (other.shape, other.dtype) and all(
        one[start : start + _AT_ONCE].tobytes() == other[start : start + _AT_ONCE].tobytes()
        for start in starts
    )
