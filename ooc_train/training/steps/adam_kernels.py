"""Kernels of Adam for weights where a step has gradients for some columns only.

`sparse_steps.Adam` defines drifts, decays and ratios.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import F32, F64, I32, I64
from ooc_train.jit import kernel

BETA_1, BETA_2 = 0.9, 0.999
MEAN_SHARE, VARIANCE_SHARE = np.float32(1 - BETA_1), np.float32(1 - BETA_2)
EPSILON = np.float32(1e-7)
"""Adam's constants, as Keras has them; a share is the weight of a new gradient in a moment."""
WEIGHT, MEAN, VARIANCE = 0, 1, 2
"""Places of a weight and of the moments of its gradient."""


class Move(NamedTuple):
    """One step of Adam: ``weight -= shrinkage * weight + rate * mean / sqrt(variance)``."""

    rate: np.float32
    shrinkage: np.float32


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
def current_weights(
    table: F32,
    updated: I64,
    columns: I32,
    n_steps: int,
    drifts: F64,
    current: F32,
) -> None:
    """Write the weights of some ``columns`` after ``n_steps`` to ``current``, ``(n, n_units)``.

    ``table`` is ``(n_columns, 3, n_units)``: weights and moments after ``updated[column]`` steps;
    the steps since then had no gradient for the column.
    """
    for number in range(len(columns)):
        column = columns[number]
        own, target = table[column], current[number]
        gap = n_steps - updated[column]
        drift, shrinkage = np.float32(drifts[0, gap]), np.float32(drifts[1, gap])
        for unit in range(len(target)):
            deviation = np.sqrt(own[VARIANCE, unit]) + EPSILON
            weight = own[WEIGHT, unit] - shrinkage * own[WEIGHT, unit]
            target[unit] = weight - drift * own[MEAN, unit] / deviation


@kernel
def update_columns(
    table: F32,
    updated: I64,
    columns: I32,
    n_steps: int,
    decays: F32,
    used: F32,
    gradient: F32,
    move: Move,
) -> None:
    """Take one step of Adam for some columns; ``used`` are their current weights."""
    for number in range(len(columns)):
        column = columns[number]
        own = table[column]
        gap = n_steps - updated[column]
        # The moments are as old as the column's last update: decay them first, then add.
        mean_decay, variance_decay = decays[0, gap], decays[1, gap]
        for unit in range(own.shape[1]):
            slope = gradient[number, unit]
            mean = own[MEAN, unit] * mean_decay
            mean += (slope - mean) * MEAN_SHARE
            variance = own[VARIANCE, unit] * variance_decay
            variance += (slope * slope - variance) * VARIANCE_SHARE
            own[MEAN, unit], own[VARIANCE, unit] = mean, variance
            weight = used[number, unit] - move.shrinkage * used[number, unit]
            own[WEIGHT, unit] = weight - move.rate * mean / (np.sqrt(variance) + EPSILON)
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
def catch_up(table: F32, updated: I64, n_steps: int, drifts: F64, decays: F32) -> None:
    """Bring the weights and moments of all columns up to ``n_steps``."""
    for column in range(len(table)):
        gap = n_steps - updated[column]
        own = table[column]
        drift, shrinkage = np.float32(drifts[0, gap]), np.float32(drifts[1, gap])
        mean_decay, variance_decay = decays[0, gap], decays[1, gap]
        for unit in range(own.shape[1]):
            deviation = np.sqrt(own[VARIANCE, unit]) + EPSILON
            own[WEIGHT, unit] -= shrinkage * own[WEIGHT, unit]
            own[WEIGHT, unit] -= drift * own[MEAN, unit] / deviation
            own[MEAN, unit] *= mean_decay
            own[VARIANCE, unit] *= variance_decay
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
