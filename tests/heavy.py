"""Tests that need something heavy: a browser, an engine's server, a database.

On a user's machine such a test is skipped, with the reason and the command that would enable it. Where
``REQUIRE_HEAVY_PARTS=1`` is set, as in CI, it runs, and fails for want of its part.
"""

import os

import pytest

REQUIRED = os.environ.get("REQUIRE_HEAVY_PARTS") == "1"


def needs(part: str, *, there: bool, get: str) -> pytest.MarkDecorator:
    """A mark for tests that need ``part``; ``get`` is the command that installs it."""
    return pytest.mark.skipif(not there and not REQUIRED, reason=f"no {part} here; `{get}` enables this")
