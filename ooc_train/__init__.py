"""Out-of-core training: data far bigger than memory, through ordinary Keras."""

__version__ = "0.1.0"
