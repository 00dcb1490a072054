"""Settings of all tests."""

import pytest
from hypothesis import settings

# The first call of a kernel compiles it; no test here is about time.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture(scope="session", autouse=True)
def _no_pages():
    """Trainings draw no page, which takes seconds: the tests of pages call what draws them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ooc_train.training.fitting.draw_page", lambda *arguments: None)
        yield
