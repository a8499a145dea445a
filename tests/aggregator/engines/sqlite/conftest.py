"""The engine on SQLite in a world of the conformance suite."""

from pathlib import Path

import pytest

from tests.conformance.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World("sqlite", tmp_path)
