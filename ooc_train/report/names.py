"""Names as charts write them."""

MOST_LETTERS = 24


def shortened(name: str, most: int = MOST_LETTERS) -> str:
    """A name in at most ``most`` characters.

    >>> shortened("science fiction", 10)
    'science f…'
    """
    return name if len(name) <= most else name[: most - 1] + "…"
