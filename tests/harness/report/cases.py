"""Histories and verdicts by hand, whose reports are reviewed."""

from typing import Any, NamedTuple

from fanin.harness.history import History
from fanin.harness.verdict import Finding, Judgement, Rule, Validity, Verdict
from fanin.simulator.faults.aggregator import ClockJump, Crash, Pause, Restart
from fanin.simulator.faults.request import Forge, SignEarlier, UnknownRegion
from fanin.simulator.faults.sink import SinkDown, SinkHangs, SinkRefuses
from fanin.simulator.faults.transport import Drop, Duplicate, LoseRequest, LoseResponse
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    WEST,
    crash,
    down,
    fault_applied,
    history,
    notified,
    occurred,
    pause,
    sent,
    unsent,
    up,
)

EIGHT = (
    "northeurope", "westeurope", "eastus", "westus2", "southeastasia", "australiaeast", "brazilsouth",
    "uaenorth",
)  # fmt: skip
KEY = "63f271d3-e4a2-494b-9cb8-4d0fe2ae04f9"


class Case(NamedTuple):
    """What is reported."""

    history: History
    verdict: Verdict


def played(*lines: Any, **scenario: Any) -> History:
    """A history with the header of a real run."""
    header = {"target": "aggregator (sqlite) in process", "version": "0.1.0"}
    return history(*lines, run=header, **scenario)


def judgement(outcome: str | None, told_at: float | None, op: str = "op1", **fields: Any) -> Judgement:
    """What was legal is what came, and the deadline is that of a first arrival within the first 3 ms."""
    known: dict[str, Any] = {
        "key": f"id-{op}", "legal": (outcome or "none",), "deadline_from": 120_000, "deadline_until": 120_003,
        "notified_at": None if told_at is None else round(told_at * 1000), "outcome": outcome,
    } | fields  # fmt: skip
    return Judgement(op, **known)


def valid(*judgements: Judgement) -> Verdict:
    return Verdict(Validity.VALID, judgements=judgements)


def by_region(*counted: str) -> tuple[str, ...]:
    """What the oracle says of each region, in columns."""
    regions = (EAST, WEST, NORTH)[: len(counted)]
    return tuple(f"{region:<11}  sent  {word}" for region, word in zip(regions, counted, strict=True))


def slow_region() -> Case:
    """The one that the README shows."""
    return Case(
        played(
            sent(EAST, 0), sent(NORTH, 2), sent(WEST, 119), notified("completed", 119.006, key=KEY),
            regions=(EAST, NORTH, WEST),
        ),
        valid(judgement("completed", 119.006)),
    )  # fmt: skip


def dropped_region() -> Case:
    """A region whose webhook never comes, then the deadline."""
    return Case(
        played(
            sent(EAST, 0), fault_applied(2, op="op1", region=WEST), unsent(WEST, 2),
            notified("timed_out", 120.004, WEST, key=KEY),
            faults=(Drop(region=WEST),),
        ),
        valid(judgement("timed_out", 120.004)),
    )  # fmt: skip


def duplicates() -> Case:
    """Copies before the outcome, many of them, and long after it; then a late region."""
    copies = [sent(EAST, 1 + number, copy=number) for number in range(1, 9)]
    return Case(
        played(
            sent(EAST, 0), *copies, notified("timed_out", 120.004, WEST, key=KEY), sent(WEST, 130),
            sent(EAST, 90_000, copy=9), faults=(Duplicate(region=EAST, after=(1_000,) * 9),),
        ),
        valid(judgement("timed_out", 120.004)),
    )  # fmt: skip


def crash_after_ack() -> Case:
    """Down between two arrivals, and again under a request that may have counted."""
    return Case(
        played(
            sent(EAST, 0), crash(10, 15), sent(WEST, 20, error="reset", after=1), crash(20.001, 22.001),
            sent(WEST, 25, retry=1), notified("completed", 25.01, key=KEY),
            faults=(Crash(at=10_000), Crash(step="before-response", region=WEST, down_for=2_000)),
        ),
        valid(judgement("completed", 25.01)),
    )  # fmt: skip


def sink_faults() -> Case:
    """Connections are refused, then 503, then no answer, then 200."""
    knocks = [fault_applied(at) for at in (5.01, 6, 8, 12, 20)]
    return Case(
        played(
            sent(EAST, 0), sent(WEST, 5), *knocks, notified("completed", 40, key=KEY, status=503),
            notified("completed", 70, key=KEY, error="hung", after=10_000),
            notified("completed", 100, key=KEY),
            faults=(
                SinkDown(since=3_000, until=30_000), SinkRefuses(since=30_000, until=60_000),
                SinkHangs(since=60_000, until=90_000),
            ),
        ),
        valid(judgement("completed", 40)),
    )  # fmt: skip


def interleaved() -> Case:
    """Two operations that cross: every cell names its operation."""
    return Case(
        played(
            occurred("first", 0), sent(EAST, 0, op="first"),
            occurred("second", 5), sent(EAST, 5, op="second"), sent(WEST, 10, op="second"),
            notified("completed", 10.01, op="second"), sent(WEST, 15, op="first"),
            notified("completed", 15.01, op="first"),
        ),
        valid(
            judgement("completed", 15.01, "first"),
            judgement("completed", 10.01, "second", deadline_from=125_000, deadline_until=125_003),
        ),
    )  # fmt: skip


def standing_still() -> Case:
    """Two replicas: one stands still, one is killed, both start anew with another region; a clock is set."""
    return Case(
        played(
            up(0, replica=1), up(0, replica=2), sent(EAST, 0, replica=1),
            pause(5, 20, replica=1), sent(WEST, 10, replica=2), notified("completed", 10.004, key=KEY),
            crash_of(2, 12, 15), fault_applied(30, 3), down(40, "stop", replica=1),
            down(40, "stop", replica=2),
            up(41, replica=1, expects=(EAST, WEST, NORTH), timeout=60_000),
            up(41, replica=2, expects=(EAST, WEST, NORTH), timeout=60_000),
            boot=False, replicas=2, regions=(EAST, WEST, NORTH), expects=(EAST, WEST),
            faults=(
                Pause(at=5_000, lasts=15_000, replica=1), Crash(at=12_000, down_for=3_000, replica=2),
                Restart(at=40_000, expects=(EAST, WEST, NORTH), timeout=60_000),
                ClockJump(at=30_000, forward=3_600_000),
            ),
        ),
        valid(judgement("completed", 10.004)),
    )  # fmt: skip


def crash_of(replica: int, at: float, back: float) -> Any:
    """One of several is killed and starts again."""

    def write(book: Any) -> None:
        down(at, replica=replica)(book)
        up(back, replica=replica)(book)

    return write


def signed_and_gathered() -> Case:
    """Signatures that must be refused, one that is old enough to wonder, and a request that carries two."""
    return Case(
        played(
            fault_applied(0, 0, op="op1", region=EAST), sent(EAST, 0),
            sent(WEST, 1, invalid="forged:wrong-secret", status=401),
            sent(WEST, 2, invalid="stale-signature", status=401),
            sent(WEST, 3, envelope=4), sent(WEST, 3, envelope=4, copy=1),
            notified("completed", 3.004, key=KEY),
            faults=(SignEarlier(region=EAST, by=290_000), Forge(region=WEST), Duplicate(region=WEST)),
        ),
        valid(judgement("completed", 3.004)),
    )  # fmt: skip


def odd_requests() -> Case:
    """What must be refused, what is lost, what is spelled oddly, and what is never answered."""
    return Case(
        played(
            sent(EAST, 0, url_region=" EastUS"),
            sent(WEST, 1, url_region="mars", invalid="unknown-region", status=422),
            sent(WEST, 2, invalid="malformed:not-json", status=400),
            sent(NORTH, 3, error="lost", after=10_000),
            sent(NORTH, 20, status=503, retry=1, retry_after="1"), sent(NORTH, 21, retry=2, error="reset"),
            fault_applied(21.001, 2, attempt=6), notified("completed", 30, WEST, key=None),
            regions=(EAST, WEST, NORTH),
            faults=(UnknownRegion(region=WEST), LoseRequest(region=NORTH), LoseResponse(region=NORTH)),
        ),
        Verdict(
            Validity.INVALID,
            (
                Finding(
                    Rule.OUTCOME, "op1 was reported completed at +30s counting westus, which had not arrived",
                    "op1", (3, 4, 14), by_region("counted", "not counted", "may count"), ("B25",),
                ),
                Finding(Rule.NOTIFICATION, "op1 was reported without a key", "op1", (14,)),
            ),
            judgements=(judgement("completed", 30, legal=("timed_out",)),),
        ),
    )  # fmt: skip


def told_twice() -> Case:
    """Both outcomes, the second under another key, and another key."""
    return Case(
        played(
            sent(EAST, 0), sent(WEST, 5), notified("completed", 5.01, key=KEY),
            notified("timed_out", 120.004, WEST, key="b" * 30),
        ),
        Verdict(
            Validity.INVALID,
            (
                Finding(
                    Rule.OUTCOME,
                    "op1 was reported completed at +5.01s and timed_out at +2m00.004s; it has one outcome",
                    "op1", (6, 8), by_region("counted", "counted"), ("B36",),
                ),
            ),
            judgements=(judgement("completed", 5.01),),
        ),
    )  # fmt: skip


def nothing_happened() -> Case:
    """A run that proves nothing."""
    lost = [sent(region, at, error="lost", after=10_000) for region, at in ((EAST, 0), (WEST, 1))]
    return Case(
        played(*lost, verdict="unknown", faults=(LoseRequest(),)),
        Verdict(
            Validity.UNKNOWN,
            doubts=("no delivery was ever acknowledged, so nothing was put to the test",),
            judgements=(judgement(None, None, deadline_from=None, deadline_until=None),),
        ),
    )


def photo_finish() -> Case:
    """The last arrival falls on the deadline: either outcome is right."""
    return Case(
        played(sent(EAST, 0), sent(WEST, 120.001), notified("timed_out", 120.003, WEST, key=KEY)),
        valid(judgement("timed_out", 120.003, legal=("completed", "timed_out"))),
    )


def eight_regions() -> Case:
    """Narrow lanes with a legend."""
    lines = [sent(region, number) for number, region in enumerate(EIGHT[:6])]
    return Case(
        played(
            *lines, sent(EIGHT[2], 3, copy=1), sent(EIGHT[6], 6, invalid="malformed:empty", status=400),
            unsent(EIGHT[7], 7), notified("timed_out", 120.004, *EIGHT[6:], key=KEY), regions=EIGHT,
        ),
        valid(judgement("timed_out", 120.004)),
    )  # fmt: skip


def eleven_regions() -> Case:
    """Too many for lanes: a list."""
    regions = tuple(f"region-{number}" for number in range(11))
    lines = [sent(region, number) for number, region in enumerate(regions)]
    return Case(
        played(*lines, notified("completed", 10.01, key=KEY), regions=regions),
        valid(judgement("completed", 10.01)),
    )


def thousand_operations() -> Case:
    """Most complete, every tenth times out: one of each is shown, the rest is counted."""
    lines, judgements = [], []
    for number in range(1, 1001):
        op, at = f"push/{number}", number / 10
        window = {"deadline_from": round(at * 1000) + 120_000, "deadline_until": round(at * 1000) + 120_003}
        lines += [occurred(op, at), sent(EAST, at, op=op)]
        if number % 10:
            lines += [sent(WEST, at + 1, op=op), notified("completed", at + 1.01, op=op)]
            judgements.append(judgement("completed", at + 1.01, op, **window))
        else:
            lines += [unsent(WEST, at + 1, op=op), notified("timed_out", at + 120.01, WEST, op=op)]
            judgements.append(judgement("timed_out", at + 120.01, op, **window))
    return Case(played(*lines, faults=(Drop(region=WEST, chance=0.1),)), valid(*judgements))


def cut_short() -> Case:
    """A watch that ended early."""
    lines = played(sent(EAST, 0), end=60, complete=False)
    doubt = "the watch was cut short at +1m00s, before the deadline at +2m00s"
    return Case(lines, Verdict(Validity.UNKNOWN, doubts=(doubt,), judgements=(judgement(None, None),)))


CASES = (
    slow_region, dropped_region, duplicates, crash_after_ack, sink_faults, interleaved, odd_requests,
    told_twice, nothing_happened, photo_finish, eight_regions, eleven_regions, thousand_operations, cut_short,
    standing_still, signed_and_gathered,
)  # fmt: skip
