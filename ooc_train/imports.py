"""Contexts that heavy libraries are imported in, so that they load nothing that is not needed.

Commands set them, see `cli.startup`; a user's own program may need what they leave out.
"""

import contextlib
from collections.abc import Callable

Around = Callable[[], contextlib.AbstractContextManager[None]]
"""Makes a context."""

around_keras: Around = contextlib.nullcontext
around_numba: Around = contextlib.nullcontext
