"""How labels are spelled, and which of them name no class."""

import re
import unicodedata

from ooc_train.conversion.sources.files.rejects import MAX_LABEL_BYTES, too_long

SHOWN = 100
"""The characters of a label that messages show."""
NULL = rb"\N"
"""The null of text that MySQL, PostgreSQL and Hive write."""
_INVISIBLE = "\u200b\ufeff"  # a space of no width, and a byte-order mark
_WHOLE = re.compile(rb"(?:\+|(?P<minus>-?))(?P<digits>0|[1-9][0-9]*)(?:\.0*)?")


def plain_label(label: bytes) -> bytes:
    """A label in the one spelling that it has in all formats.

    Characters are composed, as Unicode's NFC has them, and no space of any kind is around them.
    Whole numbers have no sign ``+`` and no fraction of zeros; but zeros in front, as codes have
    them, stay.  True and false are in small letters.

    >>> plain_label(b"1.0"), plain_label(b"+1"), plain_label(b"-0"), plain_label(b"True")
    (b'1', b'1', b'0', b'true')
    >>> plain_label(b"007"), plain_label(b"1.5"), plain_label(b"nan")
    (b'007', b'1.5', b'nan')
    >>> plain_label("cafe\u0301\u00a0".encode()) == "caf\u00e9".encode()
    True
    """
    if not label.isascii():
        label = _composed(label)
    found = _WHOLE.fullmatch(label)
    if found:
        return b"0" if found["digits"] == b"0" else (found["minus"] or b"") + found["digits"]
    lowered = label.lower()
    return lowered if lowered in (b"true", b"false") else label


def alike(label: str) -> str:
    """The common form of labels that differ in case, spaces or kinds of characters alone.

    >>> alike(" Very  Good") == alike("very good")
    True
    """
    shown = unicodedata.normalize("NFKC", label).translate(dict.fromkeys(map(ord, _INVISIBLE)))
    return " ".join(shown.casefold().split())


def _composed(label: bytes) -> bytes:
    """Text in Unicode's NFC, without spaces and invisible characters around it."""
    try:
        text = label.decode()
    except UnicodeDecodeError:  # of which `unfit_label` tells
        return label
    return unicodedata.normalize("NFC", text.strip().strip(_INVISIBLE).strip()).encode()


def unfit_label(label: bytes) -> str:
    r"""Why a label names no class; empty if it may.

    Two labels are the same class where their bytes are the same.  So a label must be text that is
    told apart from all others wherever it is written and read again.

    >>> unfit_label("Größe".encode()), unfit_label(b"Gr\xf6\xdfe")
    ('', "label 'Gr\\xf6\\xdfe' is not valid UTF-8; name its encoding, such as --encoding cp1252")
    """
    if label in (b"", NULL):
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
