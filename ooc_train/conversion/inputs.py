"""The inputs of a conversion: the sources of each split and the names of the classes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from ooc_train.conversion.options import ConvertOptions, Paths, RowOptions
from ooc_train.conversion.sources.class_names import CLASSES_NAME, ClassNames, read_class_names
from ooc_train.conversion.sources.files.input_file import Input, InputFile
from ooc_train.conversion.sources.files.listing import Splits, listed, splits_in
from ooc_train.conversion.sources.files.paths import (
    STANDARD_INPUT,
    STANDARD_INPUT_FILE,
    InputPaths,
)
from ooc_train.conversion.sources.find import find_source, is_table
from ooc_train.conversion.sources.formats.folder import texts_in
from ooc_train.conversion.sources.in_hand import held_labels
from ooc_train.conversion.sources.labels import plain_label
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.presets import Archive
from ooc_train.conversion.sources.source import Source
from ooc_train.counts import counted
from ooc_train.errors import EmptyInputError, OptionError
from ooc_train.file.provenance import ColumnNames
from ooc_train.file.schema import vectorizer_file
from ooc_train.file.shards import data_files
from ooc_train.kinds import KINDS
from ooc_train.options import listed_flags
from ooc_train.remote.url import Url, located


class Inputs(NamedTuple):
    """Sources by split, train first, and the classes' names if anything tells them.

    ``class_order`` has the labels of all classes in order, where files of train rows tell them.
    ``notes`` name files without rows.
    """

    sources: dict[str, list[Source]]
    class_names: ClassNames | None
    class_order: Sequence[str]
    notes: Sequence[str]


class ListedInputs(NamedTuple):
    """The training rows and the options, where each path is a file or a folder of texts.

    ``notes`` say what folders and patterns stand for.
    """

    train: list[Input]
    options: RowOptions
    notes: list[str]


def list_inputs(train: Sequence[Input], options: RowOptions) -> ListedInputs:
    """The files that patterns and folders stand for.

    A folder that is given for the training rows may hold those of other splits, too.

    Raises ``InputError`` for what stands for no files, and ``OptionError`` where a folder has the
    rows of a split that an option gives.
    """
    if options.preset:
        return ListedInputs([*train], options, [])
    rows: dict[str, list[Any]] = {"train": [], "validation": [], "test": []}
    notes: list[str] = []

    def add(split: str, given: Input) -> None:
        if isinstance(given, InputFile) or given == STANDARD_INPUT:
            rows[split].append(given)
            return
        found = listed(given, options.format)
        rows[split] += found.paths
        notes.extend([found.note] if found.note else [])

    for one in train:
        is_folder = isinstance(one, Path) and one.is_dir()
        splits = splits_in(cast(Path, one), options.format) if is_folder else None
        if splits is None:
            add("train", one)
            continue
        _check_splits(cast(Path, one), splits, options)
        notes.append(splits.note)
        for split, paths in splits.paths.items():
            for path in paths:
                add(split, path)
    for split, given in (("validation", options.validation), ("test", options.test)):
        for one in given_inputs(given):
            add(split, one)
    listed_options = replace(options, validation=rows["validation"], test=rows["test"])
    return ListedInputs(rows["train"], listed_options, notes)


def _check_splits(folder: Path, splits: Splits, options: RowOptions) -> None:
    """Refuse options that contradict the splits of a folder."""
    train, *_ = splits.paths["train"]
    clashes = {
        "test": ["test"] if options.test else [],
        "validation": ["validation"] if options.validation else [],
    }
    if options.validation_fraction:
        clashes["validation"].append("validation_fraction")
    for split, given in clashes.items():
        if given and split in splits.paths:
            raise OptionError(
                f"{folder} has {split} rows of its own, in {splits.paths[split][0].name}; leave "
                f"out {listed_flags(given)}, or give {train} for the training rows"
            )


def files_read(train: Sequence[Input], options: RowOptions) -> Iterator[Path]:
    """All files that rows are read from, and a few that would be if they existed.

    None of them is opened.  Raises ``InputError`` where an archive lacks what its preset reads.
    """
    archive = _archive(train, options)
    rows: list[Input] = [*train, *given_inputs(options.test), *given_inputs(options.validation)]
    if archive:
        rows = [archive.path("train"), archive.path("test")]
        yield archive.names_path
    for given in rows:
        path = given.behind if isinstance(given, InputFile) else given
        if path is None:
            continue
        if isinstance(path, Url):
            yield path
            continue
        found = STANDARD_INPUT_FILE if path == STANDARD_INPUT else path
        if found.is_dir():
            yield from texts_in(found)
        else:
            yield from (found, found.with_name(CLASSES_NAME))
    others = [] if options.classes is None else [options.classes]
    for label_file in (*options.labels, *options.test_labels, *options.validation_labels, *others):
        if not isinstance(label_file, InputFile):
            yield located(label_file)


def files_converted(train: Sequence[Input], options: ConvertOptions) -> Iterator[Path]:
    """All files that a conversion reads: those of `files_read`, and that of the vectorizer."""
    yield from files_read(train, options)
    if options.vectorizer is not None:
        yield from data_files(vectorizer_file(options.vectorizer))


def given_inputs(given: Paths) -> list[Input]:
    """Paths, or what a program has in their place, as the options have them."""
    return [one if isinstance(one, InputFile) else located(one) for one in given]


def find_inputs(
    train: Sequence[Input],
    options: RowOptions,
    paths: InputPaths,
    *,
    limit: float = math.inf,
    learned: ColumnNames | None = None,
) -> Inputs:
    """Look into all files and folders.  Raises ``InputError`` for what cannot be used.

    Where the first training file has names, the columns of all others are those of the same names.
    ``learned`` are the names in the data of a fitted vectorizer, for columns that are not given.
    Rows of numbers must be smaller than ``limit`` in size.
    """
    archive = _archive(train, options)
    named: dict[str, Sequence[Input]] = {
        "train": [archive.path("train")] if archive else train,
        "validation": given_inputs(options.validation),
        "test": [archive.path("test")] if archive else given_inputs(options.test),
    }
    columns = tuple(options.text or options.columns)
    layout = options.layout(text=columns, label=options.label)
    if archive:
        layout = replace(archive.preset.layout, max_row_bytes=options.max_row_bytes)
    if options.memory_bytes:
        layout = replace(layout, memory_bytes=options.memory_bytes)
    labels = {
        "train": options.labels,
        "validation": options.validation_labels,
        "test": options.test_labels,
    }
    find = _Finder(layout, options, limit, learned)
    sources = {
        split: find.all(paths.files(names), labels[split])
        for split, names in named.items()
        if names
    }
    told = [name.strip().encode() for one in sources["train"] for name in one.class_names]
    order = list(dict.fromkeys(plain_label(name).decode() for name in told))
    return Inputs(sources, _class_names(sources["train"][0], archive, options), order, find.notes)


class _Finder:
    """Looks into files, the first training file before all others."""

    def __init__(
        self,
        layout: LayoutOptions,
        options: RowOptions,
        limit: float,
        learned: ColumnNames | None,
    ) -> None:
        self._layout = layout
        self._gives = KINDS[options.features].source if options.features in KINDS else "text"
        self._limit = limit
        self._learned = learned
        self._names: ColumnNames | None = None
        self._class_names: tuple[str, ...] = ()
        self._is_first = True
        self.notes: list[str] = []

    def all(self, files: Sequence[InputFile], labels: Sequence[Any]) -> list[Source]:
        """The sources of some files, with their files of labels if there are any."""
        if len(files) == 1 and files[0].array is not None and len(labels) == len(files[0].array):
            labels = [held_labels(labels)]  # as strings, which name no files here
        if labels and len(labels) != len(files):
            raise OptionError(
                f"labels come from {counted(len(labels), 'file')}, and rows from "
                f"{counted(len(files), 'file')}; give one for each"
            )
        beside = given_inputs(labels) if labels else [None] * len(files)
        found: list[Source] = []
        empty: list[EmptyInputError] = []
        for file, one in zip(files, beside, strict=True):
            try:
                found.append(self._source(file, one))
            except EmptyInputError as error:  # as of the parts that Spark writes
                empty.append(error)
        if empty and (labels or not found):
            raise empty[0]
        if empty:
            more = (
                f", and {counted(len(empty) - 1, 'more file')} without rows"
                if len(empty) > 1
                else ""
            )
            self.notes.append(f"passed over: {empty[0]}{more}")
        return found

    def _source(self, file: InputFile, labels: Input | None) -> Source:
        layout = replace(self._layout, labels=labels, class_names=self._class_names)
        if is_table(file, layout):
            layout = self._named(layout)
        source = find_source(file, layout, gives=self._gives, limit=self._limit)
        if self._is_first:
            self._names, self._is_first = source.names, False
            self._class_names = tuple(source.class_names)
        return source

    def _named(self, layout: LayoutOptions) -> LayoutOptions:
        """The layout of a table, by the names of the first one or of the fitted vectorizer."""
        if self._names:
            return layout.named(self._names)
        if self._is_first and self._learned and not layout.text:
            is_given = layout.label is not None or layout.labels is not None
            return layout.named(self._learned._replace(label=None) if is_given else self._learned)
        return layout


def _archive(train: Sequence[Input], options: RowOptions) -> Archive | None:
    if options.preset is None:
        return None
    if len(train) != 1 or isinstance(train[0], InputFile):
        what = train[0].path if isinstance(train[0], InputFile) else counted(len(train), "path")
        raise OptionError(
            f"--preset {options.preset} takes the one folder of its archive, not {what}"
        )
    return Archive(options.preset, train[0])


def _class_names(first: Source, archive: Archive | None, options: RowOptions) -> ClassNames | None:
    """The names that the options give, or the archive's, or those beside the first source."""
    if options.classes:
        return read_class_names(Path(options.classes))
    if archive:
        return archive.class_names()
    return read_class_names(first.classes_path) if first.classes_path else None
