"""What a verdict looks like, and what holds for every history."""

import itertools
import random
import re
import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.harness.history import Entry, History
from fanin.harness.oracle.oracle import CHOSEN_MAX, judge
from fanin.harness.verdict import Judgement, Rule, Validity
from fanin.simulator.faults.sink import SinkHangs, SinkRefuses
from fanin.simulator.faults.transport import LoseResponse
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    THREE,
    WEST,
    both,
    crash,
    down,
    exchanged,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    unattributed,
    unsent,
    up,
)
from tests.paths import ROOT

# --- judgements ---


def test_a_judgement_says_what_was_legal_and_what_came() -> None:
    """The window is from the earliest to the latest instant at which the deadline can lie."""
    verdict = judge(
        history(
            sent(EAST, 0), sent(WEST, 119.999), notified("completed", 120), occurred("op2"),
            sent(EAST, 5, op="op3", status=400), both(6, op="op4"),
            notified("completed", 7, op="op4", outcome=["x"]),
        )
    )  # fmt: skip

    assert verdict.judgements == (
        Judgement("op1", ("completed", "timed_out"), "id-op1", 120_000, 120_003, "completed", 120_000),
        Judgement("op2", ("none",), "id-op2"),
        Judgement("op3", ("none",), "id-op3"),
        Judgement("op4", ("completed",), "id-op4", 126_000, 126_003, "['x']", 7_000),
    )


def test_without_an_acknowledgement_the_window_has_no_end() -> None:
    """What had no response may have counted, or not; then nothing is due."""
    verdict = judge(
        history(
            sent(EAST, 1, error="reset", after=2), crash(1.001, 2), both(op="op2"),
            notified("completed", 1, op="op2"),
        )
    )  # fmt: skip

    assert verdict.validity is Validity.VALID
    assert verdict.judgements[1] == Judgement("op1", ("timed_out", "none"), "id-op1", 121_000)


# --- findings ---


def test_the_evidence_points_at_the_deciding_records_in_order() -> None:
    """From the delivery that was acknowledged to the notification that denies it."""
    played = history(sent(EAST, 0), sent(WEST, 10), sent(WEST, 11, copy=1), notified("timed_out", 120, WEST))

    (finding,) = judge(played).findings

    kinds = [type(played.entries[index]).__name__ for index in finding.evidence]
    assert kinds == ["AttemptSent", "AttemptEnded", "NotificationReceived"]
    assert played.entries[finding.evidence[0]].at == 10_000


def test_many_operations_that_go_wrong_the_same_way_are_counted() -> None:
    """Three in full, because a report must stay readable; the last one is about many operations."""
    ops = [f"op1/{n}" for n in range(1, 21)]
    lines = [line for op in ops for line in (sent(EAST, 0, op=op), notified("timed_out", 60, WEST, op=op))]

    findings = judge(history(*lines)).findings

    assert [it.op for it in findings] == ["op1/1", "op1/2", "op1/3", None]
    assert findings[3].message == "17 more like these: timed out before the deadline"
    assert (findings[3].looks_like, findings[3].by_region) == (("B67",), ())
    assert len(findings[3].evidence) == 10


def test_many_operations_without_a_notification_are_counted_too() -> None:
    """An absence has no record of its own, so the acknowledgements are pointed at."""
    findings = judge(history(*(both(op=f"op1/{n}") for n in range(1, 6)))).findings

    assert [it.op for it in findings] == ["op1/1", "op1/2", "op1/3", None]
    assert len(findings[3].evidence) == 2


def test_findings_come_in_the_order_in_which_the_rules_were_broken() -> None:
    """The cause stands before its consequences, and an absence last."""
    played = history(
        sent(EAST, 1, op="absent"), notified("completed", 5, op="early"), sent(EAST, 4, op="early"),
        sent(EAST, 3, status=500, op="early"), occurred("op1", 0),
    )  # fmt: skip

    findings = judge(played).findings

    assert [it.rule for it in findings] == [Rule.ACKNOWLEDGEMENT, Rule.OUTCOME, Rule.DEADLINE]


def test_of_images_alike_the_choice_with_the_fewest_findings_stands() -> None:
    """One after the other, for so many images; what they cannot explain is a finding."""
    explained, late, several = (
        judge(history(*itertools.chain(*lines), correlation="image"))
        for lines in (
            [exchanged("t")], [exchanged("t", late=4.2)], [exchanged(it) for it in "abcde"[: CHOSEN_MAX + 1]],
        )
    )  # fmt: skip

    assert explained.findings == ()
    assert len(late.findings) == 1
    assert len(several.findings) == 1


def test_lines_by_region_are_not_repeated() -> None:
    """A report has eighteen lines."""
    played = history(sent(EAST, 0), notified("timed_out", 60, WEST, tag="other"))

    outcome, content = judge(played).findings

    assert (outcome.op, len(outcome.by_region)) == ("op1", 2)
    assert (content.op, content.by_region) == ("op1", ())


def test_a_wrong_outcome_is_not_late_besides() -> None:
    """Nor is another one absent: both are its consequences."""
    late = judge(history(sent(EAST, 0), notified("completed", 500)))

    assert [it.rule for it in late.findings] == [Rule.OUTCOME]


def test_an_operation_that_cannot_be_judged_breaks_no_rule_but_those_about_responses() -> None:
    """It may have begun under either of two configurations, which say nothing of a server error."""
    lines = (sent(EAST, 9, error="reset", after=2_000), down(10, "stop"), up(11, timeout=60_000), both(20))

    verdict = judge(history(*lines, sent(EAST, 30, status=500), notified("timed_out", 21, WEST)))

    assert [it.rule for it in verdict.findings] == [Rule.ACKNOWLEDGEMENT]


def test_a_scenario_in_which_nothing_happens_is_unknown() -> None:
    """An empty history is no error."""
    verdict = judge(history())

    assert (verdict.validity, verdict.findings, verdict.judgements) == (Validity.UNKNOWN, (), ())


# --- docs ---


def test_every_resemblance_is_explained() -> None:
    """A finding's ``looks_like`` names an entry of docs/bugs.md, each of which stands there once."""
    sources = [
        path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "harness" / "oracle" / "rules").glob("*.py"))
    ]
    texts = [text for source in sources for text in re.findall(r'"(B\d\d[^"]*)"', source)]
    named = {name for text in texts for name in text.split()}
    bugs = (ROOT / "docs" / "bugs.md").read_text(encoding="utf-8")

    explained = re.findall(r"^\| (B\d\d[a-d]?) \|", bugs, re.MULTILINE)

    assert named
    assert sorted(named - set(explained)) == []
    assert len(explained) == len(set(explained))


def test_every_rule_is_a_clause_of_the_contract() -> None:
    """The slugs that findings print are the headings of docs/contract.md."""
    contract = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")

    assert [rule for rule in Rule if f"`{rule.value}`" not in contract] == []


# --- properties ---

HEALTHY = history(
    sent(EAST, 0), sent(WEST, 10), sent(NORTH, 11), fault_applied(11.1, 1),
    notified("completed", 11.1, status=503), notified("completed", 15), sent(EAST, 16, copy=1),
    sent(EAST, 20, op="op2"), fault_applied(21, 0, op="op2", region=WEST),
    sent(WEST, 21, op="op2", error="reset"), unsent(NORTH, 22, op="op2"), crash(60, 70),
    notified("timed_out", 140.01, WEST, NORTH, op="op2"),
    sent(NORTH, 200, op="op3", status=400, invalid="malformed:no-id"),
    sent(EAST, 201, op="op3", status=400, url_region="mars"),
    occurred("op4", 210, action="ping"), sent(EAST, 210, op="op4", status=200),
    regions=THREE, faults=(LoseResponse(), SinkRefuses(until=12_000)),
)  # fmt: skip


def test_the_history_that_the_properties_are_tried_on_is_valid() -> None:
    """Otherwise they would say little."""
    assert judge(HEALTHY).findings == ()
    assert judge(HEALTHY).validity is Validity.VALID


def test_the_same_history_is_always_judged_alike() -> None:
    """Nothing in a verdict comes out of a set."""
    lines = [sent(region, n, op=f"op{n}", status=500) for n in range(1, 9) for region in THREE]
    played = history(*lines, regions=THREE)

    assert judge(played) == judge(played)
    assert judge(HEALTHY) == judge(HEALTHY)


@given(seed=st.integers(0, 2**32), keep=st.integers(0, 40), damage=st.booleans())
def test_no_order_and_no_loss_of_records_makes_the_judge_raise(seed: int, keep: int, damage: bool) -> None:  # noqa: FBT001
    """A damaged history is judged, whatever comes of it."""
    entries: list[Entry] = list(HEALTHY.entries)
    if damage:
        random.Random(seed).shuffle(entries)

    verdict = judge(History(HEALTHY.run, entries[:keep]))

    assert verdict.validity in Validity


@given(at=st.integers(0, 300), faulty=st.booleans())
def test_an_unrelated_operation_changes_no_other_ones_judgement(at: int, faulty: bool) -> None:  # noqa: FBT001
    """Operations share nothing but the sink and the clock."""
    lines = [sent(EAST, 0), sent(WEST, 119.999), notified("timed_out", 120, WEST)]
    other = [both(at, op="other"), notified("timed_out" if faulty else "completed", at + 0.5, op="other")]

    alone, together = judge(history(*lines)), judge(history(*lines, *other))

    assert [it for it in together.judgements if it.op == "op1"] == list(alone.judgements)
    assert [it for it in together.findings if it.op != "other"] == list(alone.findings)


ALSO: dict[str, tuple[History, Rule, set[Rule]]] = {
    "completed after the deadline, with one that came late": (
        history(sent(EAST, 0), sent(WEST, 125), notified("completed", 125.1)),
        Rule.DEADLINE, {Rule.OUTCOME, Rule.LATE_AND_DUPLICATE},
    ),
    "completed by copies": (
        history(sent(EAST, 0), sent(EAST, 1, copy=1), notified("completed", 1.1)),
        Rule.OUTCOME, {Rule.LATE_AND_DUPLICATE},
    ),
    "completed by what was malformed": (
        history(
            sent(EAST, 0), sent(WEST, 1, status=400, invalid="malformed:no-id"), notified("completed", 1.1)
        ), Rule.ACKNOWLEDGEMENT, {Rule.OUTCOME},
    ),
    "timed out early, and nothing would have come": (
        history(sent(EAST, 0), notified("timed_out", 70, WEST)), Rule.DEADLINE, set(),
    ),
    "timed out early, and the other region came in time": (
        history(sent(EAST, 0), notified("timed_out", 70, WEST), sent(WEST, 80)),
        Rule.DEADLINE, {Rule.OUTCOME},
    ),
    "lost over a crash": (
        history(sent(EAST, 0), sent(WEST, 5), crash(6, 7), notified("timed_out", 120, WEST)),
        Rule.ACKNOWLEDGEMENT, {Rule.OUTCOME},
    ),
    "an outcome of a late one": (
        history(
            sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 125), notified("completed", 125.1)
        ), Rule.OUTCOME, {Rule.NOTIFICATION, Rule.LATE_AND_DUPLICATE},
    ),
    "an outcome of a late one, under a key of its own": (
        history(
            sent(EAST, 0), notified("timed_out", 120, WEST), sent(WEST, 125),
            notified("completed", 125.1, key="b"),
        ), Rule.OUTCOME, {Rule.LATE_AND_DUPLICATE},
    ),
    "sent again for a copy": (
        history(both(), notified("completed", 0.1), sent(EAST, 5), notified("completed", 5.1)),
        Rule.NOTIFICATION, {Rule.LATE_AND_DUPLICATE},
    ),
    "sent again for nothing": (
        history(both(), notified("completed", 0.1), notified("completed", 5.1)), Rule.NOTIFICATION, set(),
    ),
    "an operation that never occurred": (
        history(both(), notified("completed", 0.1), unattributed(1, {"id": "no", "outcome": "completed"})),
        Rule.IDENTITY, {Rule.CONTENT},
    ),
    "never reported that it timed out": (
        history(sent(EAST, 0)), Rule.DEADLINE, {Rule.NOTIFICATION},
    ),
    "no response, because the sink hangs": (
        history(
            sent(EAST, 0), notified("timed_out", 120, WEST), fault_applied(121),
            sent(EAST, 122, error="timeout", after=10_000), faults=(SinkHangs(since=121_000, until=140_000),),
        ), Rule.ISOLATION, {Rule.ACKNOWLEDGEMENT},
    ),
    "a region that is not expected": (
        history(both(), notified("completed", 0.1, arrived=[EAST, WEST, "mars"])),
        Rule.EXPECTED_REGIONS, {Rule.CONTENT},
    ),
    "the regions of another configuration": (
        history(
            both(), down(5, "stop"), up(6, expects=THREE), both(10, op="op2"), sent(NORTH, 11, op="op2"),
            notified("completed", 0.1, arrived=[EAST, WEST]),
            notified("completed", 11.1, op="op2", arrived=[EAST, WEST]),
            regions=THREE, expects=(EAST, WEST),
        ), Rule.CONTENT, {Rule.EXPECTED_REGIONS},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALSO)
def test_a_finding_says_what_else_it_shows_broken(name: str) -> None:
    """So that no clause counts as kept where a finding shows the opposite."""
    played, rule, also = ALSO[name]

    finding = judge(played).findings[0]

    assert (finding.rule, set(finding.also)) == (rule, also)


# --- its cost ---


def refused_on_and_on(times: int) -> History:
    """One notification, refused again and again."""
    return history(both(), *(notified("completed", 0.1 + 100 * n, status=503) for n in range(times)))


def pushes_that_mix(times: int) -> History:
    """One image, pushed again before the last push is over."""
    return history(
        *(
            line
            for n in range(times)
            for line in (
                occurred(f"op{n}", n / 100, digest="sha256:1", tag="t", ids=f"id-{n}"),
                sent(EAST, n / 100, op=f"op{n}"),
                sent(WEST, n / 100 + 0.004, op=f"op{n}"),
                notified("completed", n / 100 + 0.009, op=f"op{n}", key=f"k{n}", tag="t"),
            )
        ),
        correlation="image",
    )


def copies_after_the_retention(times: int) -> History:
    """Many attempts that may have begun an operation, and many notifications of it."""
    week = 8 * 86_400
    return history(
        both(),
        notified("completed", 0.1),
        *(sent(EAST, week + n) for n in range(times)),
        *(notified("timed_out", week + 120 + n, WEST, key="b", status=503) for n in range(times)),
    )


@pytest.mark.parametrize("of", [refused_on_and_on, pushes_that_mix, copies_after_the_retention])
def test_it_costs_twice_as_much_to_judge_twice_as_many_records(of: Callable[[int], History]) -> None:
    """Counted in calls of functions, which no other process slows down."""
    few, many = (calls_to_judge(of(times)) for times in (400, 800))

    assert many < 2.3 * few


def calls_to_judge(played: History) -> int:
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        judge(played)
    finally:
        sys.setprofile(None)
    return calls
