"""Rows that are appended to an index: with its vectorizer and its classes, in its order.

Train rows come behind the train rows that are there, and those of other splits likewise.  The share
that is drawn for validation is that of the first conversion, unless another is given.
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from ooc_train.conversion.options import ConvertOptions
from ooc_train.errors import InputError, OptionError
from ooc_train.file.index import Index
from ooc_train.file.shards import index_at
from ooc_train.outputs import CONVERTED, check_place, check_suffix
from ooc_train.reading.store import Store
from ooc_train.reading.store import open as open_store

INDEX_SUFFIX = ".json"


@dataclass(frozen=True)
class Appending:
    """An index that is open, and the options with which rows are appended to it."""

    store: Store
    index: Index
    options: ConvertOptions


def opened_for_appending(output: Path, options: ConvertOptions, stack: ExitStack) -> Appending:
    """The index at ``output``, its vectorizer compared with its checksums.

    Raises InputError if there is none, and OptionError for options that contradict it.
    """
    check_place(output, "the index")
    index = index_at(output)
    if index is None:
        what = "is a single file" if output.is_file() else "does not exist"
        raise InputError(
            f"{output} {what}, and rows can be appended to an index only; convert the first rows "
            "with --shards 1"
        )
    store = stack.enter_context(open_store(output))
    store.group("vectorizer").check()
    if store.is_shuffled and not options.shuffle:
        raise OptionError(
            f"the train rows of {output} are in random order, and so must new ones be; leave out "
            "--no-shuffle"
        )
    fraction = options.validation_fraction
    if fraction is None and not options.validation:
        fraction = store.provenance["validation_fraction"]
    chosen = replace(
        options,
        shuffle=store.is_shuffled,
        shards=options.shards or 1,
        validation_fraction=fraction,
    )
    return Appending(store, index, chosen)


def check_output_name(output: Path, options: ConvertOptions) -> None:
    """Raise OptionError where a file, or an index, would have the name of another kind of file."""
    if options.shards is not None and output.suffix != INDEX_SUFFIX:
        raise OptionError(
            "with --shards the output is an index, a JSON file, and the shards lie beside it; "
            f"name it {output.with_suffix(INDEX_SUFFIX)}"
        )
    if not (options.shards or options.append):
        remedy = "name a file {suffixes}"
        remedy += ", or give --shards" if output.suffix == INDEX_SUFFIX else ""
        check_suffix(output, "a converted file is HDF5, and", CONVERTED, remedy)
