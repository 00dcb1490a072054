"""Every error that the package raises on purpose, as one tree.

::

    OocTrainError
    ├── InputError      the given data cannot be used (the message names file and line)
    │   └── EmptyInputError   a file holds no rows
    ├── FormatError     the HDF5 file or run folder is foreign, newer, truncated or damaged
    ├── OutputError     the result cannot be written, or would overwrite something
    ├── BudgetError     the memory, disk or threads allowed are too few for the work
    └── OptionError     an option's value is out of range, or options contradict each other

`Interrupted` stands beside the tree, since it is no error.

A message has one or two sentences: what happened, where, and what to do about it.
"""


class OocTrainError(Exception):
    """Base of all errors that the package raises on purpose."""


class InputError(OocTrainError):
    """The given data cannot be used."""


class EmptyInputError(InputError):
    """A file holds no rows, of which other files may have some."""


class FormatError(OocTrainError):
    """A file is not a complete, undamaged file of this package in a version that it reads."""


class OutputError(OocTrainError):
    """The result cannot be written, or would overwrite something."""


class BudgetError(OocTrainError):
    """The memory, disk or threads allowed are too few for the work."""


class OptionError(OocTrainError):
    """An option's value is out of range, or options contradict each other."""


class Interrupted(KeyboardInterrupt):
    """A signal has asked to stop; the message says what became of the work."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
