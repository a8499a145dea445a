"""Clocks that only go forward show what they are told, wherever they were imported, and only inside."""

import subprocess
import sys
import time
from collections.abc import Iterator
from types import ModuleType

import pytest

from fanin.harness.world import clocks


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """A module that has imported a clock by name."""
    made = ModuleType("an_application")
    exec("from time import monotonic, perf_counter_ns as ticks", made.__dict__)  # noqa: S102 - an import
    sys.modules["an_application"] = made
    yield made
    del sys.modules["an_application"]


def test_all_of_them_show_the_worlds_time(module: ModuleType) -> None:
    """By attribute, and by a name that was imported before."""
    before = time.monotonic()
    with clocks.virtual(lambda: 12.5):
        shown = (
            time.monotonic(),
            time.perf_counter(),
            time.monotonic_ns(),
            module.monotonic(),
            module.ticks(),
        )

    assert shown == (12.5, 12.5, 12_500_000_000, 12.5, 12_500_000_000)
    assert module.monotonic() >= before
    assert time.monotonic is module.monotonic


def test_a_clock_that_is_named_by_its_number_is_the_same_clock() -> None:
    """Deadlines may be kept by the one that goes on while a machine is suspended; processor time is real."""
    steady = (time.CLOCK_MONOTONIC, time.CLOCK_MONOTONIC_RAW, time.CLOCK_BOOTTIME)
    with clocks.virtual(lambda: 12.5):
        shown = {time.clock_gettime(number) for number in steady}
        shown_ns = {time.clock_gettime_ns(number) for number in steady}
        processor = time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID)

    assert (shown, shown_ns) == ({12.5}, {12_500_000_000})
    assert 0 < processor <= time.process_time()
    assert abs(time.clock_gettime(time.CLOCK_MONOTONIC) - time.monotonic()) < 60


def test_what_was_imported_inside_is_real_again_outside() -> None:
    """Code may keep the function for longer than a run."""
    with clocks.virtual(lambda: 1.0):
        from time import monotonic
    with clocks.virtual(lambda: 2.0):
        inside = monotonic()

    assert inside == 2.0
    assert abs(monotonic() - time.monotonic()) < 60


def test_the_innermost_world_shows_its_own() -> None:
    """And the outer one goes on afterwards."""
    with clocks.virtual(lambda: 1.0):
        with clocks.virtual(lambda: 2.0):
            inner = time.monotonic()
        outer = time.monotonic()

    assert (inner, outer) == (2.0, 1.0)


def test_a_module_that_is_imported_anew_is_looked_through_again() -> None:
    """Under the same name it is another module, which has the real function by name."""
    for _ in range(2):
        made = ModuleType("imported_twice")
        made.monotonic = time.monotonic  # type: ignore[attr-defined]
        sys.modules["imported_twice"] = made
        try:
            with clocks.virtual(lambda: 7.0):
                assert made.monotonic() == 7.0
        finally:
            del sys.modules["imported_twice"]


def test_pytest_is_not_imported_for_the_wall_clock() -> None:
    """It takes longer than many runs; time-machine imports it wherever it is installed."""
    code = (
        "import sys; from fanin.harness.world.clocks import time_machine; time_machine();"
        "sys.exit('pytest' in sys.modules)"
    )

    ended = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603 - our own

    assert ended.returncode == 0
