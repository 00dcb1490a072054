"""The identity of a conversion: the options and the input that its result and tasks depend on."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ooc_train.conversion.inputs import files_converted, given_inputs
from ooc_train.conversion.options import ConvertOptions
from ooc_train.conversion.sources.files.input_file import Input, InputFile
from ooc_train.conversion.sources.files.paths import STANDARD_INPUT, is_pipe
from ooc_train.conversion.storage.record import Record, boot_id
from ooc_train.errors import OptionError
from ooc_train.file.shards import data_files
from ooc_train.options import declarations
from ooc_train.remote.content import content_of
from ooc_train.remote.url import Url, is_url, located
from ooc_train.version import __version__

_OF_THE_RUN = (
    "force",
    "resume",
    "rejects",
    "max_rejects",
    "more_outputs",
    "temp_dir",
    "scheduler",
)
"""Options that change neither the result nor the tasks."""


def record_of(train: Sequence[Input], output: Path, options: ConvertOptions) -> Record | None:
    """The record of a conversion, ``None`` where its input cannot be read again.

    Raises ``OptionError`` for such input if the conversion is to be resumed.
    """
    given = [*train, *given_inputs(options.test), *given_inputs(options.validation)]
    labels = (*options.labels, *options.test_labels, *options.validation_labels)
    if any(map(_is_gone, (*given, *labels))):
        if options.resume:
            raise OptionError(
                "--resume takes files, which can be read again; write the rows to one, or leave "
                "out --resume"
            )
        return None
    identity = {"ooc-train": __version__, "numpy": np.__version__}
    more = data_files(output) if options.append else []
    identity |= dict(_options(options)) | dict(_files(train, options, more))
    return Record(os.path.realpath(output), identity, options.resume, boot=boot_id())


def _is_gone(given: Any) -> bool:
    """Whether an input can be read once only, or by this process alone."""
    if isinstance(given, InputFile):
        return given.is_held or given.is_pipe
    return Path(given) == STANDARD_INPUT or is_pipe(Path(given))


def _options(options: ConvertOptions) -> Iterator[tuple[str, Any]]:
    for declared in declarations(ConvertOptions):
        if declared.name not in _OF_THE_RUN:
            yield declared.flag, _plain(getattr(options, declared.name))


def _plain(value: Any) -> Any:
    """A value in JSON's types."""
    if isinstance(value, InputFile):
        value = value.path
    if is_url(value) or isinstance(value, Url):
        return str(located(value))  # without secrets
    if isinstance(value, os.PathLike):
        return os.path.realpath(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _files(
    train: Sequence[Input], options: ConvertOptions, more: Sequence[Path]
) -> Iterator[tuple[str, Any]]:
    """The files that are read: size, time of the last change, and number on the disk.

    Of a file at a URL, the size and what the server tells of its version.
    """
    yield "the training rows", [_plain(one) for one in train]
    for path in (*files_converted(train, options), *more):
        if isinstance(path, Url):
            yield str(path), [*content_of(path).version]
        elif path.is_file():
            found = path.stat()
            yield os.path.realpath(path), [found.st_size, found.st_mtime_ns, found.st_ino]
