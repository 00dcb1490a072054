"""`Model`: the part of a model that training needs, which Keras's models and `Network` share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ooc_train.dtypes import AnyArray


class Model(Protocol):
    """A model whose weights are arrays in a fixed order."""

    def get_weights(self) -> list[AnyArray]:
        """The weights.  Nothing writes to these arrays later."""

    def set_weights(self, weights: Sequence[AnyArray]) -> None:
        """Take weights, in the order of `get_weights`.  Nothing may write to them later."""

    def save(self, path: Path) -> None:
        """Write the model in Keras's format.  Raises OSError."""
