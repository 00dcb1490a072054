"""`Session`: one process's part of a training run, which may continue another's."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ooc_train.errors import FormatError
from ooc_train.progress import Progress
from ooc_train.reading.store import Store
from ooc_train.system_errors import reason
from ooc_train.training.run.checkpoints import Checkpoint
from ooc_train.training.run.resuming import changed_versions, check_checkpoint
from ooc_train.training.run.writer import RunWriter

if TYPE_CHECKING:
    from ooc_train.training.run.event_files import EventFiles


class Session:
    """One process's part of a training run: the run's folder, and what earlier parts have done."""

    def __init__(self, folder: RunWriter, progress: Progress, *, began: float) -> None:
        """``began`` is the ``time.perf_counter()`` at which the session began."""
        self.folder = folder
        self.progress = progress
        self.checkpoint: Checkpoint | None = None
        """The checkpoint to continue from; ``None`` if the training begins."""
        self.embeddings: dict[str, Any] | None = None
        """The report's entry on pretrained embeddings; ``None`` without any."""
        self.number = 1
        self._settings: Mapping[str, Any] = {}
        self._began = began
        self._seconds_before = 0.0

    def find_checkpoint(self, settings: Mapping[str, Any]) -> None:
        """Look for the newest whole checkpoint, and delete those that later steps would replace.

        Raises FormatError if it is of another training than the one with these settings.
        """
        checkpoints = self.folder.checkpoints
        self.checkpoint, errors = checkpoints.newest()
        for error in errors:
            self.progress.message(f"{error}; an older checkpoint is used if there is one")
        if not self.checkpoint and self.folder.is_complete:
            raise FormatError(
                f"{self.folder.path} is complete, and has no whole checkpoint to train more epochs "
                "from; begin anew with --force, or in another folder"
            )
        if not self.checkpoint:
            self.progress.message(f"{self.folder.path} has no checkpoint; the training begins anew")
            return
        check_checkpoint(self.checkpoint, settings)
        facts = self.checkpoint.facts
        self.embeddings = facts["embeddings"]
        self._seconds_before = facts["seconds"]
        self.number = facts["sessions"] + 1
        checkpoints.remove_after(self.checkpoint.n_steps)

    @property
    def seconds(self) -> float:
        """The seconds of all sessions so far; those that died count up to their last checkpoint."""
        return self._seconds_before + time.perf_counter() - self._began

    def facts(self) -> dict[str, Any]:
        """The facts about the session that a checkpoint holds."""
        return {
            "settings": self._settings,
            "embeddings": self.embeddings,
            "seconds": self.seconds,
            "sessions": self.number,
        }

    def begin(self, settings: Mapping[str, Any], store: Store) -> None:
        """Write the settings of a run that begins."""
        self._settings = settings
        self.folder.begin(settings, store)

    def go_on(self, settings: Mapping[str, Any], store: Store) -> None:
        """Write the settings of a run that is resumed, whose checkpoint has been restored."""
        if self.checkpoint:
            changed = changed_versions(self.checkpoint.facts["settings"], settings)
            if changed:
                self.progress.message(
                    f"continues elsewhere than it began, so that bits may differ: {changed}"
                )
        self.checkpoint, self._settings = None, settings  # its memory is free again
        self.folder.go_on(settings, store)

    def write_history(
        self, epochs: Sequence[dict[str, Any]], events: "EventFiles | None" = None
    ) -> None:
        """Write the figures of all epochs so far, or say that it failed: checkpoints hold them too.

        ``events`` are TensorBoard's files, if there are to be any.
        """
        try:
            self.folder.write_history(epochs)
            if events:
                events.write(len(epochs), epochs[-1])
        except OSError as error:
            self.progress.message(
                f"the history could not be written to {self.folder.path}: {reason(error)}; "
                "training continues, and tries again after the next epoch"
            )
