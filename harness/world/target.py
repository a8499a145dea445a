"""What the harness can do to an aggregator, and how it does that to an application in process.

A target can be started, sent a webhook, stopped, killed, paused and reconfigured. A kill leaves its folder as
``kill -9`` would.
"""

import asyncio
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from fanin.harness.world.asgi import AppInstance, AsgiApp, OnResponse, StartError, WebhookResponse
from fanin.harness.world.host_loop import clock_offset_ms, elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from fanin.harness.world.places import place_in
from fanin.simulator.durations import format_duration
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.wire import WebhookRequest

__all__ = [
    "DataFolder",
    "InProcessTarget",
    "ModuleFactory",
    "StartError",
    "Target",
    "WebhookResponse",
    "environment",
]


# How long an application may take until it is up, and to stop in order before it is killed.
START_S, STOP_S = 30, 10


class Target(Protocol):
    """An aggregator under test, in whichever way it runs."""

    name: str

    async def start(self) -> None:
        """Start on the data of the last run.

        Raises:
            StartError: it did not start.
        """

    async def request(
        self, request: WebhookRequest, *, body_over_ms: int, on_response: OnResponse
    ) -> WebhookResponse:
        """Send one request.

        Raises:
            ConnectionRefusedError: it is down; the request certainly did not count.
            ConnectionResetError: the connection broke; the request may have counted.
        """

    async def stop(self) -> None:
        """Stop in order, as on SIGTERM."""

    def kill(self) -> None:
        """``kill -9``, at this instant."""

    def pause(self) -> None:
        """Pause at this instant, as on SIGSTOP."""

    def resume(self) -> None:
        """Resume, as on SIGCONT."""

    def reconfigure(self, changes: Mapping[str, str]) -> None:
        """Change settings from the next start on."""

    def set_clock(self, by_ms: int) -> None:
        """Move its wall clock, but not the harness's."""


def environment(scenario: Scenario, *, notify_url: str, data_dir: Path) -> dict[str, str]:
    """The settings of an aggregator under test, under the original's names and ours."""
    settings = {
        **reconfiguration(scenario.expects or scenario.regions, scenario.timeout),
        "NOTIFY_URL": notify_url,
        "DATA_DIR": str(data_dir),
        "FANIN_NOTIFY_URL": notify_url,
        "FANIN_DATA_DIR": str(data_dir),
        "FANIN_CORRELATION": scenario.correlation,
        "FANIN_ACTIONS": ",".join(scenario.actions),
    }
    if scenario.notifies_late:
        settings["FANIN_NOTIFY_ON"] = "completed,timed_out,completed_late"
    only = scenario.only
    if only.repositories:
        settings["FANIN_REPOSITORIES"] = ",".join(only.repositories)
    if only.tags:
        settings["FANIN_TAGS"] = ",".join(only.tags)
    if only.tagged:
        settings["FANIN_TAGGED_ONLY"] = "yes"
    if not only.attachments:
        settings["FANIN_SKIP_ATTACHMENTS"] = "yes"
    if scenario.key:
        settings["FANIN_KEYS"] = scenario.key
    if scenario.signing.secrets:
        settings["WEBHOOK_SECRETS"] = " ".join(scenario.signing.secrets)
        settings["FANIN_SIGNING_SECRETS"] = ",".join(scenario.signing.secrets)
    return settings


def reconfiguration(expects: Collection[str], timeout_ms: int | None) -> dict[str, str]:
    """The settings for which regions to wait, and for how long; empty for what is not given."""
    settings = {}
    if expects:
        settings["WebhookRegions"] = settings["FANIN_REGIONS"] = ",".join(expects)
    if timeout_ms is not None:
        settings["WebhookTimeout"] = timespan(timeout_ms)
        settings["FANIN_TIMEOUT"] = format_duration(timeout_ms)
        settings["TIMEOUT_S"] = f"{timeout_ms / 1000:.15g}"
    return settings


def timespan(ms: int) -> str:
    """A duration as .NET's TimeSpan reads it: ``[d.]h:mm:ss[.fff]``. Its hours end at 23."""
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    text = f"{hours}:{minutes:02d}:{seconds:02d}"
    return (f"{days}." if days else "") + text + (f".{ms:03d}" if ms else "")


type AppFactory = Callable[[Mapping[str, str], int], AsgiApp]


@dataclass(frozen=True, slots=True)
class ModuleFactory:
    """A factory of applications whose module each life imports anew."""

    module: str
    build: AppFactory

    def __call__(self, settings: Mapping[str, str], epoch_ms: int) -> AsgiApp:
        return self.build(settings, epoch_ms)


def reference_aggregator(settings: Mapping[str, str], epoch_ms: int) -> AsgiApp:
    """Build this project's own aggregator on the running loop's clock."""
    from fanin.aggregator.http.app import create_app

    others = tuple(it for it in settings.items() if it[0] not in ("DATA_DIR", "FANIN_DATA_DIR"))
    here = replace(_settings(others), data_dir=Path(settings["FANIN_DATA_DIR"]))
    return create_app(here, clock=LoopClock(epoch_ms))


@lru_cache(maxsize=64)
def _settings(environment: tuple[tuple[str, str], ...]) -> Any:
    """The settings that these variables set: most starts differ in their folder only."""
    from fanin.aggregator.settings import Settings

    return Settings.from_environment(dict(environment))


class LoopClock:
    """The running loop's time as wall-clock time; in a simulated world both are the same."""

    def __init__(self, epoch_ms: int) -> None:
        self._epoch_ms = epoch_ms

    def now_ms(self) -> int:
        return self._epoch_ms + elapsed_ms() + clock_offset_ms()


class DataFolder:
    """The data of an aggregator, and the targets that use it; replicas share one."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._snapshots = folder, 0
        self.users: set[object] = set()
        self.path = folder / "data-0"
        self.path.mkdir()

    def snapshot_on_kill(self) -> None:
        """Copy the data at the instant when its last user is killed; the next start uses the copy.

        Cancelled tasks run their ``finally`` blocks, which no killed process does. The copy is taken before
        they can touch anything, and what they still write goes to the old folder.
        """
        self._snapshots += 1
        snapshot = self._folder / f"data-{self._snapshots}"
        shutil.copytree(self.path, snapshot)
        self.path = snapshot


class InProcessTarget:
    """An ASGI application in a simulated world.

    Each start is on a simulated host of its own, so that nothing of a killed instance reaches the network.
    """

    def __init__(
        self,
        kernel: VirtualKernel,
        scenario: Scenario,
        *,
        data: DataFolder,
        notify_url: str,
        epoch_ms: int,
        factory: AppFactory = reference_aggregator,
        name: str = "aggregator (sqlite) in process",
        host_name: str = "aggregator",
    ) -> None:
        self.name = name
        self._kernel, self._scenario, self._factory = kernel, scenario, factory
        self._data, self._notify_url, self._epoch_ms = data, notify_url, epoch_ms
        self._host_name, self._starts = host_name, 0
        self._changes: dict[str, str] = {}
        self._instance: AppInstance | None = None

    async def start(self) -> None:
        self._starts += 1
        self._host = self._kernel.host(f"{self._host_name}-{self._starts}")
        self._kernel.start_process(self._host)
        try:
            async with asyncio.timeout(START_S):
                self._instance = await self._started()
        except TimeoutError:
            self._kernel.kill_process(self._host)
            raise StartError(f"it did not start within {START_S} s") from None
        self._data.users.add(self)

    async def _started(self) -> AppInstance:
        settings = environment(self._scenario, notify_url=self._notify_url, data_dir=self._data.path)
        settings |= self._changes
        instances: list[AppInstance] = []

        async def build() -> None:
            try:
                app = self._factory(settings, self._epoch_ms)
            except (Exception, SystemExit) as exc:
                self._kernel.on_app_error(exc)
                raise StartError(f"{type(exc).__name__}: {exc}{place_in(exc.__traceback__)}") from exc
            instances.append(AppInstance(app, self._host.create_task, on_error=self._kernel.on_app_error))

        await self._host.create_task(build())
        await instances[0].startup()
        return instances[0]

    async def request(
        self, request: WebhookRequest, *, body_over_ms: int, on_response: OnResponse
    ) -> WebhookResponse:
        if self._instance is None:
            raise ConnectionRefusedError("the aggregator is down")
        return await self._instance.request(request, body_over_ms=body_over_ms, on_response=on_response)

    def read(self, path: str) -> bytes | None:
        """The body of what it answers to a GET at this very instant, as `AppInstance.read` has it."""
        return None if self._instance is None else self._instance.read(path)

    async def stop(self) -> None:
        instance, self._instance = self._instance, None
        if instance is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await instance.shutdown()
                await self._kernel.threads_ended(self._host)
        self._data.users.discard(self)
        instance.kill()
        self._kernel.kill_process(self._host)

    def kill(self) -> None:
        instance, self._instance = self._instance, None
        if instance is None:
            return
        self._data.users.discard(self)
        if not self._data.users:
            self._data.snapshot_on_kill()
        instance.kill()
        self._kernel.kill_process(self._host)

    def pause(self) -> None:
        self._kernel.pause(self._host)

    def resume(self) -> None:
        self._kernel.resume(self._host)

    def reconfigure(self, changes: Mapping[str, str]) -> None:
        self._changes |= changes

    def set_clock(self, by_ms: int) -> None:
        self._kernel.set_clock(by_ms)
