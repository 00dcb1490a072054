"""What sources that are columns of a file have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.conversion.sources.columns import Chosen, ColumnFile
from ooc_train.conversion.sources.files.rejects import Place


@dataclass(frozen=True)
class ColumnSource:
    """Some columns of a file: see `Source` for all that it has."""

    file: ColumnFile
    chosen: Chosen
    text_bytes: int

    @property
    def path(self) -> Path:
        """The file or folder."""
        return self.file.file.path

    @property
    def n_bytes(self) -> int:
        """Its size on the disk."""
        return self.file.n_bytes

    @property
    def n_rows(self) -> int | None:
        """The number of rows, where it is known before they are read."""
        return self.file.n_rows

    @property
    def layout(self) -> dict[str, Any]:
        """The layout as a converted file's provenance has it."""
        return self.file.layout(self.chosen)

    @property
    def classes_path(self) -> Path | None:
        """The file with the classes' names, if there is one by custom."""
        return self.file.classes_path

    @property
    def carried(self) -> tuple[str, ...]:
        """The names of the columns that rows carry, as far as they are known before reading."""
        return tuple(self.chosen.carried or ())

    def place(self, line: int) -> Place:
        """The place of the row that has ``line`` among ``SourceRows.lines``."""
        return self.file.place(line)
