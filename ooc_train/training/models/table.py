"""The table of the models that can be trained by name, and what each takes and gives.

To add a model, write a function that builds it, in a file of its own, and add an entry to `MODELS`.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from ooc_train.errors import OptionError
from ooc_train.kinds import KINDS, Layout

if TYPE_CHECKING:
    from ooc_train.training.models.model import Model

ADAM, DEFERRED_ADAM, NUMPY_ADAM = "adam", "deferred-adam", "numpy-adam"
"""Keras's Adam, and those of `steps.sparse_steps` and `steps.dense_steps`, without TensorFlow."""


@dataclass(frozen=True)
class DataShape:
    """The rows that a model takes and the classes that it predicts.

    ``features`` is the kind of features: for all kinds but ``"sequence"``, the model takes
    ``(n, n_columns) float32``; for ``"sequence"``, ``(n, length) int32`` word ids below
    ``n_columns``, 0 being padding on the left.  ``length`` is the longest train row's, and ``None``
    for all other kinds.  With ``--bucket-by-length`` batches are of any length up to it, also in
    evaluation and prediction, so the model should give the same however far a row is padded.

    The model gives ``(n, n_classes)`` probabilities, or, with two classes, ``(n, 1)``: the
    probability of the second.
    """

    features: str
    n_columns: int
    length: int | None
    n_classes: int
    seed: int


@dataclass(frozen=True)
class ModelSpec:
    """How a model is built and trained."""

    build: str
    """The function that builds it, as ``package.module:function``; imported when it is called, with
    a `DataShape` and the model's options as keywords."""
    optimizers: Mapping[Layout, tuple[str, ...]]
    """The layouts of rows that it takes, and the optimizers that can train it on each.  The first
    is the default."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The model's own options, by their names in `TrainingOptions`, and their defaults."""
    pads_freely: bool = False
    """Whether it gives the same however far a row is padded, so that evaluation and prediction may
    pad rows no further than a batch needs."""
    is_network: bool = False
    """Whether it is a `Network`, which needs no Keras.  All others are models of Keras."""
    averages: bool = False
    """Whether the moving average of its weights is evaluated and saved, see `moving_average`."""
    embedding_layer: str | None = None
    """The layer that can begin with pretrained word vectors."""

    def model(self, shape: DataShape, **options: Any) -> "Model":
        """The model with initial weights; options that are missing have their defaults.

        Imports TensorFlow unless it is a network.  Raises OptionError as `build_user_model` does.
        """
        module, _, function = self.build.partition(":")
        build = getattr(importlib.import_module(module), function)
        return build(shape, **{**self.options, **options})

    @property
    def kinds(self) -> list[str]:
        """The kinds of features that the model takes."""
        return [name for name, kind in KINDS.items() if kind.layout in self.optimizers]


_MODELS = "ooc_train.training.models"

MODELS = {
    "mlp": ModelSpec(
        f"{_MODELS}.mlp:build_mlp",
        optimizers={"sparse": (DEFERRED_ADAM, ADAM), "dense": (NUMPY_ADAM, ADAM)},
        options={"layers": 2, "units": 64, "dropout_rate": 0.2},
        is_network=True,
    ),
    "sepcnn": ModelSpec(
        f"{_MODELS}.sepcnn:build_sepcnn",
        optimizers={"ragged": (ADAM,)},
        options={"embedding_dimension": 200, "embeddings": None, "dropout_rate": 0.2},
        pads_freely=True,
        averages=True,
        embedding_layer="embedding",
    ),
}
"""By name."""


def spec_of(model: str | Callable[[DataShape], Any]) -> ModelSpec:
    """The entry of a name in `MODELS`, or one for a user's function, of which nothing is known."""
    if isinstance(model, str) and model in MODELS:
        return MODELS[model]
    optimizers: dict[Layout, tuple[str, ...]] = dict.fromkeys(get_args(Layout), (ADAM,))
    return ModelSpec(f"{_MODELS}.user:build_user_model", optimizers, {"function": model})


def is_function(model: str) -> bool:
    """Whether ``model`` names a user's function, as ``package.module:function``.

    >>> is_function("mine.models:lstm"), is_function("mlp"), is_function("mine:")
    (True, False, False)
    """
    module, _, function = model.partition(":")
    return function.isidentifier() and all(part.isidentifier() for part in module.split("."))


def check_function(function: Callable[..., Any]) -> None:
    """Raise OptionError unless a program's own function can be called with a `DataShape`."""
    if hasattr(function, "fit") and not isinstance(function, type):
        raise OptionError(
            "model= is a function that makes a model, such as lambda shape: ..., and was given "
            f"a {type(function).__name__} that is made already; give the function"
        )
    try:
        inspect.signature(function).bind(None)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{name_of(function)} cannot be called with one argument ({error}); it must take the "
            "DataShape"
        ) from None


def name_of(model: str | Callable[..., Any]) -> str:
    """The name of a model; of a program's own function, as ``package.module:function``.

    A function without a name of its own, such as a lambda, is called ``function``.

    >>> name_of("mlp"), name_of(lambda shape: None)[-9:]
    ('mlp', ':function')
    """
    if isinstance(model, str):
        return model
    name = getattr(model, "__name__", "")
    module = getattr(model, "__module__", None) or "__main__"
    return f"{module}:{name if name.isidentifier() else 'function'}"
