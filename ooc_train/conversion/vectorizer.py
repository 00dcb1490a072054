"""A vectorizer makes features of rows: one class for each kind of features, one interface.

A conversion calls its methods in this order:

1. ``start``: the sources are known, nothing is read.
2. ``sample``, ``reader``, ``note_read``: rows are read, block by block, and are numbered over all
   sources.  ``reader`` returns a task for the workers, ``note_read`` gets its results in the order
   of the blocks.
3. ``learn``: the places and classes of all rows are known.
4. ``kept_blocks``, ``encoder``, ``note_encoded``: rows become records, block by block, likewise.
5. ``settle``: all rows are encoded, so the final numbers of columns can be fixed.
6. ``arrays``, ``note_written``: the records of a split become its arrays.
7. ``save``: what was learned becomes the file's group ``vectorizer``.

A kind must have ``load``, ``encode``, ``arrays`` and ``save``; it has the others if it learns.  A
fitted vectorizer, made by ``load``, learns nothing.  Prediction takes ``load`` and ``encode``.
"""

import contextlib
import functools
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

from ooc_train.conversion.options import ConvertOptions
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.resources import Needs, Resources
from ooc_train.conversion.sources.corpus import Corpus, pass_over
from ooc_train.conversion.sources.parts import SourcePart
from ooc_train.conversion.sources.rows import Block
from ooc_train.conversion.storage.layouts.arrays import SplitArrays
from ooc_train.conversion.storage.layouts.dense import pack_dense
from ooc_train.conversion.storage.layouts.ragged import pack_ragged
from ooc_train.conversion.storage.layouts.sparse import ENTRY_ITEMS, pack_sparse
from ooc_train.conversion.storage.placement import Destination
from ooc_train.conversion.storage.row_classes import RowClasses, TrainClasses
from ooc_train.conversion.storage.shuffle import Records
from ooc_train.conversion.storage.writing import Written
from ooc_train.dtypes import F32
from ooc_train.errors import FormatError, OptionError
from ooc_train.file.group import FileGroup
from ooc_train.file.handle import Handle, damage_errors, open_file
from ooc_train.file.header import AGAIN
from ooc_train.file.output import OutputGroup
from ooc_train.json_text import json_object
from ooc_train.kinds import KINDS
from ooc_train.options import check_as
from ooc_train.reading.rows import DenseRows, Rows, SequenceRows, SparseRows

_PACKS: dict[type[Rows], Callable[[Any], Records]] = {
    SparseRows: pack_sparse,
    SequenceRows: pack_ragged,
    DenseRows: lambda rows: pack_dense(rows.values),
}


@dataclass(frozen=True)
class Parameters(ABC):
    """How one kind of features is made: options of the conversion, stored in the file as JSON.

    Raises ``OptionError`` for a value that the option of the same name must not have.
    """

    def __post_init__(self) -> None:
        check_as(ConvertOptions, self)

    @property
    @abstractmethod
    def needs(self) -> Needs:
        """The memory and disk that rows of these parameters need."""

    @property
    def limit(self) -> float:
        """The bound on the size of all numbers."""
        return float("inf")

    def for_few_rows(self) -> Any:
        """Parameters for trying out on a few rows."""
        return self

    def for_attempt(self, number: int) -> Any:  # noqa: ARG002 - of those that can fail
        """Parameters for an attempt, from 0; an attempt fails where two terms share a hash."""
        return self


class Encoded(NamedTuple):
    """Rows of features.

    ``n_replaced`` of the rows had broken UTF-8, and ``n_empty`` have no feature at all;
    ``n_clipped`` values lay beyond what can be stored.  ``unknown_shares`` (n_rows,) float32 are
    the shares of the rows' words that the vectorizer does not know, 0 for a row without a word;
    ``None`` for features that are not made of words.
    """

    rows: Any
    n_replaced: int = 0
    n_empty: int = 0
    n_clipped: int = 0
    unknown_shares: F32 | None = None


class EncodedBlock(NamedTuple):
    """The records of a block, with the findings for `Vectorizer.note_encoded`."""

    records: Records
    n_replaced: int = 0
    n_empty: int = 0
    found: Any = None


ReadBlock = Callable[[Block], Any]
EncodeBlock = Callable[[Any, Sequence[Destination]], EncodedBlock]


class Vectorizer(ABC):
    """Makes features of rows.

    ``report`` holds the figures of the conversion that it takes part in.  ``knows_words`` tells
    whether `encode` gives the shares of unknown words.  ``reads_once`` tells whether it keeps what
    it needs of the sources while it learns, so that they are read once.  ``learning_shares`` are
    the names of the phases that learning is shown as, with their shares of a conversion's time,
    beside 25 for reading.
    """

    Parameters: ClassVar[type[Any]]
    knows_words: ClassVar[bool] = False
    reads_once: ClassVar[bool] = False
    learning_shares: ClassVar[Mapping[str, float]] = {}
    parameters: Any
    report: ConversionReport
    fitted_in: tuple[Path, str] | None = None
    """The file that it was loaded from, and its fingerprint."""

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters
        self.report = ConversionReport()

    def __reduce__(self) -> tuple[Any, ...] | str:
        if self.fitted_in:  # another process opens the file once, whatever the number of tasks
            return _reopened, self.fitted_in
        return super().__reduce__()

    @property
    def reads(self) -> bool:
        """Whether it must look at all rows before it can encode any.

        If not, rows are read once where their sources know how many there are.
        """
        return False

    @property
    def is_fitted(self) -> bool:
        """Whether there is nothing to learn."""
        return self.fitted_in is not None

    @classmethod
    @abstractmethod
    def load(cls, parameters: Any, group: FileGroup) -> "Vectorizer":
        """The vectorizer that `save` stored in ``group``; its file may be closed afterwards.

        Raises ValueError or OptionError for what `save` cannot have stored: kernels trust it.
        """

    @abstractmethod
    def encode(self, rows: Any) -> Encoded:
        """Features of the rows of a block, as a fitted vectorizer makes them."""

    @abstractmethod
    def arrays(self, split: str) -> SplitArrays:
        """The arrays of a split.  The train split comes first."""

    @abstractmethod
    def save(self, group: OutputGroup) -> None:
        """Store what `load` needs, apart from the parameters."""

    def start(self, corpus: Corpus, resources: Resources) -> None:  # noqa: B027 - not all kinds do anything
        """Begin, or begin again, when the sources are known and nothing is read."""

    def sample(self, rows: Iterator[Block | SourcePart]) -> Iterator[Block | SourcePart]:
        """Look at the first blocks or parts of some rows.  Returns all of them."""
        return rows

    def reader(self) -> ReadBlock:
        """The task that looks at a block in the first reading."""
        return pass_over

    def note_read(self, found: Any) -> int:  # noqa: ARG002
        """Add the findings of a `reader`.  Returns how many bytes of temporary files it wrote."""
        return 0

    def learn(self, train: TrainClasses) -> None:  # noqa: B027 - not all kinds do anything
        """Learn from the train rows."""

    def expected_items(self, n_rows: int, n_text_bytes: int) -> int:  # noqa: ARG002
        """About how many items the records of all rows will have."""
        return ENTRY_ITEMS * cast(int, self.parameters.needs.n_terms(n_text_bytes))

    def kept_blocks(self, classes: RowClasses) -> Iterable[Block] | None:  # noqa: ARG002
        """The blocks to encode that were kept, ``None`` where the sources are read again."""
        return None

    def encoder(self) -> EncodeBlock:
        """The task that makes records of a block's rows, given their destinations."""
        return functools.partial(_encode, self)

    def note_encoded(self, found: Any) -> None:  # noqa: B027 - not all kinds do anything
        """Add the encoder's findings in a block."""

    def settle(self) -> None:  # noqa: B027 - not all kinds do anything
        """Fix the final numbers of columns, when all rows are encoded."""

    def note_written(self, split: str, written: Written) -> None:  # noqa: B027 - not all kinds do anything
        """Add the figures of a split that is written."""


def _encode(
    vectorizer: Vectorizer,
    rows: Any,
    destinations: Sequence[Destination],  # noqa: ARG001 - of encoders that look where rows go
) -> EncodedBlock:
    found = vectorizer.encode(rows)
    records = _PACKS[type(found.rows)](found.rows)
    return EncodedBlock(records, found.n_replaced, found.n_empty)


def vectorizer_class(kind: str) -> type[Vectorizer]:
    """The class of a kind of features, imported when it is needed."""
    module, _, name = KINDS[kind].vectorizer.partition(":")
    return cast(type[Vectorizer], getattr(importlib.import_module(module), name))


def load_vectorizer(file: Handle) -> Vectorizer:
    """The fitted vectorizer of a file, which may be closed afterwards.

    Raises ``FormatError`` for parameters that this version does not have, and for whatever no
    conversion can have stored.
    """
    kind = vectorizer_class(file.header.features)
    group = FileGroup(file, "vectorizer")
    with damage_errors(file.path):
        found = json_object(group.attributes["parameters"])
    known = {field.name for field in fields(kind.Parameters)}
    if set(found) != known:
        unknown = ", ".join(sorted(set(found) ^ known))
        raise FormatError(
            f"{file.path}: the vectorizer's parameters are not those of this version "
            f"({unknown}); convert the data again"
        )
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}
    try:
        with damage_errors(file.path):
            for field in fields(kind.Parameters):
                if values[field.name] is None and field.default is not None:
                    raise ValueError(f"its parameter {field.name} has no value")
            vectorizer = kind.load(kind.Parameters(**values), group)
    except OptionError as error:
        raise FormatError(f"{file.path} is damaged: its parameters: {error}; {AGAIN}") from error
    vectorizer.fitted_in = file.path.absolute(), file.header.fingerprint
    return vectorizer


@functools.lru_cache(maxsize=4)
def _reopened(path: Path, fingerprint: str) -> Vectorizer:
    # Its checksums were compared by the process that has it open.
    with contextlib.closing(open_file(path, verify=False, fingerprint=fingerprint)) as file:
        return load_vectorizer(file)
