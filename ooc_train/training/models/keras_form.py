"""Multi-layer perceptrons in Keras's file format, written and read without Keras.

``model.keras`` is a zip file of three members, none compressed:

``metadata.json``       a version of Keras, and a date
``config.json``         the layers, as their ``get_config`` describes them
``model.weights.h5``    ``layers/dense/vars/0`` and ``1`` are the kernel and the bias of the first
                        Dense layer; those of the next are in ``layers/dense_1``, and so on

The description has only what all releases from Keras 3.12 on take.
"""

import io
import itertools
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from ooc_train.dtypes import F32
from ooc_train.training.models.archive import CONFIG, METADATA, WEIGHTS, open_archive

_METADATA = {"keras_version": "3.12.0", "date_saved": "1980-01-01@00:00:00"}
"""The lowest version that reads the file, and no date: the same network gives the same bytes."""
_NAME = "mlp"
_MODE = 0o600 << 16  # of members, where a zip file has them


class Layer(NamedTuple):
    """The weights of one dense layer."""

    kernel: F32
    """``(n_inputs, n_units) float32``"""
    bias: F32
    """``(n_units,) float32``"""


def activations_of(units: Sequence[int]) -> list[str]:
    """The activation of each layer, by Keras's names."""
    return ["relu"] * (len(units) - 1) + ["sigmoid" if units[-1] == 1 else "softmax"]


# ---- Writing.


def write_model(path: Path, layers: Sequence[Layer], dropout_rate: float) -> None:
    """Write a network as a model of Keras; the same network gives the same bytes.

    Memory: once more the weights.  Raises OSError.
    """
    sizes = [len(layers[0].kernel), *(layer.bias.size for layer in layers)]
    members = {METADATA: json.dumps(_METADATA), CONFIG: json.dumps(describe(sizes, dropout_rate))}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(_member(name), text)
        archive.writestr(_member(WEIGHTS), _weights_file(layers).getbuffer())


def describe(sizes: Sequence[int], dropout_rate: float) -> dict[str, Any]:
    """The description of a network as a Sequential of Keras, from which Keras makes its model.

    ``sizes`` are the columns of the rows, then the units of each layer.
    """
    n_columns, *units = sizes
    shape = [None, n_columns]
    described = [_described("InputLayer", name="features", batch_shape=shape, dtype="float32")]
    for (drop_name, name), size, activation in zip(
        names_of(len(units)), units, activations_of(units), strict=True
    ):
        described.append(_described("Dropout", name=drop_name, rate=dropout_rate))
        described.append(_described("Dense", name=name, units=size, activation=activation))
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": _NAME, "layers": described, "build_input_shape": shape},
        "registered_name": None,
        "build_config": {"input_shape": shape},
    }


def names_of(n_layers: int) -> list[tuple[str, str]]:
    """The names of the dropout before each layer, and of the layer.

    >>> names_of(3)[:2]
    [('input_dropout', 'hidden'), ('hidden_dropout', 'hidden_2')]
    """
    hidden = ["hidden", *(f"hidden_{number}" for number in range(2, n_layers))][: n_layers - 1]
    dropouts = ["input_dropout", *(f"{name}_dropout" for name in hidden)]
    return list(zip(dropouts, [*hidden, "output"], strict=True))


def _described(kind: str, **config: Any) -> dict[str, Any]:
    return {
        "module": "keras.layers",
        "class_name": kind,
        "config": config,
        "registered_name": None,
    }


def _member(name: str) -> zipfile.ZipInfo:
    """The head of a member; its time is the format's first, by default."""
    head = zipfile.ZipInfo(name)
    head.create_system, head.external_attr = 3, _MODE  # whatever system this is
    return head


def _weights_file(layers: Sequence[Layer]) -> io.BytesIO:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_group("vars").attrs["name"] = _NAME
        for number, (drop_name, name) in enumerate(names_of(len(layers))):
            file.create_group(_place("dropout", number)).attrs["name"] = drop_name
            group = file.create_group(_place("dense", number))
            group.attrs["name"] = name
            for i, array in enumerate(layers[number]):
                group.create_dataset(str(i), data=array)
    return content


def _place(kind: str, number: int) -> str:
    """The group of the variables of the layer of a kind with that number, from 0."""
    return f"layers/{kind}{f'_{number}' if number else ''}/vars"


# ---- Reading.


def read_layers(path: Path) -> list[Layer] | None:
    """The layers of a saved multi-layer perceptron, whoever wrote it; ``None`` for other models.

    A multi-layer perceptron is a Sequential of Keras's Dense and Dropout, with relu after every
    Dense but the last.  The last has a sigmoid if it has one unit, and a softmax if it has more.
    Raises FormatError if the file is damaged, or has weights that are not finite.  Memory: twice
    the weights.
    """
    with open_archive(path) as archive:
        dense = _dense_configs(archive.config())
        units = [config["units"] for config in dense]
        if not dense or [config["activation"] for config in dense] != activations_of(units):
            return None
        with archive.weights() as file:
            layers = [_layer(file, number) for number in range(len(dense))]
        found = [layer for layer in layers if layer]
        if [layer.bias.size for layer in found] != units:
            return None
        for before, after in itertools.pairwise(found):
            if before.bias.size != len(after.kernel):
                n_units, n_inputs = before.bias.size, len(after.kernel)
                raise ValueError(f"a layer of {n_units:,} units precedes {n_inputs:,}")
        if not all(np.isfinite(array).all() for layer in found for array in layer):
            raise ValueError("it has weights that are not finite")
    return found


def _dense_configs(model: dict[str, Any]) -> list[dict[str, Any]]:
    """The Dense layers of a Sequential; none if other things change its predictions."""
    if (model["module"], model["class_name"]) != ("keras", "Sequential"):
        return []
    found = []
    for layer in model["config"]["layers"]:
        kind = (layer["module"], layer["class_name"])
        if kind == ("keras.layers", "Dense") and _computes_float32(layer["config"]):
            found.append(layer["config"])
        elif kind not in (("keras.layers", "InputLayer"), ("keras.layers", "Dropout")):
            return []
    return found


def _computes_float32(config: dict[str, Any]) -> bool:
    policy = config.get("dtype", "float32")
    return (policy["config"]["name"] if isinstance(policy, dict) else policy) == "float32"


def _layer(file: h5py.File, number: int) -> Layer | None:
    """The Dense layer of that number, from 0.

    ``None`` if its weights are not where Keras 3 puts them, as those of a layer without a bias.
    """
    place = _place("dense", number)
    if f"{place}/0" not in file or f"{place}/1" not in file:
        return None
    kernel, bias = file[f"{place}/0"], file[f"{place}/1"]
    if {kernel.dtype, bias.dtype} != {np.dtype(np.float32)} or kernel.ndim != 2:
        return None
    if bias.shape != kernel.shape[1:]:
        return None
    return Layer(kernel[...], bias[...])
