"""The devices that share a step: GPUs, or, where there is none, logical parts of the processor."""

import contextlib
import functools

from ooc_train.errors import OptionError
from ooc_train.training.models.backend import tf


@functools.cache
def strategy_for(n_devices: int) -> tf.distribute.MirroredStrategy:
    """The strategy of `tf.distribute` that keeps a copy of the weights on each device.

    Raises OptionError where there are fewer.
    """
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind == "CPU":
        _divide_processor(n_devices)
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    if len(names) < n_devices:
        raise OptionError(
            f"--devices {n_devices} takes as many GPUs, and TensorFlow sees {len(names)} here; "
            "give fewer"
        )
    return tf.distribute.MirroredStrategy(names[:n_devices])


def scope_of(n_devices: int) -> contextlib.AbstractContextManager[object]:
    """A block whose variables are on each of several devices."""
    scope: contextlib.AbstractContextManager[object] = strategy_for(n_devices).scope()
    return scope


def _divide_processor(n_devices: int) -> None:
    """Make logical devices of the processor, for trials, where TensorFlow has not begun with it."""
    processor = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration() for _ in range(n_devices)]
    with contextlib.suppress(RuntimeError):
        tf.config.set_logical_device_configuration(processor, parts)
