"""The standard streams of a command, which may be closed, full or read by nobody."""

import contextlib
import io
import os
import re
import sys
from typing import TextIO, cast

from ooc_train.errors import OutputError
from ooc_train.system_errors import reason
from ooc_train.visible import visible

_FIELD = re.compile(r"[^\n\t]+")
_unshown: list[OSError] = []  # why lines of this command could not be printed


def open_closed() -> None:
    """Begin a command: open the standard streams that are closed, on nothing.

    Otherwise the next file that is opened would take their number, and receive what is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: PTH123, SIM115 - until the process ends
            os.set_inheritable(stream.fileno(), True)  # as all standard streams are
            setattr(sys, name, stream)
    _unshown.clear()


def show(*lines: str) -> None:
    """Print lines of a command's result on standard output.

    If they cannot be written, the command goes on, and `check_shown` raises in the end.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a locale may lack letters of a name
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.stdout.write(_text(lines))
        sys.stdout.flush()
    except OSError as error:
        _unshown.append(error)
        _discard(sys.stdout)


def check_shown() -> None:
    """Raise OutputError unless all could be printed, or BrokenPipeError if nobody reads it."""
    if _unshown:
        raise _named(_unshown[0])


def tell(*lines: str) -> None:
    """Print lines on standard error, if anything can be written there."""
    try:
        sys.stderr.write(_text(lines))
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def rows_out() -> TextIO:
    """Standard output, in UTF-8 whatever the locale.  Raises OutputError if it is closed."""
    if sys.__stdout__ is None:
        raise OutputError("standard output is closed; name a file with --output")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    return cast(TextIO, StandardOutput())


class StandardOutput:
    """Standard output, whose errors name it.

    A terminal is shown an escape for each character that would act on it, but for ends of lines
    and tabs; a pipe and a file receive the text as it is.
    """

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()

    def write(self, text: str) -> int:
        """Write text.  Raises OutputError, or BrokenPipeError if nobody reads it."""
        if self._is_terminal:
            text = _FIELD.sub(lambda found: visible(found[0]), text)
        try:
            return sys.stdout.write(text)
        except OSError as error:
            raise _named(error) from error

    def flush(self) -> None:
        """Write what is held back.  Raises as `write`."""
        try:
            sys.stdout.flush()
        except OSError as error:
            raise _named(error) from error


def discard_unwritten() -> None:
    """Discard what the streams hold and cannot write: Python would complain of it at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _discard(stream)


def _text(lines: tuple[str, ...]) -> str:
    return "".join(f"{visible(line)}\n" for line in lines)


def _named(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):
        return error
    return OutputError(
        f"standard output could not be written: {reason(error)}; the files that the command has "
        "written are complete"
    )


def _discard(stream: TextIO) -> None:
    """Send what a stream holds, and all that follows, nowhere."""
    with contextlib.suppress(OSError):  # the stream of a test is not the system's
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
