"""Replays in memory state the facts that the engine's own replay log states."""

from itertools import pairwise
from typing import Any

import pytest

from fanin.harness.demo.replay import replays
from fanin.harness.oracle.oracle import judge
from fanin.simulator.pack import names
from tests.harness.pack_runs import run_of
from tests.paths import ROOT


def replayed(name: str) -> dict[str, Any]:
    history = run_of(name)
    return replays(history, judge(history))


def told(operation: dict[str, Any], number: int) -> list[str]:
    """One replay as ``--show-replay`` prints it, without the id and without instants."""
    it = operation["replays"][number - 1]
    past, new = operation["history"][: it["past"]], operation["history"][it["past"] : it["length"]]
    return [
        f"  in the history   {', '.join(past) or 'nothing'}",
        f"  new              {', '.join(new)}",
        *(
            f"  {'awaits' if not nth else '':<15}  {each['what']}: {each['satisfied']}"
            for nth, each in enumerate(it["awaits"])
        ),
    ]


def test_the_facts_are_those_that_the_documentation_shows_of_the_engine() -> None:
    """docs/durable-fan-in.md has replays 1, 3 and 5 of ``slow-region`` as the SDK's worker did them."""
    page = (ROOT / "docs" / "durable-fan-in.md").read_text(encoding="utf-8").splitlines()
    (operation,) = replayed("slow-region")["operations"]

    for number in (1, 3, 5):
        start = next(nth for nth, line in enumerate(page) if line.startswith(f"replay {number} of "))
        lines = told(operation, number)
        assert page[start + 1 : start + 1 + len(lines)] == lines


def test_every_replay_starts_from_the_first_line_and_stops_once() -> None:
    """What the history satisfies comes first; the last await is the one at which the code stops."""
    for operation in replayed("sink-response-lost")["operations"]:
        for replay in operation["replays"]:
            states = [it["satisfied"] for it in replay["awaits"]]
            assert states[-1] == "not yet"
            assert "not yet" not in states[:-1]
            assert states == sorted(states, key=["by the history", "by a new event", "not yet"].index)


def test_a_line_that_waits_is_a_line_of_the_source() -> None:
    """The panel lights it up."""
    found = replayed("slow-region")
    lines = {fn["first"] + nth: text for fn in found["functions"] for nth, text in enumerate(fn["lines"])}

    for operation in found["operations"]:
        for replay in operation["replays"]:
            assert all("yield context.when_any" in lines[it["line"]] for it in replay["awaits"])


@pytest.mark.parametrize("name", sorted(set(names()) - {"thousand-ops", "storm", "flood-after-outage"}))
def test_every_scenario_of_the_pack_can_be_replayed(name: str) -> None:
    """From its first event on, in order; each replay knows what the last one knew."""
    for operation in replayed(name)["operations"]:
        found = operation["replays"]
        assert found[0]["past"] == 0
        assert [it["number"] for it in found] == list(range(1, len(found) + 1))
        assert all(it["length"] <= after["past"] for it, after in pairwise(found))
        assert [it["at"] for it in found] == sorted(it["at"] for it in found)
        assert found[-1]["length"] <= len(operation["history"])


def test_a_deadline_while_nothing_runs_fires_at_the_next_start() -> None:
    """As in the run itself."""
    operation = replayed("down-over-the-deadline")["operations"][0]
    fired = [it for it in operation["replays"] if "the activity FireTimeoutNotification" in it["asked"]]

    history = run_of("down-over-the-deadline")
    up = [it.at for it in history.entries if getattr(it, "state", "") == "up"][1]
    assert [it["at"] for it in fired] == [up]
