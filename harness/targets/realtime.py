"""The same worlds in real time, several side by side: for a process that virtual time cannot reach.

Scenarios are scaled so that their timeout is what the target's is (`harness.targets.scale`), and judged with
a tolerance that real machines need. Both are part of the history's header, and every report prints them.
"""

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fanin.harness.dialect import PLAIN, Dialect
from fanin.harness.history import History, NotificationPart, Run
from fanin.harness.targets.process import LOOPBACK, CommandTarget
from fanin.harness.targets.scale import TimeScale
from fanin.harness.world.play import World
from fanin.harness.world.target import environment
from fanin.simulator.durations import format_duration
from fanin.simulator.language.scenario import Scenario

_LOOK_S = 0.05


class Played(NamedTuple):
    """One scenario's history, and what the harness saw besides."""

    history: History
    notes: tuple[str, ...] = ()


class ScenarioClock:
    """Scenario time: 0 until the target is up, then the running loop's."""

    def __init__(self) -> None:
        self._origin: float | None = None
        self.epoch_ms = now_ms()  # what this machine's clock showed at 0

    def begin(self) -> None:
        self._origin = asyncio.get_running_loop().time()
        self.epoch_ms = now_ms()

    def now_ms(self) -> int:
        if self._origin is None:
            return 0
        return self.ms_at(asyncio.get_running_loop().time())

    def ms_at(self, loop_s: float) -> int:
        """An instant of the running loop's clock as scenario time."""
        return round((loop_s - (self._origin or 0)) * 1_000_000) // 1000


def now_ms() -> int:
    """This machine's wall clock, Unix milliseconds."""
    return time.time_ns() // 1_000_000


def header(
    scenario: Scenario,
    *,
    seed: int,
    target: str,
    time_scale: TimeScale,
    unobservable: tuple[NotificationPart, ...],
) -> Run:
    """The header of a history in real time."""
    return Run(
        scenario,
        seed,
        version=version("fanin"),
        target=target,
        time="real",
        tolerance=time_scale.tolerance_ms,
        start_grace=time_scale.start_grace_ms,
        failover_grace=time_scale.failover_grace_ms,
        redelivery_grace=time_scale.redelivery_grace_ms,
        clock_drift=time_scale.margin_ms,
        unobservable=unobservable,
    )


async def play_command(
    scenario: Scenario, command: str, *, seed: int = 0, time_scale: TimeScale, dialect: Dialect = PLAIN
) -> Played:
    """Play one scenario against a process of its own, in a folder of its own."""
    small, profile = time_scale.scale(scenario)
    run = header(small, seed=seed, target=command, time_scale=time_scale, unobservable=dialect.unobservable)
    clock = ScenarioClock()
    with tempfile.TemporaryDirectory(prefix="fanin-", ignore_cleanup_errors=True) as name:
        listener = socket.create_server((LOOPBACK, 0))
        port = listener.getsockname()[1]
        targets = command_targets(small, command, Path(name), time_scale, sink_port=port)
        world = World(
            targets,
            run,
            clock.now_ms,
            profile=profile,
            dialect=dialect,
            epoch_ms=clock.epoch_ms,
            wall_ms=now_ms,
        )
        server = await world.sink.serve(listener)
        lateness = LoopLag()
        looking = asyncio.create_task(lateness.look())
        try:
            await world.play(begin=clock.begin)
        finally:
            looking.cancel()
            server.close()
            await close_all(targets)
    # On the same machine, so the told deadlines can be compared, and what delays one delays the other.
    tolerance = run.tolerance + lateness.late_ms
    told = msgspec.structs.replace(run, epoch=clock.epoch_ms, tolerance=tolerance)
    notes = tuple(target.exit_note for target in targets if target.exit_note)
    if lateness.late_ms > run.tolerance // 4:
        late = format_duration(lateness.late_ms)
        notes = (
            *notes,
            f"this machine was so busy that fanin itself came {late} late; so may the aggregator",
        )
    return Played(History(told, world.recorder.entries), notes)


class LoopLag:
    """How late this process itself is woken at worst: a busy machine delays the judged as well."""

    def __init__(self) -> None:
        self.late_ms = 0

    async def look(self) -> None:
        """Go on until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _LOOK_S
            await asyncio.sleep(_LOOK_S)
            self.late_ms = max(self.late_ms, round((loop.time() - due_s) * 1000))


async def close_all(targets: Sequence[CommandTarget]) -> None:
    """Leave nothing of them behind, whatever happens with one."""
    async with AsyncExitStack() as stack:
        for target in targets:
            stack.push_async_callback(target.close)


async def try_out(scenario: Scenario, command: str, time_scale: TimeScale) -> None:
    """Start the command once and stop it again.

    Raises:
        StartError: it does not start. Nothing can be judged.
    """
    small, _ = time_scale.scale(scenario)
    with tempfile.TemporaryDirectory(prefix="fanin-", ignore_cleanup_errors=True) as name:
        target, *_ = command_targets(
            small, command, Path(name), time_scale, sink_port=9
        )  # nobody is told anything
        try:
            await target.start()
            await target.stop()
        finally:
            await target.close()


def command_targets(
    scenario: Scenario, command: str, folder: Path, time_scale: TimeScale, *, sink_port: int
) -> list[CommandTarget]:
    """The target for one scenario, with what it is told; or its replicas, which share one data folder."""
    (folder / "data").mkdir()
    url = f"http://{LOOPBACK}:{sink_port}/"
    settings = environment(scenario, notify_url=url, data_dir=folder / "data")
    logs = [f"output{n or ''}.log" for n in range(scenario.replicas)]
    return [
        CommandTarget(command, settings, folder=folder, log=log, start_s=time_scale.start_s) for log in logs
    ]


async def play_pack(
    scenarios: Sequence[Scenario],
    command: str,
    *,
    seed: int = 0,
    time_scale: TimeScale,
    dialect: Dialect = PLAIN,
) -> AsyncGenerator[Played]:
    """Play scenarios side by side; histories come as they end.

    Raises:
        StartError: the command does not even start once.
    """
    if scenarios:
        await try_out(scenarios[0], command, time_scale)
    plays = [
        play_command(each, command, seed=seed, time_scale=time_scale, dialect=dialect) for each in scenarios
    ]
    async for played in run_concurrently(plays, places=time_scale.jobs):
        yield played


async def run_concurrently[T](plays: Sequence[Coroutine[Any, Any, T]], *, places: int) -> AsyncGenerator[T]:
    """Run so many side by side; what comes of them comes as it ends. None outlives the iteration."""
    free = asyncio.Semaphore(places)

    async def one(play: Coroutine[Any, Any, T]) -> T:
        async with free:
            return await play

    tasks = [asyncio.create_task(one(play)) for play in plays]
    try:
        for ended in asyncio.as_completed(tasks):
            yield await ended
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for play in plays:
            play.close()  # those that never began
