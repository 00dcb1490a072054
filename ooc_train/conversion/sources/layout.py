"""How a user says where the texts, the numbers and the labels of rows are."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from ooc_train.conversion.sources.files.input_file import Input
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES
from ooc_train.file.provenance import ColumnNames
from ooc_train.memory import default_budget


class Name(str):
    """The name of a column, and not its number, also where it consists of digits."""

    __slots__ = ()


@dataclass(frozen=True)
class LayoutOptions:
    """The layout of a file's or a folder's rows.

    ``text`` are the columns of the text or of the numbers, and ``label`` that of the labels: names,
    or numbers from 1; a `Name` is never a number.  ``header`` says that the first row names the
    columns.  ``format`` is the file's, see ``formats.table.FORMATS``, where its name does not tell
    it.  ``cleaning`` is what is done to the texts, see ``cleaning.CLEANINGS``.  ``folders`` are the
    subfolders that are classes, where the source is a folder; if there are none, all are.

    ``encoding``, ``delimiter``, ``quoting`` and ``escape`` are as in ``options.FormatOptions``;
    where they are not given, they are found.

    ``labels`` is a file, or an array, with the labels of the rows, where they lie apart.  Without
    ``needs_label``, rows have no labels, as those to predict.  With ``carry``, rows of text bring
    along all other columns, see ``TextRows.carried``; with ``carry_text`` those of the text, too.
    ``class_names`` are those that another file tells of its classes, where numbers stand for them.
    A row of more than ``max_row_bytes`` is rejected.  ``memory_bytes`` is the budget of the
    process; what a file needs beside its blocks must be a part of it.
    """

    text: tuple[str, ...] = ()
    label: str | None = None
    header: bool = False
    cleaning: str | None = None
    folders: tuple[str, ...] = ()
    format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quoting: str | None = None
    escape: str | None = None
    labels: Input | None = None
    needs_label: bool = True
    carry: bool = False
    carry_text: bool = False
    class_names: tuple[str, ...] = ()
    memory_bytes: int = field(default_factory=default_budget)
    max_row_bytes: int = MAX_ROW_BYTES

    @property
    def names(self) -> list[str]:
        """The names among the columns that are asked for."""
        columns = (*self.text, self.label or "1")
        return [one for one in columns if isinstance(one, Name) or not one.isdigit()]

    @property
    def has_header(self) -> bool:
        """Whether the first row names the columns: said so, or implied by a name."""
        return self.header or bool(self.names)

    def named(self, names: ColumnNames) -> "LayoutOptions":
        """The layout with columns of these names, which imply a header."""
        label = self.label if names.label is None else Name(names.label)
        return replace(self, text=tuple(map(Name, names.columns)), label=label, header=False)

    def without(self, names: Collection[str]) -> "LayoutOptions":
        """The layout without columns of some names, which then imply no header."""
        columns = tuple(column for column in self.text if column not in names)
        return replace(self, text=columns, label=None if self.label in names else self.label)
