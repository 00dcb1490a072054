# Written by python -m ooc_train.cli.stub.
import collections.abc
import concurrent.futures._base
import ooc_train.prediction.predictor
import ooc_train.progress
import os
import pathlib
from typing import Any, TextIO

from ooc_train.errors import BudgetError as BudgetError
from ooc_train.errors import EmptyInputError as EmptyInputError
from ooc_train.errors import FormatError as FormatError
from ooc_train.errors import InputError as InputError
from ooc_train.errors import Interrupted as Interrupted
from ooc_train.errors import OocTrainError as OocTrainError
from ooc_train.errors import OptionError as OptionError
from ooc_train.errors import OutputError as OutputError
from ooc_train.prediction.predictor import Predictor
from ooc_train.reading.split import Split
from ooc_train.reading.store import Store
from ooc_train.version import __version__ as __version__

__all__ = ['BudgetError', 'EmptyInputError', 'FormatError', 'InputError', 'Interrupted', 'OocTrainError', 'OptionError', 'OutputError', 'convert', 'evaluate', 'explore', 'inspect', 'load', 'open', 'predict', 'train', 'train_grid', 'verify']

def convert(
    train: Any,
    output: str | os.PathLike[str],
    *,
    progress: ooc_train.progress.Progress | None = None,
    force: bool = False,
    more_outputs: collections.abc.Mapping[str, pathlib.Path | None] | None = None,
    format: str | None = None,
    encoding: str | None = None,
    header: bool = False,
    delimiter: str | None = None,
    quoting: str | None = None,
    escape: str | None = None,
    max_row_bytes: int | str = 8388608,
    workers: int | None = None,
    test: Any = ...,
    validation: Any = ...,
    validation_fraction: float | None = None,
    preset: str | None = None,
    text: Any = ...,
    label: Any = None,
    columns: Any = ...,
    labels: Any = ...,
    test_labels: Any = ...,
    validation_labels: Any = ...,
    classes: str | os.PathLike[str] | None = None,
    features: str = 'auto',
    analyzer: str | None = None,
    ngrams: tuple[int, int] | None | str = None,
    min_df: int | float | None | str = None,
    max_df: int | float | None | str = None,
    top_k: int | str | None = None,
    score: str | None = None,
    max_length: int | None = None,
    dtype: str | None = None,
    zero_based: bool | None = None,
    memory_bytes: int | None | str = None,
    memory: int | None | str = None,
    temp_dir: str | os.PathLike[str] | None = None,
    rejects: str | os.PathLike[str] | None = None,
    max_rejects: int = 100,
    vectorizer: str | os.PathLike[str] | None = None,
    new_classes: bool = False,
    seed: int = 0,
    shuffle: bool = True,
    samples: bool = True,
    compression: str = 'none',
    shards: int | str | None = None,
    append: bool = False,
    scheduler: str | concurrent.futures._base.Executor | None = None,
    resume: bool = False,
) -> dict[str, Any]: ...

def evaluate(
    run: str | pathlib.Path,
    path: str | pathlib.Path,
    *,
    split: str = 'test',
    batch_size: int | None = None,
    html: str | os.PathLike[str] | None = None,
    force: bool = False,
    trust_code: bool = False,
    progress: ooc_train.progress.Progress | None = None,
    more_outputs: collections.abc.Mapping[str, pathlib.Path | None] | None = None,
) -> dict[str, Any]: ...

def explore(
    train: Any,
    *,
    progress: ooc_train.progress.Progress | None = None,
    more_outputs: collections.abc.Mapping[str, pathlib.Path | None] | None = None,
    options: Any,
) -> dict[str, Any]: ...

def inspect(
    path: str | pathlib.Path,
    *,
    terms: bool = False,
    duplicates: bool = False,
    progress: ooc_train.progress.Progress | None = None,
) -> dict[str, Any]: ...

def load(
    run: str | pathlib.Path,
    *,
    trust_code: bool = False,
) -> ooc_train.prediction.predictor.Predictor: ...

def open(
    path: str | pathlib.Path,
    *,
    verify: bool = True,
) -> Store: ...

def predict(
    run: str | os.PathLike[str],
    source: Any,
    output: str | os.PathLike[str] | TextIO,
    *,
    text: collections.abc.Sequence[str] = ...,
    format: str | None = None,
    encoding: str | None = None,
    header: bool = False,
    delimiter: str | None = None,
    quoting: str | None = None,
    escape: str | None = None,
    max_row_bytes: int = 8388608,
    keep_text: bool = False,
    top: int = 0,
    proba: bool | None = None,
    explain: bool = False,
    output_format: str | None = None,
    workers: int | None = None,
    force: bool = False,
    trust_code: bool = False,
    progress: ooc_train.progress.Progress | None = None,
    more_outputs: collections.abc.Mapping[str, pathlib.Path | None] | None = None,
) -> dict[str, Any]: ...

def train(
    path: str | pathlib.Path,
    run: str | pathlib.Path,
    *,
    force: bool = False,
    resume: bool = False,
    checkpoint_every: str | int = '5m',
    memory_bytes: int | None = None,
    verify: bool = True,
    tensorboard: bool = False,
    devices: int = 1,
    progress: ooc_train.progress.Progress | None = None,
    more_outputs: collections.abc.Mapping[str, pathlib.Path | None] | None = None,
    memory: int | None | str = None,
    model: str | collections.abc.Callable[[Any], Any] = 'auto',
    epochs: int | None = None,
    batch_size: int | None = None,
    optimizer: str = 'auto',
    learning_rate: float = 0.001,
    seed: int = 0,
    monitor: str = 'val_loss',
    patience: int = 2,
    validate_every: str | float = 'auto',
    class_weight: str | collections.abc.Mapping[str, float] | None = None,
    label_smoothing: float = 0.0,
    weight_decay: float = 0.0,
    global_clipnorm: float | None = None,
    lr_schedule: str = 'constant',
    warmup_steps: int = 0,
    lr_factor: float | None = None,
    lr_patience: int | None = None,
    callbacks: str | os.PathLike[str] | collections.abc.Sequence[Any] = ...,
    layers: int | None = None,
    units: int | None = None,
    dropout_rate: float | None = None,
    bucket_by_length: bool = False,
    embedding_dimension: int | None = None,
    embeddings: str | os.PathLike[str] | None = None,
    freeze_embeddings: int | None = None,
    init_from: str | os.PathLike[str] | None = None,
    mix: Any = ...,
) -> dict[str, Any]: ...

def train_grid(
    path: str | pathlib.Path,
    folder: str | pathlib.Path,
    grid: collections.abc.Mapping[str, collections.abc.Sequence[object]],
    *,
    scheduler: str | concurrent.futures._base.Executor | None = None,
    progress: ooc_train.progress.Progress | None = None,
    more_arguments: collections.abc.Sequence[str] = ...,
    more_outputs: collections.abc.Mapping[str, pathlib.Path | None] | None = None,
    force: bool = False,
    memory_bytes: int | None | str = None,
    memory: int | None | str = None,
    verify: bool = True,
    checkpoint_every: str | int = '5m',
    resume: bool = False,
    devices: int = 1,
    tensorboard: bool = False,
    model: str | collections.abc.Callable[[Any], Any] = 'auto',
    epochs: int | None = None,
    batch_size: int | None = None,
    optimizer: str = 'auto',
    learning_rate: float = 0.001,
    seed: int = 0,
    monitor: str = 'val_loss',
    patience: int = 2,
    validate_every: str | float = 'auto',
    class_weight: str | collections.abc.Mapping[str, float] | None = None,
    label_smoothing: float = 0.0,
    weight_decay: float = 0.0,
    global_clipnorm: float | None = None,
    lr_schedule: str = 'constant',
    warmup_steps: int = 0,
    lr_factor: float | None = None,
    lr_patience: int | None = None,
    callbacks: str | os.PathLike[str] | collections.abc.Sequence[Any] = ...,
    layers: int | None = None,
    units: int | None = None,
    dropout_rate: float | None = None,
    bucket_by_length: bool = False,
    embedding_dimension: int | None = None,
    embeddings: str | os.PathLike[str] | None = None,
    freeze_embeddings: int | None = None,
    init_from: str | os.PathLike[str] | None = None,
    mix: Any = ...,
) -> dict[str, Any]: ...

def verify(
    path: str | pathlib.Path,
    *,
    progress: ooc_train.progress.Progress | None = None,
) -> dict[str, Any]: ...
