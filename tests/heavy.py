"""Tests that need something heavy: a browser, an engine's server, a database.

On a user's machine such a test is skipped, with the reason and the command that would enable it. Where
``REQUIRE_HEAVY_PARTS=1`` is set, as in CI, it runs, and fails for want of its part.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest

from fanin.aggregator.engine_registry import ENGINES

REQUIRED = os.environ.get("REQUIRE_HEAVY_PARTS") == "1"


def needs(part: str, *, there: bool, get: str) -> pytest.MarkDecorator:
    """A mark for tests that need ``part``; ``get`` is the command that installs it."""
    return pytest.mark.skipif(not there and not REQUIRED, reason=f"no {part} here; `{get}` enables this")


def needs_engine(name: str) -> pytest.MarkDecorator:
    """A mark for tests of a registered engine: its modules, and the program that its backend runs."""
    entry = ENGINES[name]
    there = all(find_spec(module.partition(".")[0]) for module in entry.needs)
    get = f".venv/bin/pip install -c constraints.txt -e '.[{entry.extra}]'"
    if entry.program:
        there = there and ((Path(sys.prefix) / "bin" / entry.program).exists() or bool(which(entry.program)))
        get = f"make {entry.extra} do=install"
    return needs(f"{name} engine", there=there, get=get)
