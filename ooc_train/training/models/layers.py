"""Layers that several models have, with initial weights drawn from a seed of their own."""

from ooc_train.training.models.backend import keras


def dense(units: int, activation: str, seed: int, name: str) -> keras.layers.Layer:
    """A dense layer with Glorot-uniform weights."""
    initializer = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(units, activation, kernel_initializer=initializer, name=name)


def output(n_classes: int, seed: int) -> keras.layers.Layer:
    """The output layer: for two classes one sigmoid unit, for more a softmax over all."""
    units, activation = (1, "sigmoid") if n_classes == 2 else (n_classes, "softmax")
    return dense(units, activation, seed, "output")
