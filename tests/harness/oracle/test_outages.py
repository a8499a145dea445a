"""When an aggregator was down, and when several replicas were, together or alone."""

import pytest

from fanin.harness.history import Run
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.outages import Outage, Outages, by_replica, combined, outages_of
from fanin.simulator.language.scenario import Scenario
from tests.harness.oracle.histories import Line, crash, down, history, pause, up

RUN = Run(Scenario("x", "y"), 0, start_grace=5, failover_grace=30)
ALWAYS = -FOREVER

ONE_PROCESS: dict[str, tuple[tuple[Line, ...], list[Outage]]] = {
    "never up": ((), [Outage(ALWAYS, FOREVER, 0)]),
    "it could not start": ((down(1, "failed"),), [Outage(ALWAYS, FOREVER, 0)]),
    "up from the start": ((up(0),), [Outage(ALWAYS, 0, 0)]),
    "up later": ((up(7),), [Outage(ALWAYS, 7_000, 0)]),
    "a crash": ((up(0), crash(10, 20)), [Outage(ALWAYS, 0, 0), Outage(10_000, 20_000, 5)]),
    "a pause": ((up(0), pause(10, 20)), [Outage(ALWAYS, 0, 0), Outage(10_000, 20_000, 5)]),
    "a start that fails in between": (
        (up(0), down(10), down(15, "failed"), up(20)), [Outage(ALWAYS, 0, 0), Outage(10_000, 20_000, 5)],
    ),
    "a second start without an end in between": ((up(0), up(9)), [Outage(ALWAYS, 0, 0)]),
    "down to the end": ((up(0), down(10)), [Outage(ALWAYS, 0, 0), Outage(10_000, FOREVER, 5)]),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_PROCESS)
def test_an_outage_lasts_from_an_end_to_the_next_start(name: str) -> None:
    """The first one lasts until the first start, and needs no grace: no work was pending."""
    lines, found = ONE_PROCESS[name]

    changes = by_replica(collect(history(*lines, boot=False)).lifecycle).get(0, [])

    assert outages_of(changes, RUN) == found


def test_each_replica_has_its_own() -> None:
    """By its number."""
    lines = (up(0, replica=1), up(1, replica=2), down(5, replica=1))

    found = by_replica(collect(history(*lines, boot=False)).lifecycle)

    assert {number: [change.at for change in changes] for number, changes in found.items()} == {
        1: [0, 5_000],
        2: [1_000],
    }


BEFORE = Outage(ALWAYS, 0, 0)
COMBINED: dict[str, tuple[list[list[Outage]], list[Outage]]] = {
    "one process": ([[BEFORE, Outage(10, 20, 5)]], [BEFORE, Outage(10, 20, 5)]),
    "before both are up": ([[BEFORE], [Outage(ALWAYS, 9, 0)]], [Outage(ALWAYS, 0, 0)]),
    "one is down for a while": (
        [[BEFORE, Outage(10, 20, 5)], [BEFORE]], [BEFORE, Outage(10, 40, 5)],
    ),
    "one is down for so long that the other does its work": (
        [[BEFORE, Outage(10, 90, 5)], [BEFORE]], [BEFORE, Outage(10, 40, 5)],
    ),
    "one is down for ever": (
        [[BEFORE, Outage(10, FOREVER, 5)], [BEFORE]], [BEFORE, Outage(10, 40, 5)],
    ),
    "both are down, and overlap": (
        [[BEFORE, Outage(10, 90, 5)], [BEFORE, Outage(50, 120, 5)]],
        [BEFORE, Outage(10, 40, 5), Outage(50, 90, 5)],
    ),
    "both are down for ever": (
        [[BEFORE, Outage(10, FOREVER, 5)], [BEFORE, Outage(50, FOREVER, 5)]],
        [BEFORE, Outage(10, 40, 5), Outage(50, FOREVER, 5)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMBINED)
def test_replicas_are_down_together_or_leave_their_work_to_others(name: str) -> None:
    """While all are down nothing is done; while one is, its work is done later."""
    each, found = COMBINED[name]

    assert Outages(combined(each, RUN)).merged == found


def test_outages_that_overlap_are_one() -> None:
    """With the longer grace; those that only touch stay two, and the order does not matter."""
    outages = [Outage(30, 40, 1), Outage(15, 30, 9), Outage(10, 20, 5), Outage(12, 13, 2)]

    assert Outages(outages).merged == [Outage(10, 30, 9), Outage(30, 40, 1)]


@pytest.mark.parametrize(
    ("since", "until", "overlap"),
    [(0, 9, False), (0, 10, True), (12, 13, True), (20, 25, True), (21, 29, False), (0, 99, True)],
)
def test_an_interval_overlaps_an_outage_with_which_it_shares_an_instant(
    since: int, until: int, *, overlap: bool
) -> None:
    """Both ends of both are in."""
    assert Outages([Outage(10, 20, 0), Outage(30, 40, 0)]).overlap(since, until) is overlap


@pytest.mark.parametrize(("since", "count"), [(0, 2), (20, 2), (21, 1), (40, 1), (41, 0)])
def test_outages_that_were_over_before_an_instant_are_left_out(since: int, count: int) -> None:
    """One that ends at that instant is not over."""
    outages = Outages([Outage(10, 20, 0), Outage(30, 40, 0)])

    assert list(outages.ending_from(since)) == outages.merged[2 - count :]
