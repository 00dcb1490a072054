"""Where the commands begin: before other imports, so that Ctrl-C during these is one line, too."""

import functools
import importlib
import sys

_INTERRUPTED = 130
_SIGNALLED = 128


def _run(name: str) -> int:
    """Run ``ooc-`` with a name; the exit status."""
    try:
        status: int = importlib.import_module(f"ooc_train.cli.{name}").main()
    except KeyboardInterrupt:
        if sys.stderr:
            print(f"ooc-{name}: interrupted before it began", file=sys.stderr)
        status = _INTERRUPTED
    import signal  # noqa: PLC0415 - takes time

    # While Python ends, it would answer Ctrl-C with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if status > _SIGNALLED:
        _leave(status)
    return status


def _leave(status: int) -> None:
    """End the process without taking libraries apart, which may have been interrupted anywhere."""
    import atexit  # noqa: PLC0415 - as above
    import contextlib  # noqa: PLC0415
    import os  # noqa: PLC0415

    atexit._run_exitfuncs()  # temporary files are deleted by these
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)


convert = functools.partial(_run, "convert")
train = functools.partial(_run, "train")
evaluate = functools.partial(_run, "evaluate")
predict = functools.partial(_run, "predict")
inspect = functools.partial(_run, "inspect")
