"""Where the commands begin: before other imports, so that Ctrl-C during these is one line, too."""

import importlib
import sys

_INTERRUPTED = 130


def convert() -> int:
    """Run ``ooc-convert``; the exit status."""
    return _run("convert")


def train() -> int:
    """Run ``ooc-train``; the exit status."""
    return _run("train")


def evaluate() -> int:
    """Run ``ooc-evaluate``; the exit status."""
    return _run("evaluate")


def predict() -> int:
    """Run ``ooc-predict``; the exit status."""
    return _run("predict")


def inspect() -> int:
    """Run ``ooc-inspect``; the exit status."""
    return _run("inspect")


def _run(name: str) -> int:
    try:
        status: int = importlib.import_module(f"ooc_train.cli.{name}").main()
    except KeyboardInterrupt:
        if sys.stderr:
            print(f"ooc-{name}: interrupted before it began", file=sys.stderr)
        status = _INTERRUPTED
    import signal  # noqa: PLC0415 - takes time

    # While Python ends, it would answer Ctrl-C with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return status
