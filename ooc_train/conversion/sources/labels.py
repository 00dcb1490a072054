"""How labels are spelled, and which of them name no class."""

import re

from ooc_train.conversion.sources.files.rejects import MAX_LABEL_BYTES, too_long

SHOWN = 100
"""The characters of a label that messages show."""
_WHOLE = re.compile(rb"(?:\+|(?P<minus>-?))(?P<digits>0|[1-9][0-9]*)(?:\.0*)?")


def plain_label(label: bytes) -> bytes:
    """A label in the one spelling that it has in all formats.

    Whole numbers have no sign ``+`` and no fraction of zeros; but zeros in front, as codes have
    them, stay.  True and false are in small letters.

    >>> plain_label(b"1.0"), plain_label(b"+1"), plain_label(b"-0"), plain_label(b"True")
    (b'1', b'1', b'0', b'true')
    >>> plain_label(b"007"), plain_label(b"1.5"), plain_label(b"nan")
    (b'007', b'1.5', b'nan')
    """
    found = _WHOLE.fullmatch(label)
    if found:
        return b"0" if found["digits"] == b"0" else (found["minus"] or b"") + found["digits"]
    lowered = label.lower()
    return lowered if lowered in (b"true", b"false") else label


def unfit_label(label: bytes) -> str:
    r"""Why a label names no class; empty if it may.

    Two labels are the same class where their bytes are the same.  So a label must be text that is
    told apart from all others wherever it is written and read again.

    >>> unfit_label("Größe".encode()), unfit_label(b"Gr\xf6\xdfe")
    ('', "label 'Gr\\xf6\\xdfe' is not valid UTF-8; name its encoding, such as --encoding cp1252")
    """
    if not label:
        return "no label"
    if len(label) > MAX_LABEL_BYTES:
        return too_long("label", MAX_LABEL_BYTES)
    if b"\0" in label:
        return "the label contains a NUL character"
    try:
        label.decode()
    except UnicodeDecodeError:
        shown = str(label[:SHOWN])[1:]
        return f"label {shown} is not valid UTF-8; name its encoding, such as --encoding cp1252"
    return ""
