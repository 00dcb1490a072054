"""Kernels of a `Network`: forward and backward over sparse rows, and what dense rows share of it.

Of dense rows NumPy computes the matrix products; dropout, relu and the loss are the same kernels.

The first layer's weights have a row for each column of the features.  A step on sparse rows works
only on the *used* columns, those in which its batch has entries, numbered consecutively.  All sums
run in a fixed order.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import F32, I32, I64, U64, Integers
from ooc_train.jit import inlined_kernel, inner_kernel, kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FEW_UNITS = 8
"""Units of a layer that do not fill the lanes of a processor's vectors."""


class ByRow(NamedTuple):
    """Sparse rows: row ``i`` has ``values[starts[i]:starts[i + 1]]`` in ``columns``.

    ``columns`` are numbers of used columns.
    """

    starts: I32
    columns: I32
    values: F32


class ByColumn(NamedTuple):
    """The same entries by column: ``values[starts[j]:starts[j + 1]]`` in ``rows``, ascending."""

    starts: I32
    rows: I32
    values: F32


class Layers(NamedTuple):
    """The layers of a network, without their weights.

    After each layer but the last come relu, and dropout of ``rates[layer]`` by ``keys[layer]``.
    """

    sizes: I64
    """``(n_layers,)``: the units of each layer."""
    rates: F32
    keys: U64


class Targets(NamedTuple):
    """The classes of the rows, and how the loss weighs and smooths them.

    ``smoothing`` is the share of each row's target probability that is spread over all classes.
    """

    labels: I64
    class_weights: F32
    """``(n_classes,)``"""
    smoothing: np.float32


# ---- Random numbers: functions of a key and a place, without state.


@kernel
def _mixed(number: np.uint64) -> np.uint64:
    """The bits of a number, mixed as in SplitMix64 (G. L. Steele, D. Lea and C. H. Flood 2014)."""
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


@kernel
def keys_of(seed: int, step: int, n_layers: int) -> U64:
    """The key of each layer's dropout in a step: ``(n_layers,) uint64``."""
    key = _mixed(_mixed(np.uint64(seed) + _GOLDEN) ^ np.uint64(step))
    keys = np.empty(n_layers, np.uint64)
    for layer in range(n_layers):
        keys[layer] = _mixed(key + np.uint64(layer) * _GOLDEN)
    return keys


@kernel
def _is_kept(key: np.uint64, place: int, rate: np.float32) -> bool:
    """Whether dropout keeps the value at ``place``, which has the probability ``1 - rate``."""
    drawn = _mixed(key + np.uint64(place) * _GOLDEN) >> np.uint64(40)
    return np.float32(drawn) * np.float32(2**-24) >= rate


# ---- Batches.


@kernel
def prepare_rows(
    indptr: I64,
    indices: Integers,
    values: F32,
    n_columns: int,
    rate: np.float32,
    key: np.uint64,
) -> tuple[I32, ByRow, ByColumn]:
    """The used columns, and the entries by row and by column, after dropout.

    ``indptr``, ``indices`` and ``values`` are those of `SparseRows`.  Memory: 28 bytes an entry.
    """
    starts = np.empty(len(indptr), np.int32)
    kept = np.empty(len(indices) + 1, np.int32)
    n_kept = _keep(indptr, rate, key, starts, kept)
    numbers, kept_values = np.empty(n_kept, np.int32), np.empty(n_kept, np.float32)
    columns = np.empty(min(n_kept, n_columns) + 1, np.int32)
    ends = np.zeros(len(columns) + 1, np.int32)  # at first, the number of each column's entries
    number_of = np.zeros(n_columns, np.int32)  # from 1; 0 is a column that is not used so far
    scale = np.float32(1) / (np.float32(1) - rate)
    n_used = 0
    # No branch, as in `_keep`: half of the entries are the first in their column.  What is written
    # for the others is overwritten by the next column.
    for place in range(n_kept):
        entry = kept[place]
        column = indices[entry]
        columns[n_used] = column
        number = number_of[column]
        n_used += number == 0
        number = n_used if number == 0 else number
        number_of[column] = number
        ends[number] += 1
        numbers[place] = number - 1
        kept_values[place] = values[entry] * scale
    for number in range(n_used):  # from counts to the places where columns begin
        ends[number + 1] += ends[number]
    by_row = ByRow(starts, numbers, kept_values)
    rows, by_column_values = np.empty(n_kept, np.int32), np.empty(n_kept, np.float32)
    by_column = ByColumn(ends[: n_used + 1], rows, by_column_values)
    _by_column(by_row, by_column.starts.copy(), by_column)
    return columns[:n_used], by_row, by_column


@inner_kernel
def _keep(indptr: I64, rate: np.float32, key: np.uint64, starts: I32, kept: I32) -> int:
    """Write the entries that dropout keeps, and where those of each row start; their number.

    Without a branch, which a processor would guess wrong for each value that is dropped.
    """
    n_kept = 0
    starts[0] = 0
    for row in range(len(indptr) - 1):
        for entry in range(indptr[row], indptr[row + 1]):
            kept[n_kept] = entry
            n_kept += _is_kept(key, entry, rate)  # all, where the rate is 0
        starts[row + 1] = n_kept
    return n_kept


@inner_kernel
def _by_column(by_row: ByRow, places: I32, by_column: ByColumn) -> None:
    """Write the entries of ``by_row`` in the order of their columns, which begin at ``places``."""
    for row in range(len(by_row.starts) - 1):
        for entry in range(by_row.starts[row], by_row.starts[row + 1]):
            column = by_row.columns[entry]
            place = places[column]
            places[column] = place + 1
            by_column.rows[place] = row
            by_column.values[place] = by_row.values[entry]


# ---- Layers.  Their innermost loops run over units, so that compilers vectorize them.  Arrays are
# copied and added by such loops, too: as an assignment of arrays, which may overlap or differ in
# shape, that would take ten times as long to compile.


@inner_kernel
def _sparse_forward(by_row: ByRow, weights: F32, bias: F32, output: F32) -> None:
    """``output = rows @ weights + bias``, with the weights of the used columns."""
    for row in range(len(output)):
        target = output[row]
        for unit in range(len(target)):
            target[unit] = bias[unit]
        for entry in range(by_row.starts[row], by_row.starts[row + 1]):
            value, source = by_row.values[entry], weights[by_row.columns[entry]]
            for unit in range(len(target)):
                target[unit] += value * source[unit]


@inner_kernel
def column_gradient(by_column: ByColumn, column: int, delta: F32, gradient: F32) -> None:
    """``gradient = rows[:, column] @ delta``: of one used column, ``(n_units,)``."""
    for unit in range(len(gradient)):
        gradient[unit] = 0
    for entry in range(by_column.starts[column], by_column.starts[column + 1]):
        value, source = by_column.values[entry], delta[by_column.rows[entry]]
        for unit in range(len(gradient)):
            gradient[unit] += value * source[unit]


@kernel
def _forward(inputs: F32, weights: F32, bias: F32, output: F32) -> None:
    """``output = inputs @ weights + bias``."""
    if len(bias) < _FEW_UNITS:
        _forward_to_few(inputs, weights, bias, output)
        return
    for row in range(len(inputs)):
        target = output[row]
        for unit in range(len(target)):
            target[unit] = bias[unit]
        for i in range(len(weights)):
            value, source = inputs[row, i], weights[i]
            for unit in range(len(target)):
                target[unit] += value * source[unit]


@kernel
def _forward_to_few(inputs: F32, weights: F32, bias: F32, output: F32) -> None:
    """The same, bit for bit, unit by unit: its innermost loop runs over rows."""
    turned, sums = inputs.T.copy(), np.empty(len(inputs), np.float32)
    for unit in range(len(bias)):
        for row in range(len(sums)):
            sums[row] = bias[unit]
        for i in range(len(turned)):
            value, source = weights[i, unit], turned[i]
            for row in range(len(sums)):
                sums[row] += value * source[row]
        for row in range(len(sums)):
            output[row, unit] = sums[row]


@kernel
def _weights_gradient(inputs: F32, delta: F32, gradient: F32) -> None:
    """``gradient = inputs.T @ delta``.  The innermost loop runs over inputs: units may be few."""
    turned = np.zeros((gradient.shape[1], gradient.shape[0]), np.float32)
    for row in range(len(inputs)):
        source = inputs[row]
        for unit in range(len(turned)):
            value, target = delta[row, unit], turned[unit]
            for i in range(len(target)):
                target[i] += value * source[i]
    for i in range(len(gradient)):
        for unit in range(len(turned)):
            gradient[i, unit] = turned[unit, i]


@kernel
def _input_gradient(delta: F32, weights: F32, gradient: F32) -> None:
    """``gradient = delta @ weights.T``."""
    turned = weights.T.copy()
    for row in range(len(delta)):
        target = gradient[row]
        target[:] = 0
        for unit in range(len(turned)):
            value, source = delta[row, unit], turned[unit]
            for i in range(len(target)):
                target[i] += value * source[i]


@kernel
def bias_gradient(delta: F32, gradient: F32) -> None:
    """``gradient`` = the sums of ``delta`` over its rows."""
    gradient[:] = 0
    for row in range(len(delta)):
        source = delta[row]
        for unit in range(len(gradient)):
            gradient[unit] += source[unit]


@kernel
def relu(hidden: F32) -> None:
    """Set negative values of ``(n_rows, n_units)`` to 0, in place."""
    values = hidden.reshape(-1)
    for i in range(len(values)):
        values[i] = max(values[i], np.float32(0))


@kernel
def drop(hidden: F32, rate: np.float32, key: np.uint64) -> None:
    """Drop values of ``(n_rows, n_units)``, and scale the others up, in place."""
    values = hidden.reshape(-1)
    scale = np.float32(1) / (np.float32(1) - rate)
    for i in range(len(values)):
        values[i] = values[i] * scale if _is_kept(key, i, rate) else np.float32(0)


@kernel
def activate(hidden: F32, rate: np.float32, key: np.uint64) -> None:
    """Apply relu and dropout to ``(n_rows, n_units)``, in place."""
    relu(hidden)
    if rate > 0:
        drop(hidden, rate, key)


@kernel
def dropped(values: F32, rate: np.float32, key: np.uint64) -> F32:
    """A copy of ``(n_rows, n_columns)`` after dropout."""
    kept = values.copy()
    drop(kept, rate, key)
    return kept


@kernel
def undrop(delta: F32, hidden: F32, rate: np.float32) -> None:
    """Turn the gradient after relu and dropout into the one before them, in place.

    ``hidden`` are the values after both.  They are above 0 exactly where both passed a value on.
    """
    slopes, values = delta.reshape(-1), hidden.reshape(-1)
    scale = np.float32(1) / (np.float32(1) - rate)
    for i in range(len(values)):
        slopes[i] = slopes[i] * scale if values[i] > 0 else np.float32(0)


# ---- The network.


@kernel
def forward(by_row: ByRow, used: F32, rest: F32, layers: Layers) -> F32:
    """The outputs of all layers, ``(n_rows, sizes[layer])`` each, one after another, flat.

    Outputs of the last layer are logits, without its activation; those of the others are after
    dropout.  ``used`` are the first layer's weights for the used columns; ``rest`` are all other
    weights, flat: the first layer's bias, then weights and bias of each later layer.
    """
    n_rows, sizes = len(by_row.starts) - 1, layers.sizes
    outputs = np.empty(n_rows * sizes.sum(), np.float32)
    place, start = n_rows * sizes[0], sizes[0]
    hidden = outputs[:place].reshape((n_rows, sizes[0]))
    _sparse_forward(by_row, used, rest[:start], hidden)
    for layer in range(1, len(sizes)):
        activate(hidden, layers.rates[layer - 1], layers.keys[layer - 1])
        size, n_weights = sizes[layer], sizes[layer - 1] * sizes[layer]
        weights = rest[start : start + n_weights].reshape((sizes[layer - 1], size))
        bias = rest[start + n_weights : start + n_weights + size]
        output = outputs[place : place + n_rows * size].reshape((n_rows, size))
        _forward(hidden, weights, bias, output)
        place += n_rows * size
        start += n_weights + size
        hidden = output
    return outputs


@kernel
def output_gradient(logits: F32, targets: Targets, delta: F32) -> tuple[float, int]:
    """The mean loss and the correct rows of ``(n_rows, n_outputs)`` logits.

    One output is the logit of the second of two classes.  Writes the loss's gradient to ``delta``.
    """
    n_rows, n_outputs = logits.shape
    smoothing = targets.smoothing
    loss_sum, n_correct = 0.0, 0
    for row in range(n_rows):
        own, slopes, label = logits[row], delta[row], targets.labels[row]
        weight = targets.class_weights[label]
        share = weight / np.float32(n_rows)
        if n_outputs == 1:
            # A sigmoid.  Only exp of a negative number is taken, so that nothing overflows.
            logit = own[0]
            small = np.exp(-abs(logit))
            probability = (np.float32(1) if logit >= 0 else small) / (np.float32(1) + small)
            target = label * (1.0 - smoothing) + 0.5 * smoothing
            loss_sum += weight * (max(logit, np.float32(0)) - logit * target + np.log1p(small))
            slopes[0] = (probability - np.float32(target)) * share
            n_correct += (logit > 0) == (label == 1)
            continue
        # A softmax, with the largest logit subtracted, for the same reason.
        best = np.argmax(own)
        total = np.float32(0)
        for i in range(n_outputs):
            slopes[i] = np.exp(own[i] - own[best])
            total += slopes[i]
        wanted = own[label] + smoothing * (own.mean() - own[label])
        loss_sum += weight * (np.log(total) - (wanted - own[best]))
        for i in range(n_outputs):
            slopes[i] = slopes[i] * (share / total) - smoothing / n_outputs * share
        slopes[label] -= share * (np.float32(1) - smoothing)
        n_correct += best == label
    return loss_sum / n_rows, n_correct


@inlined_kernel
def gradients(
    by_row: ByRow,
    targets: Targets,
    used: F32,
    rest: F32,
    layers: Layers,
    rest_gradient: F32,
) -> tuple[float, int, F32]:
    """The mean loss, the correct rows, and the gradient of the first layer's outputs.

    The last is ``(n_rows, n_units)``: `column_gradient` makes of it those of the used columns.  The
    gradients of all other weights are written to ``rest_gradient``, in the layout of ``rest``.
    `forward` describes the arguments.  Layers are visited from the last to the first.
    """
    n_rows, sizes = len(targets.labels), layers.sizes
    outputs = forward(by_row, used, rest, layers)
    place, stop = len(outputs) - n_rows * sizes[-1], len(rest)
    hidden = outputs[place:].reshape((n_rows, sizes[-1]))
    delta = np.empty_like(hidden)
    loss, n_correct = output_gradient(hidden, targets, delta)
    for layer in range(len(sizes) - 1, 0, -1):
        size, n_inputs = sizes[layer], sizes[layer - 1]
        bias_gradient(delta, rest_gradient[stop - size : stop])
        stop -= size
        start = stop - n_inputs * size
        weights = rest[start:stop].reshape((n_inputs, size))
        weights_gradient = rest_gradient[start:stop].reshape((n_inputs, size))
        stop = start
        place -= n_rows * n_inputs
        hidden = outputs[place : place + n_rows * n_inputs].reshape((n_rows, n_inputs))
        _weights_gradient(hidden, delta, weights_gradient)
        hidden_delta = np.empty_like(hidden)
        _input_gradient(delta, weights, hidden_delta)
        undrop(hidden_delta, hidden, layers.rates[layer - 1])
        delta = hidden_delta
    bias_gradient(delta, rest_gradient[:stop])
    return loss, n_correct, delta
