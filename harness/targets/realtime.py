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
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fanin.harness.dialect import PLAIN, Dialect
from fanin.harness.history import History, NotificationPart, Run
from fanin.harness.targets.process import LOOPBACK, START_S, CommandTarget
from fanin.harness.targets.scale import scaled, scaled_profile
from fanin.harness.world.play import World
from fanin.harness.world.target import environment
from fanin.simulator.delivery import Profile, profile_of
from fanin.simulator.language.durations import format_duration
from fanin.simulator.language.scenario import Scenario

# What the judged clock may stray from the harness's: rounding to milliseconds, timers that fire a little
# early, and the half per mille by which a machine may slew its clock while it is being set.
MARGIN_MS, MARGIN_TIMEOUTS = 20, 2_000
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast real time goes, and how strictly it is judged. Milliseconds."""

    timeout_ms: int = 5_000  # what every scenario's timeout becomes
    tolerance_ms: int = 1_000  # how late a right aggregator may act
    start_grace_ms: int = 2_000  # … after a start
    takeover_ms: int = 10_000  # … after a replica is gone
    patience_ms: int = 12_000  # … after the sink is well again, its own backoff included
    answer_ms_min: int = 5_000  # a sender waits so long for an answer, however short its scaled time-out
    repeat_max: int = 100  # a thousand operations within five seconds would test the harness
    worlds: int = 12  # side by side
    start_s: float = START_S  # how long a command may take to listen

    @property
    def margin_ms(self) -> int:
        """How far clocks may differ within one timeout."""
        return MARGIN_MS + self.timeout_ms // MARGIN_TIMEOUTS

    def __str__(self) -> str:
        """Everything that is scaled or tolerated, for people."""
        return (
            f"every timeout is {format_duration(self.timeout_ms)}, and all else in proportion;"
            f" in time is up to {format_duration(self.tolerance_ms)} late,"
            f" {format_duration(self.start_grace_ms)} after a start,"
            f" {format_duration(self.patience_ms)} after the sink is well again;"
            f" clocks may differ by {format_duration(self.margin_ms)};"
            f" senders wait {format_duration(self.answer_ms_min)} for an answer;"
            f" at most {self.repeat_max} repeats"
        )


class Played(NamedTuple):
    """One scenario's history, and what the harness saw besides."""

    history: History
    notes: tuple[str, ...] = ()


class Stopwatch:
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


def at_pace(scenario: Scenario, pace: Pace) -> tuple[Scenario, Profile]:
    """A scenario and its sender in real time."""
    small = eased(scaled(scenario, pace.timeout_ms), pace.repeat_max)
    profile = scaled_profile(
        profile_of(scenario.sender), scenario.timeout, pace.timeout_ms, timeout_ms_min=pace.answer_ms_min
    )
    return small, profile


def header(
    scenario: Scenario, *, seed: int, target: str, pace: Pace, unobservable: tuple[NotificationPart, ...]
) -> Run:
    """The header of a history in real time."""
    return Run(
        scenario,
        seed,
        version=version("fanin"),
        target=target,
        time="real",
        tolerance=pace.tolerance_ms,
        start_grace=pace.start_grace_ms,
        failover_grace=pace.takeover_ms,
        redelivery_grace=pace.patience_ms,
        clock_drift=pace.margin_ms,
        unobservable=unobservable,
    )


async def play_command(
    scenario: Scenario, command: str, *, seed: int = 0, pace: Pace, dialect: Dialect = PLAIN
) -> Played:
    """Play one scenario against a process of its own, in a folder of its own."""
    small, profile = at_pace(scenario, pace)
    run = header(small, seed=seed, target=command, pace=pace, unobservable=dialect.unobservable)
    clock = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="fanin-", ignore_cleanup_errors=True) as name:
        listener = socket.create_server((LOOPBACK, 0))
        port = listener.getsockname()[1]
        targets = command_targets(small, command, Path(name), pace, sink_port=port)
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
        lateness = Lateness()
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
    notes = tuple(target.epitaph for target in targets if target.epitaph)
    if lateness.late_ms > run.tolerance // 4:
        late = format_duration(lateness.late_ms)
        notes = (
            *notes,
            f"this machine was so busy that fanin itself came {late} late; so may the aggregator",
        )
    return Played(History(told, world.journal.entries), notes)


class Lateness:
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


async def try_out(scenario: Scenario, command: str, pace: Pace) -> None:
    """Start the command once and stop it again.

    Raises:
        StartError: it does not start. Nothing can be judged.
    """
    small, _ = at_pace(scenario, pace)
    with tempfile.TemporaryDirectory(prefix="fanin-", ignore_cleanup_errors=True) as name:
        target, *_ = command_targets(small, command, Path(name), pace, sink_port=9)  # nobody is told anything
        try:
            await target.start()
            await target.stop()
        finally:
            await target.close()


def command_targets(
    scenario: Scenario, command: str, folder: Path, pace: Pace, *, sink_port: int
) -> list[CommandTarget]:
    """The target for one scenario, with what it is told; or its replicas, which share one data folder."""
    (folder / "data").mkdir()
    url = f"http://{LOOPBACK}:{sink_port}/"
    settings = environment(scenario, notify_url=url, data_dir=folder / "data")
    logs = [f"output{n or ''}.log" for n in range(scenario.replicas)]
    return [CommandTarget(command, settings, folder=folder, log=log, start_s=pace.start_s) for log in logs]


async def play_pack(
    scenarios: Sequence[Scenario], command: str, *, seed: int = 0, pace: Pace, dialect: Dialect = PLAIN
) -> AsyncGenerator[Played]:
    """Play scenarios side by side; histories come as they end.

    Raises:
        StartError: the command does not even start once.
    """
    if scenarios:
        await try_out(scenarios[0], command, pace)
    plays = [play_command(each, command, seed=seed, pace=pace, dialect=dialect) for each in scenarios]
    async for played in as_they_end(plays, places=pace.worlds):
        yield played


async def as_they_end[T](plays: Sequence[Coroutine[Any, Any, T]], *, places: int) -> AsyncGenerator[T]:
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
