"""One push before all others: what is said when it works, and when it does not."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from fanin.harness.targets.adapt import DeploymentConfig
from fanin.harness.targets.deployment import Deployment, DeploymentSession, UnreachableError
from fanin.harness.targets.endpoint import Endpoint
from fanin.harness.targets.process import free_port
from fanin.harness.targets.scale import TimeScale
from fanin.harness.targets.smoke_test import FirstPush, push_once
from tests.harness.targets.fake_deployment import FakeDeployment

pytestmark = pytest.mark.real_time

# Long enough for a notification over loopback on a busy machine.
PATIENT = TimeScale(timeout_ms=20_000, tolerance_ms=10_000)
# What never comes is not waited for long.
BRIEF = TimeScale(timeout_ms=200, tolerance_ms=100)


def smoke_test(
    *,
    status: int = 202,
    notifies: bool = True,
    says: Mapping[str, Any] | None = None,
    public_url: str | None = None,
    time_scale: TimeScale = PATIENT,
    regions: tuple[str, ...] = ("eastus", "westus"),
) -> FirstPush:
    """What `push_once` returns, against a deployment that behaves so."""

    async def main() -> FirstPush:
        port = free_port()
        sink = f"http://127.0.0.1:{port}/"
        async with FakeDeployment(
            "eastus", "westus", status=status, notify_url=sink if notifies else "", says=says
        ) as fake:
            deployment = Deployment(
                endpoint=Endpoint(fake.url + "?region={region}"),
                configuration=DeploymentConfig(regions),
                time_scale=time_scale,
                listen=("127.0.0.1", port),
                public_url=sink if public_url is None else public_url,
            )
            async with DeploymentSession(deployment) as session:
                return await push_once(session, 1)

    return asyncio.run(main())


def complaint(**options: Any) -> str:
    with pytest.raises(UnreachableError) as caught:
        smoke_test(**options)
    return str(caught.value)


def test_a_push_that_comes_back_is_said_with_what_came() -> None:
    """How many regions, how long, and which outcome."""
    said = smoke_test().result

    assert said.startswith("a push from 2 regions was accepted within ")
    assert said.endswith(", and the sink was notified of 'completed'")


def test_what_the_notification_lacks_is_said() -> None:
    """Before every scenario shows it."""
    found = smoke_test(says={"outcome": None, "action": "push"})

    assert found.result.endswith(", and the sink was notified")
    lacking = "webhook-id, repository, tag, digest, outcome"
    assert found.note.startswith(f"the notification of the first push has no {lacking};")


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "is the key right? It comes from FANIN_TARGET_KEY"),
        (403, "is the key right?"),
        (404, "is the path right?"),
        (422, "is 'eastus' one of its regions? --regions says which it has"),
        (
            409,
            "; if that is how it answers what it takes, a target file says so (responses: in docs/verify.md)",
        ),
        (500, "there is nothing to judge while it does that"),
    ],
)
def test_a_refusal_is_said_with_what_may_be_wrong(status: int, hint: str) -> None:
    """An hour of scenarios would say the same in other words."""
    message = complaint(status=status)

    assert f"/hook?region={{region}} answered {status} to a push from 'eastus'; " in message
    assert hint in message


def test_one_that_is_not_there_is_unreachable() -> None:
    """With the reason of the connection."""
    deployment = Deployment(
        endpoint=Endpoint(f"http://127.0.0.1:{free_port()}/hook?region={{region}}"),
        configuration=DeploymentConfig(("eastus",)),
        time_scale=BRIEF,
    )

    async def main() -> None:
        async with DeploymentSession(deployment) as session:
            await push_once(session, 1)

    with pytest.raises(UnreachableError, match=r"cannot reach .*: Connection refused"):
        asyncio.run(main())


def test_a_notification_with_another_region_names_it() -> None:
    """It waits for a region that sends nothing, so every scenario would time out."""
    message = complaint(says={"missing": ["mars"]})

    assert "its notification names 'mars' as missing, which --regions does not list" in message
    assert "it lists eastus, westus" in message


def test_letter_case_does_not_make_another_region() -> None:
    """Nor do blanks around a name."""
    assert "notified" in smoke_test(says={"arrived": ["EastUS", " westus "]}).result


def test_silence_is_said_with_where_it_was_waited_for() -> None:
    """And whether the public URL leads to the sink, asked from this machine."""
    message = complaint(notifies=False, time_scale=BRIEF)

    assert "but no notification came to the sink at 127.0.0.1:" in message
    assert "leads here: does the deployment notify it?" in message


def test_a_public_url_that_leads_elsewhere_is_noticed() -> None:
    """The most common mistake behind a tunnel."""
    message = complaint(
        notifies=False, time_scale=BRIEF, public_url=f"http://127.0.0.1:{free_port()}/elsewhere"
    )

    assert "does not lead here" in message


def test_without_a_public_url_the_question_is_put_to_the_user() -> None:
    """Nothing can be tried from here."""
    assert "can it reach it from where it runs?" in complaint(notifies=False, time_scale=BRIEF, public_url="")


def test_a_notification_without_the_pushs_id_is_quoted() -> None:
    """It may speak another dialect."""
    message = complaint(says={"id": "their own"}, time_scale=TimeScale(timeout_ms=1_500, tolerance_ms=500))

    assert "what came was about 'their own', not about this push" in message
    assert "say in a target file where the operation's id is (notification: id)" in message
