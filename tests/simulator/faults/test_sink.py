"""What a fault of the sink makes of a notification, and in which words."""

import pytest

from fanin.simulator.faults.sink import (
    SinkDown,
    SinkFault,
    SinkHangs,
    SinkLosesResponse,
    SinkRefuses,
    SinkResponse,
    SinkStalls,
    refuse,
)

RESPONSES: tuple[tuple[SinkFault, SinkResponse], ...] = (
    (SinkRefuses(status=410), SinkResponse(410)),
    (SinkStalls(by=5_000, status=201), SinkResponse(201, after_ms=5_000)),
    (SinkHangs(), SinkResponse(never=True)),
    (SinkLosesResponse(), SinkResponse(lost=True)),
)
WORDS: tuple[tuple[SinkFault, str], ...] = (
    (SinkRefuses(0, 30_000), "the sink answers 503 until +30s"),
    (SinkStalls(1_000, by=2_500, status=202), "the sink takes 2.5s to answer 202 from +1s"),
    (SinkHangs(operation="op1"), "the sink never answers for op1"),
    (SinkLosesResponse(times=2), "the sink's first 2 answers are lost"),
    (SinkDown(2_000, 3_000), "the sink refuses connections from +2s until +3s"),
)


@pytest.mark.parametrize(("fault", "response"), RESPONSES, ids=lambda it: getattr(it, "tag", ""))
def test_a_notification_gets_its_response(fault: SinkFault, response: SinkResponse) -> None:
    """A status, sooner or later; none; or a broken connection."""
    assert fault.response == response


@pytest.mark.parametrize(("fault", "words"), WORDS, ids=lambda it: getattr(it, "tag", ""))
def test_a_report_says_what_when_and_for_whom(fault: SinkFault, words: str) -> None:
    """One clause, in the clock of the report."""
    assert fault.describe() == words


def test_a_stall_that_says_nothing_of_its_status_answers_200() -> None:
    """And then its words do not name it."""
    assert SinkStalls(by=5_000).response == SinkResponse(200, after_ms=5_000)
    assert SinkStalls(by=5_000).describe() == "the sink takes 5s to answer"


def test_only_an_answer_that_is_lost_holds_nothing_up() -> None:
    """The sink has read that notification, so no other one is late because of it."""
    kept_up = [fault.tag for fault, _ in WORDS if not fault.delays_notifications]

    assert kept_up == ["sink-loses-response"]
    assert SinkLosesResponse(times=3).times_max == 3


def test_a_sink_that_is_down_answers_nothing() -> None:
    """Connections are refused, for whatever operation; it has an address of its own to be down at."""
    assert SinkDown().refuses_connections
    assert (SinkDown().about, SinkDown().needs) == ("", ("own-sink",))


def test_a_sink_that_refuses_does_so_from_the_start() -> None:
    """Every notification, with a status that says to try again."""
    fault = refuse(until=60_000)

    assert (fault.since, fault.until, fault.about, fault.response.status) == (0, 60_000, "", 503)
