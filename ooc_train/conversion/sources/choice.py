"""Which columns of a file are the text, and which is the label."""

from collections.abc import Sequence
from pathlib import Path

from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.errors import InputError, OptionError


def named_columns(
    path: Path, names: Sequence[str], options: LayoutOptions, *, what: str
) -> tuple[tuple[str, ...], str | None]:
    """The columns of the text, and that of the label unless it is not needed, all of ``names``.

    Where nothing is said, they are those called ``text`` and ``label``.  ``what`` they are called
    in errors: columns or fields.  Raises ``InputError`` for one that does not exist.
    """
    label = options.label or ("label" if "label" in names else None)
    listing = ", ".join(map(repr, names))
    if options.needs_label and label is None:
        raise OptionError(
            f"{path}: name the {what} of the labels with --label; there are {listing}"
        )
    text = options.text or (("text",) if "text" in names else ())
    if not text:
        raise OptionError(f"{path}: name the {what} of the text with --text; there are {listing}")
    chosen = [*text, *([label] if options.needs_label and label else [])]
    for name in chosen:
        if name not in names:
            raise InputError(f"{path}: there is no {what} {name!r}; there are {listing}")
    if len(set(chosen)) < len(chosen):
        raise OptionError(f"{path}: --text and --label must name different {what}s")
    return tuple(text), label if options.needs_label else None
