"""Every registered engine goes through the same suite; its capabilities say what it cannot do."""

from pathlib import Path

import pytest

from fanin.aggregator.engine_registry import ENGINES
from tests.conformance.worlds import World
from tests.heavy import needs_engine


def marks(engine: str) -> list[pytest.MarkDecorator]:
    """Engines with a server of their own are tested in real time."""
    real_time = [] if ENGINES[engine].dev_backend is None else [pytest.mark.real_time]
    return [needs_engine(engine), *real_time]


@pytest.fixture(params=[pytest.param(name, marks=marks(name)) for name in sorted(ENGINES)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(request.param, tmp_path)
