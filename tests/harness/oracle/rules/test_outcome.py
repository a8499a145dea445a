"""The oracle on outcomes: which one an operation may have, when, and that it never has another."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.faults.sink import SinkDown
from tests.harness.oracle.histories import (
    DAY,
    EAST,
    NORTH,
    THREE,
    WEST,
    both,
    crash,
    down,
    history,
    notified,
    occurred,
    sent,
    unsent,
    up,
)

BROKEN = sent(EAST, 0, error="reset", after=2)  # and a crash that explains it:
STARTED = (BROKEN, crash(0.001, 1))

RIGHT = {
    "both regions report": history(sent(EAST, 0), sent(WEST, 10), notified("completed", 10.004)),
    "the last one at the last moment": history(
        sent(EAST, 0), sent(WEST, 119.9), notified("completed", 119.91)
    ),
    "one region only": history(sent(EAST, 0), notified("completed", 0.01), regions=(EAST,)),
    "a region never reports": history(sent(EAST, 0), notified("timed_out", 120.003, WEST)),
    "a region is never sent": history(sent(EAST, 0), unsent(WEST, 3), notified("timed_out", 120, WEST)),
    "a region is late": history(sent(EAST, 0), sent(WEST, 130), notified("timed_out", 120.003, WEST)),
    "another operation that nothing was sent for": history(
        sent(EAST, 0), notified("timed_out", 120, WEST), occurred("op2")
    ),
    "accepted in time, processed late": history(
        sent(EAST, 0), sent(WEST, 119.9), notified("completed", 120.5)
    ),
    "regions in other letter case": history(
        sent(EAST, 0, url_region=" EastUS "), sent(WEST, 1),
        notified("completed", 2, arrived=["EASTUS", " westus"]),
    ),
    "in flight at the deadline, counted": history(
        sent(EAST, 0), sent(WEST, 119.99, ok=20), notified("completed", 120.1)
    ),
    "in flight at the deadline, missing": history(
        sent(EAST, 0), sent(WEST, 119.99, ok=20), notified("timed_out", 120.1, WEST)
    ),
    "acknowledged at the deadline itself": history(
        sent(EAST, 0, ok=0), sent(WEST, 119, ok=1000), notified("timed_out", 120, WEST)
    ),
    "sent at the deadline itself": history(
        sent(EAST, 0, ok=0), sent(WEST, 120), notified("completed", 120.01)
    ),
    "no response, counted": history(
        sent(EAST, 0), sent(WEST, 5, error="reset", after=2), crash(5.001, 6), notified("completed", 6.01)
    ),
    "no response, not counted": history(
        sent(EAST, 0), sent(WEST, 5, error="reset", after=2), crash(5.001, 6),
        notified("timed_out", 120.1, WEST),
    ),
    "the first had no response, and started it": history(
        *STARTED, sent(WEST, 100), sent(EAST, 110), notified("completed", 110.1)
    ),
    "the first had no response, and did not start it": history(
        *STARTED, sent(WEST, 100), notified("timed_out", 220, EAST)
    ),
    "the first had no response, and its deadline passes": history(
        *STARTED, notified("timed_out", 120, WEST), sent(WEST, 130)
    ),
    "over a crash": history(sent(EAST, 0), crash(5, 6), sent(WEST, 10), notified("completed", 10.1)),
    "down over the deadline": history(sent(EAST, 0), crash(60, 180), notified("timed_out", 184, WEST)),
    "down at the beginning, so that the first is refused": history(
        sent(EAST, 0, error="refused"), up(1), sent(EAST, 2), sent(WEST, 3), notified("completed", 3.1),
        boot=False,
    ),
    "down for longer, as a start fails": history(
        sent(EAST, 0), down(5), sent(WEST, 5.5, error="refused"), down(6, "failed", "port in use"), up(7),
        sent(WEST, 8), notified("completed", 8.1),
    ),
    "two operations": history(
        both(), both(5, op="op2"), notified("completed", 1), notified("completed", 6, op="op2")
    ),
    "thirty days": history(sent(EAST, 0), notified("timed_out", 30 * DAY, WEST), timeout=30 * DAY * 1000),
    "reported until the sink accepts it": history(
        both(), notified("completed", 1, status=503), notified("completed", 2, status=503),
        notified("completed", 4),
    ),
    "reported in the very instant": history(
        sent(EAST, 0, ok=0), sent(WEST, 5, ok=0), notified("completed", 5)
    ),
    "a slow client alone starts no deadline": history(
        sent(EAST, 0, ok=200_000), notified("completed", 200), regions=(EAST,)
    ),
}  # fmt: skip

WRONG: dict[str, tuple[History, Rule, tuple[str, ...]]] = {
    # --- completed ---
    "completed before the last was sent": (
        history(sent(EAST, 0), sent(WEST, 10), notified("completed", 9.9)), Rule.OUTCOME, ("B25",),
    ),
    "completed without a region": (
        history(sent(EAST, 0), unsent(WEST, 1), notified("completed", 1)), Rule.OUTCOME, ("B25",),
    ),
    "completed by counting duplicates": (
        history(sent(EAST, 0), sent(EAST, 1, copy=1), notified("completed", 1.1)), Rule.OUTCOME, ("B22",),
    ),
    "completed by a region that it refused": (
        history(
            sent(EAST, 0), sent(WEST, 1, status=400, invalid="malformed:not-json"), notified("completed", 1.1)
        ),
        Rule.ACKNOWLEDGEMENT, (),
    ),
    "completed by a region that is not expected": (
        history(sent(EAST, 0), sent(WEST, 1, status=400, url_region="mars"), notified("completed", 1.1)),
        Rule.EXPECTED_REGIONS, ("B32",),
    ),
    "completed after the deadline": (
        history(sent(EAST, 0), sent(WEST, 130), notified("completed", 130.1)), Rule.DEADLINE, ("B33",),
    ),
    "completed after a deadline that slid over a restart": (
        history(sent(EAST, 0), crash(60, 61), sent(WEST, 130), notified("completed", 130.1)),
        Rule.DEADLINE, ("B39",),
    ),
    # --- timed out too early ---
    "timed out by an arrival": (
        history(sent(EAST, 0), sent(WEST, 5), notified("timed_out", 5.01, NORTH), regions=THREE),
        Rule.DEADLINE, ("B34",),
    ),
    "timed out by another timeout": (
        history(sent(EAST, 0), notified("timed_out", 80, WEST)), Rule.DEADLINE, ("B67",),
    ),
    "timed out by a restart": (
        history(sent(EAST, 0), crash(60, 61), notified("timed_out", 61, WEST)), Rule.DEADLINE, ("B66",),
    ),
    "lost before the crash that came at the notification": (
        history(
            sent(EAST, 0), sent(WEST, 5), sent(NORTH, 10), notified("timed_out", 120.1, NORTH),
            crash(120.1, 121), regions=THREE,
        ), Rule.OUTCOME, (),
    ),
    "timed out a millisecond early": (
        history(sent(EAST, 0), notified("timed_out", 119.999, WEST)), Rule.DEADLINE, (),
    ),
    "thirty days do not fit the timer": (
        history(sent(EAST, 0), notified("timed_out", 0.1, WEST), timeout=30 * DAY * 1000),
        Rule.DEADLINE, ("B41", "B37"),
    ),
    # --- timed out though complete ---
    "timed out though complete": (
        history(sent(EAST, 0), sent(WEST, 10), notified("timed_out", 120, WEST)), Rule.OUTCOME, (),
    ),
    "timed out though complete, with a body that may be too big and was accepted": (
        history(sent(EAST, 0), sent(WEST, 1, invalid="malformed:huge"), notified("timed_out", 120.1, WEST)),
        Rule.OUTCOME, (),
    ),
    "timed out though complete, counting none": (
        history(sent(EAST, 0), sent(WEST, 10), notified("timed_out", 120, EAST, WEST)),
        Rule.OUTCOME, ("B10",),
    ),
    "timed out though complete, after a race": (
        history(sent(EAST, 0), sent(WEST, 0.01), notified("timed_out", 120, WEST)),
        Rule.OUTCOME, ("B01", "B04", "B06"),
    ),
    "timed out though its only region came": (
        history(sent(EAST, 0, ok=None), notified("timed_out", 120, EAST), regions=(EAST,)),
        Rule.OUTCOME, (),
    ),
    "timed out because the sink was down": (
        history(both(10), notified("timed_out", 150, WEST), faults=(SinkDown(since=0, until=140_000),)),
        Rule.ISOLATION, ("B58",),
    ),
    # --- the wrong regions missing ---
    "an acknowledged region is missing": (
        history(sent(EAST, 0), sent(WEST, 10), notified("timed_out", 120, WEST, NORTH), regions=THREE),
        Rule.OUTCOME, (),
    ),
    "two acknowledged regions are there, a third is missing": (
        history(
            sent(EAST, 0), sent(WEST, 10), sent(NORTH, 20), notified("timed_out", 120, NORTH, "japaneast"),
            regions=(*THREE, "japaneast"),
        ), Rule.OUTCOME, (),
    ),
    "an acknowledged region was lost over a crash": (
        history(sent(EAST, 0), sent(WEST, 10), crash(11, 12), notified("timed_out", 120, WEST)),
        Rule.ACKNOWLEDGEMENT, ("B50", "B35"),
    ),
    "a region arrived that was never sent": (
        history(sent(EAST, 0), notified("timed_out", 120, NORTH), regions=THREE), Rule.OUTCOME, ("B25",),
    ),
    "a region arrived that came too late": (
        history(sent(EAST, 0), sent(WEST, 130), notified("timed_out", 131, NORTH), regions=THREE),
        Rule.OUTCOME, ("B47",),
    ),
    "the region that may have started it is missing, and one arrived that was never sent": (
        history(sent(EAST, 0, error="reset", after=5), crash(0.004, 0.006), notified("timed_out", 121, EAST)),
        Rule.OUTCOME, ("B25",),
    ),
    "no deadline explains both": (
        # Had east started it, its deadline would be at 120; had west, north would have been in time.
        history(
            *STARTED, sent(WEST, 100), sent(NORTH, 125), notified("timed_out", 220, EAST, NORTH),
            regions=THREE,
        ), Rule.OUTCOME, (),
    ),
    "reported before the only deadline that explains it": (
        history(*STARTED, sent(WEST, 100), notified("timed_out", 150, EAST)), Rule.OUTCOME, (),
    ),
    # --- without a delivery ---
    "every delivery was refused": (
        history(sent(EAST, 0, status=400, invalid="malformed:no-id"), notified("timed_out", 120, WEST)),
        Rule.ACKNOWLEDGEMENT, (),
    ),
    "every region was unknown": (
        history(sent(EAST, 0, status=400, url_region="mars"), notified("timed_out", 120, WEST)),
        Rule.EXPECTED_REGIONS, (),
    ),
    "nothing was sent": (
        history(occurred(), notified("timed_out", 120, EAST, WEST)), Rule.OUTCOME, (),
    ),
    "a ping started an operation": (
        history(occurred(action="ping"), sent(EAST, 0, status=200), notified("timed_out", 120, WEST)),
        Rule.PING, (),
    ),
    "an action that is not awaited started an operation": (
        history(
            occurred(action="delete"), sent(EAST, 0, status=200), notified("timed_out", 120, WEST),
            actions=("push",),
        ), Rule.PING, (),
    ),
    # --- a second outcome ---
    "completed and timed out": (
        history(both(), notified("completed", 0.1), notified("timed_out", 120, WEST)), Rule.OUTCOME, ("B36",),
    ),
    "an unknown outcome, the second time": (
        history(both(), notified("completed", 0.1, status=503), notified("done", 1)), Rule.OUTCOME, ("B36",),
    ),
    "a late delivery completes it": (
        history(sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 125),
                notified("completed", 125.1)),
        Rule.OUTCOME, ("B47",),
    ),
    "two outcomes, with a delivery in the very instant of the first": (
        history(
            both(), notified("completed", 0.5), sent(WEST, 0.5, copy=1), notified("timed_out", 120.5, EAST)
        ), Rule.OUTCOME, ("B36",),
    ),
    "a late delivery starts it again": (
        history(
            sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 125),
            notified("timed_out", 245.1, EAST, key="second"),
        ), Rule.OUTCOME, ("B44", "B18"),
    ),
    "a repeated delivery starts it again under the same key": (
        history(both(), notified("completed", 0.1), sent(WEST, 5, copy=1),
                notified("timed_out", 125.1, EAST)),
        Rule.OUTCOME, ("B44", "B18"),
    ),
    "two outcomes, with a repeated delivery that cannot have caused the second": (
        history(both(), notified("completed", 0.1), sent(WEST, 5, copy=1), notified("timed_out", 120, EAST)),
        Rule.OUTCOME, ("B36",),
    ),
    "a third notification that repeats the second": (
        history(
            sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 121, copy=1),
            notified("timed_out", 241, EAST), notified("timed_out", 400, EAST),
        ), Rule.OUTCOME, ("B44", "B18"),
    ),
    "timed out twice": (
        history(sent(EAST, 0), notified("timed_out", 120, WEST),
                notified("timed_out", 120.1, WEST, key="second")),
        Rule.NOTIFICATION, ("B43b",),
    ),
    "completed twice": (
        history(both(), notified("completed", 0.1), notified("completed", 0.2, key="second")),
        Rule.NOTIFICATION, ("B15",),
    ),
    "completed twice, with another key after a crash": (
        history(both(), notified("completed", 0.1), crash(0.2, 1), notified("completed", 1.1, key="second")),
        Rule.NOTIFICATION, ("B52",),
    ),
    "another content under the same key": (
        history(
            sent(EAST, 0), sent(WEST, 119.999), notified("timed_out", 120.1, WEST, status=503),
            notified("timed_out", 120.3, WEST, tag="other"),
        ), Rule.NOTIFICATION, (),
    ),
    # --- after the retention ---
    "started again just before the retention is over": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 7 * DAY - 1),
            notified("timed_out", 7 * DAY + 119.5, WEST, key="second"),
        ), Rule.OUTCOME, ("B44", "B18"),
    ),
    "after the retention, one that counted is missing": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 8 * DAY), sent(WEST, 8 * DAY + 5),
            notified("timed_out", 8 * DAY + 120, WEST, key="b"),
        ), Rule.OUTCOME, ("B01", "B04", "B06"),
    ),
    "after the retention, completed with one that came a day before": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 8 * DAY), sent(WEST, 9 * DAY),
            notified("completed", 9 * DAY + 1, key="b"),
        ), Rule.DEADLINE, ("B33",),
    ),
    "after the retention, timed out long before": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 8 * DAY),
            notified("timed_out", 8 * DAY + 5, WEST, key="b"),
        ), Rule.DEADLINE, ("B67",),
    ),
    "after the retention, timed out without the one that started it": (
        history(
            both(), notified("completed", 0.1), sent(EAST, 8 * DAY),
            notified("timed_out", 8 * DAY + 120, EAST, key="b"),
        ), Rule.OUTCOME, ("B07", "B45"),
    ),
    "after the retention, completed without a region": (
        history(both(), notified("completed", 0.1), sent(EAST, 8 * DAY),
                notified("completed", 8 * DAY + 1, key="b")),
        Rule.OUTCOME, ("B07", "B45"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_an_outcome_that_the_contract_allows_is_valid(name: str) -> None:
    """A judge with false alarms is of no use."""
    verdict = judge(RIGHT[name])

    assert verdict.findings == ()
    assert (verdict.validity, verdict.doubts) == (Validity.VALID, ())


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_outcome_breaks_its_rule(name: str) -> None:
    """One finding, of the rule that it is about, and what it looks like."""
    played, rule, looks_like = WRONG[name]

    verdict = judge(played)

    assert verdict.validity is Validity.INVALID
    assert [(it.rule, it.looks_like) for it in verdict.findings] == [(rule, looks_like)]


@pytest.mark.parametrize(("outcome", "missing"), [("completed", ()), ("timed_out", (WEST,))])
def test_inside_the_window_either_outcome_is_legal_and_two_never_are(
    outcome: str, missing: tuple[str, ...]
) -> None:
    """The instant of a commit cannot be seen, only between which two instants it lies."""
    around_the_deadline = [sent(EAST, 0), sent(WEST, 119.999), notified(outcome, 120.01, *missing)]
    other = ("timed_out", WEST) if outcome == "completed" else ("completed",)

    alone = judge(history(*around_the_deadline))
    two = judge(history(*around_the_deadline, notified(other[0], 120.02, *other[1:])))

    assert alone.validity is Validity.VALID
    assert [(it.rule, it.looks_like) for it in two.findings] == [(Rule.OUTCOME, ("B36",))]


SENTENCES = {
    "completed before the last was sent": "+9.9s, but westus cannot have counted before +10s",
    "completed without a region": "reported completed at +1s counting westus, which had not arrived",
    "completed by a region that it refused": "which had not arrived in a valid delivery (malformed:not-json)",
    "completed after the deadline": "though westus came after the deadline at +2m00s to +2m00.003s",
    "timed out a millisecond early": "+1m59.999s, 1ms before its deadline at +2m00s to +2m00.003s",
    "timed out though complete": "+2m00s, though every region had counted by +10.003s",
    "timed out though its only region came": "+2m00s, though its only region completes it",
    "timed out because the sink was down": "counted by +10.003s, while a fault blocked the sink",
    "an acknowledged region is missing": "op1 names westus missing, acknowledged by +10.003s",
    "a region arrived that was never sent": "+2m00s counting westus, which had not arrived",
    "the region that may have started it is missing, and one arrived that was never sent": (
        "+2m01s counting westus, which had not arrived"
    ),
    "reported before the only deadline that explains it": (
        "from +2m00s to +3m40.003s leaves just eastus missing"
    ),
    "every delivery was refused": "but every delivery had to be refused: malformed:no-id",
    "a ping started an operation": "+2m00s, but its action, ping, starts no operation here",
    "nothing was sent": "+2m00s, but no delivery can have counted",
    "completed and timed out": "op1 was reported completed at +0.1s and timed_out at +2m00s",
    "completed twice": "and completed at +0.2s under the keys 'key-op1' and 'second'",
    "another content under the same key": "at +2m00.3s with another content under the same key, 'key-op1'",
    "a late delivery completes it": "+2m05.1s, after a delivery at +2m05s that should have changed nothing",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_finding_says_what_was_wrong_in_one_sentence(name: str) -> None:
    """It names the operation, what was reported of it, and what could have been at most."""
    (finding,) = judge(WRONG[name][0]).findings

    assert finding.message.startswith("op1 ")
    assert finding.message.endswith(SENTENCES[name])


def test_regions_are_named_as_the_scenario_writes_them() -> None:
    """Names compare normalised."""
    lines = (sent("EastUS", 0), notified("timed_out", 120, "EastUS", NORTH))

    verdict = judge(history(*lines, regions=("EastUS", NORTH, WEST)))

    assert verdict.findings[0].message == "op1 names EastUS missing, acknowledged by +0.003s"


def test_a_damaged_history_in_which_nothing_is_late_blames_all_regions() -> None:
    """An attempt that ended before it was sent; a damaged history is judged, whatever comes of it."""
    played = history(sent(EAST, 200, ok=-150_000), sent(WEST, 200), notified("completed", 201))

    assert "eastus and westus came after the deadline" in judge(played).findings[0].message


@pytest.mark.parametrize(
    "body", [{"missing": [WEST, WEST]}, {"outcome": "done"}], ids=["a region twice", "an unknown outcome"]
)
def test_a_notification_with_a_wrong_content_is_wrong_for_that_alone(body: dict[str, Any]) -> None:
    """Which regions were missing, or which outcome it was, cannot be judged."""
    played = history(sent(EAST, 0), notified("timed_out", 120, WEST, **body))

    assert [finding.rule for finding in judge(played).findings] == [Rule.CONTENT]


@pytest.mark.parametrize(
    "played",
    [
        history(sent(EAST, 0), sent(WEST, 60), *(
            notified("timed_out", 120 + 60 * n, gone, key=gone) for n, gone in enumerate((WEST, EAST))
        )),
        history(occurred(ids="007"), occurred("op2", ids="7"), sent(EAST, 0), notified("completed", 20)),
    ],
    ids=["each delivery was an operation", "another operation's arrival counted"],
)  # fmt: skip
def test_what_mixes_up_operations_breaks_identity_as_well(played: History) -> None:
    """A card must not say that clause 1 was kept."""
    assert any(Rule.IDENTITY in it.also for it in judge(played).findings)
