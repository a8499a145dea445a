"""Any record of a history as one sentence."""

from typing import Any

import pytest

from fanin.harness.history import AttemptSent, ClientDisconnected, FaultApplied, History, SinkResponded
from fanin.harness.oracle.oracle import judge
from fanin.harness.report.analysis import analyse
from fanin.harness.report.evidence_text import EvidenceText
from fanin.simulator.faults.transport import Drop
from tests.harness.oracle.histories import (
    EAST,
    WEST,
    down,
    fault_applied,
    history,
    notified,
    sent,
    unattributed,
    unsent,
    up,
)
from tests.harness.report.reported import analysed


def sentences(*lines: Any, **scenario: Any) -> list[str]:
    """Of every record, without its instant."""
    played = history(*lines, **scenario)
    return [words for _, _, words in EvidenceText(analysed(played)).rows(range(len(played.entries)))]


def test_every_kind_of_record_has_a_sentence() -> None:
    """From the first start to the end of the watch."""
    assert sentences(
        sent(EAST, 0), fault_applied(1, 0, op="op1", region=WEST), unsent(WEST, 1), down(2), up(4),
        notified("timed_out", 120, WEST, key="abc", disconnected=2), faults=(Drop(region=WEST),),
    ) == [
        "aggregator: up",
        "registry: push op1, team/app:op1",
        "eastus: webhook of op1 sent",
        "eastus: webhook of op1 → 202",
        "fault: westus: the registry never sends the webhook",
        "westus: op1 dropped",
        "aggregator: down (crash)",
        "aggregator: up",
        "sink: op1 timed_out, missing westus (key abc)",
        "sink: op1 → 200",
        "aggregator: disconnects from the sink, perhaps without having read its answer about op1",
        "end of the watch",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (sent(WEST, 1, copy=1, retry=2, ok=None), "westus: webhook of op1 sent (copy 1, retry 2)"),
        (down(1, "failed", "port in use"), "aggregator: down (failed): port in use"),
        (unattributed(1, None, None), "sink: no known operation not JSON (no key)"),
        (notified("completed", 1, key=None, after=None), "sink: op1 completed (no key)"),
        (fault_applied(1, 7), "fault: 7"),
    ],
    ids=range(5),
)
def test_what_is_odd_about_a_record_is_in_its_sentence(line: Any, sentence: str) -> None:
    """A retry, a failure to start, a notification that says nothing, a fault that the scenario lacks."""
    assert sentence in sentences(sent(EAST, 0), line)


def test_a_damaged_history_has_sentences_as_well() -> None:
    """An answer to a request that is not there."""
    played = history(sent(EAST, 0))
    damaged = History(
        played.run,
        [
            AttemptSent(1, 99, "never", EAST, "x", EAST),
            SinkResponded(1, 77, 200),
            ClientDisconnected(1, 77),
            FaultApplied(1, 0),
        ],
    )

    rows = EvidenceText(analyse(damaged, judge(damaged))).rows([0, 1, 2, 3, 4, -1])

    assert [words for _, _, words in rows] == [
        "attempt 99, which was never sent",
        "response to request 77, which the sink never received",
        "response to request 77, which the sink never received",
        "fault: 0",
    ]


def test_instants_stand_in_a_column() -> None:
    """However long they are."""
    played = history(sent(EAST, 0), sent(WEST, 119))

    lines = EvidenceText(analysed(played)).sentences([1, 4])

    assert lines == ["+0s     registry: push op1, team/app:op1", "+1m59s  westus: webhook of op1 sent"]
