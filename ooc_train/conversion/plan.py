"""A conversion's options, resolved once: what is read, what is made of it, and where it goes."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from ooc_train.atomic import target_of
from ooc_train.conversion.appending import Appending, check_output_name, opened_for_appending
from ooc_train.conversion.auto import CHOSEN
from ooc_train.conversion.disk import check_disks, check_temp_dir, disk_errors
from ooc_train.conversion.identity import record_of
from ooc_train.conversion.inputs import (
    Inputs,
    files_converted,
    find_inputs,
    given_inputs,
    list_inputs,
)
from ooc_train.conversion.options import AUTO, ConvertOptions, RowOptions
from ooc_train.conversion.pipeline import Features
from ooc_train.conversion.sources.class_names import ClassNames
from ooc_train.conversion.sources.files.input_file import Input, InputFile
from ooc_train.conversion.sources.files.paths import InputPaths, is_pipe
from ooc_train.conversion.sources.formats.table import FORMATS, format_of
from ooc_train.conversion.sources.source import Source, remarks_of, repeated_files
from ooc_train.conversion.sources.texts import beginning_of
from ooc_train.conversion.storage.placement import PlacementRule
from ooc_train.conversion.storage.record import Record, held_bytes
from ooc_train.conversion.text.spaceless import is_spaceless
from ooc_train.conversion.vectorizer import Parameters, load_vectorizer, vectorizer_class
from ooc_train.errors import OptionError
from ooc_train.file.index import Index
from ooc_train.file.provenance import column_names
from ooc_train.file.schema import vectorizer_file
from ooc_train.file.shards import data_files
from ooc_train.kinds import KINDS
from ooc_train.memory import default_budget
from ooc_train.options import listed_flags
from ooc_train.outputs import check_outputs
from ooc_train.progress import Progress
from ooc_train.reading.store import Store
from ooc_train.remote.url import Url


@dataclass(frozen=True)
class ConversionPlan:
    """A conversion with all its options resolved.

    ``is_chosen``: the options left it open what text becomes; ``fitted`` is the open file whose
    vectorizer and classes are taken; ``provenance`` says how rows are read and divided, and
    ``notes`` what was found out about the files.  ``class_order`` has all labels, where the files
    tell them.  ``shards`` is their number or size, if the output is an index; ``appended`` the
    index that they are appended to; ``record`` is of a conversion that can be resumed.
    """

    output: Path
    force: bool
    temp_dir: Path
    rejects: Path
    max_rejects: int
    compression: str
    sources: Mapping[str, Sequence[Source]]
    features: Features
    budget_bytes: int
    workers: int | None
    max_row_bytes: int
    provenance: Mapping[str, Any]
    notes: Sequence[str] = ()
    is_chosen: bool = False
    fitted: Store | None = None
    names: ClassNames | None = None
    class_order: Sequence[str] = ()
    learns_classes: bool = True
    shards: int | str | None = None
    appended: Index | None = None
    record: Record | None = None

    @property
    def source_files(self) -> dict[str, list[dict[str, Any]]]:
        """The names and sizes of the sources by split, without a path or a time of this machine.

        What comes from standard input has its size when all is read; what a program holds has none.
        """
        return {
            split: [_described(source) for source in files] for split, files in self.sources.items()
        }

    @property
    def class_labels(self) -> list[str] | None:
        """The labels of the classes that are known, which may be all."""
        return self.fitted.class_labels if self.fitted is not None else None

    def class_names(self, labels: list[str]) -> list[str]:
        """The names of the classes with these labels.  Raises ``InputError`` for unfit names."""
        known = [] if self.fitted is None else self.fitted.class_names
        new = labels[len(known) :]
        return [*known, *(self.names.of(new) if self.names and new else new)]


def plan_conversion(
    train: Sequence[Input],
    output: Path,
    options: ConvertOptions,
    progress: Progress,
    stack: ExitStack,
) -> ConversionPlan:
    """Check the options and look into all inputs.

    ``stack`` closes files that stay open, and deletes copies of standard input.

    Raises ``OutputError``, ``InputError`` and ``OptionError`` for what cannot be used.
    """
    train, listed, listing = list_inputs(train, options)
    options = cast(ConvertOptions, listed)
    appending = opened_for_appending(output, options, stack) if options.append else None
    if appending:
        options = appending.options
    rejects = _rejects_path(options, output, appending)
    outputs = {
        **({} if appending else {"the output": output}),
        "the list of rejected rows": rejects,
        **(options.more_outputs or {}),
    }
    appended = data_files(output) if appending else []
    check_outputs(outputs, [*files_converted(train, options), *appended], force=options.force)
    check_output_name(output, options)
    temp_dir = Path(options.temp_dir) if options.temp_dir else output.parent
    check_temp_dir(temp_dir)
    record = record_of(train, output, options)
    fitted = appending.store if appending else _open_fitted(options.vectorizer, stack)
    with disk_errors(output, temp_dir):
        found = plan_rows(train, options, InputPaths(temp_dir, progress, stack), fitted)
        sizes = found.needed_bytes
        if options.shards is not None:  # whose rows are held in temporary files
            sizes = sum(sizes), sizes[1]
        check_disks(temp_dir, target_of(output), *sizes, held_bytes(temp_dir, record))
    rule = PlacementRule(options.drawn_fraction, options.seed, options.shuffle)
    return ConversionPlan(
        output,
        options.force,
        temp_dir,
        rejects,
        options.max_rejects,
        options.compression,
        found.inputs.sources,
        Features(
            found.features,
            found.parameters,
            rule,
            None if fitted is None else fitted.handle,
            options.samples,
        ),
        options.memory_bytes or default_budget(),
        options.workers,
        options.max_row_bytes,
        _provenance(found.inputs, options),
        [*listing, *found.notes],
        found.is_chosen,
        fitted,
        found.inputs.class_names,
        found.inputs.class_order,
        options.new_classes or fitted is None,
        options.shards,
        appending.index if appending else None,
        record,
    )


class RowPlan(NamedTuple):
    """The rows of a call, and the features that they become.

    ``is_chosen``: the options left it open what text becomes.  ``notes`` are about the files.
    """

    features: str
    is_chosen: bool
    parameters: Parameters
    inputs: Inputs
    notes: Sequence[str]

    @property
    def text_bytes(self) -> int:
        """The size of all rows when they are decompressed, an estimate where they are not."""
        return sum(source.text_bytes for files in self.inputs.sources.values() for source in files)

    @property
    def needed_bytes(self) -> tuple[int, int]:
        """The estimated sizes, rather too high, of temporary files and of the converted file."""
        needs = self.parameters.needs
        return needs.temporary_bytes(self.text_bytes), needs.output_bytes(self.text_bytes)


def plan_rows(
    train: Sequence[Input],
    options: RowOptions,
    paths: InputPaths,
    fitted: Store | None = None,
    *,
    reads_once: bool | None = None,
) -> RowPlan:
    """Look into all inputs, which are listed already, and decide what their rows become.

    A pipe is read as it arrives where the rows are read once, which by default depends on the
    features; of several, each is copied.

    Raises ``InputError`` and ``OptionError`` for what cannot be used.
    """
    features, is_chosen = _kind(options, fitted, train[0])
    parameters = _parameters(options, features, fitted)
    if reads_once is None:
        reads_once = _reads_once(options, features, fitted)
    # Of several pipes, none may wait for another to be read.
    others = given_inputs([*options.test, *options.validation])
    n_pipes = sum(map(is_pipe, (*train, *others)))
    paths.reads_once = n_pipes <= 1 and reads_once
    kind = replace(options, features=features)
    learned = None if fitted is None else column_names(fitted.provenance["layout"])
    inputs = find_inputs(train, kind, paths, limit=parameters.limit, learned=learned)
    everything = [source for files in inputs.sources.values() for source in files]
    notes = [*inputs.notes, *remarks_of(everything), *repeated_files(inputs.sources)]
    if not options.analyzer and fitted is None and KINDS[features].source == "text":
        first = inputs.sources["train"][0]
        if is_spaceless(beginning_of(first)):
            parameters, note = _by_characters(parameters)
            notes.append(f"{first.path}: {note}")
    return RowPlan(features, is_chosen, parameters, inputs, notes)


def _described(source: Source) -> dict[str, Any]:
    name = source.path.absolute().name
    return {"name": name} if source.file.file.is_held else {"name": name, "bytes": source.n_bytes}


def _open_fitted(path: str | os.PathLike[str] | None, stack: ExitStack) -> Store | None:
    """The file that a vectorizer is taken from, its vectorizer compared with its checksums."""
    if path is None:
        return None
    store = stack.enter_context(Store(vectorizer_file(path), needs_rows=False))
    store.group("vectorizer").check()
    return store


def _kind(options: RowOptions, fitted: Store | None, first: Input) -> tuple[str, bool]:
    """The kind of features, and whether it was chosen here, for text that may become several."""
    if fitted is not None and options.features not in (AUTO, fitted.features):
        raise OptionError(
            f"--vectorizer {fitted.path} makes {fitted.features} features, not {options.features}; "
            f"leave out --features"
        )
    if fitted is not None:
        _check_rows_fit(fitted, options, first)
        return fitted.features, False
    if options.features != AUTO:
        return options.features, False
    file = first if isinstance(first, InputFile) else InputFile(first)
    usual = FORMATS[file.format or options.format or format_of(file)].gives[0]
    if usual != "text":
        return usual, False
    if options.columns or options.labels or options.dtype:
        return "dense", False
    return CHOSEN, True


def _check_rows_fit(fitted: Store, options: RowOptions, first: Input) -> None:
    """Raise ``OptionError`` for rows of text with a vectorizer of numbers, or the other way round.

    Only what is certain is refused here: formats are found, and columns compared, later.
    """
    made_of = KINDS[fitted.features].source
    found = "text" if options.text else "numbers" if options.columns or options.labels else None
    if made_of == "sparse" and not _has_entries(first, options):
        found = "text"
    taken = "text" if made_of == "text" else "numbers"
    if found not in (None, taken):
        raise OptionError(
            f"--vectorizer {fitted.path} takes {taken} ({fitted.features} features), and these "
            f"rows are {found}; name a file or run made of {found}, or leave it out"
        )


def _has_entries(first: Input, options: RowOptions) -> bool:
    """Whether the first lines of a file may be those of svmlight, whatever it is called."""
    file = first if isinstance(first, InputFile) else InputFile(first)
    if options.format or isinstance(file.path, Url) or not file.is_there or file.is_held:
        return True
    return FORMATS[format_of(file)].gives == ("sparse",) or b":" in file.beginning


def _reads_once(options: RowOptions, features: str, fitted: Store | None) -> bool:
    """Whether sources are read once, and from their beginning to their end."""
    if fitted is not None or FORMATS[options.format or "csv"].seeks:
        return False
    return vectorizer_class(features).reads_once


def _parameters(options: RowOptions, features: str, fitted: Store | None) -> Parameters:
    """The parameters of the features: the fitted vectorizer's, or those that are given.

    Raises ``OptionError`` if some are given that this kind of features does not have.
    """
    if fitted is not None:
        return cast(Parameters, load_vectorizer(fitted.handle).parameters)
    kind, given = vectorizer_class(features).Parameters, options.given_parameters
    unfit = listed_flags(set(given) - {field.name for field in fields(kind)})
    if unfit and options.features == AUTO:
        raise OptionError(
            f"without --features these rows become {features} features, which have no {unfit}; "
            f"leave it out, or give --features"
        )
    if unfit:
        raise OptionError(
            f"{unfit} cannot be used with --features {features}; leave it out, or choose other "
            f"features"
        )
    return cast(Parameters, kind(**given))


def _by_characters(parameters: Parameters) -> tuple[Parameters, str]:
    """The parameters for texts without spaces between words, and what is said of them."""
    if hasattr(parameters, "analyzer"):
        note = "texts have no spaces between words: terms are made of characters (--analyzer char)"
        return replace(cast(Any, parameters), analyzer="char"), note
    return parameters, (
        "texts have no spaces between words, so that a sequence is of whole clauses; --features "
        "ngram makes terms of characters"
    )


def _provenance(inputs: Inputs, options: ConvertOptions) -> dict[str, Any]:
    """How the rows were read and divided."""
    given = {
        "text": list(options.text),
        "columns": list(options.columns),
        "label": options.label,
        **options.dialect,
    }
    return {
        "layout": inputs.sources["train"][0].layout
        | {name: value for name, value in given.items() if value},
        "seed": options.seed,
        "validation_fraction": options.drawn_fraction,
    }


def _rejects_path(options: ConvertOptions, output: Path, appending: Appending | None) -> Path:
    if options.rejects:
        return Path(options.rejects)
    which = f".{len(appending.index.shards):05d}" if appending else ""
    return output.parent / f"{output.name}{which}.rejected.csv"
