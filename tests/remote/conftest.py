"""A server, and no pauses between attempts."""

import pytest

from ooc_train.remote import content
from tests.web_server import serving


@pytest.fixture
def served():
    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(content, "PAUSES", (0.0,) * 4)
