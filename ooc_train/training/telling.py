"""Lines that a training tells: figures of the moment and of each epoch, and how long it takes."""

from ooc_train.durations import clock, in_words
from ooc_train.memory import measure
from ooc_train.progress import Progress
from ooc_train.training.standing import Figures, Standing

_SURE_SECONDS = 5  # of training, before an estimate is said
_LONG_SECONDS = 10  # an epoch that is worth an estimate


class Duration:
    """How long a training of up to ``n_epochs`` of ``n_steps`` steps takes, as it is known so far.

    ``may_stop`` says that it ends earlier where validation no longer improves.
    """

    def __init__(self, n_epochs: int, n_steps: int, *, may_stop: bool, is_given: bool) -> None:
        self._n_epochs, self._n_steps = n_epochs, n_steps
        self._may_stop, self._is_given = may_stop, is_given
        self._is_said = False

    def phase(self, epoch: int) -> str:
        """The name of an epoch, numbered from 0, with their number if that was chosen."""
        return f"epoch {epoch + 1}" + (f" of {self._n_epochs}" if self._is_given else "")

    def say(self, standing: Standing, progress: Progress) -> None:
        """Say how long an epoch takes, and the training at most, once and if an epoch is long."""
        if self._is_said or standing.seconds < _SURE_SECONDS:
            return
        self._is_said, seconds = True, self._epoch_seconds(standing)
        if seconds < _LONG_SECONDS:
            return
        left = seconds * (self._n_epochs - standing.epoch)
        text = f"an epoch takes about {in_words(seconds)}, the training at most {in_words(left)}"
        if self._may_stop:
            text += "; it ends sooner if the validation no longer improves"
        progress.message(text)

    def moment(self, standing: Standing) -> str:
        """The figures of the current epoch, beside the progress bar."""
        text = f"step {standing.step:,}/{self._n_steps:,}, loss {standing.totals.loss:.4f}, "
        text += f"accuracy {standing.totals.accuracy:.4f}"
        rss_bytes = measure().rss_bytes
        if rss_bytes is not None:
            text += f", {rss_bytes / 1e6:,.0f} MB"
        if self._is_given and standing.seconds > 1:
            done = standing.epoch + standing.step / self._n_steps
            left = self._epoch_seconds(standing) * (self._n_epochs - done)
            text += f", {clock(left)} left in all"
        return text

    def _epoch_seconds(self, standing: Standing) -> float:
        return standing.seconds / standing.step * self._n_steps


def epoch_line(epoch: int, figures: Figures) -> str:
    """The line that reports an epoch."""
    text = f"epoch {epoch + 1}: loss {figures['loss']:.4f}, accuracy {figures['accuracy']:.4f}"
    if figures["val_loss"] is not None:
        text += f", validation loss {figures['val_loss']:.4f}"
        text += f", validation accuracy {figures['val_accuracy']:.4f}"
    return f"{text}, {figures['rows_per_second']:,.0f} rows/s"
