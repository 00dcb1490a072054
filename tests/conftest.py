"""Settings of all tests."""

import os
import signal
import tempfile
from multiprocessing import resource_tracker

import pytest
from hypothesis import settings

from tests.web_server import serving

# The first call of a kernel compiles it; no test here is about time.  CI draws the same examples
# each time, so that none fails for what another change did; by hand they are new ones.
settings.register_profile("project", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("project")
_LONG = 40

# A shell's background processes ignore Ctrl-C, and those of nohup the end of a terminal.  The tests
# and their child processes are sent such signals.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_make_parametrize_id(val):
    """Long bytes are named by their length: archives hold the time, and workers must agree."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > _LONG else None


@pytest.fixture(scope="module", autouse=True)
def _no_child_stays():
    """The helper process of multiprocessing ends with the module that started it.

    It would stay until this process ends.  With a child, measuring memory is slow: it reads the
    page tables of each process instead of one line of the kernel's.
    """
    yield
    resource_tracker._resource_tracker._stop()


@pytest.fixture(scope="session", autouse=True)
def _no_pages():
    """Trainings draw no page, which takes seconds: the tests of pages call what draws them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ooc_train.training.train.draw_page", lambda *arguments: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _temporary_files():
    """Temporary files go with the tests: TensorFlow leaves some, all the more where it is killed.

    In a folder with a short name, whatever pytest's own is: sockets' names are limited.
    """
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        patch.setenv("TMPDIR", folder)  # of child processes
        yield


@pytest.fixture
def served():
    """A web server on this machine."""
    with serving() as found:
        yield found
