"""A geo-replicated registry: what is pushed to it and deleted from it, and which webhooks it sends for that.

Rules of this file: it decides (`simulator.plan`) and does nothing; no clock, no sockets; the seed makes every
random choice. What is faithful to the real registry, and what is not known outside it, is in
``docs/fake-registry.md``; where that page names a default, the code here has it.
"""

import heapq
import random
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import structs

from fanin.simulator.event_grid import PATH, in_envelope
from fanin.simulator.faults.apply import DeliveryFaults
from fanin.simulator.language.scenario import Operation, Scenario, Webhook
from fanin.simulator.plan import Delivery, Occurrence, UnsentDelivery
from fanin.simulator.rng import LazyRandom, sample_ms, seeded_random
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import (
    DELETER,
    PUSHER,
    Event,
    Image,
    WebhookRequest,
    address,
    encode,
    normalise_region,
    parse_image,
    payload,
    timestamp,
    webhook_request,
    with_body,
)

__all__ = ["Delivery", "FakeRegistry", "Occurrence", "UnsentDelivery", "scope_matches"]

# There are no published figures for replication lag; small images are seen within seconds.
REPLICATION = Delay(min=500, max=5_000)
# The sender profile of the registry's other channel; see `fanin.simulator.event_grid`.
EVENT_GRID = "event-grid"


def scope_matches(scope: str, repository: str, tag: str | None) -> bool:
    """Whether a webhook of this scope is sent for an event. A tagless event is a delete or a push by digest.

    ``""`` is everything, ``foo:*`` all of foo, ``foo:bar`` that tag, and ``foo`` is ``foo:latest`` [the REST
    API's webhook model]. Undocumented, and our choice: names compare exactly, a tagless event matches ``""``
    and ``foo:*`` only, and what looks like another wildcard (``foo/*``, ``*:tag``) matches nothing.
    """
    if not scope:
        return True
    wanted, colon, pattern = scope.partition(":")
    if wanted != repository:
        return False
    return pattern == "*" or tag == (pattern if colon else "latest")


@dataclass(frozen=True, slots=True)
class _RegionalWebhook:
    """One region's webhook, with what all its requests share."""

    region: str
    settings: Webhook
    request: WebhookRequest  # without a body
    invalid_because: str


class FakeRegistry:
    """Plays the operations of one scenario.

    Args:
        scenario: What happens.
        seed: Decides every random choice.
        epoch_ms: Unix milliseconds of the scenario's start; only timestamps in payloads depend on it.
    """

    def __init__(self, scenario: Scenario, *, seed: int, epoch_ms: int) -> None:
        self._scenario, self._seed, self._epoch_ms = scenario, seed, epoch_ms
        self._faults = DeliveryFaults(scenario.faults, regions=scenario.regions, seed=seed)
        self._webhooks = [_webhook(scenario, region) for region in scenario.regions]
        self._order = {region: place for place, region in enumerate(scenario.regions)}

    def occurrences(self) -> Iterator[Occurrence]:
        """Everything that happens, by ``at_ms``, then in the scenario's order; made one by one."""
        operations = self._scenario.operations
        repetitions = heapq.merge(
            *(_repetitions(index, operation) for index, operation in enumerate(operations))
        )
        for at_ms, index, n in repetitions:
            operation = operations[index]
            name = operation.name or f"op{index + 1}"
            yield self._occurrence(operation, name, n, at_ms)

    def _occurrence(self, operation: Operation, name: str, n: int, at_ms: int) -> Occurrence:
        op = name if operation.repeat == 1 else f"{name}/{n}"
        event = self._event(operation, op, n, at_ms)
        facts = payload(event, operation.quirks)
        if operation.padding:
            facts["padding"] = "x" * operation.padding
        tag = facts.get("target", {}).get("tag") or None
        ids = {
            webhook.region: self._id(operation, event.id, op, webhook.region) for webhook in self._webhooks
        }
        bodies = {each: encode({**facts, "id": each}) for each in dict.fromkeys(ids.values())}
        deliveries: list[Delivery] = []
        unsent: list[UnsentDelivery] = []
        for webhook in self._webhooks:
            region, delay_ms = webhook.region, self._delay_ms(operation, op, webhook.region)
            due_ms = at_ms + (delay_ms or 0)
            if why := _why_unsent(operation, webhook.settings, event.repository, tag, delay_ms):
                unsent.append(UnsentDelivery(due_ms, op, region, why))
                continue
            request = with_body(webhook.request, bodies[ids[region]])
            if self._scenario.sender.profile == EVENT_GRID:
                own = structs.replace(event, id=ids[region])
                request = in_envelope(request, own, registry=self._scenario.registry, region=region)
            planned = Delivery(due_ms, op, region, ids[region], 0, request, webhook.invalid_because)
            left, dropped_by = self._faults.apply(planned, name)
            deliveries += left
            if dropped_by is not None:
                unsent.append(UnsentDelivery(due_ms, op, region, "dropped", dropped_by))
        deliveries.sort(key=lambda each: (each.due_ms, self._order[each.region], each.copy))
        host = facts.get("request", {}).get("host", "")
        return Occurrence(
            at_ms, op, operation.action, host, event.repository, tag, event.digest or None,
            ids, tuple(deliveries), tuple(unsent), _details(facts),
        )  # fmt: skip

    def _event(self, operation: Operation, op: str, n: int, at_ms: int) -> Event:
        """What the payload says, the same in every region. An explicit id changes none of the other draws."""
        rng = seeded_random(self._seed, "payload ids", op)
        drawn_id, request_id, nanos = _uuid(rng), _uuid(rng), rng.randrange(1_000_000)
        digits = 9 if "nine-digit-timestamp" in operation.quirks else 7
        event_id = operation.id.replace("{n}", str(n)) or drawn_id
        at = timestamp(self._epoch_ms + at_ms, nanos, digits=digits)
        if operation.action == "ping":
            return Event(action="ping", id=event_id, timestamp=at)
        image = parse_image(operation.image.replace("{n}", str(n)))
        digest = image.digest or self._digest(image, op)
        return Event(
            action=operation.action,
            id=event_id,
            timestamp=at,
            repository=image.repository,
            tag=image.tag,
            digest=digest,
            size=400 + zlib.crc32(digest.encode()) % 3_600,  # as manifests are; equal content is equally long
            request_id=request_id,
            host=self._scenario.registry,
            useragent=DELETER if operation.action == "delete" else PUSHER,
        )

    def _id(self, operation: Operation, event_id: str, op: str, region: str) -> str:
        if self._scenario.ids == "same":
            return event_id
        if operation.id:
            return f"{event_id}-{region}"
        return _uuid(seeded_random(self._seed, "payload ids", op, region))

    def _digest(self, image: Image, op: str) -> str:
        """Equal references have equal content: in a push, in its repetition and in its delete."""
        content = (image.repository, image.tag) if image.tag else (image.repository, "", op)
        return f"sha256:{seeded_random(self._seed, 'digest', *content).randbytes(32).hex()}"

    def _delay_ms(self, operation: Operation, op: str, region: str) -> int | None:
        """The time from the operation to this region's webhook; None when the operation never reaches it."""
        if operation.action == "ping":
            return 0
        if region in operation.reaches:
            delay = operation.reaches[region]
        elif region in self._scenario.replication:
            delay = self._scenario.replication[region]
        elif region == (operation.home or self._scenario.regions[0]):
            return 0
        else:
            delay = REPLICATION
        return None if delay is None else sample_ms(delay, LazyRandom(self._seed, "replication", op, region))


def _details(facts: dict[str, Any]) -> dict[str, str]:
    target, request = facts.get("target", {}), facts.get("request", {})
    found = {
        "registry": request.get("host"),
        "name": target.get("name"),
        "version": target.get("version"),
        "mediaType": target.get("mediaType"),
        "requestId": request.get("id"),
    }
    return {name: text for name, text in found.items() if text}


def _webhook(scenario: Scenario, region: str) -> _RegionalWebhook:
    webhook = scenario.webhooks.get(region, Webhook())
    uri = PATH if scenario.sender.profile == EVENT_GRID else webhook.uri
    request = webhook_request(address(uri, region, scenario.key), webhook.headers, b"")
    expected = {normalise_region(each) for each in scenario.regions}
    known = request.url_region is not None and normalise_region(request.url_region) in expected
    return _RegionalWebhook(region, webhook, request, "" if known else "unknown-region")


def _repetitions(index: int, operation: Operation) -> Iterator[tuple[int, int, int]]:
    """When an operation happens, its place in the scenario, and the number of the repetition, from 1."""
    for n in range(operation.repeat):
        yield operation.at + n * operation.every, index, n + 1


def _why_unsent(
    operation: Operation, webhook: Webhook, repository: str, tag: str | None, delay_ms: int | None
) -> Literal["disabled", "action", "scope", "never-replicated"] | None:
    """Why this webhook is not sent. A ping asks for no subscription and no replication."""
    if operation.action == "ping":
        return None
    if webhook.status == "disabled":
        return "disabled"
    if operation.action not in webhook.actions:
        return "action"
    if not scope_matches(webhook.scope, repository, tag):
        return "scope"
    return "never-replicated" if delay_ms is None else None


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
