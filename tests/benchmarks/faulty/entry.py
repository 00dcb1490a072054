"""Where the commands begin in a new interpreter."""

import sys

from tests.benchmarks.faulty.copy import main


def copy():
    return main(sys.argv[1:])
