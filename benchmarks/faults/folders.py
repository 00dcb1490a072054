"""What is in a folder, and whether a file is the one that a command makes.

Files that commands make have bytes that follow from the input, but for times and memory: a page
shows seconds, a report has them.  `essence` is what has to be the same each time.
"""

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure.weights import weights

Contents = Mapping[str, str]
"""The names of files and folders below a folder, with the digest of a file's bytes."""

_MEASURED = re.compile(
    r"seconds|per_second|share|spill|rss|anon|memory|sessions|digests|workers|processors"
)
"""Keys of reports and settings that are not the same each time."""
FOLDER = "a folder"


def contents(folder: Path) -> Contents:
    """What is in a folder and in those below it; of a link, where it leads."""
    return {
        path.relative_to(folder).as_posix(): _content(path) for path in sorted(folder.rglob("*"))
    }


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"a link to {path.readlink()}"
    if path.is_file():
        return _digest(path.read_bytes())
    return FOLDER if path.is_dir() else "a pipe or a device"


def essence(path: Path) -> str | None:
    """What of a file, or of a run's folder, is the same each time; `None` if it is not whole."""
    if path.is_dir():
        names = sorted(item.name for item in path.iterdir() if item.name in _OF_RUN)
        return _digest(repr([(name, essence(path / name)) for name in names]).encode())
    if not path.is_file():  # a pipe would let wait for ever
        return None
    try:
        if path.suffix == ".keras":
            return _digest(repr(weights(path)).encode())
        part = _ESSENCES.get(path.name) or _ESSENCES.get(path.suffix, _bytes)
        return _digest(part(path.read_bytes()))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _bytes(content: bytes) -> bytes:
    return content


def _report(content: bytes) -> bytes:
    """JSON without what was measured, and of paths the last part."""
    return json.dumps(_without_measures(json.loads(content))).encode()


def _without_measures(item: Any) -> Any:
    if isinstance(item, dict):
        kept = {key: value for key, value in item.items() if not _MEASURED.search(key)}
        return {key: _without_measures(value) for key, value in kept.items()}
    if isinstance(item, list):
        return [_without_measures(one) for one in item]
    return Path(item).name if isinstance(item, str) and Path(item).is_absolute() else item


def _drawing(end: bytes) -> Callable[[bytes], bytes]:
    """Nothing but that it is whole, by its end: a drawing has times."""

    def whole(content: bytes) -> bytes:
        if not content.rstrip().endswith(end):
            raise ValueError("a drawing without its end")
        return end

    return whole


def _table(content: bytes) -> bytes:
    """CSV without what was measured."""
    lines = list(csv.DictReader(io.StringIO(content.decode())))
    return json.dumps([_without_measures(line) for line in lines]).encode()


_ESSENCES: dict[str, Callable[[bytes], bytes]] = {
    "history.csv": _table, ".json": _report, ".html": _drawing(b"</html>"),
    ".svg": _drawing(b"</svg>"), ".pdf": _drawing(b"%%EOF"),
}  # fmt: skip
"""By name, or by the end of the name; of other files each byte is the same."""
_OF_RUN = ("model.keras", "vectorizer.h5", "settings.json", "history.csv", "report.json")
