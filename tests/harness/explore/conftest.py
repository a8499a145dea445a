"""Scenarios for the tests of exploring."""

import pytest

from fanin.harness.explore.generate import generate
from fanin.simulator.language.scenario import Scenario

MANY = 300


@pytest.fixture(scope="session")
def many() -> list[Scenario]:
    """Random scenarios of the first seeds."""
    return [generate(seed) for seed in range(MANY)]
