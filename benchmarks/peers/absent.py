"""Stands in for a peer whose environment was never made, or could not be: says so, and ends."""

import sys

from benchmarks.peers.reporting import NOT_INSTALLED_STATUS

if __name__ == "__main__":
    print(sys.argv[1], file=sys.stderr)
    sys.exit(NOT_INSTALLED_STATUS)
