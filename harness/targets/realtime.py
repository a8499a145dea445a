"""Plays worlds in real time, several at the same time: for processes that virtual time cannot reach.

Scenarios are scaled to the target's timeout and judged with a tolerance that real machines need
(`harness.targets.scale`). Both are in the history's header, and every report prints them.
"""

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from fanin.harness.dialect import CONTRACT, Dialect
from fanin.harness.history import History, NotificationPart, Run
from fanin.harness.placement import PORT_PLACE
from fanin.harness.targets.http_client import why_not_listening
from fanin.harness.targets.process import NO_CONTAINER, CommandTarget, Container
from fanin.harness.targets.scale import TimeScale
from fanin.harness.targets.start_order import start_order
from fanin.harness.world.asgi import StartError
from fanin.harness.world.play import World
from fanin.harness.world.sink import NOTIFY_PATH
from fanin.harness.world.target import environment
from fanin.simulator.language.scenario import Scenario

_LAG_INTERVAL_S = 0.05


class PlayedRun(NamedTuple):
    """The history of one run, and what else the harness noticed, as sentences."""

    history: History
    notes: tuple[str, ...] = ()
    lag_ms: int = 0  # how late the harness itself was, where that is worth a word
    errors: tuple[str, ...] = ()  # exceptions that escaped the application (`fanin.harness.results.Judged`)


class ScenarioClock:
    """Scenario time: 0 until the target is up, then the running loop's."""

    def __init__(self) -> None:
        self._origin: float | None = None
        self.epoch_ms = now_ms()  # this machine's clock at 0

    def start(self) -> None:
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


def run_header(
    scenario: Scenario,
    *,
    seed: int,
    target: str,
    time_scale: TimeScale,
    unobservable: tuple[NotificationPart, ...],
) -> Run:
    """The header of a history in real time: how its scenario was scaled, and how strictly to judge it."""
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
    scenario: Scenario,
    command: str,
    *,
    seed: int = 0,
    time_scale: TimeScale,
    dialect: Dialect = CONTRACT,
    container: Container = NO_CONTAINER,
) -> PlayedRun:
    """Play one scenario against a process, or several replicas, in a folder of its own."""
    lag = LoopLag()
    with tempfile.TemporaryDirectory(prefix="fanin-", ignore_cleanup_errors=True) as name:
        async with command_world(
            scenario,
            command,
            Path(name),
            seed=seed,
            time_scale=time_scale,
            dialect=dialect,
            container=container,
        ) as started:
            measuring = asyncio.create_task(lag.measure())
            try:
                await started.world.play(begin=started.clock.start)
            finally:
                measuring.cancel()
            errors = tuple(filter(None, (target.first_error() for target in started.targets)))
    run, clock, targets = started.run, started.clock, started.targets
    # Both use this machine's clock, so a deadline in a notification can be compared. And what delays the
    # harness delays the aggregator as well.
    tolerance = run.tolerance + lag.max_ms
    run = msgspec.structs.replace(run, epoch=clock.epoch_ms, tolerance=tolerance)
    notes = tuple(note for target in targets for note in (target.kill_note, target.exit_note) if note)
    noticed_ms = lag.max_ms if lag.max_ms > time_scale.tolerance_ms // 4 else 0
    return PlayedRun(History(run, started.world.recorder.entries), notes, noticed_ms, errors)


class LoopLag:
    """How late this process's timers fire at worst; a busy machine delays the aggregator as well."""

    def __init__(self) -> None:
        self.max_ms = 0

    async def measure(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _LAG_INTERVAL_S
            await asyncio.sleep(_LAG_INTERVAL_S)
            self.max_ms = max(self.max_ms, round((loop.time() - due_s) * 1000))


async def close_all(targets: Sequence[CommandTarget]) -> None:
    """Close all of them, even if one fails."""
    async with AsyncExitStack() as stack:
        for target in targets:
            stack.push_async_callback(target.close)


class StartedWorld(NamedTuple):
    """A world around a command, with the parts that its user reads."""

    world: World
    run: Run
    clock: ScenarioClock
    targets: list[CommandTarget]


@asynccontextmanager
async def command_world(
    scenario: Scenario,
    command: str,
    folder: Path,
    *,
    seed: int,
    time_scale: TimeScale,
    dialect: Dialect,
    container: Container = NO_CONTAINER,
) -> AsyncGenerator[StartedWorld]:
    """Build a world around a command, its sink listening; in the end its processes are ended."""
    small, profile = time_scale.scale(scenario)
    run = run_header(
        small, seed=seed, target=command, time_scale=time_scale, unobservable=dialect.unobservable
    )
    clock = ScenarioClock()
    try:
        family = socket.AF_INET6 if ":" in container.sink_host else socket.AF_INET
        listener = socket.create_server((container.sink_host, 0), family=family)
    except OSError as exc:
        why = why_not_listening(exc)
        raise StartError(f"cannot listen for notifications at {container.sink_host}: {why}") from exc
    port = listener.getsockname()[1]
    url = container.sink_url.replace(PORT_PLACE, str(port))
    targets = command_targets(
        small, command, folder, time_scale, sink_url=url, dialect=dialect, kill_command=container.kill_command
    )
    world = World(
        targets, run, clock.now_ms, profile=profile, dialect=dialect, epoch_ms=clock.epoch_ms, wall_ms=now_ms
    )
    server = await world.sink.serve(listener, urlsplit(url).path or NOTIFY_PATH)
    try:
        yield StartedWorld(world, run, clock, targets)
    finally:
        server.close()
        await close_all(targets)


def command_targets(
    scenario: Scenario,
    command: str,
    folder: Path,
    time_scale: TimeScale,
    *,
    sink_url: str,
    dialect: Dialect = CONTRACT,
    kill_command: str | None = None,
) -> list[CommandTarget]:
    """The target of one scenario with its settings, or its replicas, which share one data folder."""
    (folder / "data").mkdir()
    settings = environment(scenario, notify_url=sink_url, data_dir=folder / "data")
    logs = [f"output{n or ''}.log" for n in range(scenario.replicas)]
    return [
        CommandTarget(
            command,
            settings,
            folder=folder,
            log=log,
            start_s=time_scale.start_s,
            dialect=dialect,
            kill_command=kill_command,
        )
        for log in logs
    ]


async def play_pack(
    scenarios: Sequence[Scenario],
    command: str,
    *,
    seed: int = 0,
    time_scale: TimeScale,
    dialect: Dialect = CONTRACT,
    container: Container = NO_CONTAINER,
) -> AsyncGenerator[PlayedRun]:
    """Play scenarios, up to ``time_scale.jobs`` at the same time; runs come as they end."""
    plays = [
        play_command(each, command, seed=seed, time_scale=time_scale, dialect=dialect, container=container)
        for each in start_order(scenarios, seed=seed, time_scale=time_scale)
    ]
    async for played in run_concurrently(plays, limit=time_scale.jobs):
        yield played


async def run_concurrently[T](plays: Sequence[Coroutine[Any, Any, T]], *, limit: int) -> AsyncGenerator[T]:
    """Run up to ``limit`` coroutines at the same time; results come in the order in which they end.

    No coroutine outlives the iteration.
    """
    free = asyncio.Semaphore(limit)

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
            play.close()  # those that never started
