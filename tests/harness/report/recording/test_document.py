"""Every run of the pack as a document that can be played."""

import msgspec
import pytest

from fanin.harness.oracle.oracle import judge
from fanin.harness.report.recording.document import EVENTS_MAX, document
from fanin.harness.world.inspection import Inspector
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.pack import find, names
from tests.harness.pack_runs import run_of
from tests.harness.report.reported import HOSTILE, bad, good, named

# Thousands of webhooks say nothing here that hundreds do not.
SMALL = sorted(set(names()) - {"thousand-ops", "storm"})


@pytest.mark.parametrize("name", SMALL)
def test_every_scenario_of_the_pack_can_be_played_and_can_ask(name: str) -> None:
    """Events in order with a sentence each, messages that end after they begin, questions with an answer."""
    history = run_of(name)

    recording = document(history, judge(history), replay="it")

    events = recording["events"]
    assert [it["at"] for it in events] == sorted(it["at"] for it in events)
    assert all(it["text"].endswith((".", "?")) for it in events)
    assert all(it.get("answered", it["sent"]) >= it["sent"] for it in recording["messages"])
    assert msgspec.json.encode(recording) == msgspec.json.encode(
        document(history, judge(history), replay="it")
    )
    ours_is_right = recording["verdict"]["validity"] == "valid"
    assert [it["text"] for it in events if it.get("tone") == "bad" and ours_is_right] == []
    asked = recording["questions"]
    assert 0 <= asked["before"] < len(events)
    for question in asked["questions"]:
        assert len(set(question["choices"])) == len(question["choices"])
        assert 0 <= question["right"] < len(question["choices"])
        assert question["why"].endswith(".")


def test_what_is_stored_is_read_as_the_operator_would_see_it() -> None:
    """Between the first arrival and the next event, one instance waits for the other regions."""
    inspector = Inspector()
    history = play(load(find("slow-region")), inspector=inspector)

    stored = document(history, judge(history), replay="it", stored=inspector.found)["stored"]

    instances = [[stored["views"][it] for it in read[2]] for read in stored["reads"]]
    assert instances[0] == []
    assert instances[2][0]["missing"] == ["eastus", "westeurope"]
    assert instances[-1][0]["state"] == "completed"
    assert len(stored["views"]) < len(stored["reads"])


@pytest.mark.parametrize("text", HOSTILE)
def test_no_control_character_leaves_a_run(text: str) -> None:
    """Whatever a judged aggregator wrote."""
    history = named(good(), text[:200], 0)

    encoded = msgspec.json.encode(document(history, judge(history), replay="it")).decode()

    assert all(it.isprintable() or it == "\n" for it in encoded)
    assert "\\u0000" not in encoded
    assert "\\u001b" not in encoded


def test_findings_lead_to_events() -> None:
    """Each proof names the event at which the stage then stands."""
    history = bad()
    recording = document(history, judge(history), replay="it")

    proofs = [proof for finding in recording["verdict"]["findings"] for proof in finding["evidence"]]
    assert proofs
    assert all(0 <= it["event"] < len(recording["events"]) for it in proofs)


def test_a_long_run_is_cut_and_says_so() -> None:
    """The verdict is about all of it."""
    history = run_of("thousand-ops")

    recording = document(history, judge(history), replay="it")

    assert len(recording["events"]) == EVENTS_MAX
    assert recording["cut"] > EVENTS_MAX
