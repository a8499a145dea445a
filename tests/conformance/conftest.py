"""Every engine in the registry goes through the same suite; what it cannot do it says by its capabilities."""

from pathlib import Path

import pytest

from fanin.aggregator.engine_registry import ENGINES
from tests.conformance.worlds import World
from tests.heavy import needs_engine


@pytest.fixture(params=[pytest.param(name, marks=needs_engine(name)) for name in sorted(ENGINES)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(request.param, tmp_path)
