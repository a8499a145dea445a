"""Every engine in the registry goes through the same suite; what it cannot do it says by its capabilities."""

import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest

from aggregator.engines import ENGINES
from tests.conformance.worlds import World
from tests.heavy import needs


def _with_its_parts(name: str) -> object:
    """An engine as a parameter, skipped on a machine without what it needs."""
    entry = ENGINES[name]
    there = all(find_spec(module.partition(".")[0]) for module in entry.needs)
    get = f".venv/bin/pip install -c constraints.txt -e '.[{entry.extra}]'"
    if entry.program and not (Path(sys.prefix) / "bin" / entry.program).exists() and not which(entry.program):
        there, get = False, f"{get} && make {entry.extra}"
    return pytest.param(name, marks=needs(f"{name} engine", there=there, get=get))


@pytest.fixture(params=[_with_its_parts(name) for name in sorted(ENGINES)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(request.param, tmp_path)
