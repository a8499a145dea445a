"""The registry's driver: what a request carries, who takes it, how often it is attempted."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
import time_machine
from msgspec.structs import replace
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from fanin.harness.history import AttemptEnded, AttemptSent, Entry, FaultApplied, Unsent
from fanin.harness.world.asgi import OnResponse, WebhookResponse
from fanin.harness.world.host_loop import elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from fanin.harness.world.nemesis import Nemesis
from fanin.harness.world.recorder import Recorder
from fanin.harness.world.registry_driver import RegistryDriver, build_request
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.load import load, loads
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find
from fanin.simulator.plan import Delivery
from fanin.simulator.wire import WebhookRequest

PUSH = """
scenario: s
title: t
regions: [eastus, westus]
latency: 0s
operations: [{image: "team/app:1", reaches: {eastus: 1s, westus: 2s}}]
"""


class Target:
    """Answers every request with the next status, the last one for ever, and remembers the requests."""

    name = "target"

    def __init__(self, *statuses: int, takes_ms: int = 0, headers: Mapping[str, str] | None = None) -> None:
        self.requests: list[tuple[int, WebhookRequest]] = []
        self._statuses, self._takes_ms, self._headers = list(statuses or (202,)), takes_ms, headers or {}

    async def start(self) -> None: ...

    async def request(
        self, request: WebhookRequest, *, body_over_ms: int, on_response: OnResponse
    ) -> WebhookResponse:
        self.requests.append((elapsed_ms(), request))
        await asyncio.sleep((self._takes_ms + body_over_ms) / 1000)
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        on_response(status)
        return WebhookResponse(status, self._headers)

    async def stop(self) -> None: ...

    def kill(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def reconfigure(self, changes: Mapping[str, str]) -> None: ...

    def set_clock(self, by_ms: int) -> None: ...


def drive(
    scenario: Scenario,
    *targets: Target,
    throttle: Callable[[], Awaitable[None]] | None = None,
    ask: Callable[[RegistryDriver], Any] = lambda _driver: None,
) -> tuple[list[Entry], Any]:
    """Let the driver send the whole scenario; return what it recorded, and what ``ask`` found in the end."""
    kernel, recorder, found = VirtualKernel(0), Recorder(elapsed_ms), []

    async def main() -> None:
        driver = RegistryDriver(
            scenario,
            registry=FakeRegistry(scenario, seed=0, epoch_ms=0),
            targets=targets,
            nemesis=Nemesis(targets, (), recorder),
            recorder=recorder,
            seed=0,
            wall_ms=lambda: 1_700_000_000_000 + elapsed_ms(),
            throttle=throttle,
        )
        await driver.run()
        await driver.cancel()
        found.append(ask(driver))

    kernel.run(main())
    return recorder.entries, found[0]


def test_every_webhook_leaves_when_it_is_due_and_is_recorded_with_its_end() -> None:
    """Numbers from 1; the status is the target's."""
    target = Target()

    entries, _ = drive(loads(PUSH), target)

    assert [at for at, _ in target.requests] == [1_000, 2_000]
    assert [(it.at, it.attempt, it.region) for it in entries if isinstance(it, AttemptSent)] == [
        (1_000, 1, "eastus"),
        (2_000, 2, "westus"),
    ]
    assert [(it.attempt, it.status) for it in entries if isinstance(it, AttemptEnded)] == [(1, 202), (2, 202)]


def test_replicas_take_turns_by_region_copy_and_retry() -> None:
    """So that every replica sees some of every operation."""
    first, second = Target(503, 202), Target()

    entries, _ = drive(loads(PUSH + "sender: {profile: retry}\n"), first, second)

    sent = [(it.region, it.retry, it.replica) for it in entries if isinstance(it, AttemptSent)]
    assert sorted(sent) == [("eastus", 0, 1), ("eastus", 1, 2), ("westus", 0, 2)]


def test_a_sender_waits_as_long_as_it_is_asked_to() -> None:
    """``Retry-After``, where its profile heeds it."""
    target = Target(503, 202, headers={"retry-after": "60"})

    drive(loads(PUSH + "sender: {profile: retry}\n"), target)

    times = [at for at, _ in target.requests]
    assert times[0] == 1_000
    assert max(times) >= 61_000


def test_events_of_one_region_that_come_close_share_an_envelope() -> None:
    """One request, an attempt for each of them. This sender never gives up: the last request is cut off."""
    target = Target()
    scenario = loads("""
scenario: s
title: t
regions: [eastus, westus]
latency: 0s
sender: {profile: cncf-distribution, envelope: 2s}
operations:
  - {image: "a:1", reaches: {eastus: 1s, westus: 2s}}
  - {image: "b:1", reaches: {eastus: 1500ms, westus: 9s}}
  - {image: "c:1", at: 60s, reaches: {eastus: 0s, westus: never}}
""")

    entries, _ = drive(scenario, target)

    bodies = [json.loads(request.body) for _, request in target.requests]
    sent = [(it.at, it.attempt, it.envelope) for it in entries if isinstance(it, AttemptSent)]
    assert [len(body["events"]) for body in bodies] == [2, 1, 1]
    assert sent == [(3_000, 1, 1), (3_000, 2, 1), (4_000, 3, 3), (11_000, 4, 4)]


def test_event_grid_gathers_what_all_regions_have() -> None:
    """One request to one address; each attempt is of the region that the event names."""
    target = Target()
    scenario = loads("""
scenario: s
title: t
regions: [eastus, westus]
latency: 0s
sender: {profile: event-grid, envelope: 2s}
operations:
  - {image: "a:1", reaches: {eastus: 1s, westus: 2s}}
""")

    entries, _ = drive(scenario, target)

    ((_, request),) = target.requests
    assert [event["data"]["location"] for event in json.loads(request.body)] == ["eastus", "westus"]
    assert request.target == "/api/EventGrid"
    sent = [(it.at, it.region, it.url_region, it.envelope) for it in entries if isinstance(it, AttemptSent)]
    assert sent == [(3_000, "eastus", "eastus", 1), (3_000, "westus", "westus", 1)]


def test_an_event_that_has_expired_is_given_up() -> None:
    """After 24 hours, of which the last attempt comes at 22 h 46 min 40 s and eleven times 30 s."""
    target = Target(500)

    entries, _ = drive(loads(PUSH + "sender: {profile: event-grid}\n"), target)

    assert len([it for it in entries if isinstance(it, AttemptSent)]) == 2 * 11


def test_what_is_never_sent_is_recorded_with_its_fault() -> None:
    """The judge has to know that nothing was under way."""
    scenario = loads(PUSH + "faults: [{fault: drop, region: westus}]\n")

    entries, _ = drive(scenario, target := Target())

    assert len(target.requests) == 1
    assert [(it.region, it.op) for it in entries if isinstance(it, Unsent)] == [("westus", "op1")]
    assert [it.fault for it in entries if isinstance(it, FaultApplied)] == [0]


def test_a_lost_request_never_arrives_and_a_lost_response_does() -> None:
    """Both look the same to the sender, but for the reason that the history gives."""
    lost = loads(PUSH + "sender: {profile: retry}\nfaults: [{fault: lose-request, region: eastus}]\n")
    unanswered = loads(PUSH + "sender: {profile: retry}\nfaults: [{fault: lose-response, region: eastus}]\n")

    entries, _ = drive(lost, request := Target())
    others, _ = drive(unanswered, response := Target())

    assert (len(request.requests), len(response.requests)) == (2, 3)
    assert next(it.error for it in entries if isinstance(it, AttemptEnded) and it.error) == "lost"
    assert next(it.error for it in others if isinstance(it, AttemptEnded) and it.error) == "reset"


def test_a_sender_begins_to_wait_when_it_has_sent_its_body() -> None:
    """An answer that takes three seconds comes in time, however slow the sender itself was."""
    slow = "faults: [{fault: slow-client, region: eastus, over: 9s}]\n"

    in_time, _ = drive(loads(PUSH + slow), Target(takes_ms=3_000))
    never, _ = drive(loads(PUSH + slow), Target(takes_ms=60_000))

    ends = [it for it in in_time if isinstance(it, AttemptEnded)]
    assert [(it.at, it.status) for it in ends] == [(5_000, 202), (13_000, 202)]
    assert [it.at for it in never if isinstance(it, AttemptEnded)] == [12_000, 20_000]


def test_the_limit_of_requests_is_awaited_before_each_of_them() -> None:
    """And what it takes is no part of the attempt."""

    async def throttle() -> None:
        await asyncio.sleep(5)

    entries, _ = drive(loads(PUSH), Target(), throttle=throttle)

    assert [it.at for it in entries if isinstance(it, AttemptSent)] == [6_000, 7_000]


def test_a_notification_is_about_the_operation_of_its_id_or_its_image() -> None:
    """The id first; anything else is about no operation."""
    scenario = loads(PUSH.replace("{image:", "{id: 'given', image:"))

    def ask(driver: RegistryDriver) -> list[str | None]:
        image: dict[str, Any] = {"action": "push", "repository": "team/app", "tag": "1"}
        digest = next(FakeRegistry(scenario, seed=0, epoch_ms=0).occurrences()).digest
        bodies: list[dict[str, Any] | None] = [
            {"id": "given"},
            image | {"digest": digest},
            image | {"digest": "sha256:0"},
            {},
            None,
        ]
        return [driver.operation_of(body) for body in bodies]

    _, found = drive(scenario, Target(), ask=ask)

    assert found == ["op1", "op1", None, None, None]


# --- one request ---

SIGNED = load(find("signed"))


def delivery(**changes: Any) -> Delivery:
    first = next(FakeRegistry(SIGNED, seed=0, epoch_ms=0).occurrences()).deliveries[0]
    return replace(first, forged="", signed_earlier_ms=0, **changes)


def verified(request: WebhookRequest, secret: str) -> bool:
    try:
        Webhook(secret).verify(request.body, dict(request.headers))
    except WebhookVerificationError:
        return False
    return True


@pytest.mark.parametrize(
    ("forged", "valid"), [("", True), ("wrong-secret", False), ("altered", False), ("unsigned", False)]
)
def test_a_request_is_signed_as_the_reference_library_verifies_it(forged: str, *, valid: bool) -> None:
    """But for the ways in which a scenario has it wrong."""
    it = replace(delivery(), forged=forged)

    with time_machine.travel(1_772_323_200, tick=False):
        request = build_request((it,), SIGNED, at_ms=0, epoch_ms=1_772_323_200_000)

        assert verified(request, SIGNED.signing.secrets[0]) is valid
    assert json.loads(request.body) == json.loads(it.request.body)
