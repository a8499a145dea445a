"""The world of the tests here has one engine."""

from pathlib import Path

import pytest

from tests.conformance.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World("durable-task", tmp_path)
