"""Names as charts write them."""

from ooc_train.visible import visible

MOST_LETTERS = 24


def shortened(name: str, most: int = MOST_LETTERS) -> str:
    """A name in at most ``most`` characters, all of which can be written in XML.

    >>> shortened("science fiction", 10)
    'science f…'
    """
    name = visible(name)
    return name if len(name) <= most else name[: most - 1] + "…"
