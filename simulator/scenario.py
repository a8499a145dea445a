"""What a scenario says: the shapes that its YAML is read into.

Rules of this file: every shape is frozen and refuses fields that it does not know; a `Scenario` that exists
is valid, so nobody downstream checks again; durations are already milliseconds (`Millis`), multiples of the
timeout already multiplied out. `simulator.loading` reads the YAML and reports what is wrong with it.

`simulator.schema` reads the docstrings: what stands here is what an editor shows, so it speaks of YAML.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from simulator.notation import (
    Count,
    EventId,
    HeaderName,
    HeaderValue,
    Host,
    Image,
    Key,
    Name,
    OneLine,
    OperationRef,
    RegionName,
    RegionRef,
    Scope,
    ShortText,
    Slug,
    Some,
    Uri,
)
from simulator.units import Millis

TIMEOUT_MS_MAX = 3650 * 86_400_000  # ten years
REPEAT_MAX = 100_000

Action = Literal["push", "delete", "chart_push", "chart_delete", "quarantine", "ping"]
ACTIONS: tuple[Action, ...] = ("push", "delete", "chart_push", "chart_delete", "quarantine", "ping")
# The five that a webhook can subscribe to; ``ping`` only ever comes when asked for. [webhook reference]
Subscribable = Literal["push", "delete", "chart_push", "chart_delete", "quarantine"]
SUBSCRIBABLE: tuple[Subscribable, ...] = ("push", "delete", "chart_push", "chart_delete", "quarantine")


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A misspelt field is an error, never a default."""


class Delay(Strict, frozen=True):
    """How long something takes: fixed, evenly spread, or log-normal around a median.

    YAML writes a bare duration for a fixed delay, ``{min: 1s, max: 5s}`` for an even spread and
    ``{median: 3s, sigma: 0.8}`` for a log-normal one. Draws come from the run's seed.

    Attributes:
        fixed: Always so long; the same as a bare duration.
        min: The shortest of an even spread; needs ``max``.
        max: The longest of an even spread; needs ``min``.
        median: One half of the draws is shorter, the other longer.
        sigma: How far the draws lie from the median, as the logarithm's standard deviation.
    """

    fixed: Millis | None = None
    min: Millis | None = None
    max: Millis | None = None
    median: Some | None = None
    sigma: Annotated[float, Meta(ge=0, le=5)] = 0.5


class Webhook(Strict, frozen=True):
    """One region's webhook configuration, with the registry's own names.

    Attributes:
        uri: The service URI below the aggregator's address; ``{region}`` stands for the region.
        headers: Sent with every request, in place of the registry's own of the same name.
        actions: What the webhook is sent for.
        scope: ``""`` (everything), ``repo:*``, ``repo:tag``, or ``repo``, which means ``repo:latest``.
        status: A disabled webhook is never sent.
    """

    uri: Uri = "/api/ImagePush?region={region}"
    headers: dict[HeaderName, HeaderValue] = {}
    actions: Annotated[tuple[Subscribable, ...], Meta(min_length=1)] = SUBSCRIBABLE
    scope: Scope = ""
    status: Literal["enabled", "disabled"] = "enabled"


Quirk = Literal[
    "no-useragent", "no-request", "no-media-type", "empty-tag", "nine-digit-timestamp", "extra-fields"
]


class Operation(Strict, frozen=True):
    """Something that happens in the registry, or ``repeat`` of them, ``every`` so often.

    Attributes:
        image: What is pushed or deleted; ``{n}`` stands for the repetition, from 1.
        name: By which the rest of the scenario knows it; op1, op2, … by position when left out.
        at: When it happens.
        action: What happens, as the payload names it.
        home: The region that took the push, whose webhook waits for no replication; the first when left out.
        reaches: By region, how long after ``at`` its webhook fires, or ``never``.
        id: The payload's id, in which ``{n}`` is the repetition; drawn from the seed when left out.
        repeat: So many of them happen.
        every: So long after each other.
        quirks: What real payloads were seen to lack, or to have beyond the reference.
    """

    image: Image = "team/app:1.0.0"
    name: Name = ""  # the loader fills it in
    at: Millis = 0
    action: Action = "push"
    home: RegionRef = ""  # the loader fills it in
    reaches: dict[RegionRef, Annotated[Delay | None, Meta(extra={"none": "never"})]] = {}  # None: never
    id: EventId = ""
    repeat: Annotated[int, Meta(ge=1, le=REPEAT_MAX)] = 1
    every: Millis = 0
    quirks: tuple[Quirk, ...] = ()


Profile = Literal["acr", "retry", "standard-webhooks", "cncf-distribution"]


class Sender(Strict, frozen=True):
    """How deliveries are attempted. What is left out keeps the profile's own figure.

    Attributes:
        profile: Whose habits the registry has when it delivers.
        attempts: How often one delivery is tried at most.
        timeout: How long one attempt waits for an answer.
    """

    profile: Profile = "acr"
    attempts: Count | None = None
    timeout: Some | None = None


# --- faults: each one's ``fault:`` is its class's tag ---


class OnDelivery(Strict, frozen=True):
    """Which deliveries a fault bites; what is left out matches all.

    Attributes:
        region: Bites the deliveries of this region's webhook only.
        operation: Bites this operation's deliveries only; ``name/3`` is its third repetition.
        chance: How likely it bites; drawn from the seed for each delivery.
    """

    region: RegionRef = ""
    operation: OperationRef = ""
    chance: Annotated[float, Meta(ge=0, le=1)] = 1.0


class Drop(OnDelivery, frozen=True, tag_field="fault", tag="drop"):
    """The registry never sends it."""


class DelayBy(OnDelivery, frozen=True, tag_field="fault", tag="delay", kw_only=True):
    """The registry sends it later.

    Attributes:
        by: So much later.
    """

    by: Delay


class Duplicate(OnDelivery, frozen=True, tag_field="fault", tag="duplicate"):
    """The registry sends it again.

    Attributes:
        after: One duration for each copy, counted from the delivery itself.
    """

    after: Annotated[tuple[Millis, ...], Meta(min_length=1, max_length=10_000)] = (1_000,)


class Reorder(OnDelivery, frozen=True, tag_field="fault", tag="reorder", kw_only=True):
    """Deliveries change places.

    Attributes:
        within: Each one is held back by up to so much, as the seed draws.
    """

    within: Some


class LoseRequest(OnDelivery, frozen=True, tag_field="fault", tag="lose-request"):
    """Requests vanish on the way; the sender waits in vain.

    Attributes:
        attempts: The delivery's first requests that vanish.
    """

    attempts: Count = 1


class LoseAnswer(OnDelivery, frozen=True, tag_field="fault", tag="lose-answer"):
    """The aggregator processes requests and the connection breaks before its answers arrive.

    Attributes:
        attempts: The delivery's first requests that stay without an answer.
    """

    attempts: Count = 1


Malformation = Literal[
    "not-json", "truncated", "empty", "not-an-object", "no-id", "empty-id",
    "wrong-types", "no-action", "not-utf8", "huge", "deep", "no-target",
]  # fmt: skip


class Malform(OnDelivery, frozen=True, tag_field="fault", tag="malform"):
    """The body is broken. It must be refused with a 4xx and must not count.

    Attributes:
        how: In which way it is broken.
    """

    how: Malformation = "not-json"


class UnknownRegion(
    OnDelivery, frozen=True, tag_field="fault", tag="unknown-region", rename={"claims": "as"}
):
    """The URL names a region that nobody expects, or none at all.

    Attributes:
        as: What the URL names instead of the region; empty for no region at all.
    """

    claims: ShortText = "mars"


class WrongKey(OnDelivery, frozen=True, tag_field="fault", tag="wrong-key"):
    """The request carries a wrong function key. Needs a scenario with a ``key``."""


class SlowClient(OnDelivery, frozen=True, tag_field="fault", tag="slow-client", kw_only=True):
    """The body trickles in.

    Attributes:
        over: From its first byte to its last.
    """

    over: Some


class OnSink(Strict, frozen=True):
    """When a fault holds the sink, and for whose notifications.

    Attributes:
        since: When it begins; from the scenario's start.
        until: When it ends; never, when left out.
        operation: Holds this operation's notifications only.
    """

    since: Millis = 0
    until: Millis | None = None
    operation: OperationRef = ""


class SinkRefuses(OnSink, frozen=True, tag_field="fault", tag="sink-refuses"):
    """The sink answers that it does not want the notification.

    Attributes:
        status: The HTTP status of that answer.
    """

    status: Annotated[int, Meta(ge=300, le=599)] = 503


class SinkStalls(OnSink, frozen=True, tag_field="fault", tag="sink-stalls", kw_only=True):
    """The sink takes its time before it answers 200.

    Attributes:
        by: How long it takes.
    """

    by: Some


class SinkHangs(OnSink, frozen=True, tag_field="fault", tag="sink-hangs"):
    """The sink reads the notification and never answers."""


class SinkLosesAnswer(OnSink, frozen=True, tag_field="fault", tag="sink-loses-answer"):
    """The sink accepts notifications and the connection breaks before its 200 gets back.

    Attributes:
        times: The first notifications that this happens to.
    """

    times: Count = 1


class SinkDown(Strict, frozen=True, tag_field="fault", tag="sink-down"):
    """Nobody listens at the sink's address: connections are refused.

    Attributes:
        since: When it begins; from the scenario's start.
        until: When it ends; never, when left out.
    """

    since: Millis = 0
    until: Millis | None = None


Step = Literal["before-answer", "after-answer", "before-notify", "after-notify"]


class Crash(Strict, frozen=True, tag_field="fault", tag="crash"):
    """``kill -9``, at an instant or at a step, and a new start on the same data.

    A step is seen from outside, so that it works on any aggregator:
    ``before-answer``: it has committed and answered, and dies before the answer leaves;
    ``after-answer``: its 2xx has just reached the sender;
    ``before-notify``: it has decided and connects to the sink, and dies before the notification arrives;
    ``after-notify``: the sink has the notification, and it dies before the sink's 200 reaches it.

    Attributes:
        at: The instant; either this or ``step``.
        step: What it dies in the middle of; either this or ``at``.
        region: Narrows the steps of an answer to this region's webhooks.
        operation: Narrows a step to this operation.
        nth: Picks the nth time that the step is reached.
        down_for: How long it stays dead.
    """

    at: Millis | None = None
    step: Step | None = None
    region: RegionRef = ""
    operation: OperationRef = ""
    nth: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    down_for: Millis = 5_000


class Restart(Strict, frozen=True, tag_field="fault", tag="restart", kw_only=True):
    """An orderly stop (as SIGTERM) and a new start on the same data.

    Attributes:
        at: The instant of the stop.
        down_for: How long it stays down.
    """

    at: Millis
    down_for: Millis = 1_000


DeliveryFault = (
    Drop
    | DelayBy
    | Duplicate
    | Reorder
    | LoseRequest
    | LoseAnswer
    | Malform
    | UnknownRegion
    | WrongKey
    | SlowClient
)
SinkFault = SinkRefuses | SinkStalls | SinkHangs | SinkLosesAnswer | SinkDown
AggregatorFault = Crash | Restart
Fault = DeliveryFault | SinkFault | AggregatorFault


class Expectation(Strict, frozen=True):
    """What a scenario's author says must come of it.

    It is checked beside the oracle's own reasoning, never instead.

    Attributes:
        operation: Whose outcome; of one that repeats, each repetition's.
        outcome: What is notified; ``none``: nothing is.
        missing: The regions that the timeout must name.
        at: When the notification first reaches the sink …
        within: … at the latest so long after it.
    """

    operation: OperationRef
    outcome: Literal["completed", "timed_out", "none"]
    missing: tuple[RegionRef, ...] = ()
    at: Millis | None = None
    within: Millis = 1_000


class Scenario(Strict, frozen=True):
    """One world and what happens in it. Instants count from the scenario's start.

    Attributes:
        scenario: Its name, the same as its file's.
        title: One line, for lists.
        teaches: What a reader should learn.
        regions: Where the registry is, and what the aggregator waits for.
        timeout: How long after an operation's first committed arrival its deadline is.
        registry: The login server that pushers use, and that payloads name as ``request.host``.
        correlation: By what the aggregator is told to tie webhooks together.
        ids: Whether the payloads of all regions carry the same id.
        actions: Those that the aggregator is configured to fan in.
        key: The function key that the aggregator asks for; none when left out.
        latency: One way between registry and aggregator.
        sender: How deliveries are attempted: a profile, or a profile and figures of one's own.
        replication: By region, how long after an operation its webhook fires.
        webhooks: By region, where its webhook differs from the usual.
        operations: What happens in the registry.
        faults: What goes wrong.
        expect: What must come of it.
        verdict: What it must get from a healthy aggregator.
    """

    scenario: Slug
    title: OneLine
    teaches: str = ""
    regions: Annotated[tuple[RegionName, ...], Meta(min_length=1, max_length=100)] = (
        "northeurope",
        "westeurope",
        "eastus",
    )
    # A timeout cannot be a multiple of itself.
    timeout: Annotated[Millis, Meta(ge=1, le=TIMEOUT_MS_MAX, extra={"absolute": True})] = 120_000
    registry: Host = "demo.azurecr.io"
    correlation: Literal["event-id", "image"] = "event-id"
    ids: Literal["same", "distinct"] = "same"
    actions: Annotated[tuple[Subscribable, ...], Meta(min_length=1)] = SUBSCRIBABLE
    key: Key = ""
    latency: Delay = Delay(min=1, max=3)
    sender: Sender = Sender()
    replication: dict[RegionRef, Delay] = {}
    webhooks: dict[RegionRef, Webhook] = {}
    operations: tuple[Operation, ...] = ()
    faults: tuple[Fault, ...] = ()
    expect: tuple[Expectation, ...] = ()
    verdict: Literal["valid", "invalid", "unknown"] = "valid"
