"""The columns that a converted file's rows were made of, by their names.

The provenance of a file has the layout of its first source.  Of formats whose columns always have
names, ``columns`` or ``text`` and ``label`` are names.  Those of delimited files are as they were
given, or numbers; where the files have a header, ``names`` and ``label_name`` are the names.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class ColumnNames(NamedTuple):
    """The names of the columns of the text or of the numbers, and that of the label, if any."""

    columns: tuple[str, ...]
    label: str | None


def column_names(layout: Mapping[str, Any]) -> ColumnNames | None:
    """The names that a layout remembers; ``None`` where the columns have none.

    >>> column_names({"header": True, "text": [2], "names": ["body"], "label_name": "stars"})
    ColumnNames(columns=('body',), label='stars')
    >>> column_names({"format": "jsonl", "text": ["body"], "label": "stars"})
    ColumnNames(columns=('body',), label='stars')
    >>> column_names({"header": False, "text": [2, 3], "label": 1})
    """
    if "names" in layout:
        return ColumnNames(tuple(layout["names"]), layout.get("label_name"))
    columns = layout.get("columns")
    columns = columns if isinstance(columns, list) else layout.get("text", [])
    is_numbered = "header" in layout
    if not columns or (is_numbered and not (layout["header"] and all(map(_is_name, columns)))):
        return None
    label = layout.get("label")
    return ColumnNames(tuple(columns), label if _is_name(label) or not is_numbered else None)


def _is_name(column: object) -> bool:
    return isinstance(column, str) and not column.isdigit()
