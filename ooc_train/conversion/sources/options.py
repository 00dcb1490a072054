"""The options that say how files are read: those of every command that reads rows."""

import codecs
from dataclasses import dataclass
from typing import Any

from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES
from ooc_train.conversion.sources.formats.table import file_formats
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import OptionError
from ooc_train.memory import parse_size
from ooc_train.options import Limits, at_least, option

QUOTINGS = ("standard", "none")
_NAMED = {"tab": "\t", r"\t": "\t", "space": " "}
_CHARACTER = Limits(
    "one character of ASCII, such as ; or tab, and no quote or end of a line",
    lambda value: len(value) == 1 and value.isascii() and value not in '"\r\n\0',
)
_FILES = "how files are read"
DIALECT = ("encoding", "delimiter", "quoting", "escape")
"""The options that say how text is spelled; a converted file remembers those that were given."""


def parse_character(text: str) -> str:
    r"""A character, or the name of one.

    >>> parse_character(";"), parse_character("tab")
    (';', '\t')
    """
    return _NAMED.get(text, text)


def parse_encoding(text: str) -> str:
    """The name of an encoding of text.

    >>> parse_encoding("latin-1")
    'latin-1'
    """
    try:
        is_text = codecs.lookup(text)._is_text_encoding
    except LookupError:
        is_text = False
    if not is_text:
        raise OptionError(f"{text!r} is no encoding of text, such as utf-16, cp1252 or gb18030")
    return text


_ENCODING = Limits("an encoding of text, such as cp1252", lambda value: bool(parse_encoding(value)))


@dataclass(frozen=True, kw_only=True)
class FormatOptions:
    """How files are read.  Where an option is not given, each file tells it by its bytes."""

    format: str | None = option(
        None,
        "the format of the files",
        fallback="by their names and first bytes, else csv",
        choices=tuple(file_formats()),
        group=_FILES,
    )
    encoding: str | None = option(
        None,
        "the encoding of text, such as cp1252, latin-1 or gb18030",
        fallback="UTF-8, or what a byte-order mark says",
        limits=_ENCODING,
        metavar="NAME",
        parse=parse_encoding,
        group=_FILES,
    )
    header: bool = option(
        False,
        "the first row names the columns (implied where columns are chosen by names)",
        group=_FILES,
    )
    delimiter: str | None = option(
        None,
        "what separates the fields of CSV: a character, or tab",
        fallback="of comma, semicolon, tab and bar the one that most rows fit",
        limits=_CHARACTER,
        metavar="C",
        parse=parse_character,
        group=_FILES,
    )
    quoting: str | None = option(
        None,
        "whether fields of CSV may be quoted; with none, quotes are ordinary characters",
        fallback="standard, but none for tabs unless fields are seen to be quoted",
        choices=QUOTINGS,
        group=_FILES,
    )
    escape: str | None = option(
        None,
        "the escape character of CSV, such as a backslash",
        fallback="a backslash, where the quotes of most rows need it",
        limits=_CHARACTER,
        metavar="C",
        parse=parse_character,
        group=_FILES,
    )
    max_row_bytes: int = option(
        MAX_ROW_BYTES,
        "the longest row, in bytes or as a size such as 64MB; longer rows are rejected",
        metavar="SIZE",
        limits=at_least(1),
        parse=parse_size,
        group=_FILES,
    )

    @property
    def dialect(self) -> dict[str, str]:
        """The values of `DIALECT` that are given, by the options' names."""
        return {name: value for name in DIALECT if (value := getattr(self, name)) is not None}

    def layout(self, **more: Any) -> LayoutOptions:
        """A layout with these options, and ``more`` about the columns."""
        given = {"format": self.format, "header": self.header, **self.dialect}
        return LayoutOptions(**{**given, "max_row_bytes": self.max_row_bytes, **more})
