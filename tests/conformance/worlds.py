"""The environment of an engine in a test: its data, its time, and targets that do what the test wants.

An engine that needs nothing but an event loop is tested in virtual time, where a month costs nothing. Any
other one is tested in real time with its backend: timeouts are short then, and tests that take days are
skipped. A test says what it needs; it never asks for the engine's name.
"""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanin.aggregator import engines
from fanin.aggregator.engine import Engine, Receipt
from fanin.aggregator.fanin import ArrivalResult, FanIn, Notification, Phase, Subject
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.address import parse
from fanin.aggregator.notify.port import NotDeliveredError, Notifier
from fanin.aggregator.notify.target import DEFAULT_NAME, Target
from fanin.aggregator.settings import Settings
from fanin.aggregator.wire import Arrival
from fanin.harness.world.host_loop import elapsed_ms
from fanin.harness.world.kernel import VirtualKernel

EAST, NORTH, WEST = "eastus", "northeurope", "westeurope"
EPOCH_MS = 1_772_323_200_000
TIMEOUT_MS = 60_000
RETENTION_MS = 7 * 86_400_000
IMAGE = Subject(action="push", host="demo.azurecr.io", repository="team/app", tag="1.0", digest="sha256:11")

# In real time: a timeout that can be waited for, and how late a busy machine may be.
REAL_TIMEOUT_MS = 1_500
REAL_SLACK_MS = 2_000
REAL_SILENCE_MS = 700
# How long anything may take on the slowest machine; in virtual time, how much of it may pass.
LIMIT_MS, REAL_LIMIT_MS = 600_000, 60_000
POLL_MS = 10

type Receiver = Callable[[Notification], Awaitable[None]]
type Story = Callable[[], Coroutine[Any, Any, None]]


def arrival(region: str, operation_id: str = "op-1") -> Arrival:
    return Arrival(operation_id, region, IMAGE)


async def accept(_: Notification) -> None:
    """A target that accepts everything."""


def target(name: str = DEFAULT_NAME, **rest: Any) -> Target:
    """A target of that name; ``rest`` are the other fields."""
    return Target(name=name, address=parse("http://target/"), **rest)


class RecordingNotifier:
    """Sends the notifications of one start of an engine, and records them."""

    def __init__(self, world: "World", start: int) -> None:
        self._world, self._start = world, start

    def targets_for(self, outcome: Phase, subject: Subject | None = None) -> tuple[str, ...]:
        wanted = [it for it in self._world.settings.targets if outcome in it.on]
        return tuple(it.name for it in wanted if subject is None or it.only.admits(subject))

    async def send(self, target: str, notification: Notification) -> None:
        world = self._world
        if not world.runs(self._start):
            raise NotDeliveredError("a process that was killed sends nothing")
        world.attempts.append((world.now_ms(), notification))
        world.attempt_targets.append(target)
        await world.receivers.get(target, world.receiver)(notification)


class World:
    """One engine through all its starts."""

    def __init__(self, engine: str, folder: Path) -> None:
        self._name, self._folder = engine, folder
        self._factory = engines.load(engine)
        self.capabilities = engines.capabilities(engine)
        self.virtual = self.capabilities.virtual_time
        self._limit_ms = LIMIT_MS if self.virtual else REAL_LIMIT_MS
        self._starts = 0
        self.timeout_ms = TIMEOUT_MS if self.virtual else REAL_TIMEOUT_MS
        self.slack_ms = 100 if self.virtual else REAL_SLACK_MS  # how late may be called on time
        self.settings = Settings(
            regions=(EAST, NORTH, WEST),
            timeout_ms=self.timeout_ms,
            retention_ms=RETENTION_MS,
            targets=(target(),),
            data_dir=folder / "data-0",
            engine=engine,
        )
        self.attempts: list[tuple[int, Notification]] = []  # every attempt, and when
        self.attempt_targets: list[str] = []  # for each of those attempts: the target
        self.receiver: Receiver = accept  # a test may put another one here …
        self.receivers: dict[str, Receiver] = {}  # … or one for a target of its own
        self.metrics = Metrics()
        self.backend: engines.Backend | None = None  # what the engine works with
        self._engine: Engine | None = None

    def play(self, story: Story, *, seed: int = 0, real: bool = False) -> None:
        """Run a test's story; ``real``: in real time, where the order of turns matters and no time passes."""

        async def run() -> None:
            self.backend = backend = engines.start_backend(self._name, self._folder)
            try:
                if backend is not None:
                    self.settings = replace(self.settings, engine_options=backend.options)
                await story()
            finally:
                await self.stop()
                if backend is not None:
                    backend.stop()

        if self.virtual and not real:
            VirtualKernel(seed).run(run())
        elif seed and not real:
            pytest.skip("in real time, seeds have no effect")
        else:
            asyncio.run(run())

    # --- what a test needs ---

    def takes_days(self) -> None:
        """Skip the test where days are not virtual."""
        if not self.virtual:
            pytest.skip("takes days in real time")

    def many(self, number: int) -> int:
        """So many, or a tenth of them where each costs real time."""
        return number if self.virtual else max(1, number // 10)

    # --- time ---

    def now_ms(self) -> int:
        return EPOCH_MS + elapsed_ms() if self.virtual else time.time_ns() // 1_000_000

    async def wait(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition."""
        deadline_ms = self.now_ms() + self._limit_ms
        while not condition():
            assert self.now_ms() < deadline_ms, "it never became true"
            await self.wait(POLL_MS)

    async def silence(self) -> None:
        """Wait so long that everything that will be sent is sent."""
        await self.wait(600_000 if self.virtual else REAL_SILENCE_MS)

    async def state(
        self, operation_id: str = "op-1", *, when: Callable[[FanIn], bool] = lambda _: True
    ) -> FanIn:
        """An operation when ``when`` is true of it: an engine may process arrivals after `deliver`."""
        deadline_ms = self.now_ms() + self._limit_ms
        while True:
            assert self._engine is not None
            state = await self._engine.inspect(operation_id)
            if state is not None and when(state):
                return state
            assert self.now_ms() < deadline_ms, f"it never became true: {state}"
            await self.wait(POLL_MS)

    # --- processes ---

    async def start(self, **changes: Any) -> Engine:
        """Start the engine on the data of the start before, with some settings changed."""
        self._starts += 1
        self.settings = replace(self.settings, **changes)

        self.metrics = Metrics()
        self._engine = self._factory(self.settings, self, self.metrics, self.notifier())
        await self._engine.open()
        return self._engine

    def runs(self, start: int) -> bool:
        """Whether the process of that start still runs."""
        return start == self._starts

    def notifier(self) -> RecordingNotifier:
        """The notifier of the present start."""
        return RecordingNotifier(self, self._starts)

    def another(self, notifier: Notifier | None = None) -> Engine:
        """A second engine on the same data, not open yet."""
        return self._factory(self.settings, self, Metrics(), notifier)

    async def stop(self) -> None:
        """An orderly stop."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

    async def end(self, how: str) -> None:
        """``stop`` or ``kill``."""
        await (self.stop() if how == "stop" else self.kill())

    async def kill(self) -> None:
        """``kill -9``: the next start has the data as they are at this instant."""
        if not self.capabilities.survives_kill:
            pytest.skip("keeps nothing over a kill")
        if not self.virtual:
            pytest.skip("only a process of its own can be killed: tests/e2e")
        self._starts += 1
        data = self._folder / f"data-{self._starts}"
        shutil.copytree(self.settings.data_dir, data)
        self.settings = replace(self.settings, data_dir=data)
        await self.stop()  # only closes its files: what it still writes is not in the copy

    # --- what was sent ---

    def keys_sent(self) -> list[str]:
        return [notify.key for _, notify in self.attempts]

    def sent_to(self, target: str) -> list[tuple[int, Notification]]:
        """Every attempt at one target, and when."""
        return [
            sent for sent, name in zip(self.attempts, self.attempt_targets, strict=True) if name == target
        ]

    def outcomes_sent(self) -> list[tuple[str, str]]:
        return [(notify.operation_id, notify.outcome.value) for _, notify in self.attempts]


async def deliver_all(engine: Engine, *arrivals: Arrival) -> list[Receipt | BaseException | None]:
    """Deliver at the same time, as requests on as many connections do."""
    return await asyncio.gather(*(engine.deliver(each) for each in arrivals), return_exceptions=True)


def arrival_results(results: list[Receipt | BaseException | None]) -> list[ArrivalResult]:
    """The results of arrivals.

    Raises:
        BaseException: the first error among them.
    """
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result.result for result in results if isinstance(result, Receipt)]
