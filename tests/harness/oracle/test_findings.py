"""What the oracle's findings look like, and what holds for every history."""

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from fanin.harness.history import Entry, FaultApplied, History
from fanin.harness.oracle.oracle import judge
from fanin.harness.oracle.text import listing
from fanin.harness.verdict import Finding, Rule, Validity
from fanin.simulator.faults.sink import SinkRefuses
from fanin.simulator.faults.transport import LoseAnswer
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    WEST,
    both,
    crash,
    fault_applied,
    history,
    notified,
    occurred,
    sent,
    unsent,
)
from tests.paths import ROOT

THREE = (EAST, WEST, NORTH)


def blamed(*lines: object, regions: tuple[str, ...] = THREE) -> tuple[str, ...]:
    """The blame lines of the only finding."""
    (finding,) = judge(history(*lines, regions=regions)).findings  # type: ignore[arg-type]
    return finding.by_region


def test_a_finding_shows_what_each_region_did_and_what_was_said_of_it() -> None:
    """Sent, acknowledged, counted, named: one line per region, in the scenario's order."""
    lines = blamed(
        sent(EAST, 0), sent(WEST, 119, ok=4), unsent(NORTH, 3), notified("timed_out", 120, WEST, NORTH)
    )

    assert lines == (
        "eastus       sent +0s             acked +0.003s     counted      named arrived",
        "westus       sent +1m59s          acked +1m59.004s  counted      named missing",
        "northeurope  never sent: dropped                    not counted  named missing",
    )


def test_blame_lines_tell_refusals_losses_and_lateness_apart() -> None:
    """Whoever reads them must not have to open the history."""
    lines = blamed(
        sent(EAST, 0), sent(EAST, 1, error="reset", after=2, copy=1), crash(1.001, 2),
        sent(WEST, 3, status=400, invalid="malformed:no-id"), sent(NORTH, 130), notified("completed", 130.1),
    )  # fmt: skip

    assert lines == (
        "eastus       sent +0s, 1 more  acked +0.003s                 counted      named arrived",
        "westus       sent +3s          answered 400 +3.003s (no-id)  not counted  named arrived",
        "northeurope  sent +2m10s       acked +2m10.003s              late         named arrived",
    )


def test_blame_lines_without_a_notification_say_only_what_was_sent() -> None:
    """Silence named nobody."""
    lines = blamed(sent(EAST, 0), sent(WEST, 5, error="lost"), regions=(EAST, WEST))

    assert lines == (
        "eastus  sent +0s  acked +0.003s  counted",
        "westus  sent +5s  lost +5.003s   not counted",
    )


def test_blame_lines_say_what_is_not_known() -> None:
    """An attempt without an answer may have counted."""
    lines = blamed(
        sent(EAST, 0), sent(WEST, 5, ok=None), sent(NORTH, 6, ok=None, invalid="malformed:huge"),
        notified("timed_out", 60, EAST, arrived=[WEST, NORTH]),
    )  # fmt: skip

    assert lines == (
        "eastus       sent +0s  acked +0.003s       counted      named missing",
        "westus       sent +5s  no response         may count    named arrived",
        "northeurope  sent +6s  no response (huge)  not counted  named arrived",
    )


def test_blame_lines_say_who_was_not_named() -> None:
    """A notification that forgets a region is wrong for that alone."""
    lines = blamed(sent(EAST, 0), notified("timed_out", 120, arrived=[EAST], missing=[WEST]))

    assert lines[2].endswith("never sent                 not counted  not named")


def test_the_evidence_points_at_the_deciding_records_in_order() -> None:
    """From the delivery that was acknowledged to the notification that denies it."""
    played = history(sent(EAST, 0), sent(WEST, 10), sent(WEST, 11, copy=1), notified("timed_out", 120, WEST))

    (finding,) = judge(played).findings

    kinds = [type(played.entries[index]).__name__ for index in finding.evidence]
    assert kinds == ["AttemptSent", "AttemptEnded", "NotificationReceived"]
    assert played.entries[finding.evidence[0]].at == 10_000


def test_many_operations_that_go_wrong_the_same_way_are_counted() -> None:
    """Three in full; a report must stay readable."""
    ops = [f"op1/{n}" for n in range(1, 21)]
    lines = [line for op in ops for line in (sent(EAST, 0, op=op), notified("timed_out", 60, WEST, op=op))]

    findings = judge(history(*lines)).findings

    assert [it.op for it in findings] == ["op1/1", "op1/2", "op1/3", None]
    assert findings[3].message == "17 more like these: timed out before the deadline"
    assert findings[3].looks_like == ("B67",)
    assert len(findings[3].evidence) == 10


def test_many_silent_operations_are_counted_too() -> None:
    """Silence has no record of its own, so the acknowledgements are pointed at."""
    findings = judge(history(*(both(op=f"op1/{n}") for n in range(1, 6)))).findings

    assert [it.op for it in findings] == ["op1/1", "op1/2", "op1/3", None]


def test_findings_come_in_the_order_in_which_the_rules_were_broken() -> None:
    """The cause stands before its consequences, silence last."""
    played = history(
        sent(EAST, 1, op="silent"), notified("completed", 5, op="early"), sent(EAST, 4, op="early"),
        sent(EAST, 3, status=500, op="early"), occurred("op1", 0),
    )  # fmt: skip

    findings = judge(played).findings

    assert [it.rule for it in findings] == [Rule.ACKNOWLEDGEMENT, Rule.OUTCOME, Rule.DEADLINE]


def test_blame_lines_are_not_repeated() -> None:
    """A report has fifteen lines."""
    played = history(sent(EAST, 0), notified("timed_out", 60, WEST, tag="other"))

    outcome, content = judge(played).findings

    assert (outcome.op, len(outcome.by_region)) == ("op1", 2)
    assert (content.op, content.by_region) == ("op1", ())


def test_the_same_history_is_always_judged_alike() -> None:
    """Nothing in a verdict comes out of a set."""
    played = history(
        *(sent(region, n, op=f"op{n}", status=500) for n in range(1, 9) for region in THREE), regions=THREE
    )

    assert judge(played) == judge(played)


def test_names_are_listed_as_people_do() -> None:
    """Commas, and an ``and`` before the last."""
    assert [listing(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]


def test_every_resemblance_is_explained() -> None:
    """A finding's ``looks_like`` names an entry of docs/bugs.md, and no entry is there in vain."""
    sources = [
        path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "harness" / "oracle" / "rules").glob("*.py"))
    ]
    named = {
        name for source in sources for text in re.findall(r'"(B\d\d[^"]*)"', source) for name in text.split()
    }

    explained = re.findall(
        r"^\| (B\d\d[a-d]?) \|", (ROOT / "docs" / "bugs.md").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert named
    assert sorted(named - set(explained)) == []
    assert len(explained) == len(set(explained))


def test_every_rule_is_a_clause_of_the_contract() -> None:
    """The slugs that findings print are the headings of docs/contract.md."""
    contract = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")

    assert [rule for rule in Rule if f"`{rule.value}`" not in contract] == []


HEALTHY = history(
    sent(EAST, 0), sent(WEST, 10), sent(NORTH, 11), fault_applied(11.1, 1),
    notified("completed", 11.1, status=503),
    notified("completed", 15), sent(EAST, 16, copy=1),
    sent(EAST, 20, op="op2"), fault_applied(21, 0, op="op2", region=WEST),
    sent(WEST, 21, op="op2", error="reset"),
    unsent(NORTH, 22, op="op2"), crash(60, 70), notified("timed_out", 140.01, WEST, NORTH, op="op2"),
    sent(NORTH, 200, op="op3", status=400, invalid="malformed:no-id"),
    sent(EAST, 201, op="op3", status=400, url_region="mars"),
    occurred("op4", 210, action="ping"), sent(EAST, 210, op="op4", status=200),
    regions=THREE, faults=(LoseAnswer(), SinkRefuses(until=12_000)),
)  # fmt: skip


def test_the_history_that_the_properties_are_tried_on_is_valid() -> None:
    """Otherwise they would say little."""
    assert judge(HEALTHY) == judge(HEALTHY)
    assert judge(HEALTHY).findings == ()
    assert judge(HEALTHY).validity is Validity.VALID


@given(seed=st.integers(0, 2**32), keep=st.integers(0, 40), damage=st.booleans())
def test_no_order_and_no_loss_of_records_makes_the_judge_raise(seed: int, keep: int, damage: bool) -> None:  # noqa: FBT001
    """A damaged history is judged, whatever comes of it."""
    entries: list[Entry] = list(HEALTHY.entries)
    if damage:
        random.Random(seed).shuffle(entries)

    verdict = judge(History(HEALTHY.run, entries[:keep]))

    assert verdict.validity in Validity


@given(at=st.integers(0, 300), faulty=st.booleans())
def test_an_unrelated_operation_changes_nobody_elses_judgement(at: int, faulty: bool) -> None:  # noqa: FBT001
    """Operations share nothing but the sink and the clock."""
    lines = [sent(EAST, 0), sent(WEST, 119.999), notified("timed_out", 120, WEST)]
    other = [both(at, op="other"), notified("timed_out" if faulty else "completed", at + 0.5, op="other")]

    alone, together = judge(history(*lines)), judge(history(*lines, *other))

    assert [it for it in together.judgements if it.op == "op1"] == list(alone.judgements)
    assert [it for it in together.findings if it.op != "other"] == list(alone.findings)


def test_a_merged_finding_keeps_no_blame() -> None:
    """It speaks of many operations, and blame lines are about one."""
    lines = [both(op=f"op1/{n}") for n in range(1, 6)]

    last = judge(history(*lines)).findings[-1]

    assert (last.op, last.by_region) == (None, ())
    assert isinstance(last, Finding)


def test_bites_without_a_fault_are_no_findings() -> None:
    """The record speaks of the harness, not of the aggregator."""
    played = history(both(), notified("completed", 0.1), fault_applied(1, 5))

    assert any(isinstance(entry, FaultApplied) for entry in played.entries)
    assert judge(played).validity is Validity.VALID
