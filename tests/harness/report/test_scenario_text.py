"""A scenario in words."""

import pytest

from fanin.harness.report.line import plain
from fanin.harness.report.scenario_text import describe, scenario_sentences
from fanin.simulator.faults.aggregator import Crash, Restart
from fanin.simulator.faults.fault import Fault
from fanin.simulator.faults.request import Malform, UnknownRegion, WrongKey
from fanin.simulator.faults.sink import SinkLosesResponse, SinkRefuses, SinkStalls
from fanin.simulator.faults.transport import DelayBy, Drop, Duplicate, Reorder, SlowClient
from fanin.simulator.language.load import load
from fanin.simulator.pack import find, names
from fanin.simulator.shapes import Delay
from tests.harness.oracle.histories import EAST


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Drop(region=EAST), "eastus: the registry never sends the webhook"),
        (Drop(chance=0.1), "10% of webhooks: the registry never sends the webhook"),
        (DelayBy(by=Delay(min=1_000, max=5_000)), "the registry holds the webhook back by 1s to 5s"),
        (DelayBy(by=Delay(median=3_000)), "the registry holds the webhook back by 3s, more or less"),
        (Duplicate(operation="op1"), "op1: the registry repeats the webhook 1s later"),
        (Reorder(within=2_000), "webhooks change places within 2s"),
        (Malform(how="empty"), "the body is broken: empty"),
        (UnknownRegion(url_region=""), "the URL names no region"),
        (WrongKey(), "the request carries a wrong key"),
        (SlowClient(over=8_000), "the body takes 8s"),
        (SinkRefuses(operation="op1", since=1_000), "the sink answers 503 for op1 from +1s"),
        (SinkStalls(by=3_000, until=60_000), "the sink takes 3s to answer until +1m00s"),
        (SinkLosesResponse(times=2), "the sink's first 2 answers are lost"),
        (Restart(at=30_000), "the aggregator restarts at +30s, down for 1s"),
        (Crash(at=30_000), "the aggregator is killed at +30s, down for 5s"),
        (
            Crash(step="after-response", region=EAST),
            "eastus: the aggregator is killed when its answer has reached the",
        ),
        (Crash(step="before-notify", nth=22), "before the notification arrives, the 22nd time, down for 5s"),
    ],
)
def test_every_fault_has_words(fault: Fault, words: str) -> None:
    """A heading names them, and so does `fanin show`."""
    assert words in fault.describe()


@pytest.mark.parametrize("name", names())
def test_no_word_of_a_world_is_a_struct(name: str) -> None:
    """What has no words yet would show as Python's own spelling."""
    text = " ".join(scenario_sentences(load(find(name))))

    assert [shape for shape in ("Delay(", "None", "<", "Struct") if shape in text] == []


def test_a_scenario_is_described_for_a_reader_who_has_not_seen_it() -> None:
    """Title, description, world, verdict, file and command."""
    lines = [plain(row) for row in describe(load(find("slow-region")), path="here.yaml", play="fanin run it")]

    assert lines[0] == "slow-region: The last region reports one second before the deadline"
    assert "The world" in lines
    assert "  Regions: northeurope, westeurope, eastus." in lines
    assert lines[-3:] == ["Verdict of a healthy aggregator: valid", "File: here.yaml", "Play: fanin run it"]
