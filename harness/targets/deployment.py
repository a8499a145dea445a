"""A target that runs already: reached at a URL, configured by its owner, judged by all scenarios at once.

Rules of this file: nothing is left in the deployment but operations under ids of their own; no second carries
more requests than the given rate; the key is put into requests and nowhere else.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import aiohttp
import msgspec

from fanin.harness.dialect import CONTRACT, Dialect
from fanin.harness.history import End, Entry, History, Run
from fanin.harness.results import Skipped
from fanin.harness.targets import http_client
from fanin.harness.targets.adapt import DeploymentConfig, adapt, scenario_seed, with_fresh_ids
from fanin.harness.targets.endpoint import Endpoint, Secret
from fanin.harness.targets.missed_faults import missed_fault, sufficient_rate
from fanin.harness.targets.rate_limit import Load, RateLimiter, estimate_load, start_times
from fanin.harness.targets.realtime import (
    PlayedRun,
    ScenarioClock,
    now_ms,
    run_concurrently,
    run_header,
)
from fanin.harness.targets.scale import TimeScale
from fanin.harness.targets.sink_router import SinkRouter
from fanin.harness.targets.status_body import Activities
from fanin.harness.targets.status_probe import UNOBSERVABLE, StatusProbe
from fanin.harness.world.asgi import OnResponse, WebhookResponse
from fanin.harness.world.play import World
from fanin.harness.world.watch import TIMEOUTS_WATCHED
from fanin.simulator.delivery import Profile
from fanin.simulator.durations import format_duration
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.wire import WebhookRequest


class UnreachableError(Exception):
    """The deployment does not take webhooks, or its outcomes do not come back.

    The message says what was tried, and shows no secret.
    """


type OnBody = Callable[[WebhookRequest, int, bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """How to reach and judge one deployment."""

    endpoint: Endpoint
    key: Secret = field(default_factory=lambda: Secret(""))
    headers: Mapping[str, str] = field(default_factory=dict)  # additional ones; ``{key}`` stands for the key
    configuration: DeploymentConfig
    dialect: Dialect = CONTRACT
    time_scale: TimeScale
    listen: tuple[str, int] = ("127.0.0.1", 0)  # of the sink
    public_url: str = ""  # at which the deployment reaches the sink
    per_second: int = 50  # requests at most
    activities: Activities | None = None  # for the status probe; None: notifications come to the sink

    @property
    def probed(self) -> bool:
        """Whether outcomes are read from its status API, without a sink."""
        return self.activities is not None

    @property
    def webhooks_per_second(self) -> int:
        """The rate that is left when half of it goes to the status API."""
        return max(1, self.per_second // 2) if self.probed else self.per_second


class PlannedRun(NamedTuple):
    """One scenario as it will be played."""

    scenario: Scenario
    seed: int
    profile: Profile
    load: Load
    left_out: int  # regions that the scenario names and the deployment does not have
    start_ms: int


def plan(
    scenarios: Sequence[Scenario], deployment: Deployment, *, seed: int
) -> tuple[list[PlannedRun], list[Skipped]]:
    """The runs with their start times, and the scenarios that the deployment cannot be judged by."""
    skipped: list[Skipped] = []
    ready: list[tuple[Scenario, int, Profile, Load, int]] = []
    for scenario in scenarios:
        adapted = adapt(scenario, deployment.configuration)
        if isinstance(adapted, Skipped):
            skipped.append(adapted)
            continue
        own_seed = scenario_seed(seed, scenario)
        small, profile = deployment.time_scale.scale(with_fresh_ids(adapted, own_seed))
        if why := _too_slow(small, own_seed, deployment.webhooks_per_second):
            skipped.append(Skipped(scenario.scenario, (), why))
            continue
        load = estimate_load(small, seed=own_seed, profile=profile)
        left_out = max(0, len(scenario.regions) - len(adapted.regions))
        ready.append((small, own_seed, profile, load, left_out))
    begins = start_times([load for *_, load, _ in ready], deployment.webhooks_per_second)
    return [PlannedRun(*each, start) for each, start in zip(ready, begins, strict=True)], skipped


def _too_slow(scenario: Scenario, seed: int, per_second: int) -> str:
    """Why a scenario could prove nothing at this rate; empty where it could."""
    if (fault := missed_fault(scenario, seed=seed, per_second=per_second)) is None:
        return ""
    rate = sufficient_rate(scenario, seed=seed, above=per_second)
    until = format_duration(fault.until or 0)
    return (
        f"its {fault.tag} ends at +{until}, before {per_second} requests/s come to a notification;"
        f" --max-rate {rate} plays it"
    )


def duration_ms(planned: Sequence[PlannedRun], deployment: Deployment) -> int:
    """About how long all of them take, from the start of the first."""
    time_scale, rate = deployment.time_scale, deployment.webhooks_per_second
    watched_ms = TIMEOUTS_WATCHED * time_scale.timeout_ms + max(
        time_scale.redelivery_grace_ms, time_scale.tolerance_ms
    )
    ends = (each.start_ms + each.load.duration_ms_at(rate) for each in planned)
    return max(ends, default=0) + watched_ms


class DeploymentTarget:
    """One deployment for one scenario; always up, so start, stop, kill and the like do nothing."""

    def __init__(
        self, deployment: Deployment, session: aiohttp.ClientSession, *, scenario_key: str = ""
    ) -> None:
        self.name = deployment.endpoint.shown
        self.on_body: OnBody | None = None  # called with the body of each response
        self._endpoint, self._key, self._session = deployment.endpoint, deployment.key, session
        self._headers, self._scenario_key = deployment.headers, scenario_key

    async def start(self) -> None:
        """No-op: it runs already."""

    async def request(
        self, request: WebhookRequest, *, body_over_ms: int, on_response: OnResponse
    ) -> WebhookResponse:
        given = self._scenario_key if request.address is None else request.address.key
        # The scenario's key stands for the deployment's. Any other key, or none, is meant to be wrong.
        key = self._key if given == self._scenario_key else Secret(given)
        answer, body = await http_client.deliver(
            self._session,
            self._endpoint.url(request, key),
            request,
            body_over_ms=body_over_ms,
            on_response=on_response,
            headers={name: key.put_into(value, encoded=False) for name, value in self._headers.items()},
            wants_body=self.on_body is not None,
        )
        if self.on_body is not None:
            self.on_body(request, answer.status, body)
        return answer

    async def stop(self) -> None:
        """No-op: a deployment cannot be stopped."""

    def kill(self) -> None:
        """No-op: a deployment cannot be killed."""

    def pause(self) -> None:
        """No-op: a deployment cannot be paused."""

    def resume(self) -> None:
        """No-op: it was never paused."""

    def reconfigure(self, changes: Mapping[str, str]) -> None:
        """No-op: its owner configures it."""

    def set_clock(self, by_ms: int) -> None:
        """No-op: the clock of its machine cannot be set."""


class DeploymentSession:
    """The sink, the client and the rate limiters that all scenarios of one deployment share."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.sink_router = SinkRouter(deployment.dialect, deployment.configuration.regions, deployment.key)
        self.webhook_limiter = RateLimiter(deployment.webhooks_per_second)
        self.status_limiter = RateLimiter(max(1, deployment.per_second - deployment.webhooks_per_second))
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the sink's address.

        Raises:
            UnreachableError: it is not possible to listen there.
        """
        if not self.deployment.probed:
            host, port = self.deployment.listen
            try:
                server = await self.sink_router.listen(host, port)
            except OSError as exc:
                why = http_client.why_not_listening(exc)
                raise UnreachableError(f"cannot listen at {host}:{port}: {why}") from exc
            self._closing.callback(server.close)
            self._closing.callback(self.sink_router.close)
            self.address: tuple[str, int] = server.sockets[0].getsockname()[:2]
        self.client = await self._closing.enter_async_context(http_client.client())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    async def play_all(self, planned: Sequence[PlannedRun]) -> AsyncGenerator[PlayedRun]:
        """Play all runs, each from its start time; they come in the order in which they end."""
        plays = [self._play(each) for each in planned]
        async for played in run_concurrently(plays, limit=len(plays) or 1):
            yield played

    async def _play(self, planned: PlannedRun) -> PlayedRun:
        await asyncio.sleep(planned.start_ms / 1000)
        deployment, scenario = self.deployment, planned.scenario
        target = DeploymentTarget(deployment, self.client, scenario_key=scenario.key)
        run = run_header(
            scenario,
            seed=planned.seed,
            target=target.name,
            time_scale=deployment.time_scale,
            unobservable=UNOBSERVABLE if deployment.probed else deployment.dialect.unobservable,
        )
        clock = ScenarioClock()
        world = World(
            [target],
            run,
            clock.now_ms,
            profile=planned.profile,
            dialect=deployment.dialect,
            throttle=self.webhook_limiter.acquire,
            epoch_ms=clock.epoch_ms,
            wall_ms=now_ms,
        )
        if deployment.activities is None:
            self.sink_router.connect(world.sink)
            await world.play(begin=clock.start)
            return PlayedRun(History(run, world.recorder.entries))
        probe = StatusProbe(
            self.client,
            activities=deployment.activities,
            dialect=deployment.dialect,
            recorder=world.recorder,
            operation_of=world.sink.operation_of,
            throttle=self.status_limiter.acquire,
            timeout_ms=scenario.timeout,
        )
        target.on_body = probe.observe
        return await _play_probed(world, run, probe, clock)


async def _play_probed(world: World, run: Run, probe: StatusProbe, clock: ScenarioClock) -> PlayedRun:
    polling = asyncio.create_task(probe.run())

    async def last() -> None:
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
        await probe.poll_all()

    try:
        await world.play(begin=clock.start, last=last)
    finally:
        polling.cancel()
    # An outcome is seen some time after it was reported; the judge has to allow for that.
    run = msgspec.structs.replace(run, tolerance=run.tolerance + probe.late_ms)
    return PlayedRun(History(run, _in_order(world.recorder.entries, probe.failure)))


def _in_order(entries: Sequence[Entry], failure: str) -> list[Entry]:
    """The entries by their time, as some were seen late. If the last poll failed, absence proves nothing."""
    ordered = sorted(entries, key=lambda entry: (isinstance(entry, End), entry.at))
    if not failure:
        return ordered
    reason = f"its status cannot be read: {failure}"
    return [
        msgspec.structs.replace(entry, complete=False, reason=reason) if isinstance(entry, End) else entry
        for entry in ordered
    ]
