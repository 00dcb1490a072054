"""Text from files and file names, made safe to show: what would act on a terminal is escaped."""

import re

# Control characters can move a terminal's cursor or change its title, and two that direct text from
# right to left can show a name as another.  XML has no way to write these controls, half a
# surrogate pair, U+FFFE and U+FFFF.
_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def visible(text: str) -> str:
    r"""``text`` in one line, with an escape such as ``\x1b`` for each character that acts.

    These are line ends and other control characters, marks that change the direction of text, and
    characters that stand for bytes which are no UTF-8.

    >>> print(visible("one\nline, \x1b[31mred"))
    one\nline, \x1b[31mred
    """
    return _ACTING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
