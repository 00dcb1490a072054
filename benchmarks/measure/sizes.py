"""Sizes on the command lines of the benchmarks."""

import argparse

from ooc_train.errors import OptionError
from ooc_train.memory import parse_size


def size_argument(text: str) -> int:
    """A size such as ``512MB`` in bytes, as the ``type`` of an argument of `argparse`."""
    try:
        return parse_size(text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
