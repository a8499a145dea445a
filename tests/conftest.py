"""What holds for all tests."""

from hypothesis import settings

# No test depends on how fast a machine is, or on what else it does meanwhile.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
