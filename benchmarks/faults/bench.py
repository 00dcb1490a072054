"""Where commands run with faults: their places, their processes, and what they should make."""

import contextlib
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.faults import injector
from benchmarks.faults.cases import IN, MADE, OUT, TEMP, Case, words_of, write_inputs
from benchmarks.faults.folders import contents, essence
from benchmarks.faults.outcomes import Seen
from benchmarks.faults.processes import HEAVY, LIGHT, PACKAGE, Ended, Processes
from benchmarks.measure import machine
from ooc_train.errors import OutputError

LIMIT_SECONDS = 60.0
_MESSAGE_CHARACTERS = 500


@dataclass(frozen=True)
class Ground:
    """What all benches of a campaign share, in one folder.

    ``complete`` has, by case and output, the essence of what a command makes when nothing goes
    wrong, ``seconds`` how long it takes.
    """

    folder: Path
    cases: Sequence[Case]
    library: Path | None
    package: str = PACKAGE
    complete: dict[str, dict[str, str | None]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    learning: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def prepare(cls, folder: Path, cases: Sequence[Case]) -> "Ground":
        """Write the inputs, and build the library if there is a compiler."""
        library = injector.build(folder) if injector.compiler() else None
        ground = cls(folder, cases, library)
        ground.inputs.mkdir()
        write_inputs(ground.inputs)
        return ground

    @property
    def inputs(self) -> Path:
        """The folder of what the cases read."""
        return self.folder / IN

    def old_outputs(self, case: Case) -> Path:
        """The folder of a case's outputs of another time, which --force replaces."""
        return self.folder / "old" / case.name


class Bench:
    """The places and processes of one worker, as a context manager; its folder is new."""

    def __init__(self, ground: Ground, folder: Path) -> None:
        self.ground, self._folder = ground, folder
        self.places = {IN: ground.inputs, OUT: folder / OUT, TEMP: folder / TEMP}
        self._processes: dict[bool, Processes] = {}
        self._open = contextlib.ExitStack()
        for place in (OUT, TEMP):
            self.places[place].mkdir(parents=True)

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def learn(self, case: Case) -> None:
        """Find out what a case makes when nothing goes wrong, once for all benches."""
        with self.ground.learning:
            if case.name not in self.ground.complete:
                self._learn(case)

    def _learn(self, case: Case) -> None:
        self.empty()
        self._give(case)
        ended = self._complete(case)
        shutil.copytree(self.places[OUT], self.ground.folder / MADE / case.name)
        made = {name: essence(self.places[OUT] / name) for name in case.outputs}
        self.ground.seconds[case.name] = ended.reply.seconds
        if case.is_forced:
            self.empty()
            self._complete(case, *case.others)
            shutil.copytree(self.places[OUT], self.ground.old_outputs(case))
        self.ground.complete[case.name] = made

    def empty(self) -> None:
        """Delete what is in the places, but for the input."""
        for place in (OUT, TEMP):
            for item in self.places[place].iterdir():
                is_folder = item.is_dir() and not item.is_symlink()
                shutil.rmtree(item) if is_folder else item.unlink()

    def reset(self, case: Case) -> None:
        """Empty the places, but for older outputs that the case replaces, and what it is given."""
        self.empty()
        self._give(case)
        if case.is_forced:
            shutil.copytree(self.ground.old_outputs(case), self.places[OUT], dirs_exist_ok=True)

    def _give(self, case: Case) -> None:
        for place, names in ((TEMP, case.given), (OUT, case.begun)):
            for name in names:
                source, target = self.ground.folder / name, self.places[place] / Path(name).name
                is_folder = source.is_dir()
                shutil.copytree(source, target) if is_folder else shutil.copyfile(source, target)

    def remove_outputs(self, case: Case) -> None:
        """Delete the outputs of a case, which are files."""
        for name in case.outputs:
            (self.places[OUT] / name).unlink(missing_ok=True)

    def run(self, case: Case, *more: str, where: Sequence[str] = (), **how: Any) -> Seen:
        """Run a case with ``more`` words in the places as they are.

        Of a case that was not learned, no output is known to be complete.
        Calls on what is below ``where`` count, or go wrong; ``how`` are fields of a request.
        """
        before = self._contents()
        folders = [str(self.places[place]) for place in where]
        ended = self._run(case, *more, folders=folders, **how)
        return Seen(
            case=case,
            ended=ended,
            before=before,
            after=self._contents(),
            complete=self._complete_outputs(case),
        )

    def seen_again(self, seen: Seen) -> Seen:
        """What was seen, with what is in the places now."""
        complete = self._complete_outputs(seen.case)
        return replace(seen, after=self._contents(), complete=complete)

    def _complete_outputs(self, case: Case) -> frozenset[str]:
        made = self.ground.complete.get(case.name, {})
        paths = {name: self.places[OUT] / name for name in case.outputs}
        return frozenset(
            name for name, path in paths.items() if name in made and essence(path) == made[name]
        )

    def _contents(self) -> Mapping[str, Mapping[str, str]]:
        return {name: contents(place) for name, place in self.places.items()}

    def _run(self, case: Case, *more: str, **how: Any) -> Ended:
        words = words_of(case, self.places, *more)
        ended = self._server(case).run(words, **{"limit": LIMIT_SECONDS} | how)
        errors = ended.errors
        for folder in (self._folder, self.ground.folder, machine.ROOT, sys.prefix):
            errors = errors.replace(f"{folder}/", "")  # results show no paths of this machine
        return replace(ended, errors=errors)

    def _server(self, case: Case) -> Processes:
        """The processes for a case, which start with the first that needs them."""
        ground, heavy = self.ground, case.loads_tensorflow
        if heavy not in self._processes:
            folder = self._folder / ("heavy" if heavy else "light")
            folder.mkdir()
            server = Processes(
                folder,
                ground.library,
                package=ground.package,
                modules=() if ground.package != PACKAGE else HEAVY if heavy else LIGHT,
                warm_up=[] if heavy else [self._warm_up(each, folder) for each in ground.cases
                                          if not (each.loads_tensorflow or each.is_forced)],
            )  # fmt: skip
            self._processes[heavy] = self._open.enter_context(server)
        return self._processes[heavy]

    def _warm_up(self, case: Case, folder: Path) -> list[str]:
        place = folder / case.name
        place.mkdir()
        return words_of(case, {**self.places, OUT: place})

    def _complete(self, case: Case, *more: str) -> Ended:
        """Run a case in which nothing goes wrong.  Raises OutputError if it fails."""
        ended = self._run(case, *more)
        if ended.status:
            words = ended.errors.strip()[-_MESSAGE_CHARACTERS:]
            raise OutputError(f"{case} fails without a fault: status {ended.status}; {words}")
        return ended
