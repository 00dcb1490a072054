"""The record of a conversion, in the folder of its temporary files, so that a run may go on.

A run that is killed leaves its folder.  The next run that converts to the same output takes it over
if it is asked to resume, and otherwise removes it.  Runs to other outputs remove it, too, unless it
is the folder of a run that was itself asked to resume, and so expects to be interrupted.
"""

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ooc_train.conversion.storage.job import JobFolder
from ooc_train.errors import InputError, Interrupted, OptionError
from ooc_train.json_text import json_object, json_text
from ooc_train.progress import Progress
from ooc_train.remote.url import is_url
from ooc_train.work_folder import RECORD, abandoned

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SHOWN = 3
_GO_ON = "the same command goes on from here"


@dataclass(frozen=True)
class Record:
    """A conversion to ``output``, an absolute path.

    ``identity`` is all that its result and its tasks depend on, in JSON's types: values by what
    they are.  ``is_kept`` tells that it was asked to resume.  ``numbers`` are those of the memory
    plan, once that is made.  ``boot`` is the start of the machine: what a process has written
    outlives it, but not always the machine.
    """

    output: str
    identity: Mapping[str, Any]
    is_kept: bool = False
    numbers: Mapping[str, int] = field(default_factory=dict)
    boot: str = ""

    def write(self, folder: Path) -> None:
        """Write it into a job folder.  Raises OSError."""
        part = folder / f"{RECORD}.part"
        part.write_text(json_text(asdict(self)), "utf-8")
        part.replace(folder / RECORD)

    @classmethod
    def read(cls, folder: Path) -> "Record | None":
        """The record in a job folder, if it has one that this user alone can have written.

        What lies beside it is trusted as this program's own.
        """
        with contextlib.suppress(OSError, ValueError, TypeError):
            for path in (folder, folder / RECORD):
                found = path.lstat()
                if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & stat.S_IWOTH:
                    return None
            if stat.S_IMODE(folder.lstat().st_mode) != stat.S_IRWXU:
                return None
            return cls(**json_object((folder / RECORD).read_text("utf-8")))
        return None

    def check(self, wanted: "Record") -> None:
        """Raise ``OptionError`` that says where the ``wanted`` conversion differs."""
        before, now = dict(self.identity), json.loads(json_text(dict(wanted.identity)))
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if not names:
            return
        told = [_difference(name, before.get(name), now.get(name)) for name in names[:_SHOWN]]
        more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise OptionError(
            f"the conversion to {self.output} that was interrupted is another one: "
            f"{', '.join(told)}{more}; give what it was given, or leave out --resume to begin anew"
        )


def _difference(name: str, before: Any, now: Any) -> str:
    if (
        isinstance(before, list)
        and isinstance(now, list)
        and (name.startswith("/") or is_url(name))
    ):
        return f"{name} has changed"
    return f"{name} was {json_text(before)} and is {json_text(now)}"


def boot_id() -> str:
    """The text that tells this start of the machine from others; empty where there is none."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


class Job(JobFolder):
    """The folder of a conversion, new or taken over, with its record if it can be resumed.

    With ``resume``, whatever ends the conversion leaves it, but for options and input that are
    wrong: then it could not go on, either.
    """

    def __init__(
        self, parent: Path, record: Record | None, progress: Progress, *, resume: bool = False
    ) -> None:
        found = _dead(parent, record, progress, resume=resume)
        self._progress, self._is_kept = progress, resume and record is not None
        super().__init__(parent, found and (found[1], found[2]))
        self.record = found[0] if found else record
        self.is_resumed = found is not None
        if record and not found:
            try:
                record.write(self.path)
            except BaseException as error:  # nobody has entered the folder, so nobody leaves it
                super().__exit__(type(error), error, error.__traceback__)
                raise

    def __exit__(self, *error: object) -> None:
        cause = error[1]
        stays = self._is_kept and isinstance(cause, BaseException)
        if not stays or isinstance(cause, InputError | OptionError):
            super().__exit__(*error)
            return
        self.keep()
        super().__exit__(*error)
        if isinstance(cause, Interrupted):
            raise Interrupted(f"interrupted; {_GO_ON}", cause.signal_number) from cause
        self._progress.message(f"temporary files stay in {self.path}; {_GO_ON}")

    def numbers(self, numbers: Mapping[str, int]) -> Mapping[str, int]:
        """The numbers of the memory plan: those of before, or else these, which are kept."""
        if self.record is None:
            return numbers
        if not self.record.numbers:
            self.record = Record(**{**asdict(self.record), "numbers": dict(numbers)})
            self.record.write(self.path)
        return self.record.numbers


def held_bytes(parent: Path, record: Record | None) -> int:
    """The size of what a dead run to the same output has left, which a run goes on with."""
    for found, folder, descriptor in _dead_records(parent):
        os.close(descriptor)
        if record and found.output == record.output:
            return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return 0


def _dead(
    parent: Path, wanted: Record | None, progress: Progress, *, resume: bool
) -> tuple[Record, Path, int] | None:
    """The folder to go on with, its record and its lock; removes those that nobody expects."""
    taken: tuple[Record, Path, int] | None = None
    for found, folder, descriptor in _dead_records(parent):
        is_same = wanted is not None and found.output == wanted.output
        if is_same and resume and not taken and wanted:
            if found.boot == wanted.boot:
                taken = found, folder, descriptor
                continue
            progress.message(
                "this machine has restarted since the conversion was interrupted, and may have "
                "lost what it wrote last: beginning anew"
            )
        if is_same or not found.is_kept:
            shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
    if taken and wanted:
        try:
            taken[0].check(wanted)
        except OptionError:
            os.close(taken[2])
            raise
    return taken


def _dead_records(parent: Path) -> Iterator[tuple[Record, Path, int]]:
    for folder, descriptor in abandoned(parent):
        record = Record.read(folder)
        if record:
            yield record, folder, descriptor
            continue
        if (folder / RECORD).exists():  # of another version, or another user: then it stays
            shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
