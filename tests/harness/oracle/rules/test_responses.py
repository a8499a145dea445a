"""The oracle on answers: what a delivery must be answered, and what explains that it was not."""

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.sink import SinkHangs
from fanin.simulator.faults.transport import LoseAnswer, LoseRequest, SlowClient
from fanin.simulator.shapes import Delay
from tests.harness.oracle.histories import (
    EAST,
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

DONE = (both(), notified("completed", 0.1))
QUICK = Delay(min=1, max=3)
PING = occurred("op2", 1, action="ping")
DELETION = occurred("op2", 1, action="delete")


def after_done(*lines: Line, faults: tuple[Fault, ...] = (), latency: Delay = QUICK) -> History:
    """Something more, after an operation that went well."""
    return history(*DONE, *lines, faults=faults, latency=latency)


def hung(at: float = 5, after: int = 10_000) -> Line:
    return sent(EAST, at, error="timeout", after=after)


RIGHT = {
    "a duplicate is answered 200": after_done(sent(EAST, 5, status=200)),
    "busy, and says when to come back": after_done(sent(EAST, 5, status=503, retry_after="1")),
    "a ping is answered 200": after_done(PING, sent(EAST, 1, op="op2", status=200)),
    "an unwanted action is answered 200": history(
        *DONE, DELETION, sent(EAST, 1, op="op2", status=200), actions=("push",)
    ),
    "a ping from nowhere is answered 200": after_done(
        PING, sent(EAST, 1, op="op2", status=200, url_region="mars")
    ),
    "a ping from nowhere is refused": after_done(
        PING, sent(EAST, 1, op="op2", status=400, url_region=None)
    ),
    "a malformed body is refused": after_done(sent(EAST, 1, status=422, invalid="malformed:not-json")),
    "a huge body is cut off": after_done(sent(EAST, 1, error="reset", invalid="malformed:huge")),
    "an unknown region is refused": after_done(
        sent(EAST, 1, status=404, invalid="unknown-region", url_region="mars")
    ),
    "a wrong key is refused": after_done(sent(EAST, 1, status=401, invalid="wrong-key")),
    "a wrong key from nowhere is refused": after_done(
        sent(EAST, 1, status=400, invalid="wrong-key", url_region="mars")
    ),
    "the request was lost": after_done(
        sent(EAST, 5, error="lost"), fault_applied(5, attempt=4), faults=(LoseRequest(),)
    ),
    "the answer was lost": after_done(
        sent(EAST, 5, error="reset"), fault_applied(5, attempt=4), faults=(LoseAnswer(),)
    ),
    "the client was slow": after_done(
        hung(), fault_applied(5, op="op1", region=EAST), faults=(SlowClient(over=60_000),)
    ),
    "the run ended": after_done(sent(EAST, 5, error="run-ended")),
    "the run ended without a word": after_done(sent(EAST, 5, ok=None)),
    "the sender was impatient": after_done(hung(after=1_000)),
    "the network was slow": after_done(hung(after=31_000), latency=Delay(fixed=15_000)),
    "the network may be as slow as it likes": after_done(
        hung(after=99_000), latency=Delay(median=9, sigma=9)
    ),
    "refused while it was down": after_done(crash(4, 6), sent(EAST, 5, error="refused")),
    "reset at the instant of the crash": after_done(sent(EAST, 5, error="reset", after=1), crash(5.001, 6)),
    "hung over a crash": after_done(hung(), crash(6, 7)),
    "an error while it was going down": after_done(sent(EAST, 5, status=500), down(5.002, "stop"), up(6)),
    "it came back in the end": after_done(crash(5, 6), down(7), down(8, "failed", "locked"), up(9)),
}  # fmt: skip

WRONG: dict[str, tuple[History, Rule, tuple[str, ...]]] = {
    "the first is refused": (
        history(sent(EAST, 0, status=409), sent(WEST, 1), notified("timed_out", 121, EAST)),
        Rule.ACKNOWLEDGEMENT, ("B04",),
    ),
    "the only one is refused": (
        after_done(sent(EAST, 1, op="op2", status=404)), Rule.ACKNOWLEDGEMENT, (),
    ),
    "redirected": (after_done(sent(EAST, 1, op="op2", status=302)), Rule.ACKNOWLEDGEMENT, ()),
    "a duplicate is refused": (after_done(sent(EAST, 5, status=409)), Rule.LATE_AND_DUPLICATE, ("B04",)),
    "a late one is refused": (
        history(sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 121, status=410)),
        Rule.LATE_AND_DUPLICATE, ("B04",),
    ),
    "500": (after_done(sent(EAST, 5, status=500)), Rule.ACKNOWLEDGEMENT, ("B55",)),
    "500 for rubbish": (
        after_done(sent(EAST, 5, status=500, invalid="malformed:empty")), Rule.ACKNOWLEDGEMENT, (),
    ),
    "busy, and does not say when to come back": (
        after_done(sent(EAST, 5, status=503)), Rule.ACKNOWLEDGEMENT, ("B55",),
    ),
    "a ping is answered 202": (
        after_done(PING, sent(EAST, 1, op="op2", status=202)), Rule.PING, (),
    ),
    "an unwanted action is refused": (
        history(*DONE, DELETION, sent(EAST, 1, op="op2", status=400), actions=("push",)),
        Rule.PING, (),
    ),
    "a malformed body is accepted": (
        after_done(sent(EAST, 1, status=202, invalid="malformed:not-json")), Rule.ACKNOWLEDGEMENT, (),
    ),
    "an unknown region is accepted": (
        after_done(sent(EAST, 1, status=202, url_region="mars")), Rule.EXPECTED_REGIONS, ("B32",),
    ),
    "a missing region is accepted": (
        after_done(sent(EAST, 1, status=202, url_region=None)), Rule.EXPECTED_REGIONS, ("B32",),
    ),
    "a wrong key is accepted": (after_done(sent(EAST, 1, invalid="wrong-key")), Rule.ACKNOWLEDGEMENT, ()),
    "a wrong key is refused for another reason": (
        after_done(sent(EAST, 1, status=400, invalid="wrong-key")), Rule.ACKNOWLEDGEMENT, (),
    ),
    "hung": (after_done(hung()), Rule.ACKNOWLEDGEMENT, ("B24",)),
    "hung on a ping": (
        after_done(PING, sent(EAST, 1, op="op2", error="timeout", after=9_000)),
        Rule.ACKNOWLEDGEMENT, ("B24",),
    ),
    "hung because the sink did": (
        after_done(hung(), fault_applied(5), faults=(SinkHangs(since=4_000, until=6_000),)), Rule.ISOLATION,
        ("B24",),
    ),
    "cut off": (after_done(sent(EAST, 5, error="reset")), Rule.ACKNOWLEDGEMENT, ("B69",)),
    "refused a connection": (after_done(sent(EAST, 5, error="refused")), Rule.ACKNOWLEDGEMENT, ()),
    "a fault lost another one's answer": (
        after_done(
            sent(EAST, 4, error="reset"), fault_applied(4, attempt=4), sent(WEST, 5, error="reset"),
            faults=(LoseAnswer(),),
        ), Rule.ACKNOWLEDGEMENT, ("B69",),
    ),
    "it did not come back": (
        after_done(down(5), down(6, "failed", "database is locked")), Rule.ACKNOWLEDGEMENT, (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_or_explained_answer_is_valid(name: str) -> None:
    """An aggregator is not blamed for what a fault did."""
    verdict = judge(RIGHT[name])

    assert verdict.findings == ()
    assert (verdict.validity, verdict.doubts) == (Validity.VALID, ())


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_answer_breaks_its_rule(name: str) -> None:
    """One finding, of the rule that it is about, and what it looks like."""
    played, rule, looks_like = WRONG[name]

    verdict = judge(played)

    assert verdict.validity is Validity.INVALID
    assert [(it.rule, it.looks_like) for it in verdict.findings] == [(rule, looks_like)]


@pytest.mark.parametrize(("error", "why"), [("port in use", "port in use"), ("", "it gave no reason")])
def test_a_failed_comeback_quotes_the_error(error: str, why: str) -> None:
    """The aggregator's own words are the best evidence."""
    verdict = judge(after_done(down(5), down(6, "failed", error)))

    assert verdict.findings[0].message == f"the aggregator did not start again at +6s: {why}"
    assert verdict.findings[0].op is None


@pytest.mark.parametrize("fault", [-1, 7])
def test_a_bite_of_an_unknown_fault_explains_nothing(fault: int) -> None:
    """A history may come from a newer version."""
    verdict = judge(after_done(sent(EAST, 5, error="reset"), fault_applied(5, fault, attempt=4)))

    assert [it.rule for it in verdict.findings] == [Rule.ACKNOWLEDGEMENT]


def test_an_attempt_of_a_region_that_the_operation_does_not_know_belongs_to_it_all_the_same() -> None:
    """A webhook that is left over from a replica which is gone."""
    verdict = judge(after_done(sent("mars", 5, status=400)))

    assert verdict.validity is Validity.VALID
    assert [it.op for it in verdict.judgements] == ["op1"]


def test_an_answer_that_says_nothing_is_no_finding() -> None:
    """Neither a status nor an error: the record is of no use, and the delivery may have counted."""
    strange = sent(EAST, 0, status=None, error="")

    verdict = judge(history(strange, sent(WEST, 1), notified("completed", 1.1)))

    assert verdict.validity is Validity.VALID
