"""The run folder: what training writes, and all that evaluation and prediction need.

==================  ============================================================================
``model.keras``     the model with its best weights; loads with plain Keras
``vectorizer.h5``   header, classes and vectorizer of the data file, see `ooc_train.file.schema`
``settings.json``   the options of the training and the sizes of the model
``history.csv``     a line for each epoch
``checkpoints/``    the last two states of the training, see `checkpoints`; of a complete run
                    the last, from which more epochs can be trained
``report.json``     what `train` returned; written last: a run that has it is complete, and
                    sealed, see `seal`
``report.html``     the page for people, see `scores.page`; written after the report, if it can be
                    drawn
``tensorboard/``    the figures of each epoch once more, if asked for, see `event_files`
==================  ============================================================================
"""

import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from ooc_train.errors import FormatError, InputError
from ooc_train.file.group import read_classes
from ooc_train.file.handle import Handle, damage_errors, open_file
from ooc_train.file.schema import VECTORIZER_FILE
from ooc_train.json_text import json_object
from ooc_train.kinds import KINDS
from ooc_train.reading.store import Store
from ooc_train.suggestions import beside
from ooc_train.training.models.loading import (
    rebuilt_model,
    rebuilt_network,
    users_model,
    users_network,
)
from ooc_train.training.models.model import Model
from ooc_train.training.models.table import DataShape, is_function, spec_of
from ooc_train.training.run.comparison import columns_difference, difference
from ooc_train.training.run.json_files import AGAIN, check_types
from ooc_train.training.run.seal import check_seal
from ooc_train.training.run.settings import read_settings

MODEL, VECTORIZER, SETTINGS = "model.keras", VECTORIZER_FILE, "settings.json"
HISTORY, REPORT, CHECKPOINTS = "history.csv", "report.json", "checkpoints"
PAGE, TENSORBOARD = "report.html", "tensorboard"
FILES = (MODEL, VECTORIZER, SETTINGS, HISTORY, REPORT)
LOCK = "lock"
"""The file in the folder of the checkpoints that a training holds the lock of."""
MARK = "replacement"
"""The file that marks a run which is to take the place of another, see `replacement`."""
SEALED = (MODEL, VECTORIZER, SETTINGS)
"""The files that predictions depend on."""


def files_of(run: str | os.PathLike[str]) -> list[Path]:
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


@dataclass(frozen=True)
class Run:
    """A complete run folder, opened once, by `open_run`, and what its small files say.

    A context manager: it closes `vectorizer_file`.
    """

    path: Path
    vectorizer_file: Handle
    """The file ``vectorizer.h5``, open."""
    settings: dict[str, Any]
    report: dict[str, Any]
    """What the training returned."""
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
        value: bool = self.settings["pads_as_needed"]
        return value

    @property
    def shape(self) -> DataShape:
        """The rows that the model takes, and its classes."""
        names = ("features", "n_columns", "max_length", "n_classes", "seed")
        return DataShape(*(self.settings[name] for name in names))

    def load_model(self) -> Model:
        """The trained model: a `Network`, or a model of Keras, which imports TensorFlow.

        Every multi-layer perceptron over columns is a network, also one of its author's.  Of other
        functions of its author's, the module is imported first, for the layers that it registers.
        Raises InputError or FormatError if the model cannot be loaded.  Memory: the model, and once
        more its weights while it is loaded; and that of TensorFlow.
        """
        name = self.settings["model"]
        if is_function(name):
            has_columns = KINDS[self.features].layout != "ragged"
            network = users_network(self.model_path, self.shape) if has_columns else None
            return network or users_model(self.model_path, name)
        spec = spec_of(name)
        # Pretrained word vectors are among the weights; the report has their dimension.
        options = {name: self.settings.get(name) for name in spec.options if name != "embeddings"}
        embeddings = self.report.get("embeddings")
        if spec.embedding_layer and embeddings is not None:
            options["embedding_dimension"] = embeddings["dimension"]
        given = {name: value for name, value in options.items() if value is not None}
        rebuilt: Callable[..., Model] = rebuilt_network if spec.is_network else rebuilt_model
        return rebuilt(self.model_path, spec, self.shape, given)

    def check_matches(self, store: Store) -> None:
        """Raise FormatError if ``store`` has other classes or features than the run's model."""
        found = difference(self.vectorizer_file.hdf5, store.file, classes=True)
        found = found or self.other_columns(store)
        if found:
            raise FormatError(
                f"{store.path} does not fit the run {self.path}: {found}; convert it with the "
                "same vectorizer, or train on it"
            )

    def other_columns(self, store: Store) -> str | None:
        """The difference between the names of dense columns, in words, if there is one."""
        if self.features != "dense":
            return None
        n_columns = self.settings["n_columns"]
        return columns_difference(self.provenance, store.provenance, n_columns)


def read_report(folder: Path) -> dict[str, Any]:
    """The report of a complete run, all of whose files have been compared with their digests.

    Raises FormatError for a file that is damaged or of another run.
    """
    path = folder / REPORT
    report = check_seal(path, SEALED)
    check_types(path, report, {"epochs": (list,), "embeddings": (dict, NoneType)})
    if report.get("embeddings") is not None:
        check_types(path, report["embeddings"], {"dimension": (int,)})
        if report["embeddings"]["dimension"] < 1:
            raise FormatError(f"{path} is damaged: its word vectors have no numbers; {AGAIN}")
    return report


def open_run(path: str | os.PathLike[str], *, trust_code: bool = False) -> Run:
    """The run in a folder that training has written, as a context manager.

    All of its files are compared with their digests first.  A run whose model is a function of its
    author's is only opened with ``trust_code``, since loading the model imports the function's
    module.

    Raises InputError if there is no such folder or the code is not trusted, FormatError if it is
    not a complete, undamaged run.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(_no_run(folder))
    if folder.is_symlink():  # which may lead to another run before all files are read
        folder = folder.resolve()
    if is_unfinished(folder):
        raise FormatError(
            f"the training of the run {folder} is not complete; wait for it, or continue it with "
            "ooc-train --resume"
        )
    missing = [name for name in FILES if not (folder / name).is_file()]
    if len(missing) == len(FILES):
        raise InputError(_no_run(folder))
    if missing:
        raise FormatError(
            f"{folder} is not a complete run folder: {', '.join(missing)} is missing; train again"
        )
    report = read_report(folder)
    settings = read_settings(folder / SETTINGS)
    if is_function(settings["model"]) and not trust_code:
        raise InputError(
            f"the model of the run {folder} is {settings['model']}, a function whose code would be "
            "run; if you trust it, give --trust-code"
        )
    return _opened(folder, settings, report)


def check_order(run: Any, data: Any) -> None:
    """Raise InputError if a run and the file that it is used with were given in the other order."""
    are_paths = isinstance(run, str | os.PathLike) and isinstance(data, str | os.PathLike)
    if are_paths and Path(run).is_file() and (Path(data) / SETTINGS).is_file():
        raise InputError(
            f"{run} is a file, and {data} is a run folder: swap them, the run comes first"
        )


def _no_run(path: Path) -> str:
    """The reason why there is no run at a path, and what to give instead."""
    if path.is_dir():
        runs = sorted(one.parent.name for one in path.glob(f"*/{SETTINGS}"))
        such = f"; it holds runs, such as {path / runs[0]}" if runs else "; make one with ooc-train"
        return f"{path} is not a run folder{such}"
    if path.exists():
        return f"{path} is a file, where a run folder is expected; the run comes before the file"
    return f"there is no run folder {path}; make one with ooc-train{beside(path)}"


def _opened(folder: Path, settings: dict[str, Any], report: dict[str, Any]) -> Run:
    """The run of a folder whose seal and settings have been checked."""
    path = folder / VECTORIZER
    with ExitStack() as stack:
        file = stack.enter_context(closing(open_file(path, verify=False)))  # its digest was right
        header = file.header
        for name in ("features", "n_columns", "max_length", "n_classes"):
            found, expected = getattr(header, name), settings[name]
            if found != expected:
                raise FormatError(
                    f"{path} is of another run: its {name} is {found}, and not {expected!r:.50}, "
                    f"as {SETTINGS} says; {AGAIN}"
                )
        with damage_errors(path):
            labels, names = read_classes(file)
            run = Run(
                folder,
                file,
                settings,
                report,
                features=header.features,
                provenance=json_object(file.root.attributes["provenance"]),
                class_labels=labels,
                class_names=names,
            )
        stack.pop_all()  # the run closes the file
        return run
