"""The oracle on outcomes: which one an operation may have, and when."""

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Judgement, Rule, Validity
from fanin.simulator.faults.sink import SinkDown
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
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

DAY = 86_400
THREE = (EAST, WEST, NORTH)

RIGHT = {
    "both regions report": history(sent(EAST, 0), sent(WEST, 10), notified("completed", 10.004)),
    "at the last moment": history(sent(EAST, 0), sent(WEST, 119.9), notified("completed", 119.91)),
    "one region only": history(sent(EAST, 0), notified("completed", 0.01), regions=(EAST,)),
    "a region never reports": history(sent(EAST, 0), notified("timed_out", 120.003, WEST)),
    "a region is never sent": history(sent(EAST, 0), unsent(WEST, 3), notified("timed_out", 120, WEST)),
    "a region is late": history(sent(EAST, 0), sent(WEST, 130), notified("timed_out", 120.003, WEST)),
    "nobody reports": history(sent(EAST, 0), notified("timed_out", 120, WEST), occurred("op2")),
    "accepted in time, processed late": history(
        sent(EAST, 0), sent(WEST, 119.9), notified("completed", 120.5)
    ),
    "names in other letter case": history(
        sent(EAST, 0, url_region=" EastUS "),
        sent(WEST, 1),
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
    "unanswered, counted": history(
        sent(EAST, 0), sent(WEST, 5, error="reset", op="op1"), notified("completed", 5.01), boot=False, run={}
    ),
    "the first is unanswered, and started it": history(
        sent(EAST, 0, ok=None),
        sent(WEST, 100),
        notified("timed_out", 120, WEST, arrived=[EAST]),
        sent(WEST, 130),
    ),
    "over a crash": history(sent(EAST, 0), crash(5, 6), sent(WEST, 10), notified("completed", 10.1)),
    "down over the deadline": history(sent(EAST, 0), crash(60, 180), notified("timed_out", 184, WEST)),
    "two operations": history(
        both(), both(5, op="op2"), notified("completed", 1), notified("completed", 6, op="op2")
    ),
    "thirty days": history(sent(EAST, 0), notified("timed_out", 30 * DAY, WEST), timeout=30 * DAY * 1000),
    "told in the very instant": history(sent(EAST, 0, ok=0), sent(WEST, 5, ok=0), notified("completed", 5)),
    "a slow client alone starts no deadline": history(
        sent(EAST, 0, ok=200_000), notified("completed", 200), regions=(EAST,)
    ),
}
# The resets above need an excuse; a crash under the request is one.
RIGHT["unanswered, counted"] = history(
    sent(EAST, 0), sent(WEST, 5, error="reset", after=2), crash(5.001, 6), notified("completed", 6.01)
)
RIGHT["unanswered, not counted"] = history(
    sent(EAST, 0), sent(WEST, 5, error="reset", after=2), crash(5.001, 6), notified("timed_out", 120.1, WEST)
)
RIGHT["the first is unanswered, and started it"] = history(
    sent(EAST, 0, error="reset", after=2), crash(0.001, 1), sent(WEST, 100), sent(EAST, 110),
    notified("completed", 110.1),
)  # fmt: skip
RIGHT["the first is unanswered, and did not start it"] = history(
    sent(EAST, 0, error="reset", after=2), crash(0.001, 1), sent(WEST, 100), notified("timed_out", 220, EAST),
)  # fmt: skip
RIGHT["the first is unanswered, and its deadline passes"] = history(
    sent(EAST, 0, error="reset", after=2), crash(0.001, 1), notified("timed_out", 120, WEST), sent(WEST, 130),
)  # fmt: skip

WRONG: dict[str, tuple[History, Rule, tuple[str, ...]]] = {
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
    "completed by a region that nobody expects": (
        history(sent(EAST, 0), sent(WEST, 1, status=400, url_region="mars"), notified("completed", 1.1)),
        Rule.EXPECTED_REGIONS, ("B32",),
    ),
    "completed after the deadline": (
        history(sent(EAST, 0), sent(WEST, 130), notified("completed", 130.1)), Rule.DEADLINE, ("B33",),
    ),
    "the deadline slid over a restart": (
        history(sent(EAST, 0), crash(60, 61), sent(WEST, 130), notified("completed", 130.1)),
        Rule.DEADLINE, ("B39",),
    ),
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
    "timed out a millisecond early": (
        history(sent(EAST, 0), notified("timed_out", 119.999, WEST)), Rule.DEADLINE, ("B67",),
    ),
    "thirty days do not fit the timer": (
        history(sent(EAST, 0), notified("timed_out", 0.1, WEST), timeout=30 * DAY * 1000),
        Rule.DEADLINE, ("B41", "B37"),
    ),
    "timed out though complete": (
        history(sent(EAST, 0), sent(WEST, 10), notified("timed_out", 120, WEST)), Rule.OUTCOME, ("B19",),
    ),
    "timed out though complete, counting nobody": (
        history(sent(EAST, 0), sent(WEST, 10), notified("timed_out", 120, EAST, WEST)), Rule.OUTCOME,
        ("B10",),
    ),
    "timed out though complete, after a race": (
        history(sent(EAST, 0), sent(WEST, 0.01), notified("timed_out", 120, WEST)), Rule.OUTCOME,
        ("B01", "B04"),
    ),
    "timed out though its only region came": (
        history(sent(EAST, 0, ok=None), notified("timed_out", 120, EAST), regions=(EAST,)),
        Rule.OUTCOME, ("B10",),
    ),
    "timed out because the sink was down": (
        history(
            both(10), notified("timed_out", 150, WEST), faults=(SinkDown(since=0, until=140_000),),
        ), Rule.ISOLATION, ("B58",),
    ),
    "an acknowledged region is missing": (
        history(sent(EAST, 0), sent(WEST, 10), notified("timed_out", 120, WEST, NORTH), regions=THREE),
        Rule.OUTCOME, ("B19",),
    ),
    "two acknowledged regions are there, a third is missing": (
        history(
            sent(EAST, 0), sent(WEST, 10), sent(NORTH, 20), notified("timed_out", 120, NORTH, "japaneast"),
            regions=(*THREE, "japaneast"),
        ), Rule.OUTCOME, ("B06",),
    ),
    "an acknowledged region was lost over a crash": (
        history(sent(EAST, 0), sent(WEST, 10), crash(11, 12), notified("timed_out", 120, WEST)),
        Rule.ACKNOWLEDGEMENT, ("B50",),
    ),
    "a region is arrived that was never sent": (
        history(sent(EAST, 0), notified("timed_out", 120, NORTH), regions=THREE), Rule.OUTCOME, ("B25",),
    ),
    "a region is arrived that came too late": (
        history(sent(EAST, 0), sent(WEST, 130), notified("timed_out", 131, NORTH), regions=THREE),
        Rule.OUTCOME, ("B25",),
    ),
    "no deadline explains both": (
        # Had east started it, its deadline would be at 120; had west, north would have been in time.
        history(
            sent(EAST, 0, error="reset", after=2), crash(0.001, 1), sent(WEST, 100), sent(NORTH, 125),
            notified("timed_out", 220, EAST, NORTH), regions=THREE,
        ), Rule.OUTCOME, (),
    ),
    "told before the only deadline that explains it": (
        history(
            sent(EAST, 0, error="reset", after=2), crash(0.001, 1), sent(WEST, 100),
            notified("timed_out", 150, EAST),
        ), Rule.OUTCOME, (),
    ),
    "told although everything was refused": (
        history(sent(EAST, 0, status=400, invalid="malformed:no-id"), notified("timed_out", 120, WEST)),
        Rule.ACKNOWLEDGEMENT, (),
    ),
    "told although every region was unknown": (
        history(sent(EAST, 0, status=400, url_region="mars"), notified("timed_out", 120, WEST)),
        Rule.EXPECTED_REGIONS, (),
    ),
    "told although nothing was sent": (
        history(occurred(), notified("timed_out", 120, EAST, WEST)), Rule.OUTCOME, (),
    ),
    "a ping started something": (
        history(occurred(action="ping"), sent(EAST, 0, status=200), notified("timed_out", 120, WEST)),
        Rule.PING, (),
    ),
    "an unwanted action started something": (
        history(
            occurred(action="delete"), sent(EAST, 0, status=200), notified("timed_out", 120, WEST),
            actions=("push",),
        ), Rule.PING, (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_the_contract_allows_is_valid(name: str) -> None:
    """A judge that cries wolf is of no use."""
    verdict = judge(RIGHT[name])

    assert verdict.findings == ()
    assert (verdict.validity, verdict.doubts) == (Validity.VALID, ())


@pytest.mark.parametrize("name", WRONG)
def test_each_way_to_be_wrong_breaks_its_rule(name: str) -> None:
    """One finding, of the rule that it is about, and what it looks like."""
    played, rule, looks_like = WRONG[name]

    verdict = judge(played)

    assert verdict.validity is Validity.INVALID
    assert [(it.rule, it.looks_like) for it in verdict.findings] == [(rule, looks_like)]


@pytest.mark.parametrize(("outcome", "missing"), [("completed", ()), ("timed_out", (WEST,))])
def test_inside_the_window_either_outcome_is_legal_and_two_never_are(
    outcome: str, missing: tuple[str, ...]
) -> None:
    """Nobody can see the instant of a commit, only between which two instants it lies."""
    photo_finish = [sent(EAST, 0), sent(WEST, 119.999)]

    alone = judge(history(*photo_finish, notified(outcome, 120.01, *missing)))
    other = ("timed_out", WEST) if outcome == "completed" else ("completed",)
    both_told = judge(
        history(*photo_finish, notified(outcome, 120.01, *missing), notified(other[0], 120.02, *other[1:]))
    )

    assert alone.validity is Validity.VALID
    assert [(it.rule, it.looks_like) for it in both_told.findings] == [(Rule.OUTCOME, ("B36",))]


def test_a_judgement_says_what_was_legal_and_what_came() -> None:
    """The window is from the earliest to the latest instant at which the deadline can lie."""
    verdict = judge(
        history(
            sent(EAST, 0),
            sent(WEST, 119.999),
            notified("completed", 120),
            occurred("op2"),
            sent(EAST, 5, op="op3", status=400),
        )
    )

    assert verdict.judgements[:2] == (
        Judgement("op1", ("completed", "timed_out"), "id-op1", 120_000, 120_003, "completed", 120_000),
        Judgement("op2", ("none",), "id-op2"),
    )
    assert verdict.judgements[2].legal == ("none",)


def test_without_an_acknowledgement_the_window_has_no_end() -> None:
    """What was never answered may have counted, or not; then nothing is due."""
    verdict = judge(
        history(
            sent(EAST, 1, error="reset", after=2),
            crash(1.001, 2),
            both(op="op2"),
            notified("completed", 1, op="op2"),
        )
    )

    assert verdict.judgements[1].legal == ("timed_out", "none")
    assert (verdict.judgements[1].deadline_from, verdict.judgements[1].deadline_until) == (121_000, None)
    assert verdict.validity is Validity.VALID


def test_a_run_may_begin_with_the_aggregator_down() -> None:
    """What is refused meanwhile did certainly not count."""
    verdict = judge(
        history(
            sent(EAST, 0, error="refused"),
            up(1),
            sent(EAST, 2),
            sent(WEST, 3),
            notified("completed", 3.1),
            boot=False,
        )
    )

    assert verdict.validity is Validity.VALID


def test_a_second_fall_without_a_start_in_between_is_one_fall() -> None:
    """A failed start leaves it as down as it was."""
    verdict = judge(
        history(
            sent(EAST, 0),
            down(5),
            sent(WEST, 5.5, error="refused"),
            down(6, "failed", "port in use"),
            up(7),
            sent(WEST, 8),
            notified("completed", 8.1),
        )
    )

    assert verdict.validity is Validity.VALID


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
    "a region is arrived that was never sent": "+2m00s counting westus, which had not arrived",
    "told before the only deadline that explains it": "from +2m00s to +3m40.003s leaves just eastus missing",
    "told although everything was refused": "but every delivery had to be refused: malformed:no-id",
    "a ping started something": "+2m00s, but its action, ping, starts no operation here",
    "told although nothing was sent": "+2m00s, but no delivery can have counted",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_finding_says_what_was_wrong_in_one_sentence(name: str) -> None:
    """It names the operation, what was said of it, and what could have been said at most."""
    (finding,) = judge(WRONG[name][0]).findings

    assert finding.message.startswith("op1 ")
    assert finding.message.endswith(SENTENCES[name])
