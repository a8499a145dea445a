"""What a scenario says: the shapes that its YAML is read into.

Rules of this file: every shape is frozen and refuses fields that it does not know; a `Scenario` that exists
is valid and is not checked again; durations are already milliseconds (`Millis`), multiples of the
timeout already multiplied out. `simulator.language.load` reads the YAML and reports what is wrong with it.

`language.schema` reads the docstrings: what stands here is what an editor shows, so it speaks of YAML.
"""

from typing import Annotated, Literal

from msgspec import Meta

from fanin.simulator.durations import Millis
from fanin.simulator.event_grid import Schema
from fanin.simulator.faults.registry import AnyFault
from fanin.simulator.shapes import (
    Count,
    Delay,
    EventId,
    Glob,
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
    Secret,
    Slug,
    Some,
    Strict,
    Uri,
)
from fanin.simulator.wire import SUBSCRIBABLE, Action, Quirk, Subscribable

TIMEOUT_MS_MAX = 3650 * 86_400_000  # ten years
REPEAT_MAX = 100_000
REPLICAS_MAX = 5
PADDING_MAX = 1_000_000  # a body with so much in it is shorter than 1 MiB, which an aggregator must accept


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
    headers: dict[HeaderName, HeaderValue] = {}  # noqa: RUF012 - msgspec copies it
    actions: Annotated[tuple[Subscribable, ...], Meta(min_length=1)] = SUBSCRIBABLE
    scope: Scope = ""
    status: Literal["enabled", "disabled"] = "enabled"


class Operation(Strict, frozen=True):
    """Something that happens in the registry, or ``repeat`` of them, ``every`` so often.

    Attributes:
        image: What is pushed or deleted; ``{n}`` stands for the repetition, from 1.
        name: Its name in the rest of the scenario; op1, op2, … by position when left out.
        at: When it happens.
        action: What happens, as the payload names it.
        home: The region that took the push, whose webhook waits for no replication; the first when left out.
        reaches: By region, how long after ``at`` its webhook fires, or ``never``.
        id: The payload's id, in which ``{n}`` is the repetition; drawn from the seed when left out.
        repeat: How many of them happen.
        every: How long after each other.
        quirks: What real payloads were seen to lack, or to have beyond the reference.
        padding: So many characters are in a field of its payload that no documentation mentions.
    """

    image: Image = "team/app:1.0.0"
    name: Name = ""  # the loader fills it in
    at: Millis = 0
    action: Action = "push"
    home: RegionRef = ""  # the loader fills it in
    # None: never
    reaches: dict[RegionRef, Annotated[Delay | None, Meta(extra={"none": "never"})]] = {}  # noqa: RUF012
    id: EventId = ""
    repeat: Annotated[int, Meta(ge=1, le=REPEAT_MAX)] = 1
    every: Millis = 0
    quirks: tuple[Quirk, ...] = ()
    padding: Annotated[int, Meta(ge=0, le=PADDING_MAX)] = 0


class Only(Strict, frozen=True):
    """What the aggregator is configured to fan in; what is left out leaves nothing out.

    Attributes:
        repositories: Globs in which ``*`` stands for any text and ``?`` for one character; ``!`` excludes.
        tags: The same of tags. A push by digest has none, and is left out where there are some.
        tagged: Whether pushes by digest are left out.
        attachments: Whether signatures, attestations and SBOMs, under tags like ``sha256-….sig``, fan in.
    """

    repositories: tuple[Glob, ...] = ()
    tags: tuple[Glob, ...] = ()
    tagged: bool = False
    attachments: bool = True

    @property
    def leaves_out(self) -> bool:
        """Whether there is anything that does not fan in."""
        return self != Only()


ProfileName = Literal["acr", "retry", "standard-webhooks", "cncf-distribution", "event-grid"]


class Sender(Strict, frozen=True):
    """How deliveries are attempted. What is left out keeps the profile's own figure.

    Attributes:
        profile: The kind of sender whose schedule and rules the registry follows.
        attempts: How often one delivery is tried at most.
        timeout: How long one attempt waits for an answer.
        envelope: How long it gathers what a region has to send, to send it as one request; ``event-grid``
            gathers what all of them have.
        schema: The schema of ``event-grid``'s events: its own, or CloudEvents 1.0.
    """

    profile: ProfileName = "acr"
    attempts: Count | None = None
    timeout: Some | None = None
    envelope: Some | None = None
    schema: Schema = "event-grid"


class Signing(Strict, frozen=True):
    """Deliveries are signed, as Standard Webhooks has it. Without secrets they are not.

    Attributes:
        secrets: What the aggregator accepts; the sender signs with the first …
        rotates: … and from this instant on with the second.
    """

    secrets: Annotated[tuple[Secret, ...], Meta(max_length=2)] = ()
    rotates: Millis | None = None


class Expectation(Strict, frozen=True):
    """What a scenario's author says must come of it.

    It is checked beside the oracle's own reasoning, never instead.

    Attributes:
        operation: Whose outcome; of one that repeats, each repetition's.
        outcome: What is notified; ``none``: nothing is.
        missing: The regions that the timeout must name.
        at: When the notification first reaches the sink …
        within: … at most so much later.
    """

    operation: OperationRef
    outcome: Literal["completed", "timed_out", "none"]
    missing: tuple[RegionRef, ...] = ()
    at: Millis | None = None
    within: Millis = 1_000


class Scenario(Strict, frozen=True):
    """What happens to a registry, an aggregator and a sink. Instants count from the scenario's start.

    Attributes:
        scenario: Its name, the same as its file's.
        title: One line, for lists.
        description: What a reader should learn from it, and why it must come out as it does.
        regions: The registry's replicas, and what the aggregator waits for.
        expects: Those that the aggregator is configured with at first; all of them when left out.
        timeout: How long after an operation's first committed arrival its deadline is.
        registry: The login server that pushers use, and that payloads name as ``request.host``.
        correlation: By what the aggregator is configured to correlate webhooks.
        ids: Whether the payloads of all regions carry the same id.
        actions: Those that the aggregator is configured to fan in.
        only: What else it is configured to fan in; everything when left out.
        notifies_late: Whether it is configured to send a message of its own when the last region that was
            missing reports after all.
        key: The function key that the aggregator asks for; none when left out.
        replicas: How many processes share the aggregator's data; webhooks go to them in turn.
        signing: How deliveries are signed; they are not when left out.
        latency: One way between registry and aggregator.
        sender: How deliveries are attempted: a profile, or a profile and figures of one's own.
        replication: By region, how long after an operation its webhook fires.
        webhooks: By region, where its webhook differs from the usual.
        operations: What happens in the registry.
        faults: What goes wrong.
        expect: What must come of the operations.
        verdict: What a correct aggregator must get.
    """

    scenario: Slug
    title: OneLine
    description: str = ""
    regions: Annotated[tuple[RegionName, ...], Meta(min_length=1, max_length=100)] = (
        "northeurope",
        "westeurope",
        "eastus",
    )
    expects: Annotated[tuple[RegionRef, ...], Meta(max_length=100)] = ()
    # A timeout cannot be a multiple of itself.
    timeout: Annotated[Millis, Meta(ge=1, le=TIMEOUT_MS_MAX, extra={"absolute": True})] = 120_000
    registry: Host = "demo.azurecr.io"
    correlation: Literal["event-id", "image"] = "event-id"
    ids: Literal["same", "distinct"] = "same"
    actions: Annotated[tuple[Subscribable, ...], Meta(min_length=1)] = SUBSCRIBABLE
    only: Only = Only()
    notifies_late: bool = False
    key: Key = ""
    replicas: Annotated[int, Meta(ge=1, le=REPLICAS_MAX)] = 1
    signing: Signing = Signing()
    latency: Delay = Delay(min=1, max=3)
    sender: Sender = Sender()
    replication: dict[RegionRef, Delay] = {}  # noqa: RUF012 - as above
    webhooks: dict[RegionRef, Webhook] = {}  # noqa: RUF012 - as above
    operations: tuple[Operation, ...] = ()
    faults: tuple[AnyFault, ...] = ()
    expect: tuple[Expectation, ...] = ()
    verdict: Literal["valid", "invalid", "unknown"] = "valid"
