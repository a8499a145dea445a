"""Plays one scenario in one world (registry, network, aggregator, sink) until absence proves something.

Everything but the kernel is the same code in virtual and in real time: it waits with ``asyncio.sleep``, and
the clock is the running loop's.
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from msgspec import structs

from fanin.harness.dialect import CONTRACT, Dialect
from fanin.harness.history import End, Entry, History, Run
from fanin.harness.limits import USUAL, Limits
from fanin.harness.world import garbage
from fanin.harness.world.app_errors import AppError
from fanin.harness.world.asgi import AsgiApp
from fanin.harness.world.foreign_app import configured_by_environment, seeded
from fanin.harness.world.host_loop import RunawayError
from fanin.harness.world.inspection import Inspector
from fanin.harness.world.kernel import VirtualKernel
from fanin.harness.world.nemesis import Nemesis
from fanin.harness.world.recorder import Recorder
from fanin.harness.world.registry_driver import RegistryDriver
from fanin.harness.world.sink import Sink
from fanin.harness.world.target import (
    AppFactory,
    DataFolder,
    InProcessTarget,
    ModuleFactory,
    Target,
    reference_aggregator,
)
from fanin.harness.world.watch import Watch
from fanin.simulator.delivery import Profile
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.faults.aggregator import AggregatorFault
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.scenario import Scenario

# Scenario time 0, as Unix milliseconds: 2026-03-01T00:00:00Z. Any fixed instant would do.
EPOCH_MS = 1_772_323_200_000
SINK_PORT = 80
# How long an application may take to stop in the end.
STOP_S = 60


class UnsimulatedError(Exception):
    """The application needs something that a simulated world does not have; the message names it."""


def play_foreign_app(
    scenario: Scenario,
    build: Callable[[], AsgiApp],
    *,
    seed: int = 0,
    name: str,
    dialect: Dialect = CONTRACT,
    limits: Limits = USUAL,
    on_error: Callable[[AppError], None] = lambda _error: None,
) -> History:
    """Play a scenario in virtual time against an unmodified application.

    ``time.time()`` and ``datetime.now()`` follow the virtual clock, ``random`` follows the seed.

    Args:
        scenario: As `fanin.simulator.language.load.load` returns it.
        build: Returns the application of each start; its settings are in the environment
            (`target.environment`). Modules of a `NamedApp` are imported anew for each start; those of any
            other function are what they are.
        seed: Decides every random choice.
        name: Its name in reports.
        dialect: How its notifications and responses are to be read.
        limits: How late it may act.
        on_error: Called after the run with the first exception that escaped in each life.

    Raises:
        AppLoadError: it cannot be imported, or is no application.
        UnsimulatedError: it needs real threads, sockets or processes; only a real process can be judged then.
    """
    with seeded(seed):
        factory = configured_by_environment(build, dialect)
        return play(
            scenario,
            seed=seed,
            factory=factory,
            name=name,
            foreign_app=True,
            dialect=dialect,
            limits=limits,
            on_error=on_error,
        )


def play(
    scenario: Scenario,
    *,
    seed: int = 0,
    factory: AppFactory = reference_aggregator,
    name: str = "aggregator (sqlite) in process",
    foreign_app: bool = False,
    dialect: Dialect = CONTRACT,
    limits: Limits = USUAL,
    on_error: Callable[[AppError], None] = lambda _error: None,
    inspector: Inspector | None = None,
) -> History:
    """Play a scenario in virtual time and return what happened. Same seed, same version: same history.

    Args:
        scenario: As `fanin.simulator.language.load.load` returns it.
        seed: Decides every random choice: delays, fates, and which of several ready tasks runs first.
        factory: Builds the application for each of its starts.
        name: Its name in reports.
        foreign_app: It is not ours: enforce the sandbox, and let the wall clock follow virtual time.
        dialect: How its notifications and responses are to be read.
        limits: How late it may act.
        on_error: As `play_foreign_app` has it.
        inspector: Reads what the application has stored while it is played; the run stays the same.

    Raises:
        AppLoadError: it cannot be imported, or is no application.
        UnsimulatedError: a foreign app broke out of the sandbox.
    """
    with garbage.collected():
        return _play(
            VirtualKernel(seed),
            scenario,
            limits.applied(_header(scenario, seed, name, dialect)),
            factory=factory,
            foreign_app=foreign_app,
            dialect=dialect,
            on_error=on_error,
            inspector=inspector,
        )


def _play(
    kernel: VirtualKernel,
    scenario: Scenario,
    run: Run,
    *,
    factory: AppFactory,
    foreign_app: bool,
    dialect: Dialect,
    on_error: Callable[[AppError], None],
    inspector: Inspector | None,
) -> History:
    with scratch_folder() as folder:
        targets = _targets(kernel, scenario, DataFolder(folder), factory, run.target)
        world = World(
            targets,
            run,
            kernel.now_ms,
            dialect=dialect,
            wall_ms=lambda: EPOCH_MS + kernel.elapsed_ms(),
            before_write=inspector.watching(targets, kernel.now_ms) if inspector else None,
        )

        async def main() -> None:
            sink = kernel.host("sink")
            await sink.create_task(world.sink.listen("0.0.0.0", SINK_PORT))  # noqa: S104 - a simulated network
            await world.play(trace=kernel.trace_hash, begin=kernel.begin_scenario)
            kernel.app_errors.end_life()

        with _surroundings(kernel, scenario, factory, foreign_app=foreign_app):
            try:
                kernel.run(main())
            except RunawayError as exc:
                world.cut_short(str(exc))
    if kernel.load_error is not None:
        raise kernel.load_error
    if foreign_app and kernel.sandbox_breach:
        raise UnsimulatedError(
            f"{run.target} cannot run in virtual time: {kernel.sandbox_breach}; judge it with --command"
        )
    for error in kernel.app_errors.found:
        on_error(error)
    if run.epoch is not None:
        run = structs.replace(run, epoch=EPOCH_MS + (kernel.origin_ms or 0))
    return History(run, world.recorder.entries)


def _targets(
    kernel: VirtualKernel, scenario: Scenario, data: DataFolder, factory: AppFactory, name: str
) -> list[InProcessTarget]:
    """The application, or its replicas, which share their data."""
    return [
        InProcessTarget(
            kernel,
            scenario,
            data=data,
            notify_url=f"http://sink:{SINK_PORT}/",
            epoch_ms=EPOCH_MS,
            factory=factory,
            name=name,
            host_name=host_name,
        )
        for host_name in host_names(scenario.replicas)
    ]


def _header(scenario: Scenario, seed: int, name: str, dialect: Dialect) -> Run:
    clock_is_set = any(
        isinstance(fault, AggregatorFault) and fault.effect == "clock" for fault in scenario.faults
    )
    return Run(
        scenario,
        seed,
        version=_version(),
        target=name,
        # When the clock is set later, its reading at 0 is not enough to compare timestamps with.
        epoch=None if clock_is_set else EPOCH_MS,
        unobservable=dialect.unobservable,
    )


@contextmanager
def _surroundings(
    kernel: VirtualKernel, scenario: Scenario, factory: AppFactory, *, foreign_app: bool
) -> Iterator[None]:
    """What an application needs around it.

    Our own aggregator reads the loop's clock, but its library for signatures reads the wall clock.
    """
    with ExitStack() as surroundings:
        if foreign_app:
            surroundings.enter_context(kernel.foreign_app_sandbox(EPOCH_MS, run=scenario.scenario))
        elif scenario.signing.secrets:
            surroundings.enter_context(kernel.virtual_wall_clock(EPOCH_MS))
        if isinstance(factory, ModuleFactory):
            surroundings.enter_context(kernel.imported_anew(factory.module))
        yield


@cache
def _version() -> str:
    """Of this installation; looking it up takes as long as some runs."""
    return version("fanin")


def host_names(replicas: int) -> list[str]:
    """The names of the simulated hosts of the replicas."""
    if replicas == 1:
        return ["aggregator"]
    return [f"aggregator-{number}" for number in range(1, replicas + 1)]


class World:
    """Wires the parts of one world together, and plays it."""

    def __init__(
        self,
        targets: Sequence[Target],
        run: Run,
        now_ms: Callable[[], int],
        *,
        profile: Profile | None = None,
        dialect: Dialect = CONTRACT,
        throttle: Callable[[], Awaitable[None]] | None = None,
        epoch_ms: int = EPOCH_MS,
        wall_ms: Callable[[], int] | None = None,
        before_write: Callable[[Sequence[Entry]], None] | None = None,
    ) -> None:
        """Wire a world.

        Args:
            targets: The aggregator under test, or its replicas.
            run: The header of its history.
            now_ms: Scenario time.
            profile: How the sender behaves; by default as the scenario says.
            dialect: How the target's notifications and responses are to be read.
            throttle: Awaited before every request to the target.
            epoch_ms: Unix milliseconds of the scenario's start, for what payloads say.
            wall_ms: Unix milliseconds now, for signatures; by default counted from ``epoch_ms``.
            before_write: As `Recorder` has it.
        """
        self._targets, self._run = targets, run
        scenario = run.scenario
        self.recorder = Recorder(now_ms, before_write) if before_write else Recorder(now_ms)
        self._nemesis = Nemesis(targets, scenario.faults, self.recorder)
        self._driver = RegistryDriver(
            scenario,
            registry=FakeRegistry(scenario, seed=run.seed, epoch_ms=epoch_ms),
            targets=targets,
            nemesis=self._nemesis,
            recorder=self.recorder,
            seed=run.seed,
            wall_ms=wall_ms or (lambda: epoch_ms + now_ms()),
            profile=profile,
            dialect=dialect,
            throttle=throttle,
        )
        self.sink = Sink(
            scenario,
            self.recorder,
            operation_of=self._driver.operation_of,
            before=self._nemesis.on_notification,
            after=self._nemesis.on_notified,
            dialect=dialect,
            scenario_ms=self._nemesis.scenario_ms,
        )

    async def play(
        self,
        *,
        trace: Callable[[], str] = str,
        begin: Callable[[], None] = lambda: None,
        last: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Play the scenario, and watch until nothing more can legally happen. The sink listens already.

        Args:
            trace: Returns the digest of every scheduling choice so far, where there is one.
            begin: Called when the target is up for the first time, at the scenario's instant 0.
            last: Awaited before the history is closed.
        """
        recovery = asyncio.create_task(self._nemesis.recover())
        try:
            await self._nemesis.start_targets()
            begin()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._driver.run())
                group.create_task(self._nemesis.run())
                group.create_task(self._wait_for_sink())
            await Watch(self._run, self.recorder, self._nemesis, self.sink).wait()
        finally:
            recovery.cancel()
        await self._driver.cancel()
        if last is not None:
            await last()
        self.sink.close()
        self.recorder.write(End(self.recorder.now_ms(), trace=trace()))
        self.recorder.close()
        await self._stop()

    def cut_short(self, reason: str) -> None:
        """Close the history of a run that does not end: nothing may be concluded from what is absent."""
        self.recorder.write(End(self.recorder.now_ms(), complete=False, reason=reason))
        self.recorder.close()

    async def _wait_for_sink(self) -> None:
        """Wait for the end of the last sink fault that has an end."""
        faults = (fault for fault in self._run.scenario.faults if isinstance(fault, SinkFault))
        ends = [fault.until for fault in faults if fault.until is not None]
        await self._nemesis.wait_until(max(ends, default=0))

    async def _stop(self) -> None:
        """Stop in order, so that the application closes its files. Nothing of this is recorded."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await asyncio.gather(*(target.stop() for target in self._targets))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for the aggregator's data, in memory where the system has such a place.

    A simulated crash is ``kill -9``, not a power cut: what was written is there, flushed or not, so a disk
    would only make the run slower.
    """
    shared_memory = Path("/dev/shm")  # noqa: S108
    place = shared_memory if os.access(shared_memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fanin-", dir=place, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
