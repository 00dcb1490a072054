"""The figures of each epoch for TensorBoard: files of events, as Keras's callback writes them.

They are written here, since TensorFlow's writer needs the package ``tensorboard``, which otherwise
only its viewers need.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorflow.core.framework.summary_pb2 import Summary
from tensorflow.core.util.event_pb2 import Event, SessionLog

from ooc_train.training.models.backend import tf

_VALIDATION = "val_"


class EventFiles:
    """The files of one session, in the folders ``train`` and ``validation``.

    A training has more of them when it is resumed.  A file is made when it gets its first figure,
    and begins with a session's start, at which TensorBoard forgets this epoch and later ones of
    the files before: a resumed training repeats the epochs after its last checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._began = time.time()
        self._writers: dict[str, Any] = {}

    def write(self, epoch: int, figures: Mapping[str, float | None]) -> None:
        """Write the figures of an epoch, counted from 1, and flush them.

        Raises OSError if they cannot be written.
        """
        for name, value in figures.items():
            if value is not None:
                split = "validation" if name.startswith(_VALIDATION) else "train"
                tag = f"epoch_{name.removeprefix(_VALIDATION)}"
                summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
                self._add(split, Event(wall_time=time.time(), step=epoch - 1, summary=summary))
        for writer in self._writers.values():
            writer.flush()

    def _add(self, split: str, event: Event) -> None:
        if split not in self._writers:
            path = self._folder / split / f"events.out.tfevents.{self._began:.3f}.ooc-train"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writers[split] = tf.io.TFRecordWriter(str(path))
            self._add(split, Event(wall_time=self._began, file_version="brain.Event:2"))
            start = SessionLog(status=SessionLog.START)
            self._add(split, Event(wall_time=self._began, step=event.step, session_log=start))
        self._writers[split].write(event.SerializeToString())
