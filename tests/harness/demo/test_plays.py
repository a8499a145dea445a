"""What a page is answered: the same run as everywhere else, or why there is none."""

from typing import Any

import pytest

from fanin.harness.demo.edit import AddFault, SetTimeout
from fanin.harness.demo.plays import PlayRequest, Plays
from fanin.harness.world.play import play
from fanin.simulator.language.load import loads
from fanin.simulator.pack import find

SLOW = find("slow-region").read_text(encoding="utf-8")


def played(yaml: str, **request: Any) -> dict[str, Any]:
    response = Plays().play(PlayRequest(yaml, **request))
    assert (response.error, response.problems) == ("", ())
    assert response.recording is not None
    return response.recording


@pytest.mark.parametrize("name", ["slow-region", "sink-down", "crash-at-notify", "wrong-key", "storm"])
def test_a_run_that_is_watched_is_the_run_of_the_command_line(name: str) -> None:
    """Reading the store, at every instant, changes nothing: the same trace."""
    text = find(name).read_text(encoding="utf-8")

    recording = played(text, seed=3)

    assert recording["run"]["trace"] == play(loads(text), seed=3).trace_hash()[:12]
    assert len(recording["stored"]["reads"]) > 3


def test_a_change_is_made_and_played() -> None:
    """The answer has the new text, and the world that comes of it."""
    change = AddFault({"fault": "drop", "region": "eastus", "operation": "op1"})

    response = Plays().play(PlayRequest(SLOW, change=change))

    assert response.yaml is not None
    assert response.recording is not None
    assert "fault: drop" in response.yaml
    assert response.recording["run"]["trace"] == play(loads(response.yaml)).trace_hash()[:12]
    assert response.recording["yaml"] == response.yaml
    assert response.recording["operations"][0]["outcome"] == "timed_out"
    assert response.recording["faults"] == ["eastus, op1: the registry never sends the webhook"]


def test_the_command_that_plays_the_same_names_the_pack_or_the_file_to_download() -> None:
    """It can be copied as it is, until something is changed."""
    text = find("slow-region").read_text(encoding="utf-8")

    assert played(text, seed=3)["run"]["replay"] == "fanin run slow-region --seed 3"
    assert played(text + "# mine\n")["run"]["replay"] == "fanin run slow-region.yaml --seed 0"


def test_a_mistake_is_answered_with_its_place() -> None:
    """What the loader says, by line and column."""
    response = Plays().play(PlayRequest(SLOW.replace("operations", "operatons")))

    assert response.recording is None
    assert [(it.line, it.column) for it in response.problems] == [(8, 1)]
    assert "operatons" in response.problems[0].message


def test_a_change_that_makes_no_sense_is_refused() -> None:
    """The fault could never take effect, or the timeout is none."""
    nowhere = Plays().play(PlayRequest(SLOW, change=AddFault({"fault": "drop", "region": "mars"})))
    endless = Plays().play(PlayRequest(SLOW, change=SetTimeout("soon")))

    assert "mars" in nowhere.problems[0].message
    assert "soon" in endless.problems[0].message


def test_more_webhooks_than_a_page_plays_are_refused_by_name() -> None:
    """The limit is said, and what has none."""
    text = "scenario: a\ntitle: A\noperations: [{image: 'a:{n}', repeat: 90000, every: 1s}]\n"

    assert "270,000 webhooks; a page plays up to 6,000" in Plays().play(PlayRequest(text)).error


def test_a_bug_comes_with_its_lines() -> None:
    """The wrong source beside the right one, and the finding."""
    recording = played(find("duplicate-not-quorum").read_text(), target="bug:counts-deliveries")

    assert recording["verdict"]["validity"] == "invalid"
    assert any("_CountsDeliveries" in part["wrong"] for part in recording["source"]["parts"])
    assert any("SqliteEngine" in part["right"] for part in recording["source"]["parts"])
    finding = recording["verdict"]["findings"][0]
    assert all(proof["event"] >= 0 for proof in finding["evidence"])


def test_what_ours_lacks_is_played_by_a_healthy_variant() -> None:
    """Replicas, for one."""
    recording = played(find("replica-lost").read_text())

    assert recording["run"]["target"].startswith("the healthy variant")
    assert recording["verdict"]["validity"] == "valid"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("bug:counts-deliverys", "did you mean"),
        ("nothing", "there is no aggregator 'nothing'"),
        ("lesson:9", "there is no lesson '9'; there are 1 to 6"),
    ],
)
def test_an_unknown_aggregator_is_refused(target: str, message: str) -> None:
    """By its name, with the nearest one."""
    assert message in Plays().play(PlayRequest(SLOW, target=target)).error


def test_a_chapter_of_the_course_fails_what_it_is_said_to_fail() -> None:
    """With its code, and what the next one changes."""
    recording = played(find("duplicate-not-quorum").read_text(), target="lesson:1")

    assert recording["run"]["target"] == "chapter 1: a counter"
    assert recording["verdict"]["validity"] == "invalid"
    assert "class Counter" in recording["source"]["parts"][0]["wrong"]
    assert "+" in recording["source"]["parts"][0]["right"]


def test_an_application_of_ones_own_is_played_from_outside() -> None:
    """Its store is not read: only what it answers is known."""
    plays = Plays(app="fanin.aggregator.asgi:in_process")

    response = plays.play(PlayRequest(SLOW, target="app"))

    assert response.recording is not None
    assert response.recording["verdict"]["validity"] == "valid"
    assert response.recording["stored"]["reads"] == []
