"""Durations as people read them."""


def clock(seconds: float) -> str:
    """Seconds as a clock shows them.

    >>> clock(59.6), clock(3723)
    ('1:00', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def in_words(seconds: float) -> str:
    """A duration in words, roughly.

    >>> [in_words(s) for s in (0.2, 1.6, 100, 783, 9000)]
    ['a second', '2 s', '100 s', '13 minutes', '2.5 hours']
    """
    if seconds < 1:
        return "a second"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.3g} hours"
