"""A run folder while it is written: locked, begun or resumed, and completed.

It is written in place from the start, so that the training can be watched there; or beside the run
that it replaces, see `replacement`.  The report comes last: a run without it is unfinished.
"""

import contextlib
import csv
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ooc_train.atomic import make_folder, replacing, target_of
from ooc_train.errors import OutputError
from ooc_train.file.output import OutputFile
from ooc_train.file.schema import compression_of, header_of
from ooc_train.reading.store import Store
from ooc_train.system_errors import reason
from ooc_train.training.models.model import Model
from ooc_train.training.run.checkpoints import CheckpointFolder
from ooc_train.training.run.folder import (
    CHECKPOINTS,
    HISTORY,
    LOCK,
    MARK,
    MODEL,
    REPORT,
    SETTINGS,
    TENSORBOARD,
    VECTORIZER,
    is_complete,
    is_unfinished,
    is_vacant,
    read_report,
)
from ooc_train.training.run.json_files import write_json
from ooc_train.training.run.lock import locked
from ooc_train.training.run.replacement import (
    check_replaceable,
    clear,
    is_new_run,
    new_run,
    recover,
    remove_replaced,
    take_place,
)
from ooc_train.training.run.seal import digest_of, sealed
from ooc_train.training.run.settings import read_settings


class RunWriter:
    """The folder of a run, which this process alone may write to.

    Methods raise OSError if they cannot write.
    """

    def __init__(self, path: Path, run: Path | None = None) -> None:
        """``run`` is the folder whose place the complete run takes, if that is another."""
        self.path = path
        self._run = run or path
        self.checkpoints = CheckpointFolder(path / CHECKPOINTS)
        self.is_complete = is_complete(path)
        """Whether the folder held a complete run when it was opened."""
        self.has_begun = False
        """Whether a new run has begun here, and is not complete yet."""
        self._digests: dict[str, str] = {}

    def settings(self) -> dict[str, Any] | None:
        """The settings of the run that the folder holds; ``None`` if there is none.

        Raises FormatError if they are damaged.
        """
        path = self.path / SETTINGS
        return read_settings(path) if path.is_file() else None

    @property
    def replaces(self) -> Path | None:
        """The folder whose place the run is still to take."""
        return self._run if self.path != self._run else None

    def report(self) -> dict[str, Any]:
        """The report of the complete run.  Raises FormatError as `read_report`."""
        return read_report(self.path)

    def begin(self, settings: Mapping[str, Any], store: Store) -> None:
        """Delete an earlier run, and write the settings and the vectorizer of a new one."""
        self.has_begun = True
        clear(self.path)
        self._write_inputs(settings, store)

    def go_on(self, settings: Mapping[str, Any], store: Store) -> None:
        """Resume the run in the folder, which is then not complete any more.

        What it knows of the file is written anew, and not taken from a disk that may have lost it.
        """
        (self.path / REPORT).unlink(missing_ok=True)
        self._write_inputs(settings, store)

    def _write_inputs(self, settings: Mapping[str, Any], store: Store) -> None:
        """Write the settings and the vectorizer."""
        with self._sealing(SETTINGS) as path:
            write_json(path, settings)
        with self._sealing(VECTORIZER) as path:
            _copy_vectorizer(store, path)

    def write_history(self, epochs: Sequence[dict[str, Any]]) -> None:
        """Write the figures of all epochs so far, a line for each."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if epochs:
            writer.writerow(["epoch", *epochs[0]])
        for number, figures in enumerate(epochs, start=1):
            writer.writerow([number, *figures.values()])
        with replacing(self.path / HISTORY) as part:
            part.write_text(text.getvalue(), "utf-8")

    def write_model(self, model: Model) -> None:
        """Write the model; the last checkpoint stays beside it."""
        with self._sealing(MODEL) as path, replacing(path) as part:
            model.save(part)

    def complete(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Write the report, which completes and seals the run, and return it as it is written.

        Only the last checkpoint is kept.
        """
        self.has_begun = False  # whatever happens from here on, it is not undone
        self.checkpoints.keep(1)
        content = sealed(report, self._digests, REPORT)
        write_json(self.path / REPORT, content)
        return content

    @contextlib.contextmanager
    def _sealing(self, name: str) -> Iterator[Path]:
        """The path of a file that the block writes, and whose digest the report will have.

        It is that of what was written now, not of what the disk has when the training ends.
        """
        path = self.path / name
        yield path
        self._digests[name] = digest_of(path)

    def take_place(self) -> None:
        """Let the complete run take the place of the one that it replaces, if there is one."""
        if self.replaces:
            take_place(self.path, self._run)
            self.path = self._run


@contextlib.contextmanager
def writing(path: str | Path, *, force: bool, resume: bool) -> Iterator[RunWriter]:
    """Lock and write the folder of a run during the block; make it if it does not exist.

    With ``force`` a run that exists stays as it is, and the new one is written beside it.

    If the block fails before a first checkpoint, nothing of the new run is left.  Raises
    OutputError if another training has the folder; if it holds something else than a run; if it
    holds a run, unless ``force`` replaces it or ``resume`` continues it; and if writing fails.
    """
    run = folder = target_of(Path(path))
    recover(run)
    _check_free(run, force=force, resume=resume, is_locked=False)
    try:
        with contextlib.ExitStack() as stack:
            made = not run.exists()
            _lock(run, run, stack, force=force)
            _check_free(run, force=force, resume=resume, is_locked=True)
            remove_replaced(run)
            folder = _folder_to_write(run, resume=resume)
            if folder != run:
                made = True
                _lock(folder, run, stack, mark=True)
            writer = RunWriter(folder, run)
            try:
                yield writer
            except BaseException:
                _tidy(writer, made=made)
                raise
    except OSError as error:
        advice = "free space, or choose another place"
        if CheckpointFolder(folder / CHECKPOINTS).files():
            advice = "free space, and continue with --resume"
        raise OutputError(f"{folder} cannot be written: {reason(error)}; {advice}") from error


def _lock(
    folder: Path,
    run: Path,
    stack: contextlib.ExitStack,
    *,
    force: bool = False,
    mark: bool = False,
) -> None:
    """Lock the folder of a run until ``stack`` is closed; make it if it does not exist.

    With ``mark`` it is marked as a run that is to replace another.  If that fails, no new folder is
    left.  A folder that ``force`` replaces may have symbolic links, through which nothing is
    written.
    """
    links = [folder / name for name in (CHECKPOINTS, TENSORBOARD) if (folder / name).is_symlink()]
    if links and force:
        return
    if links:
        raise OutputError(
            f"{links[0]} is a symbolic link, and training would change what it leads to; put a "
            "folder in its place, or begin anew with --force"
        )
    exists = folder.exists()
    try:
        make_folder(folder / CHECKPOINTS)
        stack.enter_context(locked(folder / CHECKPOINTS / LOCK, run))
        if mark:
            (folder / MARK).touch()
    except OutputError:  # another training has it
        raise
    except BaseException:
        if not exists and is_vacant(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _folder_to_write(run: Path, *, resume: bool) -> Path:
    """The folder that a training writes: that of the run, or the one that is to replace it."""
    new = new_run(run)
    if resume:
        return new if is_new_run(new) else run
    if is_vacant(run) and not is_new_run(new):
        return run
    check_replaceable(run)
    return new


def _check_free(run: Path, *, force: bool, resume: bool, is_locked: bool) -> None:
    """Raise OutputError if a run may not be written to a folder.

    A folder that is not locked yet may belong to another training, which the lock will show.
    """
    has_new_run = is_new_run(new_run(run))
    if (is_vacant(run) and not has_new_run) or (is_unfinished(run) and not is_locked):
        return
    if not (is_complete(run) or is_unfinished(run) or is_vacant(run)):
        raise OutputError(f"{run} exists and is not a run folder; choose another place")
    if force or resume:
        return
    if is_complete(run):
        raise OutputError(f"the run folder {run} exists; use --force to replace it")
    raise OutputError(
        f"the run folder {run} holds an unfinished run; continue it with --resume, or replace "
        "it by --force"
    )


def _tidy(writer: RunWriter, *, made: bool) -> None:
    """Leave nothing of a run that failed before its first checkpoint."""
    with contextlib.suppress(OSError):  # the failure itself is reported, and must not be hidden
        if writer.has_begun and not writer.checkpoints.files():
            clear(writer.path)
        if is_vacant(writer.path):
            shutil.rmtree(writer.path / CHECKPOINTS)
            if made:
                (writer.path / MARK).unlink(missing_ok=True)
                writer.path.rmdir()


def _copy_vectorizer(store: Store, path: Path) -> None:
    """Write the vectorizer, which turns new rows into features.  Memory: HDF5's copy buffer."""
    store.group("vectorizer").check()
    with (
        replacing(path) as part,
        OutputFile(part, compression=compression_of(store.file)) as target,
    ):
        for group in ("classes", "vectorizer"):
            target.copy(store.file[group])
        target.finish(header_of(store.file))
