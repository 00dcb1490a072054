"""The rows of some duplicates in words: where they are, and their texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ooc_train.conversion.sources.files.rejects import Blank, Reject
from ooc_train.conversion.sources.source import Source
from ooc_train.inspection.raw.duplicates import Pair
from ooc_train.inspection.raw.row_columns import RowColumns

_MOST_BYTES = 2**26
"""A source is read again up to this place, not further, for the text of an example."""
_SHOWN_BYTES = 400
_BLOCK_BYTES = 2**20


def described(
    pairs: Mapping[str, Sequence[Pair]], rows: RowColumns, sources: Sequence[Source]
) -> dict[str, list[dict[str, Any]]]:
    """The pairs of each kind: places of both rows, similarity, and the texts as far as they go.

    Each pair has ``row``, ``other``, ``similarity``, ``text`` and ``other_text``.  Places have the
    names of files without their folders.  A text is ``None`` far down in a source, or in one that
    can be read once only.  Memory: a megabyte or the longest row.
    """
    wanted: dict[int, dict[int, str | None]] = {}
    for pair in (pair for some in pairs.values() for pair in some):
        for row in (pair.row, pair.other):
            source, line = rows.place(row)
            wanted.setdefault(source, {})[line] = None
    for number, lines in wanted.items():
        _read(sources[number], lines)

    def place_and_text(row: int) -> tuple[str, str | None]:
        source, line = rows.place(row)
        place = sources[source].place(line)
        return str(place._replace(path=Path(place.path.name))), wanted[source][line]

    found: dict[str, list[dict[str, Any]]] = {}
    for kind, some in pairs.items():
        found[kind] = []
        for pair in some:
            (place, text), (other, other_text) = map(place_and_text, (pair.row, pair.other))
            found[kind].append(
                {
                    "row": place,
                    "other": other,
                    "similarity": round(pair.similarity, 2),
                    "text": text,
                    "other_text": other_text,
                }
            )
    return found


def _read(source: Source, lines: dict[int, str | None]) -> None:
    """Fill in the texts of some lines of a source."""
    if source.file.file.is_pipe or source.file.file.is_held:
        return
    last, n_read = max(lines), 0
    for piece, n_bytes in source.read(_BLOCK_BYTES):
        n_read += n_bytes
        if not isinstance(piece, Reject | Blank) and len(piece):
            for row, line in enumerate(piece.lines.tolist()):
                if line in lines:
                    raw = piece.text_bytes(row)
                    shown = raw[:_SHOWN_BYTES].decode("utf-8", "replace")
                    lines[line] = shown + ("…" if len(raw) > _SHOWN_BYTES else "")
            if int(piece.lines[-1]) >= last:
                return
        if n_read > _MOST_BYTES:
            return
