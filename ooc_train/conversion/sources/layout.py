"""What a source of rows is, and how a user says where in its rows the text and the label are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ooc_train.conversion.sources.source_rows import Place, Reject, Rows, SourceRows
from ooc_train.errors import InputError, OptionError


@dataclass(frozen=True)
class LayoutOptions:
    """How rows are laid out: columns by name, or by number from 1; or the classes' folders.

    ``format`` is that of the files, see ``sources.FORMATS``, where their names do not tell it;
    ``cleaning`` names what is done to the texts, see ``CLEANINGS``; ``folders``, where the source
    is a folder, those of its subfolders that are classes, all if there are none.  With ``carry``,
    rows bring the columns that are not text along, see ``Rows.carried``.
    """

    text: tuple[str, ...] = ()
    label: str | None = None
    header: bool = False
    cleaning: str | None = None
    folders: tuple[str, ...] = ()
    format: str | None = None
    carry: bool = False

    @property
    def has_header(self) -> bool:
        """Whether the first row names the columns: said so, or implied by a name."""
        named = [column for column in (*self.text, self.label or "1") if not column.isdigit()]
        return self.header or bool(named)


class Source(Protocol):
    """Some rows: a file of them, or a folder."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def n_bytes(self) -> int:
        """Its size on the disk."""

    @property
    def text_bytes(self) -> int:
        """Its size; if compressed, an estimate of what is in it."""

    @property
    def layout(self) -> dict[str, Any]:
        """As the file's provenance has it, see ``prediction``.

        ``format`` (that of ``sources.FORMATS``, or ``folder``), ``text`` and ``label`` (names, or
        numbers from 1), and of rows with columns ``header`` and ``columns``, their number.
        """

    @property
    def classes_path(self) -> Path | None:
        """Where the classes' names are by the layout's custom, if anywhere."""

    def place(self, line: int) -> Place:
        """Where the row is that has ``line`` among ``Rows.lines``."""

    def read(self, block_bytes: int) -> Iterator[tuple[SourceRows | Reject, int]]:
        """Blocks of rows and rejects where they occur, each with the progress in bytes."""


class TextSource(Source, Protocol):
    """Rows of text."""

    @property
    def carried(self) -> tuple[str, ...]:
        """The columns that rows bring along, as far as they are known before all is read."""

    def read(self, block_bytes: int) -> Iterator[tuple[Rows | Reject, int]]:
        """Blocks of rows and rejects where they occur, each with the progress in bytes."""


def named_columns(
    path: Path, names: Sequence[str], options: LayoutOptions, *, needs_label: bool, what: str
) -> tuple[tuple[str, ...], str | None]:
    """The columns of the text, and that of the label unless it is not needed, all of ``names``.

    Where nothing is said, they are those called ``text`` and ``label``.  ``what`` they are called
    in errors: columns or fields.  Raises ``InputError`` for one that does not exist.
    """
    label = options.label or ("label" if "label" in names else None)
    listing = ", ".join(map(repr, names))
    if needs_label and label is None:
        raise OptionError(
            f"{path}: name the {what} of the labels with --label; there are {listing}"
        )
    text = options.text or (("text",) if "text" in names else ())
    if not text:
        raise OptionError(f"{path}: name the {what} of the text with --text; there are {listing}")
    chosen = [*text, *([label] if needs_label and label else [])]
    for name in chosen:
        if name not in names:
            raise InputError(f"{path}: there is no {what} {name!r}; there are {listing}")
    if len(set(chosen)) < len(chosen):
        raise OptionError(f"{path}: --text and --label must name different {what}s")
    return tuple(text), label if needs_label else None
