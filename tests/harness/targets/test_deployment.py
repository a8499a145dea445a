"""A deployment: which scenarios are played when, and what a request to it carries."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from fanin.harness.dialect import CONTRACT
from fanin.harness.results import Skipped
from fanin.harness.targets.adapt import DeploymentConfig
from fanin.harness.targets.deployment import (
    Deployment,
    DeploymentSession,
    DeploymentTarget,
    UnreachableError,
    duration_ms,
    plan,
)
from fanin.harness.targets.endpoint import Endpoint, Secret
from fanin.harness.targets.http_client import client
from fanin.harness.targets.scale import TimeScale
from fanin.harness.targets.status_body import Activities
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
from fanin.simulator.wire import WebhookRequest, address, webhook_request
from tests.harness.targets.fake_deployment import FakeDeployment

REGIONS = ("eastus", "westeurope", "northeurope")
SCALE = TimeScale(timeout_ms=2_000)


def deployment(url: str = "https://h/{region}", per_second: int = 50) -> Deployment:
    return Deployment(
        endpoint=Endpoint(url),
        configuration=DeploymentConfig(REGIONS),
        time_scale=SCALE,
        per_second=per_second,
    )


def test_what_cannot_be_played_is_skipped_and_the_rest_is_scaled() -> None:
    """In the order in which it was asked for."""
    scenarios = [load(find(name)) for name in ("slow-region", "crash-after-ack", "dropped-region")]

    planned, skipped = plan(scenarios, deployment(), seed=1)

    assert [it.scenario.scenario for it in planned] == ["slow-region", "dropped-region"]
    assert {it.scenario.timeout for it in planned} == {2_000}
    assert {it.scenario.regions for it in planned} == {REGIONS}
    assert skipped == [Skipped("crash-after-ack", ("process",))]


def test_each_scenario_has_ids_of_its_own_and_the_same_ones_for_the_same_seed() -> None:
    """One deployment sees them all, and remembers."""
    scenario = load(find("slow-region"))

    (one,), _ = plan([scenario], deployment(), seed=1)
    (same,), _ = plan([scenario], deployment(), seed=1)
    (other,), _ = plan([scenario], deployment(), seed=2)

    assert one.seed == same.seed != other.seed


def test_scenarios_start_later_when_the_rate_is_low() -> None:
    """And a plan lasts until nothing more can come of the last one."""
    scenarios = [load(find("slow-region"))] * 3

    quick, _ = plan(scenarios, deployment(per_second=50), seed=1)
    slow, _ = plan(scenarios, deployment(per_second=3), seed=1)

    assert [it.start_ms for it in quick] == [0, 0, 0]
    assert len({it.start_ms for it in slow}) == 3
    assert (
        duration_ms(slow, deployment(per_second=3)) > duration_ms(quick, deployment()) > 3 * SCALE.timeout_ms
    )


def test_a_probe_takes_half_of_the_rate() -> None:
    """Its requests count as well."""
    plain = deployment(per_second=10)
    probed = Deployment(
        endpoint=plain.endpoint, configuration=plain.configuration, time_scale=SCALE, per_second=10,
        activities=Activities(),
    )  # fmt: skip

    assert (plain.probed, plain.webhooks_per_second) == (False, 10)
    assert (probed.probed, probed.webhooks_per_second) == (True, 5)


def sent(request: WebhookRequest, *, scenario_key: str = "") -> tuple[str, dict[str, str]]:
    """Target and headers of the request as the deployment sees it."""

    async def main() -> tuple[str, dict[str, str]]:
        async with FakeDeployment("eastus") as fake, client() as session:
            target = DeploymentTarget(
                Deployment(
                    endpoint=Endpoint(fake.url + "?region={region}&code={key}"),
                    key=Secret("s3cr+t"),
                    headers={"x-api-key": "Key {key}", "x-env": "test"},
                    configuration=DeploymentConfig(REGIONS),
                    time_scale=SCALE,
                ),
                session,
                scenario_key=scenario_key,
            )
            await target.request(request, body_over_ms=0, on_response=lambda _status: False)
            return fake.requests[0]

    return asyncio.run(main())


def webhook(key: str = "") -> WebhookRequest:
    to = address("/api/ImagePush?region={region}", "eastus", key)
    return webhook_request(to, {"x-event": "push"}, b'{"id": "1"}')


def test_the_key_is_put_where_it_has_a_place() -> None:
    """Encoded in the URL, plain in a header; other headers go along."""
    target, headers = sent(webhook())

    assert target == "/hook?region=eastus&code=s3cr%2Bt"
    assert (headers["x-api-key"], headers["x-env"], headers["x-event"]) == ("Key s3cr+t", "test", "push")


@pytest.mark.parametrize(("given", "code"), [("theirs", "s3cr%2Bt"), ("wrong", "wrong"), ("", "")])
def test_only_the_scenarios_own_key_stands_for_the_real_one(given: str, code: str) -> None:
    """Otherwise a scenario with a key could not be played, or one with a wrong key would find it right."""
    target, _ = sent(webhook(given), scenario_key="theirs")

    assert target == f"/hook?region=eastus&code={code}"


def test_an_address_that_is_taken_is_named() -> None:
    """Before anything is sent."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = Deployment(
            endpoint=Endpoint("https://h/{region}"), configuration=DeploymentConfig(REGIONS),
            dialect=CONTRACT, time_scale=SCALE, listen=("127.0.0.1", port),
        )  # fmt: skip

        async def enter() -> None:
            async with DeploymentSession(config):
                pass

        with pytest.raises(
            UnreachableError, match=f"cannot listen at 127.0.0.1:{port}: Address already in use"
        ):
            asyncio.run(enter())


def test_nothing_can_be_done_to_a_deployment() -> None:
    """It is always up; a scenario that needs more is skipped before."""

    async def main() -> None:
        async with client() as session:
            target = DeploymentTarget(deployment(), session)
            await target.start()
            done: tuple[Callable[[], None], ...] = (target.kill, target.pause, target.resume)
            for do in done:
                do()
            target.reconfigure({"FANIN_TIMEOUT": "1s"})
            target.set_clock(1)
            await target.stop()
            assert target.name == "https://h/{region}"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("host", "why"), [("192.0.2.1", "Cannot assign requested address"), ("no.such.host.invalid", "Name or ")]
)
def test_an_address_that_is_not_this_machines_is_refused(host: str, why: str) -> None:
    """With the system's reason, and the address once."""
    config = Deployment(
        endpoint=Endpoint("https://h/{region}"), configuration=DeploymentConfig(REGIONS),
        dialect=CONTRACT, time_scale=SCALE, listen=(host, 9000),
    )  # fmt: skip

    async def enter() -> None:
        async with DeploymentSession(config):
            pass

    with pytest.raises(UnreachableError, match=f"^cannot listen at {host}:9000: {why}"):
        asyncio.run(enter())
