"""Commands that run with a fault, and how they ended; see `benchmarks.faults.server`."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.injector import VARIABLE, State
from benchmarks.faults.server import Reply, Request
from benchmarks.measure import machine
from ooc_train.errors import OutputError

PACKAGE = "ooc_train.cli"
"""The package whose modules are the commands."""
LIGHT = (
    "ooc_train.cli.startup", "ooc_train.conversion.convert", "ooc_train.inspection.describe",
    "ooc_train.inspection.overview", "ooc_train.prediction.predict", "pyarrow.parquet",
)  # fmt: skip
"""Modules that commands without TensorFlow load."""
HEAVY = (
    "ooc_train.cli.startup", "ooc_train.training.train", "ooc_train.training.loop",
    "ooc_train.training.scores.evaluate",
)  # fmt: skip
"""Modules that commands with TensorFlow load, and with them TensorFlow."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended; ``signal`` is the one that it was sent."""

    reply: Reply
    errors: str
    signal: int | None = None

    @property
    def status(self) -> int:
        """The exit status; negative if a signal killed it."""
        return self.reply.status


class Processes:
    """A server of commands, as a context manager.

    ``folder`` is for its own files.  ``library``, if there is one, can let calls go wrong.  The
    commands are modules of ``package``; those of ``warm_up`` run first, so that kernels are loaded.
    """

    def __init__(
        self,
        folder: Path,
        library: Path | None,
        *,
        package: str,
        modules: Sequence[str] = (),
        warm_up: Sequence[Sequence[str]] = (),
    ) -> None:
        self._output, self._errors = folder / "output", folder / "errors"
        state = folder / "state"
        State.make(state)
        variables = {VARIABLE: str(state)} | ({"LD_PRELOAD": str(library)} if library else {})
        settings = {"package": package, "modules": modules, "warm_up": warm_up}
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.faults.server", json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=machine.command_environment(variables),
                cwd=machine.ROOT,
                start_new_session=True,
            )
        try:
            self._reply()
        except ValueError:  # it has ended without a reply
            self.__exit__()
            raise OutputError(
                f"no command can run: {(folder / 'log').read_text()[-500:]}"
            ) from None

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, words: Sequence[str], **how: Any) -> Ended:
        """Run a command to its end; ``how`` are fields of `Request`."""
        request = Request(words=[*words], output=str(self._output), errors=str(self._errors), **how)
        assert self._process.stdin
        print(json.dumps(asdict(request)), file=self._process.stdin, flush=True)
        reply = Reply(**self._reply())
        return Ended(
            reply=reply, errors=self._errors.read_text("utf-8", "replace"), signal=request.signal
        )

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout
        reply: dict[str, Any] = json.loads(self._process.stdout.readline())
        return reply
