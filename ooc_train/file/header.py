"""The header of a file: what it says about the rows of all its splits, and whether it is readable.

The header is the root's attributes and the sizes that its arrays share; see `schema`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.errors import FormatError
from ooc_train.file.checksums import GROUP, SUMMARY
from ooc_train.file.objects import StoredGroup
from ooc_train.file.schema import FORMAT_NAME, FORMAT_VERSION
from ooc_train.file.structure import check_structure
from ooc_train.kinds import KINDS, Layout

AGAIN = "convert the source again with ooc-convert"
"""The remedy for every damaged or unfinished file."""


@dataclass(frozen=True)
class Header:
    """The facts about a file that its splits share.

    ``features`` is the kind of features; ``n_columns`` the number of columns, or for sequences one
    more than the highest token; ``max_length`` the length that sequences are padded or truncated
    to, ``None`` for other kinds; ``has_scales`` whether rows are integers with a scale for each
    column; ``is_shuffled`` whether the train rows lie in random order; ``fingerprint`` 32
    hexadecimal digits that two files share only if their content is the same.
    """

    features: str
    n_columns: int
    n_classes: int
    is_shuffled: bool
    fingerprint: str
    max_length: int | None = None
    has_scales: bool = False

    @property
    def layout(self) -> Layout:
        """How the rows are laid out."""
        return KINDS[self.features].layout


def check_header(path: Path, attributes: Mapping[str, Any]) -> None:
    """Raise FormatError unless a file is complete and in a version that this reader knows.

    ``attributes`` are those of its root.
    """
    if attributes.get("format") != FORMAT_NAME:
        raise FormatError(f"{path} was not written by ooc-convert; make a file with it first")
    version = attributes.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise FormatError(
            f"{path} has format version {version!r}, and this ooc-train reads {FORMAT_VERSION}; "
            f"use the release that wrote it, or {AGAIN}"
        )
    if attributes.get("complete") != 1:
        raise FormatError(f"{path} was never finished; {AGAIN}")
    if attributes.get("features") not in KINDS:
        raise FormatError(
            f"{path} has {attributes.get('features')!r} features, and this ooc-train reads "
            f"{' or '.join(KINDS)}; use a newer release"
        )


def read_header(root: StoredGroup) -> Header:
    """The header of a file that `check_header` has let pass.

    Raises ValueError unless all of the file has the structure that is specified.
    """
    sizes = check_structure(root)
    sums = root.members.get(GROUP)
    return Header(
        features=root.attributes["features"],
        n_columns=sizes.n_columns,
        n_classes=sizes.n_classes,
        is_shuffled=root.attributes["order"] == "shuffled",
        fingerprint=sums.attributes[SUMMARY] if isinstance(sums, StoredGroup) else "",
        max_length=sizes.max_length,
        has_scales=sizes.has_scales,
    )
