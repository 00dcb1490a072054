"""How a user says where the texts, the numbers and the labels of rows are."""

from dataclasses import dataclass, field

from ooc_train.conversion.sources.files.input_file import Input
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES
from ooc_train.memory import default_budget


@dataclass(frozen=True)
class LayoutOptions:
    """The layout of a file's or a folder's rows.

    ``text`` are the columns of the text or of the numbers, and ``label`` that of the labels: names,
    or numbers from 1.  ``header`` says that the first row names the columns.  ``format`` is the
    file's, see ``formats.table.FORMATS``, where its name does not tell it.  ``cleaning`` is what is
    done to the texts, see ``cleaning.CLEANINGS``.  ``folders`` are the subfolders that are classes,
    where the source is a folder; if there are none, all are.

    ``labels`` is a file, or an array, with the labels of the rows, where they lie apart.  Without
    ``needs_label``, rows have no labels, as those to predict.  With ``carry``, rows of text bring
    along all other columns, see ``TextRows.carried``.  A row of more than ``max_row_bytes`` is
    rejected.  ``memory_bytes`` is the budget of the process; what a file needs beside its blocks
    must be a part of it.
    """

    text: tuple[str, ...] = ()
    label: str | None = None
    header: bool = False
    cleaning: str | None = None
    folders: tuple[str, ...] = ()
    format: str | None = None
    labels: Input | None = None
    needs_label: bool = True
    carry: bool = False
    memory_bytes: int = field(default_factory=default_budget)
    max_row_bytes: int = MAX_ROW_BYTES

    @property
    def has_header(self) -> bool:
        """Whether the first row names the columns: said so, or implied by a name."""
        named = [column for column in (*self.text, self.label or "1") if not column.isdigit()]
        return self.header or bool(named)
