"""The oracle on responses: how a delivery must be answered, and what explains that it was not."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.request import UpgradeH2c
from fanin.simulator.faults.sink import SinkHangs, SinkRefuses
from fanin.simulator.faults.transport import LoseRequest, LoseResponse, SlowClient
from fanin.simulator.shapes import Delay
from tests.harness.oracle.histories import (
    DONE,
    EAST,
    NORTH,
    THREE,
    WEST,
    Line,
    both,
    crash,
    down,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    up,
)

QUICK = Delay(min=1, max=3)
OF_THREE: dict[str, Any] = {"regions": THREE, "expects": (EAST, WEST)}
LARGER = (both(), notified("completed", 0.1, arrived=[EAST, WEST]), down(10, "stop"), up(11, expects=THREE))
FEWER = (
    *(sent(region, 0) for region in THREE), notified("completed", 0.1), down(10, "stop"),
    up(11, expects=(EAST, WEST)),
)  # fmt: skip
WAITING = (sent(EAST, 5, op="op2"), *FEWER, notified("timed_out", 125.01, WEST, NORTH, op="op2"))
PING = occurred("op2", 1, action="ping")
DELETION = occurred("op2", 1, action="delete")


def after_done(*lines: Line, faults: tuple[Fault, ...] = (), latency: Delay = QUICK) -> History:
    """Something more, after an operation that went well."""
    return history(*DONE, *lines, faults=faults, latency=latency)


def no_response(at: float = 5, after: int = 10_000) -> Line:
    """Its sender gave up waiting."""
    return sent(EAST, at, error="timeout", after=after)


def put_off(**fields: str) -> History:
    """Answered 503 while nothing else goes on."""
    return after_done(sent(EAST, 5, status=503, retry_after="1", **fields))  # type: ignore[arg-type]


def in_envelope(invalid: str = "", op: str = "op2") -> Line:
    """One of several that travel together, and are all answered 202."""
    return sent(EAST, 1, envelope=1, invalid=invalid, op=op)


RIGHT = {
    **{
        f"an id that may be refused: {id_!r}": after_done(sent(EAST, 5, op="op2", status=400, id=id_))
        for id_ in (" ", "a\u200b", "a\tb")
    },
    # --- a region that becomes expected while an attempt is open ---
    "it is refused": history(*LARGER, sent(NORTH, 9.999, status=422, after=1_500), **OF_THREE),
    "its ping is refused": history(
        *LARGER, PING, sent(NORTH, 9.999, status=400, after=1_500, op="op2"), **OF_THREE
    ),
    "it is refused, though its operation begins afterwards": history(
        *LARGER, sent(NORTH, 9.999, status=400, after=1_500, op="op3"), sent(EAST, 12, op="op3"),
        notified("timed_out", 132.01, WEST, NORTH, op="op3"), **OF_THREE,
    ),
    "it is accepted, and counts": history(
        *LARGER, sent(NORTH, 9.999, ok=1_500, op="op3"), sent(EAST, 12, op="op3"), sent(WEST, 13, op="op3"),
        notified("completed", 13.01, op="op3"), **OF_THREE,
    ),
    # --- a region that is expected no more ---
    "it is refused, and no other has reported": history(
        *FEWER, sent(NORTH, 20, status=400, op="op2"), regions=THREE
    ),
    "it is refused, and expected again when the others report": history(
        *FEWER, sent(NORTH, 20, status=400, op="op2"), down(30, "stop"), up(31, expects=THREE),
        sent(EAST, 40, op="op2"), notified("timed_out", 160.01, WEST, NORTH, op="op2"), regions=THREE,
    ),
    "it is refused, as its operation is over": history(*FEWER, sent(NORTH, 20, status=422), regions=THREE),
    "it is accepted, though its operation is over": history(*FEWER, sent(NORTH, 20), regions=THREE),
    "it shares the answer of a batch": history(*FEWER, sent(NORTH, 200, envelope=1), regions=THREE),
    "its operation still waits for it": history(
        sent(EAST, 5, op="op2"), sent(WEST, 6, op="op2"), *FEWER, sent(NORTH, 20, op="op2"),
        notified("completed", 20.01, op="op2"), regions=THREE,
    ),
    "its ping is refused, as it is unknown": history(
        *FEWER, occurred("op2", 20, action="ping"), sent(NORTH, 20, status=400, op="op2"), regions=THREE
    ),
    # --- answered ---
    "a duplicate is answered 200": after_done(sent(EAST, 5, status=200)),
    "busy with another one, with an instant at which to try again": after_done(
        sent(EAST, 5, status=503, retry_after="1"), sent(WEST, 5.002)
    ),
    "busy, with a date at which to try again": after_done(
        sent(EAST, 5, status=503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), sent(WEST, 5)
    ),
    "busy after a start": after_done(crash(4, 5), sent(EAST, 5.1, status=503, retry_after="1")),
    "busy while it goes down": after_done(
        sent(EAST, 5, status=503, retry_after="1"), down(5.002, "stop"), up(6)
    ),
    "a ping is answered 200": after_done(PING, sent(EAST, 1, op="op2", status=200)),
    "an action that is not awaited is answered 200": history(
        *DONE, DELETION, sent(EAST, 1, op="op2", status=200), actions=("push",)
    ),
    "an action that is not awaited shares the answer of a batch": history(
        *DONE, DELETION, sent(EAST, 1, op="op2", status=202, envelope=1), actions=("push",)
    ),
    **{
        f"one that is not awaited, and {how} besides, is answered {status}": history(
            *DONE, DELETION, sent(EAST, 1, op="op2", status=status, invalid=f"malformed:{how}"),
            actions=("push",),
        )
        for how in ("huge", "no-id", "empty-id", "id-not-text", "no-target", "deep")
        for status in (200, 400)
    },
    "a ping of more than a mebibyte is answered 200": after_done(
        PING, sent(EAST, 1, op="op2", status=200, invalid="malformed:huge")
    ),
    "a ping of an unknown region is answered 200": after_done(
        PING, sent(EAST, 1, op="op2", status=200, url_region="mars")
    ),
    "a ping of an unknown region, alone in an envelope, is answered 202": after_done(
        PING, sent(EAST, 1, op="op2", status=202, url_region="mars", envelope=1)
    ),
    "a ping of no region is refused": after_done(PING, sent(EAST, 1, op="op2", status=400, url_region=None)),
    "a malformed body is refused": after_done(sent(EAST, 1, status=422, invalid="malformed:not-json")),
    "an unknown region is refused": after_done(
        sent(EAST, 1, status=404, invalid="unknown-region", url_region="mars")
    ),
    "an unknown region is refused, whose operation occurred": after_done(sent("mars", 5, status=400)),
    "a wrong key is refused": after_done(sent(EAST, 1, status=401, invalid="wrong-key")),
    "a wrong key of an unknown region is refused": after_done(
        sent(EAST, 1, status=400, invalid="wrong-key", url_region="mars")
    ),
    "an invalid one in an envelope is answered as the others are": after_done(
        in_envelope(invalid="malformed:no-id"), in_envelope(op="op1")
    ),
    "a region that its operation does not know is refused": history(
        sent(EAST, 0), sent(WEST, 1), notified("completed", 1.1, arrived=[EAST, WEST]),
        down(10, "stop"), up(11, expects=(EAST, WEST, NORTH)), sent(NORTH, 30, status=422),
        regions=(EAST, WEST, NORTH), expects=(EAST, WEST),
    ),
    # --- not answered, for a reason ---
    "a huge body is refused": after_done(sent(EAST, 1, status=413, invalid="malformed:huge")),
    "a huge body is taken, and counts": history(
        sent(EAST, 0), sent(WEST, 1, invalid="malformed:huge"), notified("completed", 1.1)
    ),
    "a huge body is cut off": after_done(sent(EAST, 1, error="reset", invalid="malformed:huge")),
    "the request was lost": after_done(
        sent(EAST, 5, error="lost"), fault_applied(5, attempt=4), faults=(LoseRequest(),)
    ),
    "the response was lost": after_done(
        sent(EAST, 5, error="reset"), fault_applied(5, attempt=4), faults=(LoseResponse(),)
    ),
    "the client was slow": after_done(
        no_response(), fault_applied(5, op="op1", region=EAST), faults=(SlowClient(over=60_000),)
    ),
    "the run ended": after_done(sent(EAST, 5, error="run-ended")),
    "the history ended": after_done(sent(EAST, 5, ok=None)),
    "neither a status nor an error": history(
        sent(EAST, 0, status=None, error=""), sent(WEST, 1), notified("completed", 1.1)
    ),
    "the sender gave up early": after_done(no_response(after=1_000)),
    "the network was slow": after_done(no_response(after=31_000), latency=Delay(fixed=15_000)),
    "the network may be as slow as it likes": after_done(
        no_response(after=99_000), latency=Delay(median=9, sigma=9)
    ),
    "refused while it was down": after_done(crash(4, 6), sent(EAST, 5, error="refused")),
    "reset at the instant of the crash": after_done(sent(EAST, 5, error="reset", after=1), crash(5.001, 6)),
    "no response over a crash": after_done(no_response(), crash(6, 7)),
    "an error while it was going down": after_done(sent(EAST, 5, status=500), down(5.002, "stop"), up(6)),
}  # fmt: skip


WRONG: dict[str, tuple[History, Rule, tuple[str, ...]]] = {
    # --- refused ---
    "the first is refused": (
        history(sent(EAST, 0, status=409), sent(WEST, 1), notified("timed_out", 121, EAST)),
        Rule.ACKNOWLEDGEMENT, (),
    ),
    "the only one is refused": (
        after_done(sent(EAST, 1, op="op2", status=404)), Rule.ACKNOWLEDGEMENT, (),
    ),
    "redirected": (after_done(sent(EAST, 1, op="op2", status=302)), Rule.ACKNOWLEDGEMENT, ()),
    "a duplicate is refused": (after_done(sent(EAST, 5, status=409)), Rule.LATE_AND_DUPLICATE, ()),
    "one that came after the notification is refused": (
        history(sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 121, status=410)),
        Rule.LATE_AND_DUPLICATE, ("B46",),
    ),
    "one that offers to upgrade is refused": (
        history(
            sent(EAST, 5), fault_applied(5.001, attempt=2), sent(WEST, 5.001, status=400),
            notified("timed_out", 126, WEST), faults=(UpgradeH2c(),),
        ), Rule.ACKNOWLEDGEMENT, (),
    ),
    "one that came after the deadline is refused": (
        history(sent(EAST, 0), sent(WEST, 120.004, status=410), notified("timed_out", 120.1, WEST)),
        Rule.LATE_AND_DUPLICATE, ("B46",),
    ),
    "one that came at the deadline is refused": (
        history(sent(EAST, 0), sent(WEST, 120.003, status=410), notified("timed_out", 120.1, WEST)),
        Rule.ACKNOWLEDGEMENT, (),
    ),
    "a ping is answered 202": (after_done(PING, sent(EAST, 1, op="op2", status=202)), Rule.PING, ()),
    **{
        f"one that is not awaited is answered {status}, though it {what}": (
            history(
                *DONE, DELETION, sent(EAST, 1, op="op2", status=status, invalid=invalid), actions=("push",)
            ), Rule.ACKNOWLEDGEMENT, (),
        )
        for status, invalid, what in (
            (200, "malformed:truncated", "cannot be read"),
            (200, "malformed:no-action", "has no action"),
            (200, "wrong-key", "has a wrong key"),
            (202, "malformed:no-id", "has no id"),
            (202, "malformed:huge", "has more than a mebibyte"),
        )
    },
    "an action that is not awaited is refused": (
        history(*DONE, DELETION, sent(EAST, 1, op="op2", status=400), actions=("push",)), Rule.PING, (),
    ),
    # --- a region that is expected no more ---
    "it is refused, though its operation waits for it": (
        history(*WAITING, sent(NORTH, 20, status=422, op="op2"), regions=THREE), Rule.ACKNOWLEDGEMENT, (),
    ),
    "it is accepted, and no other has reported": (
        history(*FEWER, sent(NORTH, 20, op="op2"), regions=THREE), Rule.EXPECTED_REGIONS, ("B32", "B68"),
    ),
    "it is accepted, and its operation began without it": (
        history(
            *FEWER, both(20, op="op2"), notified("completed", 20.1, op="op2", arrived=[EAST, WEST]),
            sent(NORTH, 30, op="op2"), regions=THREE,
        ), Rule.EXPECTED_REGIONS, ("B32", "B68"),
    ),
    # --- a server error ---
    "500": (after_done(sent(EAST, 5, status=500)), Rule.ACKNOWLEDGEMENT, ("B55",)),
    "500 while the sink refused": (
        after_done(
            sent(EAST, 5, status=500), fault_applied(5), faults=(SinkRefuses(since=4_000, until=6_000),)
        ), Rule.ACKNOWLEDGEMENT, (),
    ),
    "500 after the sink's answer was lost": (
        history(
            sent(EAST, 0), sent(WEST, 5, status=500, after=20),
            notified("completed", 5.01, status=None, error="reset"), both(30), notified("completed", 30.1),
        ), Rule.ACKNOWLEDGEMENT, (),
    ),
    "500 for an invalid body": (
        after_done(sent(EAST, 5, status=500, invalid="malformed:empty")), Rule.ACKNOWLEDGEMENT, ("B69",),
    ),
    "busy, without an instant at which to try again": (
        after_done(sent(EAST, 5, status=503)), Rule.ACKNOWLEDGEMENT, ("B55",),
    ),
    "busy, though nothing else goes on": (put_off(), Rule.LATE_AND_DUPLICATE, ()),
    "busy, and the first of its region": (
        history(sent(EAST, 0), sent(WEST, 5, status=503, retry_after="1"), notified("timed_out", 121, WEST)),
        Rule.ACKNOWLEDGEMENT, (),
    ),
    "busy again long after a start": (
        after_done(crash(4, 5), sent(EAST, 10.001, status=503, retry_after="1")), Rule.LATE_AND_DUPLICATE, (),
    ),
    "too busy to refuse what is malformed": (
        put_off(invalid="malformed:not-json"), Rule.ACKNOWLEDGEMENT, (),
    ),
    "too busy for a ping": (
        after_done(PING, sent(EAST, 1, op="op2", status=503, retry_after="1")), Rule.PING, (),
    ),
    "busy with the sink": (
        after_done(
            sent(EAST, 5, status=503, retry_after="1"), fault_applied(5),
            faults=(SinkHangs(since=4_000, until=6_000),),
        ), Rule.ISOLATION, (),
    ),
    **{
        f"busy until {when!r}": (
            after_done(sent(EAST, 5, status=503, retry_after=when), sent(WEST, 5)),
            Rule.ACKNOWLEDGEMENT, ("B55",),
        )
        for when in ("soon", "-5", "1.5", "", "9" * 5_000)
    },
    # --- accepted ---
    "a malformed body is accepted": (
        after_done(sent(EAST, 1, status=202, invalid="malformed:not-json")), Rule.ACKNOWLEDGEMENT, (),
    ),
    "an unknown region is accepted": (
        after_done(sent(EAST, 1, status=202, url_region="mars")), Rule.EXPECTED_REGIONS, ("B32", "B68"),
    ),
    "no region is accepted": (
        after_done(sent(EAST, 1, status=202, url_region=None)), Rule.EXPECTED_REGIONS, ("B32", "B68"),
    ),
    "a wrong key is accepted": (after_done(sent(EAST, 1, invalid="wrong-key")), Rule.ACKNOWLEDGEMENT, ()),
    "a wrong key is refused for another reason": (
        after_done(sent(EAST, 1, status=400, invalid="wrong-key")), Rule.ACKNOWLEDGEMENT, (),
    ),
    "an invalid one alone in an envelope is accepted": (
        after_done(in_envelope(invalid="malformed:no-id")), Rule.ACKNOWLEDGEMENT, (),
    ),
    "an invalid one in an envelope is redirected": (
        after_done(
            sent(EAST, 1, status=302, envelope=1, invalid="malformed:no-id", op="op2"), in_envelope(op="op1")
        ), Rule.ACKNOWLEDGEMENT, (),
    ),
    "an invalid one in an envelope counted": (
        after_done(
            in_envelope(invalid="malformed:no-id"), in_envelope(op="op1"),
            notified("timed_out", 121, WEST, op="op2"),
        ),
        Rule.ACKNOWLEDGEMENT, (),
    ),
    # --- not answered ---
    "no response": (after_done(no_response()), Rule.ACKNOWLEDGEMENT, ("B24",)),
    "no response to a ping": (
        after_done(PING, sent(EAST, 1, op="op2", error="timeout", after=9_000)),
        Rule.ACKNOWLEDGEMENT, ("B24",),
    ),
    "no response while the sink hung": (
        after_done(no_response(), fault_applied(5), faults=(SinkHangs(since=4_000, until=6_000),)),
        Rule.ISOLATION, ("B24",),
    ),
    "an error for the first one, sent when it came up": (
        history(sent(EAST, 0, status=500), both(1), notified("completed", 1.1)),
        Rule.ACKNOWLEDGEMENT, ("B55",),
    ),
    "no response long after a slow request was there": (
        after_done(
            no_response(after=10_000), fault_applied(5, op="op1", region=EAST),
            faults=(SlowClient(over=4_000),),
        ), Rule.ACKNOWLEDGEMENT, ("B24",),
    ),
    "no response, on a network that is never so slow": (
        after_done(no_response(after=10_000), latency=Delay(median=2, sigma=0.5)),
        Rule.ACKNOWLEDGEMENT, ("B24",),
    ),
    "cut off": (after_done(sent(EAST, 5, error="reset")), Rule.ACKNOWLEDGEMENT, ("B69",)),
    "refused a connection": (after_done(sent(EAST, 5, error="refused")), Rule.ACKNOWLEDGEMENT, ()),
    "a fault lost another one's response": (
        after_done(
            sent(EAST, 4, error="reset"), fault_applied(4, attempt=4), sent(WEST, 5, error="reset"),
            faults=(LoseResponse(),),
        ), Rule.ACKNOWLEDGEMENT, ("B69",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_or_explained_response_is_valid(name: str) -> None:
    """An aggregator is not blamed for what a fault did."""
    verdict = judge(RIGHT[name])

    assert verdict.findings == ()
    assert (verdict.validity, verdict.doubts) == (Validity.VALID, ())


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_response_breaks_its_rule(name: str) -> None:
    """One finding, of the rule that it is about, and what it looks like."""
    played, rule, looks_like = WRONG[name]

    verdict = judge(played)

    assert verdict.validity is Validity.INVALID
    assert [(it.rule, it.looks_like) for it in verdict.findings] == [(rule, looks_like)]


DELIVERY = "op1 had its delivery from eastus"
SENTENCES = {
    "a duplicate is refused": (
        f"{DELIVERY}, sent at +5s, answered 409; a correct aggregator answers 2xx to a valid delivery"
    ),
    "a ping is answered 202": (
        "op2 had its delivery from eastus, sent at +1s, answered 202; a correct aggregator answers"
        " 200 to what starts no operation"
    ),
    "500": (
        f"{DELIVERY}, sent at +5s, answered 500; a correct aggregator never answers a server error"
        " but 503 with Retry-After"
    ),
    "busy, without an instant at which to try again": (
        f"{DELIVERY}, sent at +5s, answered 503; a correct aggregator sends Retry-After with its 503"
    ),
    "busy until 'soon'": (
        f"{DELIVERY}, sent at +5s, answered 503; a correct aggregator says in Retry-After how many seconds to"
        " wait, or until which date, not 'soon'"
    ),
    "busy, though nothing else goes on": (
        f"{DELIVERY}, sent at +5s, answered 503 though no other was open; an aggregator is too busy only"
        " while it has something to do"
    ),
    "a malformed body is accepted": (
        f"{DELIVERY} (malformed:not-json), sent at +1s, answered 202; a correct aggregator refuses"
        " it with a 4xx"
    ),
    "a wrong key is accepted": (
        f"{DELIVERY} (wrong-key), sent at +1s, answered 202; a correct aggregator refuses it with"
        " 401, 403 or 404"
    ),
    "no response": (
        f"{DELIVERY}, sent at +5s, not answered by +15s, with the aggregator up all the time and no fault to"
        " explain it"
    ),
    "cut off": (
        f"{DELIVERY}, sent at +5s, cut off by +5.003s, with the aggregator up all the time and no fault to"
        " explain it"
    ),
    "refused a connection": (
        f"{DELIVERY}, sent at +5s, refused a connection by +5.003s, with the aggregator up all the"
        " time and no fault to explain it"
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_finding_says_what_was_wrong_in_one_sentence(name: str) -> None:
    """How it was answered, and how it should have been."""
    assert judge(WRONG[name][0]).findings[0].message == SENTENCES[name]
