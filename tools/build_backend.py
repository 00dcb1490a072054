"""The build backend: that of setuptools, with a source distribution whose tests run.

setuptools looks for the list of further files in ``MANIFEST.in``; here it is ``tools/sdist.in``.
"""

from setuptools.build_meta import *  # noqa: F403 - a backend is its functions
from setuptools.command.egg_info import manifest_maker

manifest_maker.template = "tools/sdist.in"
