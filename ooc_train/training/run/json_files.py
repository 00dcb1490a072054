"""Files of JSON in a run, of any origin: read within bounds, and of the types that are expected."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ooc_train.atomic import replacing
from ooc_train.errors import FormatError
from ooc_train.json_text import as_json, json_object
from ooc_train.system_errors import reason

AGAIN = "restore it from a copy, or train again"
"""The remedy for every damaged file of a run."""
MAX_BYTES = 2**25
"""The largest file that is read: the report of some 100,000 epochs."""


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of JSON.  Raises FormatError if there is none.  Memory: the object's."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        return json_object(text)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {reason(error)}; {AGAIN}") from error
    except ValueError as error:
        raise FormatError(f"{path} is damaged: {error}; {AGAIN}") from error


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as indented JSON.  Raises OSError."""
    with replacing(path) as part:
        part.write_text(as_json(content), "utf-8")


def check_types(
    path: Path, content: Mapping[str, Any], expected: Mapping[str, tuple[type, ...]]
) -> None:
    """Raise FormatError unless the values of these names are of exactly these types."""
    for name, types in expected.items():
        if type(content.get(name)) not in types:
            raise FormatError(f"{path} is damaged: {name} is {content.get(name)!r:.50}; {AGAIN}")
