"""Settings of all tests."""

from hypothesis import settings

# The first call of a kernel compiles it; no test here is about time.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
