"""Kernels of Adam for weights where a step has gradients for some columns only.

`sparse_steps.Adam` defines drifts, decays and ratios.

Of a column's moments its table holds the deviation, the root of the variance, and the direction,
mean / (deviation + epsilon), along which the weight goes on in steps without a gradient.  So to
bring a weight up to date takes neither a root nor a quotient, and two thirds of the memory traffic.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import F32, F64, I32, I64
from ooc_train.intrinsics import prefetch
from ooc_train.jit import inner_kernel, kernel
from ooc_train.training.steps.network_kernels import ByColumn, column_gradient

BETA_1, BETA_2 = 0.9, 0.999
MEAN_SHARE, VARIANCE_SHARE = np.float32(1 - BETA_1), np.float32(1 - BETA_2)
EPSILON = np.float32(1e-7)
"""Adam's constants, as Keras has them; a share is the weight of a new gradient in a moment."""
WEIGHT, MEAN, VARIANCE = 0, 1, 2
"""Places of a weight and of the moments of its gradient."""
DIRECTION, DEVIATION = 1, 2
"""Their places in the table of columns."""
_AHEAD = 4
"""Columns: how far ahead of its use a column's part of the table is fetched.  Columns lie anywhere
in a table of tens of megabytes, which no processor guesses."""
_LINE = 16
"""Values in a cache line."""
_MOST_FETCHED = 256
"""Values of a column that are fetched ahead; of more, the processor guesses the rest."""


class Move(NamedTuple):
    """One step of Adam: ``weight -= shrinkage * weight + rate * mean / sqrt(variance)``."""

    rate: np.float32
    shrinkage: np.float32


class Columns(NamedTuple):
    """The first layer's weights with their moments, by column."""

    table: F32
    """``(n_columns, 3, n_units)``: weights, directions and deviations."""
    updated: I64
    """``(n_columns,)``: the steps after which each column was updated last.  The steps since then
    had no gradient for it."""


class ColumnGradients(NamedTuple):
    """The gradients of the used columns, each computed by `column_gradient` when it is needed."""

    by_column: ByColumn
    delta: F32
    """``(n_rows, n_units)``: the gradient of the first layer's outputs."""
    slopes: F32
    """``(n_units,)``: room for one column's."""


def move(n_steps: int, learning_rate: float, weight_decay: float) -> Move:
    """The move of the step after ``n_steps``, corrected for the bias of young moments."""
    number = n_steps + 1
    correction = (1 - BETA_2**number) ** 0.5 / (1 - BETA_1**number)
    return Move(np.float32(learning_rate * correction), np.float32(learning_rate * weight_decay))


@kernel
def clip(used_gradient: F32, rest_gradient: F32, norm: float) -> None:
    """Scale the gradients down, in place, so that their norm together is at most ``norm``.

    Unused columns have no gradient, so this is the norm of all gradients.
    """
    square_sum = 0.0
    for gradient in (used_gradient.reshape(-1), rest_gradient):
        for i in range(len(gradient)):
            square_sum += gradient[i] * gradient[i]
    if square_sum > norm * norm:
        scale = np.float32(norm / np.sqrt(square_sum))
        used_gradient *= scale
        rest_gradient *= scale


@kernel
def clip_columns(gradients: ColumnGradients, rest: F32, norm: float) -> np.float32:
    """The factor by which all gradients are to be scaled, so that their norm is at most ``norm``.

    Scales those of the ``rest``, in place.  Those of columns are not kept; `update_columns`
    computes them again.
    """
    by_column, delta, slopes = gradients
    square_sum = 0.0
    for column in range(len(by_column.starts) - 1):
        column_gradient(by_column, column, delta, slopes)
        for unit in range(len(slopes)):
            square_sum += slopes[unit] * slopes[unit]
    for i in range(len(rest)):
        square_sum += rest[i] * rest[i]
    if not square_sum > norm * norm:
        return np.float32(1)
    scale = np.float32(norm / np.sqrt(square_sum))
    for i in range(len(rest)):
        rest[i] *= scale
    return scale


@inner_kernel
def _fetch(table: F32, columns: I32, number: int, n_values: int) -> None:
    """Have the processor fetch the first values of a column that is used soon."""
    if number < len(columns):
        start = columns[number] * table.shape[1] * table.shape[2]
        for value in range(0, min(n_values, _MOST_FETCHED), _LINE):
            prefetch(table, start + value)


@inner_kernel
def current_weights(of_all: Columns, columns: I32, n_steps: int, drifts: F64, current: F32) -> None:
    """Write the weights of some ``columns`` after ``n_steps`` to ``current``, ``(n, n_units)``."""
    table, updated = of_all
    for number in range(len(columns)):
        _fetch(table, columns, number + _AHEAD, 2 * table.shape[2])
        column = columns[number]
        own, target = table[column], current[number]
        gap = n_steps - updated[column]
        drift, share = np.float32(drifts[0, gap]), np.float32(1) - np.float32(drifts[1, gap])
        for unit in range(len(target)):
            target[unit] = own[WEIGHT, unit] * share - drift * own[DIRECTION, unit]


@inner_kernel
def update_columns(
    of_all: Columns,
    columns: I32,
    n_steps: int,
    decays: F32,
    used: F32,
    gradients: ColumnGradients,
    scale: np.float32,
    move: Move,
) -> None:
    """Take one step of Adam for some columns, whose current weights are ``used``.

    Gradients are multiplied by ``scale``.
    """
    table, updated = of_all
    by_column, delta, slopes = gradients
    share = np.float32(1) - move.shrinkage
    for number in range(len(columns)):
        _fetch(table, columns, number + _AHEAD, 3 * table.shape[2])
        column_gradient(by_column, number, delta, slopes)
        column = columns[number]
        own, weights = table[column], used[number]
        gap = n_steps - updated[column]
        # The moments are as old as the column's last update: decay them first, then add.
        mean_decay, deviation_decay = decays[0, gap], decays[1, gap]
        for unit in range(len(slopes)):
            slope = slopes[unit] * scale
            deviation = own[DEVIATION, unit]
            mean = own[DIRECTION, unit] * (deviation + EPSILON) * mean_decay
            mean += (slope - mean) * MEAN_SHARE
            deviation *= deviation_decay
            variance = deviation * deviation
            variance += (slope * slope - variance) * VARIANCE_SHARE
            deviation = np.sqrt(variance)
            direction = mean / (deviation + EPSILON)
            own[DIRECTION, unit], own[DEVIATION, unit] = direction, deviation
            own[WEIGHT, unit] = weights[unit] * share - move.rate * direction
        updated[column] = n_steps + 1


@kernel
def update(weights: F32, gradient: F32, move: Move) -> None:
    """Take one step of Adam for ``(3, n)`` weights and moments that all have a gradient."""
    for i in range(len(gradient)):
        slope, mean, variance = gradient[i], weights[MEAN, i], weights[VARIANCE, i]
        mean += (slope - mean) * MEAN_SHARE
        variance += (slope * slope - variance) * VARIANCE_SHARE
        weights[MEAN, i], weights[VARIANCE, i] = mean, variance
        weights[WEIGHT, i] -= move.shrinkage * weights[WEIGHT, i]
        weights[WEIGHT, i] -= move.rate * mean / (np.sqrt(variance) + EPSILON)


@kernel
def catch_up(of_all: Columns, n_steps: int, drifts: F64, decays: F32) -> None:
    """Bring the weights and moments of all columns up to ``n_steps``."""
    table, updated = of_all
    for column in range(len(table)):
        gap = n_steps - updated[column]
        own = table[column]
        drift, share = np.float32(drifts[0, gap]), np.float32(1) - np.float32(drifts[1, gap])
        mean_decay, deviation_decay = decays[0, gap], decays[1, gap]
        for unit in range(own.shape[1]):
            direction, deviation = own[DIRECTION, unit], own[DEVIATION, unit]
            own[WEIGHT, unit] = own[WEIGHT, unit] * share - drift * direction
            mean = direction * (deviation + EPSILON) * mean_decay
            deviation *= deviation_decay
            own[DIRECTION, unit] = mean / (deviation + EPSILON)
            own[DEVIATION, unit] = deviation
        updated[column] = n_steps


@kernel
def count(drifts: F64, ratios: F64, move: Move) -> None:
    """Add this step to the accumulated drifts.

    ``ratios[k]`` scales it for a column of which it is the ``k``-th step without a gradient.
    """
    rate, shrinkage = np.float64(move.rate), np.float64(move.shrinkage)
    for gap in range(drifts.shape[1] - 1, 0, -1):
        for kind, moved in enumerate((rate * ratios[gap], shrinkage)):
            drifts[kind, gap] = drifts[kind, gap - 1] * (1 - shrinkage) + moved
