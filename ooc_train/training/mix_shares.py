"""The files that ``--mix`` names, each with its share of the rows of every batch."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ooc_train.errors import OptionError
from ooc_train.remote.url import located


class MixShare(NamedTuple):
    """A file, and the share of each batch's rows that are its own: above 0 and below 1."""

    path: Path
    share: float


def mix_given(given: Any) -> Any:
    """The texts of a command line for what a program gives: shares by file, or such texts.

    >>> mix_given({"old.h5": 0.3}), mix_given("old.h5:0.3")
    (('old.h5:0.3',), ('old.h5:0.3',))
    """
    if isinstance(given, Mapping):
        return tuple(f"{path}:{share}" for path, share in given.items())
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, Iterable) else given


def parse_mix(texts: Iterable[str]) -> list[MixShare]:
    """The files and shares that the texts name.

    Raises OptionError for other texts, and for shares that leave nothing for the file itself.

    >>> parse_mix(["old.h5:0.25"])
    [MixShare(path=PosixPath('old.h5'), share=0.25)]
    """
    shares = [_parsed(text) for text in texts]
    total = sum(share for _, share in shares)
    if total >= 1:
        raise OptionError(
            f"--mix gives {total:g} of each batch to other files, which leaves nothing for the "
            "file itself; give shares whose sum is below 1"
        )
    return shares


def _parsed(text: str) -> MixShare:
    path, _, share = str(text).rpartition(":")
    try:
        found = MixShare(located(path), float(share))
    except ValueError:
        found = MixShare(located(path), 0)
    if not path or not 0 < found.share < 1:
        raise OptionError(
            "--mix must be a file and a share between 0 and 1, such as old.h5:0.3, and not "
            f"{text!r}"
        )
    return found
