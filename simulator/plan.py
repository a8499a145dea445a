"""What the fake registry has decided, for others to carry out: operations and their webhooks.

Rules of this file: data only; instants are integer milliseconds since the scenario's start.
"""

from typing import Any, Literal

from msgspec import Struct, field, structs

from fanin.simulator.wire import Action, WebhookRequest


class Delivery(Struct, frozen=True):
    """One webhook delivery to come. A copy that a fault made is a delivery of its own."""

    due_ms: int  # when its first attempt leaves the registry
    op: str
    region: str  # whose webhook it is
    id: str  # the operation's payload id in this region, even when a fault kept it out of the body
    copy: int  # 0 for the delivery itself, 1… for its copies
    request: WebhookRequest
    # Why a correct aggregator must refuse it; empty when it is valid.
    # ``malformed:<how>``, ``unknown-region``, ``wrong-key``, ``forged:<how>`` or ``stale-signature``; the
    # first reason that a delivery got is kept.
    invalid_because: str = ""
    faults: tuple[int, ...] = ()  # indices of the scenario's faults that changed it, in that order
    lose_requests: int = 0  # so many of its first attempts are lost on the way …
    lose_requests_fault: int | None = None  # … because of this fault
    lose_responses: int = 0  # so many of its first attempts are processed and lose their answer …
    lose_responses_fault: int | None = None  # … because of this fault
    body_over_ms: int = 0  # how long the body takes to arrive
    forged: str = ""  # how its signature is wrong (`fanin.simulator.faults.request.Forge`)
    signed_earlier_ms: int = 0  # so much older than the request is its signature

    def changed_by(self, fault: int, **changes: Any) -> "Delivery":
        """The same delivery with other fields, and with the index of the fault that changed them."""
        return structs.replace(self, faults=(*self.faults, fault), **changes)


class UnsentDelivery(Struct, frozen=True):
    """A webhook that a region should or might have sent, and that is never sent."""

    due_ms: int  # when it would have left; for a region that the operation never reaches, when it happened
    op: str
    region: str
    why: Literal["dropped", "disabled", "action", "scope", "never-replicated"]
    fault: int | None = None  # the index of the fault that dropped it


class Occurrence(Struct, frozen=True):
    """One registry operation, and the webhooks that come of it."""

    at_ms: int
    op: str  # unique in the run: the scenario's operation name, with /n when it repeats
    action: Action
    host: str  # as the payload has it: empty for a chart, and where the request is left out
    repository: str  # empty for a ping
    tag: str | None  # as the payload has it: None for a delete and for a push by digest
    digest: str | None  # None for a ping
    ids: dict[str, str]  # payload id by region, for every region of the registry
    deliveries: tuple[Delivery, ...]  # by due_ms, then in the scenario's order of regions, then by copy
    unsent: tuple[UnsentDelivery, ...]  # in the scenario's order of regions
    # What else the payload says and a notification may repeat, by the notification's name for it.
    details: dict[str, str] = field(default_factory=dict)
