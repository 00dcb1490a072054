"""Looking into a file or a folder: what its rows are made of, and where that is in them."""

import math
import re
from dataclasses import replace
from pathlib import Path

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.formats.foreign import refuse_foreign
from ooc_train.conversion.sources.formats.table import FORMATS, Format, format_of, formats_of
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.numbers import find_dense, find_sparse
from ooc_train.conversion.sources.partitions import PartitionedFile, partition_of
from ooc_train.conversion.sources.source import Source
from ooc_train.conversion.sources.texts import find_text
from ooc_train.errors import OptionError
from ooc_train.kinds import MadeOf

_CALLED: dict[MadeOf, str] = {"text": "text", "dense": "dense numbers", "sparse": "sparse numbers"}


def find_source(
    path: Path | InputFile,
    options: LayoutOptions,
    *,
    gives: MadeOf = "text",
    limit: float = math.inf,
) -> Source:
    """The rows of a file or a folder, made of what is asked for.

    Dense numbers must be smaller than ``limit`` in size.

    Raises ``InputError`` for a file that cannot be used, and ``OptionError`` for options that do
    not fit it.
    """
    file = path if isinstance(path, InputFile) else InputFile(path)
    file = replace(file, encoding=options.encoding)
    if gives != "dense" and options.labels:
        raise OptionError(f"{file.path} has its labels in it; leave out --labels")
    kind = FORMATS[_format(file, options, gives)]
    if not kind.of_folders and not (kind.binary and _may_be(kind, file)):
        refuse_foreign(file)
    is_on_disk = not (file.is_held or file.is_pipe)
    partition = partition_of(file.path) if is_on_disk and is_table(file, options) else {}
    opened = kind.open(file, options.without(partition))
    if partition:
        opened = PartitionedFile.of(opened, partition)
    if gives == "text":
        return find_text(opened, options)
    if gives == "dense":
        return find_dense(opened, options, limit)
    return find_sparse(opened)


def _may_be(kind: Format, file: InputFile) -> bool:
    """Whether a file begins as its format does; a pipe is not looked into here."""
    if file.is_held or file.is_pipe or not file.is_there:
        return True
    return re.match(kind.signature or b"", file.beginning, re.DOTALL) is not None


def is_table(file: InputFile, options: LayoutOptions) -> bool:
    """Whether a file has columns, whose names or numbers say what they are."""
    kind = FORMATS[file.format or options.format or format_of(file)]
    return "text" in kind.gives and (file.is_held or not file.path.is_dir())


def _format(file: InputFile, options: LayoutOptions, gives: MadeOf) -> str:
    if gives == "text" and not file.is_held and file.path.is_dir():
        return "folder"
    name = file.format or options.format or format_of(file)
    first = FORMATS[name].gives[0]
    if gives in FORMATS[name].gives:
        return name
    if gives == "sparse":  # whatever the file is called
        return formats_of(gives)[0]
    raise OptionError(
        f"{file.path} is {name}, which holds {_CALLED[first]} and no {_CALLED[gives]}; formats "
        f"that hold {_CALLED[gives]} are {', '.join(formats_of(gives))}"
    )
