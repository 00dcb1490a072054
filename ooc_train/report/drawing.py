"""Draws a page by matplotlib: in a process of its own, or in a command in the command's.

A process of its own takes matplotlib's memory with it when it ends.  A command ends anyway, and
there matplotlib takes 30 MB and a second, where another Python with NumPy takes 50 MB beside it.
"""

import importlib.util
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from ooc_train.atomic import replacing
from ooc_train.errors import OutputError
from ooc_train.extras import pip_install
from ooc_train.memory import return_freed_memory
from ooc_train.subprocesses import python_command
from ooc_train.system_errors import unwritten

TIMEOUT_SECONDS = 600
draws_here = False
"""Whether this process draws pages; commands set it, see `cli.startup`."""


def check_library(path: Path) -> None:
    """Raise OutputError, which names the picture at ``path``, if matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise OutputError(
            f"{path.name} is not drawn, since it takes matplotlib; install it with "
            f"{pip_install(extra='plots')}"
        )


def write_page(content: dict[str, Any], path: Path) -> None:
    """Write the page of ``content`` to ``path``, in a folder whose lock this process holds.

    Raises OutputError as `draw`, and if it cannot be written; the file at ``path`` then stays as it
    was.
    """
    try:
        with replacing(path) as part:
            draw(content, part, path)
    except OSError as error:
        raise unwritten(str(path), error, path.absolute().parent) from error


def draw(content: dict[str, Any], part: Path, path: Path) -> None:
    """Draw the page of ``content`` to ``part``, which is to become ``path``.

    It is that of a run, see `document.page`, or where it says ``"page": "data"`` that of rows, see
    `data_document.data_page`.

    It takes some two seconds.  Raises OutputError if matplotlib is not installed or anything else
    goes wrong there, and OSError if the page cannot be written.
    """
    check_library(path)
    drawn = _drawn_here if draws_here else _drawn_elsewhere
    part.write_bytes(drawn(content, path))


def _drawn_here(content: dict[str, Any], path: Path) -> bytes:
    return_freed_memory()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _page_of(content)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise OutputError(f"{path} could not be drawn: {what}") from error


def _drawn_elsewhere(content: dict[str, Any], path: Path) -> bytes:
    try:
        done = subprocess.run(
            python_command("ooc_train.report.drawing", []),
            input=json.dumps(content).encode(),
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OutputError(f"{path} could not be drawn: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise OutputError(f"{path} could not be drawn: {said[-1]}")
    return done.stdout


def main() -> None:
    """Write the page of the JSON content on standard input to standard output."""
    drawn = _page_of(json.load(sys.stdin.buffer))
    with os.fdopen(1, "wb") as pipe:  # to the process that has started this one
        pipe.write(drawn)


def _page_of(content: dict[str, Any]) -> bytes:
    from ooc_train.report.data_document import data_page  # noqa: PLC0415 - imports matplotlib
    from ooc_train.report.document import page  # noqa: PLC0415

    text = {"run": page, "data": data_page}[content.get("page", "run")](content)
    return text.encode("utf-8")
