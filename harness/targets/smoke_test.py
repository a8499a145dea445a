"""One push before all scenarios: does the deployment take webhooks, and does its outcome come back?

Without it, every scenario would fail an hour later for the same reason, in other words. It judges nothing: it
does not matter which outcome comes back, only that one does. What its notification does not hold is a note.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from fanin.harness.history import REFUSAL, SUCCESS
from fanin.harness.targets.deployment import (
    Deployment,
    DeploymentSession,
    DeploymentTarget,
    UnreachableError,
)
from fanin.harness.targets.endpoint import KEY_ENV
from fanin.harness.targets.notification_form import note_on_form
from fanin.harness.targets.realtime import now_ms
from fanin.harness.targets.sink_router import ECHO
from fanin.harness.targets.status_body import read_status
from fanin.harness.targets.status_probe import StatusUnavailableError, fetch_status, status_uri
from fanin.simulator.durations import format_duration
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.scenario import Operation, Scenario
from fanin.simulator.plan import Delivery, Occurrence
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import normalise_region

_RESPONSE_S = 60  # a deployment without traffic may have to start first
_ECHO_S = 10
# A deployment may notify timeouts only. They are waited for, unless its timeout is longer than the first of
# these; then the second must do for an outcome of all regions.
_TIMEOUT_MS_MAX, _LONG_MS = 300_000, 60_000
_POLL_S = 0.2


class FirstPush(NamedTuple):
    """What came of it, for people."""

    result: str
    note: str = ""  # what the notification lacks


async def push_once(session: DeploymentSession, seed: int) -> FirstPush:
    """Send one push from every region, and wait for the outcome that the deployment reports.

    Raises:
        UnreachableError: the deployment does not take it, or no outcome comes back.
    """
    deployment, loop = session.deployment, asyncio.get_running_loop()
    push = _push(deployment, seed)
    notification = session.sink_router.expect(*push.ids.values(), push.digest or "")
    target, began_s = DeploymentTarget(deployment, session.client), loop.time()
    uris: list[str | None] = []
    target.on_body = lambda _request, _status, body: uris.append(status_uri(body))
    for delivery in push.deliveries:
        await session.webhook_limiter.acquire()
        await _send(target, delivery, deployment)
    took = format_duration(round((loop.time() - began_s) * 1000))
    count = len(push.deliveries)
    accepted = f"a push from {count} {'region' if count == 1 else 'regions'} was accepted within {took}"
    if deployment.probed:
        return FirstPush(f"{accepted}, {await _status_of(session, uris)}")
    try:
        async with asyncio.timeout(_wait_ms_max(deployment) / 1000):
            key, body = await notification
    except TimeoutError:
        raise UnreachableError(await _no_notification(session, accepted)) from None
    _check_regions(body, deployment.configuration.regions)
    outcome = body.get("outcome")
    notified = f"and the sink was notified{'' if outcome is None else f' of {outcome!r}'}"
    note = note_on_form(key, body, deployment.dialect.unobservable)
    return FirstPush(f"{accepted}, {notified}", note)


def _push(deployment: Deployment, seed: int) -> Occurrence:
    regions = deployment.configuration.regions
    scenario = Scenario(
        scenario="smoke-test",
        title="One push",
        regions=regions,
        operations=(Operation(image="fanin/smoke-test:1", reaches=dict.fromkeys(regions, Delay(fixed=0))),),
    )
    return next(FakeRegistry(scenario, seed=seed, epoch_ms=now_ms()).occurrences())


async def _send(target: DeploymentTarget, delivery: Delivery, deployment: Deployment) -> None:
    shown, region = deployment.endpoint.shown, delivery.region
    try:
        async with asyncio.timeout(_RESPONSE_S):
            response = await target.request(
                delivery.request, body_over_ms=0, on_response=lambda _status: False
            )
    except TimeoutError:
        raise UnreachableError(f"{shown} did not answer within {_RESPONSE_S} s") from None
    except ConnectionError as exc:
        raise UnreachableError(f"cannot reach {shown}: {exc}") from None
    if deployment.dialect.status(response.status) in SUCCESS:
        return
    hints = {
        401: f"is the key right? It comes from {KEY_ENV}, or from the variable that --key-env names",
        403: f"is the key right? It comes from {KEY_ENV}, or from the variable that --key-env names",
        404: "is the path right?",
        400: f"is {region!r} one of its regions? --regions says which it has",
        422: f"is {region!r} one of its regions? --regions says which it has",
    }
    hint = hints.get(response.status, "there is nothing to judge while it does that")
    if response.status in REFUSAL and response.status not in hints:
        hint += (
            "; if that is how it answers what it takes, a target file says so (responses: in docs/verify.md)"
        )
    raise UnreachableError(f"{shown} answered {response.status} to a push from {region!r}; {hint}")


def _check_regions(body: Mapping[str, Any], regions: Sequence[str]) -> None:
    """A deployment that waits for a region with no webhooks would time out in every scenario.

    Raises:
        UnreachableError: its notification names a region that is not configured here.
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


async def _no_notification(session: DeploymentSession, accepted: str) -> str:
    """Why no notification came, as far as it can be found out from here."""
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
    leads = "leads here" if await _leads_here(session, url) else "does not lead here"
    return f"{message}; asked from this machine, {shown} {leads}: does the deployment notify it?"


async def _leads_here(session: DeploymentSession, url: str) -> bool:
    """Whether a request to the public URL arrives at this sink, sent from this machine."""
    echo = f"echo-{now_ms()}"
    received = session.sink_router.expect(echo)
    try:
        async with asyncio.timeout(_ECHO_S), session.client.post(url, headers={ECHO: echo}):
            await received
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False
    return True


async def _status_of(session: DeploymentSession, uris: Sequence[str | None]) -> str:
    """What the status of the push says.

    Raises:
        UnreachableError: there is no status, or it holds no outcome.
    """
    deployment, loop = session.deployment, asyncio.get_running_loop()
    uri = next((each for each in uris if each), None)
    if uri is None or deployment.activities is None:
        raise UnreachableError(
            "its responses carry no statusQueryGetUri, so there is nothing to probe; does it answer with"
            " CreateCheckStatusResponse?"
        )
    until_s = loop.time() + _wait_ms_max(deployment) / 1000
    while True:
        await session.status_limiter.acquire()
        try:
            body = await fetch_status(session.client, uri)
        except StatusUnavailableError as exc:
            raise UnreachableError(f"its status cannot be read: {exc}") from None
        status = read_status(body, deployment.activities, deployment.dialect)
        if status.outcomes:
            return f"and its status says {status.outcomes[0].outcome!r}"
        if status.no_outcome:
            names = ", ".join((*deployment.activities.completed, *deployment.activities.timed_out))
            raise UnreachableError(
                f"its status says Completed, but not with which outcome: no activity {names} in its history,"
                " no outcome in its output; a target file can name other activities (activities)"
            )
        if status.done or loop.time() >= until_s:
            return "and its status can be read"
        await asyncio.sleep(_POLL_S)
