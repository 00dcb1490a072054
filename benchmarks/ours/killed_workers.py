"""ooc-convert on two processes of Dask, of which one is killed in the middle of each phase."""

import os
import signal
from pathlib import Path

import ooc_train
from benchmarks.peers import reporting
from ooc_train.progress import Silent

PACKAGES = ("ooc-train", "distributed")
SCHEDULER = "local[2]"


class Killing(Silent):
    """Kills a worker process when half of a phase is done; ``killed`` has the phases' names."""

    def __init__(self) -> None:
        self.killed: list[str] = []
        self._phase, self._left = "", 0.0

    def start(self, phase: str, total: int | None, unit: str) -> None:  # noqa: ARG002
        """Wait for half of the phase."""
        self._phase, self._left = phase, (total or 0) / 2

    def advance(self, amount: int) -> None:
        """Kill, once in the phase."""
        self._left -= amount
        if self._left <= 0 and self._phase not in self.killed and _kill_a_worker():
            self.killed.append(self._phase)


def _kill_a_worker() -> bool:
    """Kill a worker process; whether there was one."""
    for thread in Path("/proc/self/task").iterdir():
        for child in (thread / "children").read_text("ascii").split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
                return True
    return False


def main() -> None:
    """Convert the file of the command line."""
    parser = reporting.text_parser(__doc__)
    options = parser.parse_args()
    phases, killing = reporting.Phases(), Killing()
    ooc_train.convert(
        options.train,
        options.output,
        features="ngram",
        validation_fraction=0.0,
        scheduler=SCHEDULER,
        progress=killing,
    )
    phases.end("ooc-convert")
    reporting.write(options.report, {"killed": killing.killed}, phases, PACKAGES)


if __name__ == "__main__":
    main()
