"""The script of a peer that has no environment: it says why, and ends."""

import sys

from benchmarks.peers.reporting import NOT_INSTALLED_STATUS


def main() -> None:
    """Print the command line's reason and end with the status of a peer that is not installed."""
    print(sys.argv[1], file=sys.stderr)
    sys.exit(NOT_INSTALLED_STATUS)


if __name__ == "__main__":
    main()
