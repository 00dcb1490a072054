"""Suggestions of what may have been meant by a name that there is not."""

from collections.abc import Iterable
from pathlib import Path

_LIKE_FILES = 0.7  # more than for other names, since many share their suffix
_MOST = 100_000  # names that are compared, which takes a second


def closest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known name that is most like ``name``, whatever its case; ``None`` if none is.

    >>> closest("lable", ["label", "text"]), closest("Text", ["text"]), closest("x", ["yz"])
    ('label', 'text', None)
    """
    import difflib  # noqa: PLC0415 - for errors alone
    import itertools  # noqa: PLC0415

    folded = {one.casefold(): one for one in reversed(list(itertools.islice(known, _MOST)))}
    close = difflib.get_close_matches(name.casefold(), folded, 1, cutoff=likeness)
    return folded[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """The end of a sentence about a name that there is not; empty if none is alike.

    >>> did_you_mean("lable", ["label", "text"])
    "; did you mean 'label'?"
    """
    found = closest(name, known, likeness)
    return "" if found is None else f"; did you mean {found!r}?"


def beside(path: Path) -> str:
    """The end of a sentence about a file or folder that there is not: what is like it beside it."""
    try:
        found = closest(path.name, (one.name for one in path.parent.iterdir()), _LIKE_FILES)
    except OSError:  # there is no such folder, or nobody may read it
        return ""
    return "" if found is None else f"; did you mean {path.parent / found}?"
