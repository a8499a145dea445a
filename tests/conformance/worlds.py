"""Where an engine is put to the test: its own data, its own time, a subscriber that does as it is told."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from aggregator import engines
from aggregator.engine import Engine, NotDeliveredError, Receipt
from aggregator.fanin import Notify, Phase, Subject
from aggregator.metrics import Metrics
from aggregator.notify.address import parse
from aggregator.notify.target import DEFAULT_NAME, Target
from aggregator.settings import Settings
from aggregator.wire import Arrival
from harness.world.kernel import VirtualKernel, elapsed_ms

EAST, NORTH, WEST = "eastus", "northeurope", "westeurope"
EPOCH_MS = 1_772_323_200_000
TIMEOUT_MS = 60_000
RETENTION_MS = 7 * 86_400_000
IMAGE = Subject(action="push", host="demo.azurecr.io", repository="team/app", tag="1.0", digest="sha256:11")

type Tell = Callable[[Notify], Awaitable[None]]
type Story = Callable[[], Coroutine[Any, Any, None]]


def arrival(region: str, operation_id: str = "op-1") -> Arrival:
    return Arrival(operation_id, region, IMAGE)


async def accept(_: Notify) -> None:
    """The subscriber that accepts everything."""


def target(name: str = DEFAULT_NAME, **rest: Any) -> Target:
    """Somebody who wants to hear of outcomes; of which ones, and for how long, says ``rest``."""
    return Target(name=name, address=parse("http://subscriber/"), **rest)


class Audience:
    """The world's targets, as one life of an engine tells them."""

    def __init__(self, world: "World", life: int) -> None:
        self._world, self._life = world, life

    def targets(self, outcome: Phase) -> tuple[str, ...]:
        return tuple(it.name for it in self._world.settings.targets if outcome in it.on)

    async def tell(self, target: str, notify: Notify) -> None:
        world = self._world
        if not world.alive(self._life):
            raise NotDeliveredError("a dead process sends nothing")
        world.told.append((world.now_ms(), notify))
        world.told_whom.append(target)
        await world.subscribers.get(target, world.subscriber)(notify)


class World:
    """One engine through all its lives, in virtual time: waiting a month costs nothing."""

    def __init__(self, engine: str, folder: Path) -> None:
        self._factory = engines.load(engine)
        self._folder = folder
        self._lives = 0
        self.settings = Settings(
            regions=(EAST, NORTH, WEST),
            timeout_ms=TIMEOUT_MS,
            retention_ms=RETENTION_MS,
            targets=(target(),),
            data_dir=folder / "data-0",
        )
        self.told: list[tuple[int, Notify]] = []  # every attempt, and when
        self.told_whom: list[str] = []  # for each of those attempts: the target
        self.subscriber: Tell = accept  # a test may put another one here …
        self.subscribers: dict[str, Tell] = {}  # … or one for a target of its own
        self.metrics = Metrics()
        self._engine: Engine | None = None

    def play(self, story: Story, *, seed: int = 0, real: bool = False) -> None:
        """Run a test's story to its end; in real time where the order of turns matters and no time passes."""

        async def to_the_end() -> None:
            try:
                await story()
            finally:
                await self.stop()

        if real:
            asyncio.run(to_the_end())
        else:
            VirtualKernel(seed).run(to_the_end())

    def now_ms(self) -> int:
        return EPOCH_MS + elapsed_ms()

    async def wait(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    async def start(
        self, *, regions: tuple[str, ...] | None = None, targets: tuple[Target, ...] | None = None
    ) -> Engine:
        """Begin the next life on what the last one left."""
        self._lives += 1
        life = self._lives
        if regions is not None:
            self.settings = replace(self.settings, regions=regions)
        if targets is not None:
            self.settings = replace(self.settings, targets=targets)

        self.metrics = Metrics()
        self._engine = self._factory(self.settings, self, self.metrics, Audience(self, life))
        await self._engine.open()
        return self._engine

    def alive(self, life: int) -> bool:
        """Whether that life is still the present one."""
        return life == self._lives

    def intruder(self) -> Engine:
        """A second engine on the same data, not open yet."""
        return self._factory(self.settings, self, Metrics(), None)

    async def stop(self) -> None:
        """An orderly stop."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

    async def kill(self) -> None:
        """``kill -9``: the next life finds the data as they are at this instant."""
        self._lives += 1
        heir = self._folder / f"data-{self._lives}"
        shutil.copytree(self.settings.data_dir, heir)
        self.settings = replace(self.settings, data_dir=heir)
        await self.stop()  # only closes its files: nobody will look at what it still does

    def keys_told(self) -> list[str]:
        return [notify.key for _, notify in self.told]

    def told_to(self, target: str) -> list[tuple[int, Notify]]:
        """Every attempt at one target, and when."""
        return [told for told, whom in zip(self.told, self.told_whom, strict=True) if whom == target]

    def outcomes_told(self) -> list[tuple[str, str]]:
        return [(notify.operation_id, notify.outcome.value) for _, notify in self.told]


async def deliver_all(engine: Engine, *arrivals: Arrival) -> list[Receipt | BaseException]:
    """Together, as requests on as many connections."""
    return await asyncio.gather(*(engine.deliver(each) for each in arrivals), return_exceptions=True)
