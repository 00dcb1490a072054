"""The names of classes: line k of a file names class k of the Zhang layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ooc_train.conversion.sources.labels import plain_label
from ooc_train.counts import counted
from ooc_train.errors import InputError

CLASSES_NAME = "classes.txt"
"""The name of the file with the names, beside the rows."""
_MAX_BYTES = 2**23


@dataclass(frozen=True)
class ClassNames:
    """Names of classes; ``where`` they come from is told in errors."""

    where: str
    names: Sequence[str]

    def of(self, labels: list[str]) -> list[str]:
        """The name of each label.  Labels that are names already stay as they are.

        Raises ``InputError`` for a label that no line names.
        """
        if set(labels) <= {plain_label(name.encode()).decode() for name in self.names}:
            return labels
        numbers = [int(label) if label.isdecimal() else 0 for label in labels]
        for label, number in zip(labels, numbers, strict=True):
            if not 1 <= number <= len(self.names):
                raise InputError(
                    f"{self.where} names {counted(len(self.names), 'class')}, one a line, but "
                    f"there is no "
                    f"line for label {label!r}; add it, or name another file with --classes"
                )
        return [self.names[number - 1] for number in numbers]


def read_class_names(path: Path) -> ClassNames:
    """Read the names in a file, one a line.

    Raises ``InputError`` if it cannot be read, has a NUL character, or is larger than 8 MiB.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}, the classes' names, cannot be read: {error}") from error
    if "\0" in text or len(text) > _MAX_BYTES:
        what = "a NUL character" if "\0" in text else f"more than {_MAX_BYTES:,} bytes"
        raise InputError(f"{path} has {what}; it is to hold the classes' names, one a line")
    return ClassNames(str(path), [line.strip() for line in text.splitlines() if line.strip()])
