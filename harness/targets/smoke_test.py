"""One push before all others: does the deployment take webhooks, and does what it tells come back?

Without that, an hour later every scenario would say the same in other words. It is no judgement: whatever
comes of the canary, only that it comes back matters.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from fanin.harness.history import SUCCESS
from fanin.harness.targets.deployment import Deployment, DeploymentTarget, Session, UnreachableError
from fanin.harness.targets.endpoint import KEY_ENV
from fanin.harness.targets.realtime import now_ms
from fanin.harness.targets.sink_router import ECHO
from fanin.harness.targets.status_body import read_status
from fanin.harness.targets.status_probe import NoStatusError, ask, status_uri
from fanin.simulator.durations import format_duration
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.scenario import Operation, Scenario
from fanin.simulator.plan import Delivery, Occurrence
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import normalise_region

_ANSWER_S = 60  # the first request may have to wake somebody
_ECHO_S = 10
# What every region has reported is told at once. Whoever tells nothing but timeouts is waited for as well,
# where that does not take too long.
_TIMEOUT_MS_MAX, _LONG_MS = 300_000, 60_000
_LOOK_S = 0.2


async def push_once(session: Session, seed: int) -> str:
    """Push one image, and wait for what the deployment tells.

    Returns:
        What came of it, for people.

    Raises:
        UnreachableError: it does not take it, or nothing comes back.
    """
    deployment, loop = session.deployment, asyncio.get_running_loop()
    push = _push(deployment, seed)
    told = session.sink_router.expect(*push.ids.values(), push.digest or "")
    target, began_s = DeploymentTarget(deployment, session.client), loop.time()
    uris: list[str | None] = []
    target.listener = lambda _request, _status, body: uris.append(status_uri(body))
    for delivery in push.deliveries:
        await session.webhook_limiter.acquire()
        await _send(target, delivery, deployment)
    took = format_duration(round((loop.time() - began_s) * 1000))
    accepted = f"a push from {len(push.deliveries)} regions was accepted within {took}"
    if deployment.probed:
        return f"{accepted}, {await _status_of(session, uris)}"
    try:
        async with asyncio.timeout(_wait_ms_max(deployment) / 1000):
            body = await told
    except TimeoutError:
        raise UnreachableError(await _silence(session, accepted)) from None
    _know_its_regions(body, deployment.configuration.regions)
    return f"{accepted}, and the sink was told {body.get('outcome')!r}"


def _push(deployment: Deployment, seed: int) -> Occurrence:
    """One push that every region reports."""
    regions = deployment.configuration.regions
    scenario = Scenario(
        scenario="canary",
        title="One push",
        regions=regions,
        operations=(Operation(image="fanin/canary:1", reaches=dict.fromkeys(regions, Delay(fixed=0))),),
    )
    return next(FakeRegistry(scenario, seed=seed, epoch_ms=now_ms()).occurrences())


async def _send(target: DeploymentTarget, delivery: Delivery, deployment: Deployment) -> None:
    shown, region = deployment.endpoint.shown, delivery.region
    try:
        async with asyncio.timeout(_ANSWER_S):
            answer = await target.request(delivery.request, body_over_ms=0, on_response=lambda _status: False)
    except TimeoutError:
        raise UnreachableError(f"{shown} did not answer within {_ANSWER_S} s") from None
    except ConnectionError as exc:
        raise UnreachableError(f"cannot reach {shown}: {exc}") from None
    status = deployment.dialect.status(answer.status)
    if status in SUCCESS:
        return
    hint = {
        401: f"is the key right? It comes from {KEY_ENV}, or from where --key-env says",
        403: f"is the key right? It comes from {KEY_ENV}, or from where --key-env says",
        404: "is the path right?",
        400: f"is {region!r} one of its regions? --regions says which it has",
        422: f"is {region!r} one of its regions? --regions says which it has",
    }.get(answer.status, "there is nothing to judge while it does that")
    raise UnreachableError(f"{shown} answered {answer.status} to a push from {region!r}; {hint}")


def _know_its_regions(body: Mapping[str, Any], regions: Sequence[str]) -> None:
    """Whoever waits for a region that nobody was told of waits in vain, in every scenario.

    Raises:
        UnreachableError: it does.
    """
    known = {normalise_region(region) for region in regions}
    for name in ("missing", "arrived"):
        named = body.get(name)
        for region in named if isinstance(named, list) else []:
            if normalise_region(str(region)) not in known:
                raise UnreachableError(
                    f"its notification names {region!r} as {name}, which --regions does not list;"
                    f" it lists {', '.join(regions)}"
                )


def _wait_ms_max(deployment: Deployment) -> int:
    timeout_ms = deployment.time_scale.timeout_ms
    return deployment.time_scale.tolerance_ms + (timeout_ms if timeout_ms <= _TIMEOUT_MS_MAX else _LONG_MS)


async def _silence(session: Session, accepted: str) -> str:
    host, port = session.address
    waited = format_duration(_wait_ms_max(session.deployment))
    message = f"{accepted}, but no notification came to the sink at {host}:{port} within {waited}"
    if unattributed := session.sink_router.unattributed:
        return (
            f"{message}; what came was about {unattributed[0]!r}, not about this push: if that is its"
            " notification, say in a target file where the operation's id is (notification: id)"
        )
    url = session.deployment.public_url
    if not url:
        return f"{message}; does it notify that address, and can it reach it from where it runs?"
    shown = "://".join(urlsplit(url)[:2])
    led = "leads here" if await _leads_here(session, url) else "does not lead here"
    return f"{message}; asked from this machine, {shown} {led}: does the deployment notify it?"


async def _leads_here(session: Session, url: str) -> bool:
    """Whether the public URL ends at this sink, as far as this machine can tell."""
    echo = f"echo-{now_ms()}"
    observe = session.sink_router.expect(echo)
    try:
        async with asyncio.timeout(_ECHO_S), session.client.post(url, headers={ECHO: echo}):
            await observe
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False
    return True


async def _status_of(session: Session, uris: Sequence[str | None]) -> str:
    """What the canary's status says.

    Raises:
        UnreachableError: there is none, or nobody can tell from it what came of the push.
    """
    deployment, loop = session.deployment, asyncio.get_running_loop()
    uri = next((each for each in uris if each), None)
    if uri is None or deployment.activities is None:
        raise UnreachableError(
            "its answers carry no statusQueryGetUri, so there is nothing to probe; does it answer with"
            " CreateCheckStatusResponse?"
        )
    until_s = loop.time() + _wait_ms_max(deployment) / 1000
    while True:
        await session.status_limiter.acquire()
        try:
            status = await ask(session.client, uri)
        except NoStatusError as exc:
            raise UnreachableError(f"its status cannot be read: {exc}") from None
        reading = read_status(status, deployment.activities, deployment.dialect)
        if reading.tellings:
            return f"and its status says {reading.tellings[0].outcome!r}"
        if reading.unreadable:
            names = ", ".join((*deployment.activities.completed, *deployment.activities.timed_out))
            raise UnreachableError(
                f"its status says Completed, and nothing in it what came of the push: no activity {names} in"
                " its history, no outcome in its output; a target file can name others (activities)"
            )
        if reading.done or loop.time() >= until_s:
            return "and its status can be read"
        await asyncio.sleep(_LOOK_S)
