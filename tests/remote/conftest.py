"""No pauses between attempts."""

import pytest

from ooc_train.remote import content


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(content, "PAUSES", (0.0,) * 4)
