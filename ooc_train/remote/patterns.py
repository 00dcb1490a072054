"""Patterns at URLs, such as ``s3://bucket/train-*.csv``: the objects of a bucket that match one.

Web servers and the hub are not asked what files they have.  ``*``, ``?`` and ``[...]`` match inside
a part of a key between two slashes, and ``**`` any number of such parts.
"""

import fnmatch
import glob
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from ooc_train.errors import InputError
from ooc_train.remote.content import answered
from ooc_train.remote.stores import BUCKETS, stored
from ooc_train.remote.url import Url

_ANY_DEPTH = "**"


def is_pattern(url: Url) -> bool:
    """Whether a URL stands for all files that match it.

    >>> is_pattern(Url.of("s3://bucket/train-?.csv")), is_pattern(Url.of("https://host/a.csv?b=*"))
    (True, False)
    """
    return glob.has_magic(str(url)) if url.scheme in BUCKETS else "*" in str(url)


def matching(url: Url) -> list[Url]:
    """The URLs of the objects that match a pattern, in the order of their keys.

    As in patterns of paths, no wildcard matches a dot at the beginning of a name.  Memory: the
    names in the folders that are looked into.  Raises InputError where files cannot be listed.
    """
    if url.scheme not in BUCKETS:
        raise InputError(
            f"{url} is a pattern, and only buckets ({', '.join(BUCKETS)}) list what they have; "
            "name each file"
        )
    store, pattern = stored(url)
    bucket = url.address.removesuffix(pattern)
    keys = answered(url, lambda: [*_keys(store, "", pattern.split("/"))], is_first=True)
    return [Url.of(f"{bucket}{key}") for key in sorted(keys)]


def _keys(store: Any, folder: str, parts: Sequence[str]) -> Iterator[str]:
    """The keys below a folder that match the parts of a pattern, one level after another."""
    import obstore  # noqa: PLC0415 - an extra

    first, *rest = parts
    if first == _ANY_DEPTH:
        for some in obstore.list(store, folder or None):
            keys = (found["path"] for found in some)
            yield from (key for key in keys if _matches(key[len(folder) :].split("/"), parts))
    elif rest and not glob.has_magic(first):
        yield from _keys(store, f"{folder}{first}/", rest)
    else:
        listing = obstore.list_with_delimiter(store, folder or None)
        if rest:
            names = (path.rstrip("/")[len(folder) :] for path in listing["common_prefixes"])
            for name in names:
                if _matches([name], [first]):
                    yield from _keys(store, f"{folder}{name}/", rest)
        else:
            keys = (found["path"] for found in listing["objects"])
            yield from (key for key in keys if _matches([key[len(folder) :]], parts))


def _matches(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the parts of a key match those of a pattern.

    >>> _matches(["a", "b", "c.csv"], ["**", "*.csv"]), _matches([".c.csv"], ["*.csv"])
    (True, False)
    """
    if not parts:
        return not names
    if parts[0] == _ANY_DEPTH:
        passed = itertools.takewhile(
            lambda k: not k or names[k - 1][:1] != ".", range(len(names) + 1)
        )
        return any(_matches(names[k:], parts[1:]) for k in passed)
    if not names or (names[0][:1] == "." and parts[0][:1] != "."):
        return False
    return fnmatch.fnmatchcase(names[0], parts[0]) and _matches(names[1:], parts[1:])
