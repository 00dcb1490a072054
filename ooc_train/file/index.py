"""The index of a data set in several files: a small JSON file that names them in their order.

This docstring is the specification of version 1.  The files are its *shards*, each a complete file
as `schema` specifies it, beside the index.  They share the classes and the vectorizer.  The rows of
a split are those of the first shard, then those of the second, and so on.

``format``
    ``"ooc-train index"``.
``format_version``
    1.  A reader refuses every version that it does not know.
``shared``
    32 hexadecimal digits, the checksum of what all shards share: classes and vectorizer.
``shards``
    For each shard: ``file``, its name without a folder; ``bytes``, its size; ``fingerprint``, the
    32 hexadecimal digits of its content, see `header.Header`; ``rows``, of each of its splits; and
    ``conversion``, the number of the conversion that it comes from: 0 for the first, one more for
    each that appended.
``fingerprint``
    The XXH3-128 of all the rest, as `fingerprint_of` computes it: two indexes have the same only if
    their rows are the same.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xxhash

from ooc_train.errors import FormatError
from ooc_train.file.schema import SPLIT_NAMES
from ooc_train.json_text import as_json, json_object

INDEX_FORMAT = "ooc-train index"
INDEX_VERSION = 1
MAX_SHARDS = 10_000
MAX_INDEX_BYTES = 2**23
BEGINNING_BYTES = 256
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")
_REMEDY = "restore the index from a copy, or convert the source again with ooc-convert"


@dataclass(frozen=True)
class Shard:
    """A file of an index, see the fields of ``shards`` above."""

    file: str
    bytes: int
    fingerprint: str
    rows: Mapping[str, int]
    conversion: int


@dataclass(frozen=True)
class Index:
    """An index in memory: its ``shards`` in their order, and the checksum of what they share."""

    shared: str
    shards: Sequence[Shard]

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that two indexes share only if their rows are the same."""
        return fingerprint_of(self._content())

    def text(self) -> str:
        """The content of the file."""
        return as_json({**self._content(), "fingerprint": self.fingerprint})

    def _content(self) -> dict[str, Any]:
        return {
            "format": INDEX_FORMAT,
            "format_version": INDEX_VERSION,
            "shared": self.shared,
            "shards": [asdict(shard) for shard in self.shards],
        }


def fingerprint_of(content: Mapping[str, Any]) -> str:
    """The fingerprint of an index with this content, in which its own does not count."""
    counted = {name: value for name, value in content.items() if name != "fingerprint"}
    return xxhash.xxh3_128_hexdigest(json.dumps(counted, sort_keys=True).encode())


def is_index(beginning: bytes) -> bool:
    """Whether the first bytes of a file, at least `BEGINNING_BYTES` if it has them, begin an index.

    >>> is_index(b'{"format": "ooc-train index", '), is_index(b'{"label": 1}')
    (True, False)
    """
    return beginning.lstrip()[:1] == b"{" and f'"{INDEX_FORMAT}"'.encode() in beginning


def read_index(path: Path, text: bytes) -> Index:
    """The index that a file's content is.

    Raises FormatError, which names ``path``, for what is no undamaged index of a known version.
    """
    try:
        content = json_object(text)
    except ValueError as error:
        raise _damaged(path, f"it is no JSON object ({error})") from error
    if content.get("format") != INDEX_FORMAT:
        raise FormatError(
            f"{path} is a JSON file, but no index of shards; give one that ooc-convert --shards "
            "wrote"
        )
    if content.get("format_version") != INDEX_VERSION:
        raise FormatError(
            f"{path} is an index of version {content.get('format_version')!r}, and this ooc-train "
            f"reads {INDEX_VERSION}; use the release that wrote it"
        )
    if content.get("fingerprint") != fingerprint_of(content):
        raise _damaged(path, "it is not what was written")
    try:
        return _checked(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _checked(content: Mapping[str, Any]) -> Index:
    """The index that a JSON object describes.

    Raises AttributeError, KeyError, TypeError or ValueError for what is none.
    """
    if not isinstance(content["shards"], list) or not 1 <= len(content["shards"]) <= MAX_SHARDS:
        raise ValueError(f"there are none, or more than {MAX_SHARDS} shards")
    shards = [Shard(**found) for found in content["shards"]]
    for shard in shards:
        _check_shard(shard)
    if not _is_fingerprint(content["shared"]):
        raise ValueError("the checksum of what the shards share is none")
    if len({shard.file for shard in shards}) < len(shards):
        raise ValueError("two shards have the same file")
    return Index(content["shared"], shards)


def _check_shard(shard: Shard) -> None:
    name = shard.file
    if not isinstance(name, str) or not name or name in (".", "..") or set(name) & set("/\\\0"):
        raise ValueError(f"{name!r} is no file's name")
    numbers = [shard.bytes, shard.conversion, *shard.rows.values()]
    if not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
        raise ValueError(f"of {name} there are numbers that are none")
    if "train" not in shard.rows or not set(shard.rows) <= {*SPLIT_NAMES}:
        raise ValueError(f"{name} has other splits than there are")
    if not _is_fingerprint(shard.fingerprint):
        raise ValueError(f"the fingerprint of {name} is none")


def _is_fingerprint(value: object) -> bool:
    return isinstance(value, str) and _FINGERPRINT.fullmatch(value) is not None


def _damaged(path: Path, what: str) -> FormatError:
    return FormatError(f"the index {path} is damaged: {what}; {_REMEDY}")
