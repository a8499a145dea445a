"""Which attempt and which notification belong to which operation, and what is known of each."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.evidence import Attempt, Evidence, Notification, collect
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    WEST,
    Line,
    both,
    down,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    unattributed,
    unsent,
    up,
)

THREE_OF_TWO: dict[str, Any] = {"regions": (EAST, WEST, NORTH), "expects": (EAST, WEST)}
IMAGE: dict[str, Any] = {"correlation": "image"}


def evidence_of(*lines: Line, **played: Any) -> Evidence:
    return collect(history(*lines, **played))


def attempt_of(line: Line, **played: Any) -> Attempt:
    """The only attempt."""
    (attempt,) = evidence_of(line, **played).attempts
    return attempt


# --- attempts ---

COUNTS: dict[str, tuple[Line, bool | None, str]] = {
    "acknowledged": (sent(EAST, 0), True, ""),
    "spelt in another letter case": (sent(EAST, 0, url_region=" EastUS "), True, ""),
    "no response": (sent(EAST, 0, ok=None), None, ""),
    "the connection broke": (sent(EAST, 0, error="reset"), None, ""),
    "a server error": (sent(EAST, 0, status=500), None, ""),
    "refused": (sent(EAST, 0, status=409), False, ""),
    "lost on the way": (sent(EAST, 0, error="lost"), False, ""),
    "invalid, and acknowledged": (sent(EAST, 0, invalid="wrong-key"), False, "wrong-key"),
    "its URL names an unknown region": (sent(EAST, 0, url_region="mars"), False, "unknown-region"),
    "its URL names no region": (sent(EAST, 0, url_region=None), False, "unknown-region"),
    "invalid twice": (sent(EAST, 0, url_region="mars", invalid="wrong-key"), False, "wrong-key"),
}


@pytest.mark.parametrize("name", COUNTS)
def test_an_attempt_counted_or_did_not_or_may_have(name: str) -> None:
    """By its response, unless it must be refused."""
    line, counts, reason = COUNTS[name]

    attempt = attempt_of(line)

    assert (attempt.counts, attempt.invalid_because) == (counts, reason)


@pytest.mark.parametrize(("action", "awaited"), [("push", True), ("delete", False), ("ping", False)])
def test_an_action_that_is_not_awaited_never_counts(action: str, *, awaited: bool) -> None:
    """A ping is not, even where the configuration names it."""
    lines = (occurred(action=action), sent(EAST, 0))

    (attempt,) = evidence_of(*lines, actions=("push", "ping")).attempts

    assert attempt.awaited is awaited
    assert attempt.counts is awaited


def test_an_attempt_ends_when_its_sender_saw_that() -> None:
    """Without a response it ends when it was sent, and has one record."""
    ended, open_ = attempt_of(sent(EAST, 1, ok=7)), attempt_of(sent(EAST, 1, ok=None))

    assert (ended.ended_at, len(ended.records)) == (1_007, 2)
    assert (open_.ended_at, len(open_.records)) == (1_000, 1)


def test_an_attempt_comes_from_the_region_as_the_scenario_writes_it() -> None:
    """Whichever region its URL names."""
    assert attempt_of(sent("EASTUS", 0, url_region=WEST)).origin == EAST
    assert attempt_of(sent("mars", 0, url_region=WEST)).origin == "mars"


@pytest.mark.parametrize(("at", "ok", "counts"), [(5, 3, False), (9, 4_000, True), (30, 3, True)])
def test_a_region_is_known_from_when_it_is_configured(at: float, ok: int, *, counts: bool) -> None:
    """An attempt that is open when the aggregator starts with the new region may count."""
    lines = (sent(NORTH, at, ok=ok), down(10, "stop"), up(11, expects=(EAST, WEST, NORTH)))

    (attempt,) = evidence_of(*lines, **THREE_OF_TWO).attempts

    assert attempt.counts is counts


@pytest.mark.parametrize(
    ("how", "counts", "invalid_because"),
    [
        ({}, True, ""),
        ({"status": 413}, False, "malformed:huge"),
        ({"error": "reset"}, None, "malformed:huge"),
        ({"envelope": 1}, None, "malformed:huge"),
    ],
)
def test_a_body_that_is_too_big_counts_if_it_is_accepted(
    how: dict[str, Any], *, counts: bool | None, invalid_because: str
) -> None:
    """In a batch the answer may be the others'."""
    attempt = attempt_of(sent(EAST, 0, invalid="malformed:huge", **how))

    assert (attempt.counts, attempt.invalid_because) == (counts, invalid_because)


def test_a_batch_says_nothing_of_a_region_that_is_expected_no_more() -> None:
    """Its event may have been refused; that of another one counted."""
    lines = (sent(EAST, 0), down(10, "stop"), up(11, expects=(EAST, WEST)))
    batch = [sent(region, 200, envelope=1) for region in (EAST, NORTH)]

    attempts = evidence_of(*lines, *batch, regions=(EAST, WEST, NORTH)).attempts

    assert [it.counts for it in attempts] == [True, True, None]


@pytest.mark.parametrize(
    ("at", "first", "counts"),
    [
        (60, {}, True),
        (119.996, {}, True),
        (119.998, {}, None),  # it may have come when the operation had its outcome
        (60, {"error": "reset"}, None),  # the operation may have begun without it
    ],
)
def test_in_a_batch_a_region_counts_that_its_operation_waits_for(
    at: float, first: dict[str, Any], *, counts: bool | None
) -> None:
    """It began when the region was expected, and its deadline is to come: the event is a valid one."""
    lines = (sent(EAST, 0, **first), down(10, "stop"), up(11, expects=(EAST, WEST)))
    batch = [sent(region, at, envelope=1) for region in (EAST, NORTH)]

    *_, attempt = evidence_of(*lines, *batch, regions=(EAST, WEST, NORTH)).attempts

    assert attempt.counts is counts


# --- operations ---

OPERATIONS: dict[str, tuple[tuple[Line, ...], dict[str, Any], list[tuple[str, int]]]] = {
    "one push": ((both(),), {}, [("id-op1", 2)]),
    "two pushes": ((both(), both(op="op2")), {}, [("id-op1", 2), ("id-op2", 2)]),
    "two pushes with one id": ((both(), occurred("op2", ids="id-op1"), both(op="op2")), {}, [("id-op1", 4)]),
    "an id for each region": (
        (occurred(ids={EAST: "e", WEST: "w"}), both()), {"ids": "distinct"}, [("e", 1), ("w", 1)],
    ),
    "no id at all": ((occurred(ids={}), both()), {}, [("op1", 2)]),
    "one image, an id for each region": (
        (occurred(ids={EAST: "e", WEST: "w"}), both()), {"ids": "distinct", **IMAGE},
        [("push demo.azurecr.io/team/app:op1@sha256:11", 2)],
    ),
    "a body without an id": (
        (occurred(ids={EAST: "e", WEST: "w"}), sent(WEST, 0, id="", invalid="malformed:no-id")),
        {"ids": "distinct"}, [("e", 0), ("w", 1)],
    ),
    "a push that nothing was sent for": ((occurred(), unsent(EAST, 1)), {}, [("id-op1", 0)]),
    "one image, two ids": (
        (both(), occurred("op2", tag="op1"), both(op="op2")), IMAGE,
        [("push demo.azurecr.io/team/app:op1@sha256:11", 4)],
    ),
    "two images, one id": (
        (occurred(ids="one"), occurred("op2", ids="one", tag=None), both(), both(op="op2")), IMAGE,
        [("push demo.azurecr.io/team/app:op1@sha256:11", 2), ("push demo.azurecr.io/team/app@sha256:11", 2)],
    ),
    "an image without a digest": (
        (occurred(digest=None), both()), IMAGE, [("push demo.azurecr.io/team/app:op1", 2)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_one_key_names_is_one_operation(name: str) -> None:
    """Contract, clause 1. By key: how many attempts belong to it."""
    lines, scenario, found = OPERATIONS[name]

    evidence = evidence_of(*lines, **scenario)

    assert [(it.key, len(it.attempts)) for it in evidence.operations] == found
    for operation in evidence.operations:
        for attempt in operation.attempts:
            assert evidence.operation_of[attempt.sent.attempt] is operation


def test_an_operation_is_called_as_the_first_that_had_its_key() -> None:
    """A reused key names no second operation, but a second event."""
    (operation,) = evidence_of(occurred(), occurred("op2", 1, ids="id-op1")).operations

    assert operation.name == "op1"
    assert [it.op for it in operation.events] == ["op1", "op2"]


def test_an_attempt_for_what_never_occurred_belongs_to_nothing() -> None:
    """The history is damaged."""
    played = history(both(), sent(EAST, 1, op="op2"))
    damaged = [it for it in played.entries if getattr(it, "op", "") != "op2" or hasattr(it, "attempt")]

    evidence = collect(History(played.run, damaged))

    assert [it.op for it in evidence.unknown_attempts] == ["op2"]
    assert [it.sent.op for it in evidence.attempts] == ["op1", "op1"]


# --- notifications ---

TWINS = (occurred("op1"), occurred("op2", tag="op1"))  # the same content, two ids
HOSTLESS = (occurred("op1"), occurred("op2", tag="op1", host=""))
ATTRIBUTED: dict[str, tuple[tuple[Line, ...], dict[str, Any], list[str | None]]] = {
    "by its id": ((*TWINS, notified("completed", 1, op="op2")), {}, ["op2"]),
    "by its content, for want of an id": ((both(), notified("completed", 1, id=None)), {}, ["op1"]),
    "by its content, for its id is unknown": ((both(), notified("completed", 1, id="x")), {}, ["op1"]),
    "two have its content": ((*TWINS, notified("completed", 1, id=None)), {}, [None]),
    "none has its content": ((both(), notified("completed", 1, id="x", tag="y")), {}, [None]),
    "no JSON object": ((both(), unattributed(1)), {}, [None]),
    "two images with one id, by its content": (
        (occurred(ids="one"), occurred("op2", ids="one"), notified("completed", 1, op="op2")), IMAGE, ["op2"],
    ),
    "two images with one id, neither with its content": (
        (occurred(ids="one"), occurred("op2", ids="one"), notified("completed", 1, tag="x")), IMAGE, ["op1"],
    ),
    "two hosts, and its id is the image with its host": (
        (*HOSTLESS, notified("completed", 1, id="push:demo.azurecr.io/team/app:op1")), IMAGE, ["op1"],
    ),
    "two hosts, and its id is the image without a host": (
        (*HOSTLESS, notified("completed", 1, id="push:/team/app:op1")), IMAGE, ["op2"],
    ),
    "two images without a host, and its id has one": (
        (occurred(host="", ids="one"), occurred("op2", tag="op1", host="other", ids="one"),
         notified("completed", 1, id="push:/team/app:op1")), IMAGE, ["op1"],
    ),
    "two hosts, by their keys": (
        (*HOSTLESS, notified("completed", 1, id="5f", key="a"), notified("completed", 2, id="6a", key="b"),
         notified("completed", 3, id="6a", key="b"), notified("completed", 4, id="7c", key="c")),
        IMAGE, ["op1", "op2", "op2", "op1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTRIBUTED)
def test_a_notification_belongs_to_the_operation_that_it_names(name: str) -> None:
    """By id, or else by content, or else to none."""
    lines, scenario, names = ATTRIBUTED[name]

    evidence = evidence_of(*lines, **scenario)

    owners = {id(it): operation.name for operation in evidence.operations for it in operation.notifications}
    assert [owners.get(id(it)) for it in evidence.notifications] == names
    assert [it for it in evidence.notifications if id(it) not in owners] == list(evidence.unattributed)


def test_of_images_that_all_have_a_host_one_is_found_all_the_same() -> None:
    """Two registries of one scenario do not happen; a damaged history is judged, whatever comes of it."""
    lines = (occurred(host="a"), occurred("op2", tag="op1", host="b"))

    evidence = evidence_of(*lines, notified("completed", 1, id="push:/team/app:op1"), **IMAGE)

    assert [it.name for it in evidence.operations if it.notifications] == ["op1"]


def notification(line: Line) -> Notification:
    (found,) = evidence_of(both(), line).notifications
    return found


ACCEPTED = {
    "2xx": (notified("completed", 1), True, True),
    "2xx after which the aggregator disconnected": (
        notified("completed", 1, after=2_000, disconnected=0), True, False,
    ),
    "5xx": (notified("completed", 1, status=503), False, False),
    "a broken connection": (notified("completed", 1, error="reset"), False, False),
    "no response": (notified("completed", 1, after=None), False, False),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_notification_was_accepted_if_the_sink_said_2xx(name: str) -> None:
    """Not certainly, if the aggregator disconnected after a slow response."""
    line, maybe, certainly = ACCEPTED[name]

    found = notification(line)

    assert (found.maybe_accepted, found.accepted) == (maybe, certainly)


def test_a_notification_without_a_response_has_one_record() -> None:
    """The sink read it; that is all."""
    assert notification(notified("completed", 1)).at == 1_000
    assert len(notification(notified("completed", 1)).records) == 2
    assert len(notification(notified("completed", 1, after=None)).records) == 1


REPEATS = {
    "the same": (notified("completed", 2), True),
    "other letter case and order": (notified("completed", 2, arrived=["WestUS", "EastUS"]), True),
    "another key": (notified("completed", 2, key="other"), False),
    "another content": (notified("completed", 2, tag="other"), False),
}


@pytest.mark.parametrize("name", REPEATS)
def test_a_notification_repeats_another_with_the_same_key_and_content(name: str) -> None:
    """However its regions are spelt."""
    line, repeats = REPEATS[name]

    assert notification(line).repeats(notification(notified("completed", 1))) is repeats


# --- the rest ---


def test_everything_else_is_kept_in_order() -> None:
    """What a region did not send, what came up or went down, and which faults took effect."""
    evidence = evidence_of(both(), unsent(NORTH, 1), down(5), up(6), fault_applied(7, 3), end=None)

    assert list(evidence.unsent) == [("op1", NORTH)]
    assert [change.state for _, change in evidence.lifecycle] == ["up", "down", "up"]
    assert [it.fault for it in evidence.faults_applied] == [3]
    assert (evidence.end, evidence.length) == (None, 10)
    assert evidence.scenario is evidence.run.scenario


def test_an_operation_is_configured_as_it_was_when_it_began() -> None:
    """Between its first attempt and its first acknowledgement, there may be two configurations."""
    lines = (down(10, "stop"), up(11, timeout=30_000))

    def timeouts(*attempts: Line) -> list[int]:
        evidence = evidence_of(*attempts, *lines)
        return [it.timeout for it in evidence.configured_for(evidence.operations[0])]

    evidence = evidence_of(sent(EAST, 1))
    assert evidence.configured_for(evidence.operations[0]) == [evidence.scenario]
    assert timeouts(sent(EAST, 1)) == [120_000]
    assert timeouts(sent(EAST, 20)) == [30_000]
    assert timeouts(sent(EAST, 1, error="reset"), sent(WEST, 20)) == [120_000, 30_000]
    assert timeouts(sent(EAST, 1, status=400)) == [120_000]


def test_an_operation_did_not_begin_with_a_region_that_was_not_expected() -> None:
    """What was open when its region became expected can only have met the new configuration."""
    lines = (down(10, "stop"), up(11, expects=(EAST, WEST, NORTH)))

    evidence = evidence_of(
        sent(NORTH, 9.9, ok=2_000), *lines, regions=(EAST, WEST, NORTH), expects=(EAST, WEST)
    )

    assert [len(it.regions) for it in evidence.configured_for(evidence.operations[0])] == [3]


def test_a_late_completion_lies_apart_from_the_outcome() -> None:
    """Where the scenario has such messages; elsewhere it is one more notification."""
    lines = (
        sent(EAST, 0),
        notified("timed_out", 121, WEST),
        sent(WEST, 600),
        notified("completed_late", 601),
    )

    (apart,) = collect(history(*lines, notifies_late=True)).operations
    (together,) = collect(history(*lines)).operations

    assert [len(apart.notifications), len(apart.late_completions), len(apart.read)] == [1, 1, 2]
    assert [len(together.notifications), len(together.late_completions)] == [2, 0]
