"""The figures of each epoch as TensorBoard shows them: files of events, as Keras's callback has.

Written here, since TensorFlow's own writer takes the package ``tensorboard``, which only who looks
at them needs.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorflow.core.framework.summary_pb2 import Summary
from tensorflow.core.util.event_pb2 import Event

from ooc_train.training.models.backend import tf

_VALIDATION = "val_"


class EventFiles:
    """The files of one session, in folders ``train`` and ``validation``; a training may have more.

    Each is made when there is something for it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._began = time.time()
        self._writers: dict[str, Any] = {}

    def write(self, epoch: int, figures: Mapping[str, float | None]) -> None:
        """Write the figures of an epoch, from 1, at which TensorBoard then can look.

        Raises OSError.
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
        self._writers[split].write(event.SerializeToString())
