"""The header of a file: what it says about the rows of all its splits, and whether it is readable.

The header is the root's attributes and the sizes that follow from the vectorizer; see `schema`.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py

from ooc_train.dtypes import F32
from ooc_train.errors import FormatError
from ooc_train.file.checksums import stored_summary
from ooc_train.file.schema import FORMAT_NAME, FORMAT_VERSION
from ooc_train.kinds import KINDS, Layout

AGAIN = "convert the source again with ooc-convert"
"""The remedy for every damaged or unfinished file."""


@dataclass(frozen=True)
class Header:
    """The facts about a file that its splits share.

    ``features`` is the kind of features; ``n_columns`` the number of columns, or for sequences one
    more than the highest token; ``max_length`` the length that sequences are padded or truncated
    to, ``None`` for other kinds; ``scales``, ``(n_columns,) float32``, the factor of each column of
    integers, ``None`` for other rows; ``is_shuffled`` whether the train rows lie in random order;
    ``fingerprint`` 32 hexadecimal digits that two files share only if their content is the same.
    """

    features: str
    n_columns: int
    n_classes: int
    is_shuffled: bool
    fingerprint: str
    max_length: int | None = None
    scales: F32 | None = None

    @property
    def layout(self) -> Layout:
        """How the rows are laid out."""
        return KINDS[self.features].layout


def check_header(path: Path, file: h5py.File) -> None:
    """Raise FormatError unless ``file`` is complete and in a version that this reader knows."""
    if file.attrs.get("format") != FORMAT_NAME:
        raise FormatError(f"{path} was not written by ooc-convert; make a file with it first")
    version = file.attrs.get("format_version")
    if version != FORMAT_VERSION:
        raise FormatError(
            f"{path} has format version {version}, and this ooc-train reads {FORMAT_VERSION}; "
            f"use the release that wrote it, or {AGAIN}"
        )
    if file.attrs.get("complete") != 1:
        raise FormatError(f"{path} was never finished; {AGAIN}")
    if file.attrs.get("features") not in KINDS:
        raise FormatError(
            f"{path} has {file.attrs.get('features')!r} features, and this ooc-train reads "
            f"{' or '.join(KINDS)}; use a newer release"
        )


def read_header(file: h5py.File) -> Header:
    """The header of a file that `check_header` has let pass.

    Raises KeyError, ValueError or whatever else h5py raises where the file is damaged.
    """
    vectorizer = file["vectorizer"]
    ragged = KINDS[str(file.attrs["features"])].layout == "ragged"
    return Header(
        features=str(file.attrs["features"]),
        n_columns=_n_columns(file),
        n_classes=_n_strings(file["classes/labels"]),
        is_shuffled=file.attrs["order"] == "shuffled",
        fingerprint=stored_summary(file),
        max_length=int(vectorizer.attrs["max_length"]) if ragged else None,
        scales=vectorizer["scales"][...] if "scales" in vectorizer else None,
    )


def _n_columns(file: h5py.File) -> int:
    """The vectorizer's attribute of that name; without, one column or token for each term."""
    vectorizer = file["vectorizer"]
    if "n_columns" in vectorizer.attrs:
        return int(vectorizer.attrs["n_columns"])
    is_ragged = KINDS[str(file.attrs["features"])].layout == "ragged"
    return _n_strings(vectorizer["terms"]) + is_ragged  # token 0 is padding


def _n_strings(group: h5py.Group) -> int:
    return int(group["offsets"].shape[0]) - 1
