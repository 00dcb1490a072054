"""What sources that are one file have in common."""

from dataclasses import dataclass
from pathlib import Path

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Place


@dataclass(frozen=True)
class FileSource:
    """A source of one file, plain or compressed, a row a line: see `Source` for all that it has."""

    file: InputFile

    @property
    def path(self) -> Path:
        """The name of the file."""
        return self.file.path

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self.file.n_bytes

    @property
    def text_bytes(self) -> int:
        """The size of what is in it; an estimate if it is compressed."""
        return self.file.text_bytes

    @property
    def carried(self) -> tuple[str, ...]:
        """The columns that rows carry; here none."""
        return ()

    @property
    def classes_path(self) -> Path | None:
        """Where the classes' names may be: nowhere, there is no custom."""
        return None

    def place(self, line: int) -> Place:
        """The very line."""
        return Place(self.path, line)
