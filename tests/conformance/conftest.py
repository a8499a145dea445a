"""Every engine in the registry goes through the same suite; what it cannot do it says by its capabilities."""

from pathlib import Path

import pytest

from fanin.aggregator.engine_registry import ENGINES
from tests.conformance.worlds import World
from tests.heavy import needs_engine


def marks(engine: str) -> list[pytest.MarkDecorator]:
    """What works with a server of its own is tested in real time."""
    real_time = [] if ENGINES[engine].dev_backend is None else [pytest.mark.real_time]
    return [needs_engine(engine), *real_time]


@pytest.fixture(params=[pytest.param(name, marks=marks(name)) for name in sorted(ENGINES)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(request.param, tmp_path)
