"""Which forms the rows of each kind of features can be given in; errors that adapters share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ooc_train.errors import OptionError

if TYPE_CHECKING:
    from ooc_train.reading.splits import Split

FORMS = {
    "ngram": ("sparse", "dense"),
    "sparse": ("sparse", "dense"),
    "sequence": ("dense", "ragged"),
    "dense": ("dense",),
}
"""For each kind of features its forms, the usual one first."""


def checked_form(split: "Split", form: str | None, offered: Sequence[str]) -> str:
    """``form``, or the usual one of the rows' kind.

    Raises OptionError unless the rows have it and it is one of those that an adapter has
    ``offered``.
    """
    forms = [known for known in FORMS[split.features] if known in offered]
    if form not in (None, *forms):
        raise OptionError(
            f"{split.where} has {split.features} features, which are given as "
            f"{' or '.join(forms)}, not as {form!r}"
        )
    return form or forms[0]


def missing(library: str, package: str) -> OptionError:
    """The error that a library is not installed."""
    return OptionError(f"{library} is not installed; install it: pip install {package}")
