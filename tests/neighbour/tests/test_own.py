"""The project's own tests: they find its own packages, and fanin's fixture."""

from harness.main import create_app, seconds

import aggregator
import harness
import simulator


def test_its_own_packages_are_found():
    assert {aggregator.OWNER, harness.OWNER, simulator.OWNER} == {"neighbour"}


def test_its_own_code_runs():
    assert seconds("0:02:00") == 120


def test_its_application_waits_for_the_slow_region(fanin):
    fanin.check("slow-region", app=create_app)
