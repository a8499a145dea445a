"""Worlds in real time: several processes at the same time, judged with a tolerance."""

import asyncio
import shlex
import sys
import time

import pytest

from fanin.harness.oracle.oracle import judge
from fanin.harness.targets.process import Container
from fanin.harness.targets.realtime import (
    LoopLag,
    PlayedRun,
    ScenarioClock,
    play_command,
    play_pack,
    run_concurrently,
)
from fanin.harness.targets.scale import TimeScale
from fanin.harness.verdict import Validity
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
from tests.paths import FOREIGN_APPS

pytestmark = pytest.mark.real_time

LIMIT_S = 60  # reached only when something is broken
RUN = f"{shlex.quote(sys.executable)} {shlex.quote(str(FOREIGN_APPS / 'threads.py'))}"
REPLICATED = f"exec {shlex.quote(sys.executable)} {shlex.quote(str(FOREIGN_APPS / 'replicated.py'))}"
TIME_SCALE = TimeScale(timeout_ms=1_500, tolerance_ms=3_000, redelivery_grace_ms=3_000, repeat_max=10, jobs=8)
# A lease of the replicated app is fifteen seconds long, longer than a scaled pause.
SLOW = TimeScale(
    timeout_ms=4_000, tolerance_ms=1_500, redelivery_grace_ms=6_000, repeat_max=5, start_s=LIMIT_S
)


@pytest.fixture(scope="module")
def played() -> dict[str, PlayedRun]:
    """Some of the pack against a foreign app, at the same time, because real time is long."""
    names = ("slow-region", "dropped-region", "crash-after-ack", "restart-every-30s", "rude-traffic")

    async def play() -> dict[str, PlayedRun]:
        scenarios = [load(find(name)) for name in names]
        coming = play_pack(scenarios, RUN, time_scale=TIME_SCALE)
        return {each.history.run.scenario.scenario: each async for each in coming}

    return asyncio.run(play())


@pytest.mark.parametrize(
    "name", ["slow-region", "dropped-region", "crash-after-ack", "restart-every-30s", "rude-traffic"]
)
def test_a_right_foreign_app_is_valid_in_real_time(played: dict[str, PlayedRun], name: str) -> None:
    """Threads, SQLite, a blocking client: no line of it knows the harness."""
    verdict = judge(played[name].history)

    assert verdict.findings == ()
    assert verdict.validity is Validity.VALID, verdict.doubts
    assert not [note for note in played[name].notes if "its process" in note]


def test_the_history_says_how_strictly_it_may_be_judged(played: dict[str, PlayedRun]) -> None:
    """The scale and the tolerance are part of every report."""
    run = played["slow-region"].history.run

    assert (run.time, run.scenario.timeout) == ("real", 1_500)
    assert run.tolerance >= TIME_SCALE.tolerance_ms


def test_the_sinks_address_may_have_a_path() -> None:
    """It is the configured one, so a notification that goes there is right."""
    with_path = Container(sink_url="http://127.0.0.1:{port}/hooks/fanin?from=registry")

    async def play() -> PlayedRun:
        scenario = load(find("slow-region"))
        return await play_command(scenario, RUN, time_scale=TIME_SCALE, container=with_path)

    assert judge(asyncio.run(play()).history).validity is Validity.VALID


def test_replicas_are_processes_on_one_folder() -> None:
    """Each has a port and a log of its own; one is killed, one stands still, and all of it is valid."""
    scenarios = [load(find(name)) for name in ("two-replicas", "replica-lost", "zombie")]

    async def play() -> list[PlayedRun]:
        return [played async for played in play_pack(scenarios, REPLICATED, time_scale=SLOW)]

    played = {each.history.run.scenario.scenario: judge(each.history) for each in asyncio.run(play())}

    assert {name: verdict.findings for name, verdict in played.items() if verdict.findings} == {}
    assert {name: verdict.validity for name, verdict in played.items()} == dict.fromkeys(
        ("two-replicas", "replica-lost", "zombie"), Validity.VALID
    )


def test_a_busy_machine_is_noticed() -> None:
    """What keeps the harness from being on time keeps the aggregator from it as well."""

    async def be_busy() -> int:
        lag = LoopLag()
        measuring = asyncio.create_task(lag.measure())
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 - to block the loop is the point
        async with asyncio.timeout(LIMIT_S):
            while not lag.max_ms:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.02)
        measuring.cancel()
        return lag.max_ms

    assert asyncio.run(be_busy()) >= 200


def test_results_come_as_they_end_and_no_more_than_the_limit_run() -> None:
    """A quick one does not wait for a slow one."""
    running, most = 0, 0

    async def work(name: str, seconds: float) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(seconds)
        running -= 1
        return name

    async def main() -> list[str]:
        plays = [work("slow", 0.3), work("quick", 0.01), work("third", 0.01)]
        return [name async for name in run_concurrently(plays, limit=2)]

    assert asyncio.run(main()) == ["quick", "third", "slow"]
    assert most == 2


def test_nothing_outlives_an_iteration_that_stops_early() -> None:
    """What runs is cancelled; what never began is closed, without a warning."""
    ended: list[str] = []

    async def work(name: str, seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        finally:
            ended.append(name)
        return name

    async def main() -> None:
        coming = run_concurrently([work("a", 0.01), work("b", LIMIT_S), work("c", LIMIT_S)], limit=2)
        async for _ in coming:
            break
        await coming.aclose()

    asyncio.run(main())

    assert ended[0] == "a"
    assert set(ended) <= {"a", "b", "c"}
    assert len(ended) >= 2


def test_scenario_time_begins_when_the_target_is_up() -> None:
    """Before that it is 0, however long the start takes."""

    async def main() -> tuple[int, int]:
        clock = ScenarioClock()
        await asyncio.sleep(0.05)
        before = clock.now_ms()
        clock.start()
        await asyncio.sleep(0.05)
        return before, clock.now_ms()

    before, after = asyncio.run(main())

    assert before == 0
    assert 50 <= after < LIMIT_S * 1000
