"""What holds for all tests."""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# No test depends on how fast a machine is, or on what else it does meanwhile.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
# Nor on how wide the terminal is in which it was started.
os.environ.pop("COLUMNS", None)


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """A log that a test configures ends with it: later ones would write to stderr, past pytest."""
    root, ours = logging.getLogger(), logging.getLogger("fanin")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    for handler in [it for it in root.handlers if it not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
