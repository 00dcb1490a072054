"""Which labels rows may have: those that name a class, of all or of those that are known."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.sources.files.rejects import Place, Reject
from ooc_train.conversion.sources.labels import SHOWN, alike, plain_label, unfit_label
from ooc_train.conversion.sources.rows import SourceRows
from ooc_train.dtypes import I32
from ooc_train.errors import InputError


class LabelledRows(NamedTuple):
    """The rows whose labels can be used, the number of each row's among ``labels``, and the others.

    Of ``labels`` those that name no class are empty.  ``n_missing`` of the rows have no text.
    """

    rows: Any
    labels: list[bytes]
    numbers: I32
    rejects: list[Reject]
    n_missing: int


@dataclass(frozen=True)
class LabelRule:
    """The labels that rows may have.

    ``known`` are the classes, in the order in which they are numbered.  If it ``is_open``, others
    become classes, where they are among ``told``, or that is empty.  ``learns_classes`` says that
    train rows have named the known ones.  A label that is none of the classes ``only_of`` some
    index is an error.
    """

    known: tuple[bytes, ...]
    told: tuple[bytes, ...] = ()
    is_open: bool = False
    learns_classes: bool = True
    only_of: str | None = None

    @property
    def numbers(self) -> dict[bytes, int]:
        """The numbers of the known classes."""
        return _numbered(self.known)

    def labelled(self, rows: SourceRows, place: Callable[[int], Place]) -> LabelledRows:
        """The rows whose labels can be used, and the others as rejects.

        Raises ``InputError`` with the ``place`` of a row for a label that must not be there.
        """
        distinct, numbers = rows.labels
        spelled = self._spelled([label.strip() for label in distinct])
        labels = self._classes(spelled)
        usable = np.array([len(label) > 0 for label in labels], np.bool_)[numbers]
        n_missing = 0 if rows.missing is None else int((rows.missing & usable).sum())
        if usable.all():
            return LabelledRows(rows, labels, numbers, [], n_missing)
        rejects = []
        for row in np.flatnonzero(~usable).tolist():
            label, line = spelled[numbers[row]], int(rows.lines[row])
            reason = unfit_label(label)
            if self.only_of and not reason:
                raise InputError(
                    f"{place(line)}: label {label.decode()[:SHOWN]!r} is no class of "
                    f"{self.only_of}; leave such rows out, or convert all rows anew"
                )
            raw = b",".join((label, rows.text_bytes(row)))
            rejects.append(Reject(line, reason or self._unknown(label), raw))
        return LabelledRows(rows.take(usable), labels, numbers[usable], rejects, n_missing)

    def _spelled(self, labels: Sequence[bytes]) -> list[bytes]:
        """Labels as all formats spell them; classes of an older file may be spelled otherwise."""
        known = self.numbers
        return [label if label in known else plain_label(label) for label in labels]

    def _classes(self, labels: list[bytes]) -> list[bytes]:
        """The same labels, but for those that name no class, which are empty."""
        known = self.numbers
        if not self.is_open:
            return [label if label in known else b"" for label in labels]
        told = _numbered(self.told)
        return [
            label
            if label in known or ((not told or label in told) and not unfit_label(label))
            else b""
            for label in labels
        ]

    def _unknown(self, label: bytes) -> str:
        shown = f"label {label.decode()[:SHOWN]!r}"
        if self.learns_classes and self.told and label not in _numbered(self.told):
            return f"{shown} is no class name of the train rows' metadata"
        where = "in the train rows" if self.learns_classes else "among the vectorizer's classes"
        known = _by_form(self.known).get(alike(label.decode()), "")
        hint = f"; {known!r} does, which differs in case, spaces or kinds of characters alone"
        return f"{shown} does not occur {where}{hint if known else ''}"


@functools.lru_cache(maxsize=4)
def _numbered(labels: Sequence[bytes]) -> dict[bytes, int]:
    return {label: number for number, label in enumerate(labels)}


@functools.lru_cache(maxsize=4)
def _by_form(labels: Sequence[bytes]) -> dict[str, str]:
    """The labels by the form that those alike have in common, of several the last."""
    return {alike(label.decode()): label.decode() for label in labels}
