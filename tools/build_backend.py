"""The build backend: that of setuptools, with pages for man and a source whose tests run.

setuptools looks for the list of further files in ``MANIFEST.in``; here it is ``tools/sdist.in``.
"""

import subprocess
import sys
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 - a backend is its functions
from setuptools.command.egg_info import manifest_maker

manifest_maker.template = "tools/sdist.in"

PAGES = "build/man1"
"""The folder of the pages, from which pyproject.toml takes them."""


def build_wheel(*arguments: Any, **settings: Any) -> str:
    """Build a wheel with the pages, for which no dependency is needed."""
    subprocess.run([sys.executable, "-m", "ooc_train.cli.manual", PAGES], check=True)
    return str(build_meta.build_wheel(*arguments, **settings))
