"""How the Durable Task engine gets work items, reports results, and writes down replays."""

import json
import threading
from collections import Counter
from functools import partial
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from fanin.aggregator.errors import StoreError
from fanin.aggregator.fanin import FanIn
from tests.conformance.worlds import EAST, NORTH, WEST, World, arrival
from tests.heavy import needs_engine

pytestmark = [pytest.mark.real_time, needs_engine("durable-task")]


def test_an_idle_stream_is_pinged_and_a_silent_one_is_opened_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work on the new stream is done as before."""
    from fanin.aggregator.engines.durable_task import dev_backend, worker

    streams = Counter[str]()

    class Counting(dev_backend.DevBackend):
        def GetWorkItems(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            streams["opened"] += 1
            for item in super().GetWorkItems(request, context):
                streams["pings"] += item.HasField("healthPing")
                yield item

    monkeypatch.setattr(worker, "SILENCE_S", 3)
    monkeypatch.setattr(dev_backend, "PING_S", 0.1)
    backend = Counting()

    async def story() -> None:
        options = {"FANIN_DURABLE_TASK_ADDRESS": backend.start()}
        engine = await world.start(engine_options=options, regions=(EAST,))
        await world.until(lambda: streams["pings"] > 10 * worker.STREAMS)
        assert streams["opened"] == worker.STREAMS
        monkeypatch.setattr(dev_backend, "PING_S", 60)
        await world.until(lambda: streams["opened"] > worker.STREAMS)
        await engine.deliver(arrival(EAST))
        await world.until(lambda: bool(world.attempts))
        await world.stop()

    try:
        world.play(story)
    finally:
        backend.stop(grace=0)


def test_a_result_is_reported_however_long_the_backend_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item whose report was abandoned would never be handed out again, and no notification sent."""
    from fanin.aggregator.engines.durable_task.dev_backend import DevBackend

    monkeypatch.setattr("fanin.aggregator.engines.durable_task.client.CALL_S", 0.3)
    go_on, reported = threading.Event(), threading.Event()

    class Slow(DevBackend):
        def CompleteOrchestratorTask(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            reported.set()
            go_on.wait(60)
            return super().CompleteOrchestratorTask(request, context)

        def GetInstance(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            if reported.is_set():
                go_on.wait(60)
            return super().GetInstance(request, context)

    backend = Slow()

    async def story() -> None:
        options = {"FANIN_DURABLE_TASK_ADDRESS": backend.start()}
        engine = await world.start(engine_options=options, regions=(EAST,))
        await engine.deliver(arrival(EAST))
        await world.until(reported.is_set)
        with pytest.raises(StoreError):  # so long that a webhook would not wait for it
            await engine.inspect("op-1")
        go_on.set()
        await world.until(lambda: bool(world.attempts))
        await world.stop()

    try:
        world.play(story)
    finally:
        go_on.set()
        backend.stop(grace=0)


# --- replays ---


def _has(region: str, state: FanIn) -> bool:
    return region in state.arrived


def test_replays_are_written_down_as_they_happened(world: World, tmp_path: Path) -> None:
    """Each begins where the one before ended; each await says what satisfied it."""
    path = tmp_path / "replays.jsonl"

    async def story() -> None:
        options = {**world.settings.engine_options, "FANIN_DURABLE_TASK_REPLAYS": str(path)}
        engine = await world.start(engine_options=options, timeout_ms=60_000)
        for region in (EAST, NORTH, WEST):
            await engine.deliver(arrival(region))
            await world.state(when=partial(_has, region))
        await world.until(lambda: "TaskCompleted" in path.read_text())

    world.play(story)
    replays = sorted(map(json.loads, path.read_text().splitlines()), key=itemgetter("number"))

    assert [it["number"] for it in replays] == list(range(1, len(replays) + 1))
    assert replays[0]["past"] == []
    for earlier, later in pairwise(replays):
        assert later["past"][: len(earlier["past"] + earlier["new"])] == earlier["past"] + earlier["new"]
    (last,) = [it for it in replays if it["new"][-1].startswith("TaskCompleted")]
    assert [it["satisfied"] for it in last["awaits"]] == ["by the history", "by a new event", "not yet"]
    assert [it for replay in replays for it in replay["asked"] if "activity" in it] == [
        "the activity FirePushNotification"
    ]
