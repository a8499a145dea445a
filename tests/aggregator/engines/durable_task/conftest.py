"""One engine on trial, of which the tests here know the name."""

from pathlib import Path

import pytest

from tests.conformance.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World("durable-task", tmp_path)
