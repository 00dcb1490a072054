"""The options of `convert`, checked as far as they can be before anything is read."""

import contextlib
import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from ooc_train.conversion.sources.in_hand import inputs_of, labels_of
from ooc_train.conversion.sources.options import FormatOptions
from ooc_train.conversion.sources.presets import PRESETS
from ooc_train.errors import OptionError
from ooc_train.file.filters import FILTERS, NONE, check_installed
from ooc_train.kinds import KINDS
from ooc_train.memory import parse_size
from ooc_train.options import (
    SHARE,
    Limits,
    at_least,
    check,
    column_list,
    column_named,
    columns_named,
    declarations,
    listed_flags,
    option,
)
from ooc_train.outputs import OutputOptions
from ooc_train.schedulers import SCHEDULER
from ooc_train.threads import WorkerOptions

AUTO = "auto"
DEFAULT_VALIDATION_FRACTION = 0.1
ANALYZERS = ("word", "char")
SCORES = ("f_classif", "chi2", "none")
DTYPES = ("float32", "float16", "int8")
MAX_NGRAM = 8
MOST_SHARDS = 1000
GUIDE_TOP_K = 20_000
"""The terms that Google's text-classification guide selects."""
_FREQUENCY = Limits(
    "a number of rows from 1, or a share above 0.0 and up to 1.0",
    lambda value: 0 < value <= 1 or (value > 1 and isinstance(value, Integral)),
)
_ROWS, _LAYOUT, _FEATURES = "rows", "columns and labels", "features"
_PARAMETERS = "parameters of the features"
_OUTPUT, _RESOURCES = "output", "memory and disk"

Paths = Sequence[str | os.PathLike[str]]


def parse_range(text: str) -> tuple[int, int]:
    """Two numbers from ``MIN,MAX``, or from one number, which is both.

    >>> parse_range("1,2"), parse_range("3")
    ((1, 2), (3, 3))
    """
    shortest, _, longest = text.partition(",")
    try:
        return int(shortest), int(longest or shortest)
    except ValueError:
        raise OptionError(f"{text!r} is not MIN,MAX, such as 1,2") from None


def parse_frequency(text: str) -> int | float:
    """A number of rows, or a share of them where it has a decimal point.

    >>> parse_frequency("1"), parse_frequency("1.0")
    (1, 1.0)
    """
    return int(text) if text.isdecimal() else float(text)


def parse_top_k(text: str) -> int | str:
    """A number of terms, or ``"auto"``.

    >>> parse_top_k("5"), parse_top_k("auto")
    (5, 'auto')
    """
    return text if text == AUTO else int(text)


def parse_shards(text: str) -> int | str:
    """A number of shards, or their size.

    >>> parse_shards("4"), parse_shards("2GB")
    (4, '2GB')
    """
    return int(text) if text.isdecimal() else text


def is_shards(value: int | str) -> bool:
    """Whether a value is a number of shards, or a size.

    >>> is_shards(4), is_shards("2GB"), is_shards("many"), is_shards(0)
    (True, True, False, False)
    """
    if isinstance(value, str):
        with contextlib.suppress(OptionError, ValueError):
            return parse_size(value) > 0
        return False
    return 1 <= value <= MOST_SHARDS


@dataclass(frozen=True, kw_only=True)
class RowOptions(WorkerOptions, FormatOptions):
    """The options that say what the rows are, and what they become: of `convert` and `explore`.

    The parameters of the features are ``None`` where they are not given, since each kind of
    features has only some of them.

    Raises OptionError if one is out of range, or if two contradict each other.
    """

    test: Paths = option((), "files of test rows", given=inputs_of, group=_ROWS)
    validation: Paths = option(
        (),
        "files of validation rows, instead of drawing them from the training rows",
        given=inputs_of,
        group=_ROWS,
    )
    validation_fraction: float | None = option(
        None,
        "share of the training rows to draw for validation",
        fallback=DEFAULT_VALIDATION_FRACTION,
        limits=SHARE,
        group=_ROWS,
    )
    preset: str | None = option(
        None,
        "a public data set, whose unpacked folder is given as the training rows: "
        f"{', '.join(PRESETS)}",
        metavar="NAME",
        choices=tuple(PRESETS),
        group=_ROWS,
    )
    text: Sequence[str] = option(
        (),
        "the columns of the text, by name or number from 1, separated by commas; a name with a "
        "comma is quoted, and review.body is a field within the column review",
        metavar="COLS",
        parse=column_list,
        given=columns_named,
        group=_LAYOUT,
    )
    label: str | None = option(
        None,
        "the column of the class, by name or number from 1",
        metavar="COL",
        given=column_named,
        group=_LAYOUT,
    )
    columns: Sequence[str] = option(
        (),
        "the columns of dense features, as for --text",
        fallback="all but the class and an index",
        metavar="COLS",
        parse=column_list,
        given=columns_named,
        group=_LAYOUT,
    )
    labels: Paths = option(
        (),
        "the classes of the training rows, if these are arrays: .npy, or text with one a line",
        given=labels_of,
        group=_LAYOUT,
    )
    test_labels: Paths = option(
        (), "the classes of the test rows, as for --labels", given=labels_of, group=_LAYOUT
    )
    validation_labels: Paths = option(
        (), "the classes of the validation rows, as for --labels", given=labels_of, group=_LAYOUT
    )
    classes: str | os.PathLike[str] | None = option(
        None,
        "a file with the names of the classes, line k for class k",
        fallback="classes.txt beside the data",
        group=_LAYOUT,
    )
    features: str = option(
        AUTO,
        "what rows become: text becomes tf-idf n-grams, or with sequence the ids of its words; "
        "dense and sparse rows of numbers stay as they are",
        choices=(AUTO, *KINDS),
        group=_FEATURES,
    )
    analyzer: str | None = option(
        None,
        "what terms consist of: words, or characters, the default for texts without spaces "
        "between words, such as Chinese",
        fallback=ANALYZERS[0],
        choices=ANALYZERS,
        group=_PARAMETERS,
    )
    ngrams: tuple[int, int] | None = option(
        None,
        "the least and the largest number of words, or characters, in a term",
        fallback=(1, 2),
        limits=Limits(
            f"two numbers from 1 to {MAX_NGRAM}, the smaller first",
            lambda value: (
                len(value) == 2
                and all(isinstance(n, Integral) and not isinstance(n, bool) for n in value)
                and 1 <= value[0] <= value[1] <= MAX_NGRAM
            ),
        ),
        metavar="MIN,MAX",
        parse=parse_range,
        group=_PARAMETERS,
    )
    min_df: int | float | None = option(
        None,
        "keep terms that at least N training rows have, or such a share of them, as 0.01",
        fallback=2,
        limits=_FREQUENCY,
        metavar="N",
        parse=parse_frequency,
        group=_PARAMETERS,
    )
    max_df: int | float | None = option(
        None,
        "drop terms that more than N training rows have, or more than such a share of them",
        fallback=1.0,
        limits=_FREQUENCY,
        metavar="N",
        parse=parse_frequency,
        group=_PARAMETERS,
    )
    top_k: int | str | None = option(
        None,
        f"terms to select; for sequences, words to keep, counting one id for padding; auto is "
        f"{GUIDE_TOP_K}, as in Google's guide, or for n-grams a fifth of the training rows if that "
        f"is more, up to 100000",
        fallback=AUTO,
        metavar="K",
        limits=Limits(
            f"at least 1, or {AUTO}",
            lambda value: value == AUTO or (not isinstance(value, str) and value >= 1),
        ),
        parse=parse_top_k,
        group=_PARAMETERS,
    )
    score: str | None = option(
        None,
        "the score that ranks the terms; none ranks them by document frequency",
        fallback=SCORES[0],
        choices=SCORES,
        group=_PARAMETERS,
    )
    max_length: int | None = option(
        None,
        "for sequences, keep the last N words of a row",
        fallback=500,
        limits=at_least(1),
        group=_PARAMETERS,
    )
    dtype: str | None = option(
        None,
        "how dense features are stored; int8 has a scale for each column",
        fallback=DTYPES[0],
        choices=DTYPES,
        group=_PARAMETERS,
    )
    zero_based: bool | None = option(
        None,
        "the columns of svmlight files are numbered from 0; with --no-zero-based, from 1",
        fallback="from 0 if there is a column 0",
        group=_PARAMETERS,
    )
    memory_bytes: int | None = option(
        None,
        "memory for the whole process, such as 512MB",
        fallback="a quarter of what it may use, at least 128MB, at most 4GB",
        spelled=("--memory",),
        metavar="SIZE",
        parse=parse_size,
        group=_RESOURCES,
    )
    temp_dir: str | os.PathLike[str] | None = option(
        None,
        "a folder on a disk for temporary files",
        fallback="the folder of the output, or if there is none the system's",
        metavar="DIR",
        group=_RESOURCES,
    )

    def __post_init__(self) -> None:
        check(self)
        if self.validation_fraction and self.validation:
            raise OptionError("--validation and --validation-fraction exclude each other")
        self._check_preset()
        if self.features != AUTO:
            self._check_columns()

    def _check_preset(self) -> None:
        given = [
            name
            for name in ("test", "text", "label", "header", "format", *self.dialect)
            if getattr(self, name)
        ]
        if self.preset is not None and given:
            raise OptionError(
                f"--preset {self.preset} knows its layout; leave out {listed_flags(given)}"
            )

    def _check_columns(self) -> None:
        """Refuse options that say where rows are, but for other kinds of features."""
        unfit = ["columns", "labels", "test_labels", "validation_labels"]
        if KINDS[self.features].source != "text":
            unfit = ["text", *(unfit if self.features == "sparse" else [])]
        given = [name for name in unfit if getattr(self, name)]
        if given:
            raise OptionError(
                f"{listed_flags(given)} cannot be used with --features {self.features}; leave it "
                f"out"
            )

    @property
    def given_parameters(self) -> dict[str, Any]:
        """The parameters of the features that are given, by name."""
        names = sorted(o.name for o in declarations(RowOptions) if o.group == _PARAMETERS)
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value not in (None, AUTO)}

    @property
    def drawn_fraction(self) -> float:
        """The share of train rows to draw for validation."""
        if self.validation:
            return 0.0
        if self.validation_fraction is None:
            return DEFAULT_VALIDATION_FRACTION
        return self.validation_fraction


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(RowOptions, OutputOptions):
    """The options of `convert`.

    Raises OptionError if one is out of range, or if two contradict each other.
    """

    rejects: str | os.PathLike[str] | None = option(
        None,
        "the file for rejected rows; with --force, an earlier list is removed if no row is "
        "rejected",
        fallback="OUTPUT.rejected.csv",
        group=_ROWS,
    )
    max_rejects: int = option(
        100, "stop if more than N rows are rejected", limits=at_least(0), group=_ROWS
    )
    vectorizer: str | os.PathLike[str] | None = option(
        None,
        "take terms, statistics and classes from a converted file, or from a run, instead of "
        "learning them",
        group=_FEATURES,
    )
    new_classes: bool = option(
        False,
        "with --vectorizer, also take classes of the train rows that it does not have, after its "
        "own, instead of rejecting their rows",
        group=_FEATURES,
    )
    seed: int = option(0, "seed of the order of the rows", limits=at_least(0), group=_OUTPUT)
    shuffle: bool = option(
        True,
        "keep the training rows in the order of their source, instead of shuffling them",
        group=_OUTPUT,
    )
    samples: bool = option(
        True,
        "do not keep the beginnings of some validation and test texts in the output, from which "
        "pages show what a model confuses",
        group=_OUTPUT,
    )
    compression: str = option(
        NONE,
        "make the file smaller, zstd more than lz4, for slower reading; needs the packages "
        "hdf5plugin, and zstandard or lz4",
        choices=(NONE, *FILTERS),
        group=_OUTPUT,
    )
    shards: int | str | None = option(
        None,
        "write N files, or files of about a size such as 2GB, and an index of them, OUTPUT, whose "
        "name ends in .json; all commands read an index as they do a file",
        fallback="one file, and no index",
        metavar="N|SIZE",
        limits=Limits(f"a number from 1 to {MOST_SHARDS}, or a size such as 2GB", is_shards),
        parse=parse_shards,
        group=_OUTPUT,
    )
    append: bool = option(
        False,
        "add the rows to the index that the output is, see `convert`",
        group=_OUTPUT,
        on_command_line=False,
    )
    scheduler: str | Executor | None = option(
        None,
        f"the workers: {SCHEDULER}",
        fallback="threads, see --workers",
        metavar="ADDRESS",
        group=_RESOURCES,
    )
    resume: bool = option(
        False,
        "go on where the same conversion was interrupted, if it was, and keep its temporary files "
        "where this one is, too",
        group=_OUTPUT,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_installed(self.compression)
        if self.vectorizer and self.append:
            raise OptionError("--append takes the vectorizer of its index; leave out --vectorizer")
        if self.given_parameters and (self.vectorizer or self.append):
            what = "--append" if self.append else "--vectorizer"
            flags = listed_flags(self.given_parameters)
            raise OptionError(f"{what} brings its own terms; leave out {flags}")
        if self.new_classes and self.append:
            raise OptionError("--append takes the classes of its index; leave out --new-classes")
        if self.new_classes and not self.vectorizer:
            raise OptionError("--new-classes is for --vectorizer; leave it out, or give both")
