"""The URL of a file, as a path whose text has no secrets.

A `Url` stands wherever a path does: messages, reports and files have its text, which lacks the
credentials and the query, where signatures are.  Only the stores are given the whole address.
"""

import os
import re
import urllib.parse
from pathlib import Path, PosixPath
from typing import Any

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_SECRET = re.compile(r"(https?://)(?:[^/?#]*@)?([^?#]*).*", re.IGNORECASE | re.DOTALL)


class Url(PosixPath):
    """The URL of a file; its text is without credentials and query, `address` has them.

    Paths made of it, such as its parent, have no address, and there is no such file.

    >>> url = Url.of("https://me:secret@host/a/rows.csv?signature=secret")
    >>> print(url, url.name, repr(url))
    https://host/a/rows.csv rows.csv Url('https://host/a/rows.csv')
    """

    _address: str
    content: Any = None
    """The bytes of the file, see `content.content_of`."""

    @classmethod
    def of(cls, address: str) -> "Url":
        """The URL with this address."""
        shown = _SECRET.match(address)
        url = cls("".join(shown.groups()) if shown else address)
        url._address = address
        return url

    @property
    def address(self) -> str:
        """The whole address.  Raises AttributeError for what was made of another path."""
        return self._address

    def beside(self, name: str) -> "Url":
        """The URL of another file in the same folder, with the same credentials and query.

        >>> Url.of("https://me:secret@host/a/rows.json?token=secret").beside("b c").address
        'https://me:secret@host/a/b%20c?token=secret'
        >>> Url.of("s3://bucket/rows.json").beside("b c").address
        's3://bucket/b c'
        """
        if self.scheme not in ("http", "https"):
            return Url.of(f"{self.address.rpartition('/')[0]}/{name}")
        place = re.split("[?#]", self.address, maxsplit=1)[0]
        query = self.address[len(place) :]
        return Url.of(f"{place.rpartition('/')[0]}/{urllib.parse.quote(name)}{query}")

    @property
    def scheme(self) -> str:
        """The part in front of ``://``, in small letters."""
        return str(self).partition(":")[0].lower()

    def absolute(self) -> "Url":
        """The URL itself, which depends on no folder."""
        return self

    def __str__(self) -> str:
        return super().__str__().replace(":/", "://", 1)

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Url.of, (self._address,)


def is_url(text: Any) -> bool:
    """Whether a text is a URL.

    >>> is_url("s3://bucket/rows.csv"), is_url("rows.csv"), is_url("C:/rows.csv")
    (True, False, False)
    """
    return isinstance(text, str) and _URL.match(text) is not None


def located(given: str | os.PathLike[str]) -> Path:
    """The path, or the URL, that a user names."""
    if isinstance(given, str) and is_url(given):
        return Url.of(given)
    return given if isinstance(given, Path) else Path(given)


def address_of(given: str | os.PathLike[str]) -> str:
    """The whole text of a path or a URL, with which another process finds the same file."""
    return given.address if isinstance(given, Url) else str(given)
