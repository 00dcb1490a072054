"""Where the commands begin: before other imports, so that Ctrl-C during these is one line, too."""

import functools
import importlib
import sys

from ooc_train.cli.names import COMMANDS

_USAGE = 2
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


def _completion(arguments: list[str]) -> int:
    """Print the script for a shell; the exit status."""
    from ooc_train.cli.completion import SHELLS  # noqa: PLC0415 - takes time

    if len(arguments) != 1 or arguments[0] not in SHELLS:
        print(f"ooc: name a shell: ooc completion {'|'.join(SHELLS)}", file=sys.stderr)
        return _USAGE
    print(SHELLS[arguments[0]](), end="")
    return 0


def ooc() -> int:
    """Run ``ooc``, whose first argument is the name of a command; the exit status."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        sys.argv = [f"ooc-{name}", *arguments]
        return _run(name)
    if name in ("-h", "--help"):
        print("usage: ooc COMMAND ...\n")
        for command, purpose in COMMANDS.items():
            print(f"  ooc {command:<9}{purpose}")
        print("\nooc completion bash|zsh|fish prints a script that completes these in a shell.")
        print("ooc COMMAND --help shows how a command is called; ooc-COMMAND is the same.")
        return 0
    if name == "completion":
        return _completion(arguments)
    if name == "--version":
        from ooc_train.version import __version__  # noqa: PLC0415 - takes time

        print(f"ooc {__version__}")
        return 0
    from ooc_train.suggestions import closest  # noqa: PLC0415 - takes time

    close = closest(name, COMMANDS)
    hint = f"did you mean {close}?" if close else f"there are {', '.join(COMMANDS)}"
    print(f"ooc: there is no command {name!r}; {hint}", file=sys.stderr)
    return _USAGE


convert = functools.partial(_run, "convert")
train = functools.partial(_run, "train")
evaluate = functools.partial(_run, "evaluate")
predict = functools.partial(_run, "predict")
inspect = functools.partial(_run, "inspect")
