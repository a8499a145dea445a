"""The same worlds in real time, several side by side: for a process that virtual time cannot reach.

Scenarios are scaled so that their timeout is a few seconds (`harness.scale`), and judged with a tolerance
that a busy machine needs. Both are part of the history's header, and every report prints them.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec

from harness.command import LOOPBACK, CommandTarget, free_port
from harness.history import History, Run
from harness.scale import scaled, scaled_profile
from harness.target import environment
from harness.world import World
from simulator.delivery import profile_of
from simulator.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast real time goes, and how strictly it is judged. Milliseconds."""

    timeout_ms: int = 5_000  # what every scenario's timeout becomes
    tolerance_ms: int = 1_000
    start_grace_ms: int = 2_000
    patience_ms: int = 12_000
    answer_ms_min: int = 5_000  # a sender waits so long for an answer, however short its scaled time-out
    repeat_max: int = 100  # a thousand operations within five seconds would test the harness
    worlds: int = 12  # side by side


class _Stopwatch:
    """Scenario time: 0 until the target is up, then the running loop's."""

    def __init__(self) -> None:
        self._origin: float | None = None

    def begin(self) -> None:
        self._origin = asyncio.get_running_loop().time()

    def now_ms(self) -> int:
        if self._origin is None:
            return 0
        return int((asyncio.get_running_loop().time() - self._origin) * 1000)


async def play_command(scenario: Scenario, command: str, *, seed: int = 0, pace: Pace) -> History:
    """Play one scenario against a process of its own, in a folder of its own."""
    small = eased(scaled(scenario, pace.timeout_ms), pace.repeat_max)
    profile = scaled_profile(
        profile_of(scenario.sender), scenario.timeout, pace.timeout_ms, timeout_ms_min=pace.answer_ms_min
    )
    with tempfile.TemporaryDirectory(prefix="fanin-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "data").mkdir()
        port = free_port()
        settings = environment(small, notify_url=f"http://{LOOPBACK}:{port}/", data_dir=folder / "data")
        target = CommandTarget(command, settings, folder=folder)
        run = Run(
            small,
            seed,
            version=version("fanin"),
            target=command,
            time="real",
            tolerance=pace.tolerance_ms,
            start_grace=pace.start_grace_ms,
            patience=pace.patience_ms,
        )
        clock = _Stopwatch()
        world = World(target, run, clock.now_ms, profile=profile)
        server = await world.sink.listen(LOOPBACK, port)
        try:
            await world.play(begin=clock.begin)
        finally:
            server.close()
            await target.close()
    return History(run, world.journal.entries)


async def play_pack(
    scenarios: Sequence[Scenario], command: str, *, seed: int = 0, pace: Pace
) -> AsyncGenerator[History]:
    """Play scenarios side by side; histories come as they end."""
    places = asyncio.Semaphore(pace.worlds)

    async def one(scenario: Scenario) -> History:
        async with places:
            return await play_command(scenario, command, seed=seed, pace=pace)

    tasks = [asyncio.create_task(one(scenario)) for scenario in scenarios]
    try:
        for ended in asyncio.as_completed(tasks):
            yield await ended
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def eased(scenario: Scenario, repeat_max: int) -> Scenario:
    """The scenario with at most so many repeats of each operation, over the same span of time.

    What its author expects is left out: on a real machine the last webhook may come after a deadline that it
    was meant to meet, and the oracle, which sees that, is the judge.
    """
    operations = tuple(
        msgspec.structs.replace(
            operation, repeat=repeat_max, every=round(operation.every * operation.repeat / repeat_max)
        )
        if operation.repeat > repeat_max
        else operation
        for operation in scenario.operations
    )
    return msgspec.structs.replace(scenario, operations=operations, expect=())
