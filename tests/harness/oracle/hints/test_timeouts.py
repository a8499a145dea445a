"""What a timeout at the wrong instant looks like: a bug is named only where the instants fit it."""

from typing import Any

import pytest

from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule
from fanin.simulator.faults.aggregator import ClockJump
from tests.harness.oracle.histories import (
    DAY,
    EAST,
    NORTH,
    WEST,
    Line,
    crash,
    down,
    fault_applied,
    history,
    notified,
    sent,
    up,
)


def looks_like(*lines: Line, at: float, **played: Any) -> tuple[str, ...]:
    """What a timeout at this instant looks like, of an operation that began at 10 s."""
    told = notified("timed_out", at, WEST)
    findings = judge(history(sent(EAST, 10), *lines, told, **played)).findings
    assert [it.rule for it in findings] == [Rule.DEADLINE]
    return findings[0].looks_like


LATE: dict[str, tuple[tuple[Line, ...], float, tuple[str, ...]]] = {
    "two seconds late": ((), 132, ()),
    "five minutes after the start, a delay that programs have by default": ((), 310, ("B67",)),
    "an hour late": ((), 3_730, ("B42",)),
    "two hours and a second late": ((), 7_331, ("B42",)),
    "an hour and a half late": ((), 5_530, ()),
    "one timeout after a restart": ((crash(60, 65),), 185, ("B39",)),
    "one timeout after a copy": ((sent(EAST, 70),), 190.5, ("B39",)),
    "before one timeout after a copy has passed": ((sent(EAST, 72),), 191.999, ()),
    "one timeout after a copy that was refused": (
        (sent(EAST, 72, error="refused"), crash(71, 75)), 192.9, (),
    ),
    "by the timeout that is configured since": ((down(50), up(51, timeout=500_000)), 510, ("B66",)),
    "after a restart, at no instant that explains it": ((crash(60, 65),), 200, ()),
    "one timeout after what began it": ((sent(EAST, 10.5),), 131.004, ()),
}  # fmt: skip
EARLY: dict[str, tuple[tuple[Line, ...], float, tuple[str, ...]]] = {
    "a second early": ((), 129, ()),
    "one minute after the start": ((), 70, ("B67",)),
    "when something arrived": ((sent(EAST, 70),), 70.5, ("B34",)),
    "after a restart": ((crash(60, 61),), 70, ("B66",)),
    "by the timeout that is configured since": ((down(30), up(31, timeout=30_000)), 40, ("B66",)),
    "one timeout after a delivery of an unknown region": (
        (sent(NORTH, 2, status=400, invalid="unknown-region"),),
        122,
        ("B32",),
    ),
    "one timeout after a delivery with a wrong key": (
        (sent(EAST, 2, status=403, invalid="wrong-key"),),
        122,
        (),
    ),
    "at the instant of a crash": ((crash(88, 89),), 88, ()),
}


@pytest.mark.parametrize("name", LATE)
def test_a_late_timeout_looks_like_what_its_instant_fits(name: str) -> None:
    """A timer that was armed again, another zone, a setting that does not apply; or nothing."""
    lines, at, expected = LATE[name]

    assert looks_like(*lines, at=at) == expected


@pytest.mark.parametrize("name", EARLY)
def test_an_early_timeout_looks_like_what_its_instant_fits(name: str) -> None:
    """Restarts and arrivals first."""
    lines, at, expected = EARLY[name]

    assert looks_like(*lines, at=at) == expected


@pytest.mark.parametrize(("at", "hints"), [(8.7, ()), (8.3, ("B39",))])
def test_what_is_near_depends_on_how_short_the_timeout_is(at: float, hints: tuple[str, ...]) -> None:
    """A timeout of five seconds lies within a second of one after any copy, by chance."""
    told = notified("timed_out", at, WEST)

    findings = judge(history(sent(EAST, 0), sent(EAST, 3.2, copy=1), told, timeout=5_000)).findings

    assert findings[0].looks_like == hints


def test_an_early_timeout_looks_like_the_clock_where_that_was_set() -> None:
    """Whatever its instant fits."""
    faults = (ClockJump(at=20_000, forward=50_000),)

    assert looks_like(fault_applied(20), at=70, faults=faults) == ("B42",)


def test_a_timeout_of_weeks_an_hour_early_looks_like_local_time() -> None:
    """What overflows is far too early."""
    assert looks_like(at=30 * DAY - 3_590, timeout=30 * DAY * 1_000) == ("B42",)


def test_an_early_timeout_of_weeks_looks_like_a_delay_that_overflowed() -> None:
    """It does not fit 31 bits of milliseconds."""
    assert looks_like(at=20, timeout=30 * DAY * 1_000) == ("B41", "B37")
