"""A target that somebody else runs: reached at a URL, configured once, and judged by all scenarios at a time.

Rules of this file: nothing that it did not have before is left in it but operations under ids of their own;
no second carries more than the rate that was asked for; the key is put into requests and nowhere else.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import aiohttp
import msgspec

from fanin.harness.dialect import PLAIN, Dialect
from fanin.harness.history import End, Entry, History, Run
from fanin.harness.targets import http_client
from fanin.harness.targets.adapt import Configuration, Misfit, adapt, seed_of, with_fresh_ids
from fanin.harness.targets.endpoint import Endpoint, Secret
from fanin.harness.targets.rate_limit import Load, RateLimiter, load_of, starts
from fanin.harness.targets.realtime import (
    Played,
    ScenarioClock,
    header,
    now_ms,
    run_concurrently,
)
from fanin.harness.targets.scale import TimeScale
from fanin.harness.targets.sink_router import SinkRouter
from fanin.harness.targets.status_body import Activities
from fanin.harness.targets.status_probe import UNOBSERVABLE, Probe
from fanin.harness.world.asgi import OnResponse, WebhookResponse
from fanin.harness.world.play import TIMEOUTS_WATCHED, World
from fanin.simulator.delivery import Profile
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.wire import WebhookRequest


class UnreachableError(Exception):
    """Nothing can be judged. The message says what was tried, and shows no secret."""


type OnBody = Callable[[WebhookRequest, int, bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Everything that is known about one deployment."""

    endpoint: Endpoint
    key: Secret = field(default_factory=lambda: Secret(""))
    headers: Mapping[str, str] = field(default_factory=dict)  # sent besides; ``{key}`` stands for the key
    configuration: Configuration
    dialect: Dialect = PLAIN
    time_scale: TimeScale
    listen: tuple[str, int] = ("127.0.0.1", 0)  # where the sink is
    public_url: str = ""  # where the deployment finds it
    per_second: int = 50  # requests at most
    activities: Activities | None = None  # of Durable Functions; None: notifications come to the sink

    @property
    def probed(self) -> bool:
        """Whether its status is asked, and no sink is needed."""
        return self.activities is not None

    @property
    def webhooks_per_second(self) -> int:
        """The rate without what looking at the status takes."""
        return max(1, self.per_second // 2) if self.probed else self.per_second


class Planned(NamedTuple):
    """One scenario as it will be played."""

    scenario: Scenario
    seed: int
    profile: Profile
    load: Load
    begins_ms: int


class Unfit(NamedTuple):
    """One scenario that will not."""

    name: str
    misfit: Misfit


def plan(
    scenarios: Sequence[Scenario], deployment: Deployment, *, seed: int
) -> tuple[list[Planned], list[Unfit]]:
    """What is played when, and what is not."""
    unfit: list[Unfit] = []
    ready: list[tuple[Scenario, int, Profile, Load]] = []
    for scenario in scenarios:
        fit = adapt(scenario, deployment.configuration)
        if isinstance(fit, Misfit):
            unfit.append(Unfit(scenario.scenario, fit))
            continue
        own_seed = seed_of(seed, scenario)
        small, profile = deployment.time_scale.scale(with_fresh_ids(fit, own_seed))
        ready.append((small, own_seed, profile, load_of(small, seed=own_seed, profile=profile)))
    begins = starts([load for *_, load in ready], deployment.webhooks_per_second)
    return [Planned(*each, begin) for each, begin in zip(ready, begins, strict=True)], unfit


def lasts_ms(planned: Sequence[Planned], time_scale: TimeScale) -> int:
    """About how long a plan takes."""
    watched_ms = TIMEOUTS_WATCHED * time_scale.timeout_ms + max(
        time_scale.redelivery_grace_ms, time_scale.tolerance_ms
    )
    return max((each.begins_ms + each.load.lasts_ms for each in planned), default=0) + watched_ms


class DeploymentTarget:
    """One deployment as one scenario sees it. It is always up; nobody can stop or kill it."""

    def __init__(
        self, deployment: Deployment, session: aiohttp.ClientSession, *, scenario_key: str = ""
    ) -> None:
        self.name = deployment.endpoint.shown
        self.listener: OnBody | None = None  # told what answers say, if anybody cares
        self._endpoint, self._key, self._session = deployment.endpoint, deployment.key, session
        self._headers, self._scenario_key = deployment.headers, scenario_key

    async def start(self) -> None:
        """It runs already."""

    async def request(
        self, request: WebhookRequest, *, body_over_ms: int, on_response: OnResponse
    ) -> WebhookResponse:
        offered = "" if request.address is None else request.address.key
        # A scenario's own key stands for the real one. Any other is meant to be wrong.
        key = self._key if offered in ("", self._scenario_key) else Secret(offered)
        answer, body = await http_client.deliver(
            self._session,
            self._endpoint.url(request, key),
            request,
            body_over_ms=body_over_ms,
            on_response=on_response,
            headers={name: key.put_into(value, encoded=False) for name, value in self._headers.items()},
            wants_body=self.listener is not None,
        )
        if self.listener is not None:
            self.listener(request, answer.status, body)
        return answer

    async def stop(self) -> None:
        """It goes on."""

    def kill(self) -> None:
        """Nobody here can."""

    def pause(self) -> None:
        """Nor that."""

    def resume(self) -> None:
        """It never stood still."""

    def reconfigure(self, changes: Mapping[str, str]) -> None:
        """Its owner does that."""

    def set_clock(self, by_ms: int) -> None:
        """Nor that."""


class Session:
    """One visit to a deployment: the sink, the client, and the gates that all its scenarios share."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.sink_router = SinkRouter(deployment.dialect, deployment.configuration.regions, deployment.key)
        self.webhook_limiter = RateLimiter(deployment.webhooks_per_second)
        self.status_limiter = RateLimiter(max(1, deployment.per_second - deployment.webhooks_per_second))
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the sink's address.

        Raises:
            UnreachableError: nobody can listen there.
        """
        if not self.deployment.probed:
            host, port = self.deployment.listen
            try:
                server = await self.sink_router.listen(host, port)
            except OSError as exc:
                why = os.strerror(exc.errno) if exc.errno else str(exc)
                raise UnreachableError(f"cannot listen at {host}:{port}: {why}") from exc
            self._closing.callback(server.close)
            self._closing.callback(self.sink_router.close)
            self.address: tuple[str, int] = server.sockets[0].getsockname()[:2]
        self.client = await self._closing.enter_async_context(http_client.client())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    async def play_all(self, planned: Sequence[Planned]) -> AsyncGenerator[Played]:
        """Play everything, each at its time; histories come as they end."""
        plays = [self._play(each) for each in planned]
        async for played in run_concurrently(plays, places=len(plays) or 1):
            yield played

    async def _play(self, planned: Planned) -> Played:
        await asyncio.sleep(planned.begins_ms / 1000)
        deployment, scenario = self.deployment, planned.scenario
        target = DeploymentTarget(deployment, self.client, scenario_key=scenario.key)
        run = header(
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
            await world.play(begin=clock.begin)
            return Played(History(run, world.recorder.entries))
        probe = Probe(
            self.client,
            activities=deployment.activities,
            dialect=deployment.dialect,
            recorder=world.recorder,
            whose=world.sink.whose,
            throttle=self.status_limiter.acquire,
            timeout_ms=scenario.timeout,
        )
        target.listener = probe.observe
        return await _play_probed(world, run, probe, clock)


async def _play_probed(world: World, run: Run, probe: Probe, clock: ScenarioClock) -> Played:
    looking = asyncio.create_task(probe.run())

    async def last() -> None:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        await probe.last()

    try:
        await world.play(begin=clock.begin, last=last)
    finally:
        looking.cancel()
    # A look comes some time after what it sees. Whoever judges must know how long.
    lenient = msgspec.structs.replace(run, tolerance=run.tolerance + probe.late_ms)
    return Played(History(lenient, _in_order(world.recorder.entries, complete=not probe.incomplete)))


def _in_order(entries: Sequence[Entry], *, complete: bool) -> list[Entry]:
    """What was seen late, where it belongs. Without a look at the end, silence proves nothing."""
    ordered = sorted(entries, key=lambda entry: (isinstance(entry, End), entry.at))
    return [
        msgspec.structs.replace(entry, complete=complete) if isinstance(entry, End) else entry
        for entry in ordered
    ]
